"""A program that calls the package on many ranks: PRODUCT OUTPUT. Prints each rank's result.

With a third argument the plan cannot be made, for a reason that nobody has foreseen.
"""

import os
import sys
from pathlib import Path

from mpi4py import MPI

from s2rgb_mpi import Job, Profile, convert, errors
from s2rgb_mpi.plan import prepare

job = Job((sys.argv[1],), Path(sys.argv[2]), profile=Profile(tile=64), window=128)
if sys.argv[3:]:
    prepare.prepare = None  # type: ignore[assignment]
try:
    answer = str(convert(job, MPI.COMM_WORLD).nbytes)
except errors.S2RGBError as error:
    answer = type(error).__name__
# In one system call: pieces of several ranks would be mixed.
os.write(sys.stdout.fileno(), f"{MPI.COMM_WORLD.rank}:{answer}\n".encode())
