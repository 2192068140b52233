"""The program, one process each time, begun again and again without the cost of a start.

Arguments: how many seconds may pass between two commits of the journal; and the file that takes
what is said. Every line of standard input is a command line (JSON). The number of its process is
answered when it begins, and its exit code when it is over.
"""

import json
import os
import sys

import mpi4py

mpi4py.rc.initialize = False  # each process does that for itself

from s2rgb_mpi import __main__, journal  # isort: skip  # noqa: E402  before MPI, which it sets up

from mpi4py import MPI  # isort: skip  # noqa: E402

seconds, said = sys.argv[1:]
journal.COMMIT_SECONDS = float(seconds)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
        MPI.Init_thread()
        code = __main__.main(json.loads(line))
        MPI.Finalize()
        os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
