"""The program, but workers hold after a few windows of a job's first start.

They go on when a signal comes. Called as the interpreter of a job: -m s2rgb_mpi ARGUMENTS.
"""

import os
import sys
import time

from s2rgb_mpi import __main__, signals, worker  # isort: skip  before MPI, which it sets up

from mpi4py import MPI  # isort: skip

WINDOWS = 2
blocks = worker.blocks


def held(*arguments):
    for number, block in enumerate(blocks(*arguments)):
        if number == WINDOWS:
            hold()
        yield block


def hold():
    while not signals.finishing():
        signals.check()
        MPI.COMM_WORLD.Iprobe()  # blocks that were sent are still to be delivered
        time.sleep(0.01)


if os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
    worker.blocks = held
sys.exit(__main__.main(sys.argv[3:]))
