"""A program that calls the package on many ranks: PRODUCT OUTPUT. Prints each rank's result."""

import os
import sys
from pathlib import Path

from mpi4py import MPI

from s2rgb_mpi import Job, Profile, convert, errors

job = Job((sys.argv[1],), Path(sys.argv[2]), profile=Profile(tile=64), window=128)
try:
    answer = str(convert(job, MPI.COMM_WORLD).nbytes)
except errors.S2RGBError as error:
    answer = type(error).__name__
# In one system call: pieces of several ranks would be mixed.
os.write(sys.stdout.fileno(), f"{MPI.COMM_WORLD.rank}:{answer}\n".encode())
