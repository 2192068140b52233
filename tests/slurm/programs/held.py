"""The program, but workers hold after a few windows of a job's first start.

They go on when a signal comes. Called as the interpreter of a job: -m s2rgb_mpi ARGUMENTS.
"""

import os
import sys
import time

from s2rgb_mpi import __main__, signals  # isort: skip  before MPI, which it sets up
from s2rgb_mpi.ranks.blocks import BlockMaker  # isort: skip

from mpi4py import MPI  # isort: skip

WINDOWS = 2
make = BlockMaker.make
made = 0


def held(maker, number):
    global made  # noqa: PLW0603  of this process
    if made == WINDOWS:
        hold()
    made += 1
    return make(maker, number)


def hold():
    while not signals.finishing():
        signals.check()
        MPI.COMM_WORLD.Iprobe()  # blocks that were sent are still to be delivered
        time.sleep(0.01)


if os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
    setattr(BlockMaker, "make", held)  # noqa: B010  mypy takes no assignment to a method
sys.exit(__main__.main(sys.argv[3:]))
