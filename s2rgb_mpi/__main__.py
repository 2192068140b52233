"""The program's environment, before anything else is imported; its communicator and exit code."""

# ruff: noqa: E402  the environment must be set before some imports

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

# Libraries read these once, when they are loaded. One thread per rank: the ranks are the
# parallelism, and sixteen of them with sixteen threads each would compete for the cores.
os.environ.update(OPJ_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# If a standard stream is closed, the next file opened would get its number, and with it all that
# libraries print.
for _number in range(3):
    try:
        os.fstat(_number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)
sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115  open until the process ends
sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115

from s2rgb_mpi import signals

signals.listen()  # the imports below take seconds on a busy machine: a signal may arrive meanwhile

# Open MPI 5.0.7 (Debian 13) asks the kernel which addresses reach each other, and then finds no TCP
# connection between processes of a machine with a global IPv6 address: open-mpi/ompi#14079.
os.environ.setdefault("OMPI_MCA_reachable", "weighted")
if "--survive" in sys.argv:  # read when Open MPI starts; the reason is in ranks.ulfm
    os.environ.setdefault("OMPI_MCA_btl_tcp_eager_limit", str(4 * 2**20))

try:
    import mpi4py
    from mpi4py import MPI

    from s2rgb_mpi import gdalenv
    from s2rgb_mpi.cli import program
    from s2rgb_mpi.report.run_record import About
except (ImportError, MemoryError) as _error:
    # For example under a memory limit: a traceback from every rank would hide the cause.
    if os.environ.get("PMIX_RANK", os.environ.get("PMI_RANK", "0")) == "0":
        _cause = " ".join(str(_error).rpartition("Original error was: ")[2].split())  # numpy's
        sys.stderr.write(f"s2rgb_mpi: error: a library cannot be loaded: {_cause}\n")
    sys.exit(2)

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run this rank's part of the program; return the exit code of the whole.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; this process's own by default.
    """
    gdalenv.configure()
    arguments = sys.argv[1:] if argv is None else argv
    library, job_id = MPI.Get_library_version(), os.environ.get("SLURM_JOB_ID")
    about = About(arguments, library, mpi4py.__version__, job_id)
    return program.run(MPI.COMM_WORLD, about, os.environ)


if __name__ == "__main__":
    sys.exit(main())
