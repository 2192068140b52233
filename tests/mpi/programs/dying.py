"""The program, but ranks die: RANK:CALL:SECONDS[,...], then the arguments.

A rank is killed so long after it has begun its n-th window (a worker), block (the writer) or news
(rank 0), wherever it then is, and before the next of them at the latest; at the 0th, at once.
"""

import os
import signal
import sys
from collections import Counter

from s2rgb_mpi import __main__, news, output, render, report  # isort: skip  sets up MPI
from s2rgb_mpi.survival import comm  # isort: skip

from mpi4py import MPI  # isort: skip

deaths, *arguments = sys.argv[1:]
PLACES = [(render.Renderer, "render"), (output.Output, "place"), (report.Report, "advance")]
calls: Counter[str] = Counter()
comm.PART_NBYTES = 10_000  # so that every block of these small products comes in parts
news.NEWS_WINDOWS = 1  # so that there are as many news as windows, however fast they come


def dying(function, call, seconds):
    """Make a function the last that this rank calls, but for that many calls before."""

    def last(*given, **named):
        calls[function.__name__] += 1
        if calls[function.__name__] > call:
            os.kill(os.getpid(), signal.SIGKILL)
        if calls[function.__name__] == call:
            signal.setitimer(signal.ITIMER_REAL, seconds)  # nothing handles it: it kills
        return function(*given, **named)

    return last


for death in deaths.split(","):
    rank, call, seconds = death.split(":")
    if int(rank) == MPI.COMM_WORLD.rank:
        if not int(call):
            os.kill(os.getpid(), signal.SIGKILL)
        for owner, name in PLACES:
            setattr(owner, name, dying(getattr(owner, name), int(call), float(seconds)))

sys.exit(__main__.main(arguments))
