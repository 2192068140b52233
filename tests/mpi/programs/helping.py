"""The program, but helpers are used for any size of image; ranks that copy tiles are printed."""

import os
import sys

from s2rgb_mpi import __main__  # isort: skip  before MPI, which it sets up
from s2rgb_mpi.output.geotiff.copying import Copies  # isort: skip
from s2rgb_mpi.ranks import finalise_helpers  # isort: skip

from mpi4py import MPI  # isort: skip

run = Copies.run


def told(copies, attend):
    words = f"rank {MPI.COMM_WORLD.rank} copies {len(copies.tiles)} tiles\n"
    # In one system call: pieces of several ranks would be mixed.
    os.write(sys.stdout.fileno(), words.encode())
    run(copies, attend)


setattr(Copies, "run", told)  # noqa: B010  mypy takes no assignment to a method
setattr(os, "cpu_count", lambda: 100)  # noqa: B010  nor to a function
finalise_helpers.LEAST_NBYTES = 1
sys.exit(__main__.main(sys.argv[1:]))
