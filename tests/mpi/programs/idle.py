"""The program, but the workers sleep SECONDS first: prints how often the other ranks wake."""

import resource
import sys
import time
from functools import partial

from s2rgb_mpi import __main__
from s2rgb_mpi.ranks import coordinator, worker, writer

SECONDS = float(sys.argv[1])


def sleeping(maker):
    def slow(*arguments):
        time.sleep(SECONDS)
        return maker(*arguments)

    return slow


def watched(role, wait):
    """Print how often a role slept, and its share of a core, mostly while the workers sleep."""

    def watching(*arguments, **named):
        wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
        result = wait(*arguments, **named)
        seconds, after = time.monotonic() - wall, resource.getrusage(resource.RUSAGE_SELF)
        sleeps = (after.ru_nvcsw - before.ru_nvcsw) / seconds
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        share = cpu / seconds
        print(f"{role} slept {sleeps:.0f} times a second, used {share:.4f} of a core", flush=True)
        return result

    return watching


for owner, name, change in (
    (worker, "BlockMaker", sleeping),
    (coordinator.Coordinator, "run", partial(watched, "coordinator")),
    (writer, "run", partial(watched, "writer")),
):
    setattr(owner, name, change(getattr(owner, name)))
sys.exit(__main__.main(sys.argv[2:]))
