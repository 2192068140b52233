"""The program, but the workers sleep SECONDS first: says what the waiting ranks use meanwhile."""

import sys
import time
from functools import partial

from s2rgb_mpi import __main__, coordinator, worker, writer

SECONDS = float(sys.argv[1])


def sleeping(blocks):
    def slow(*arguments):
        time.sleep(SECONDS)
        yield from blocks(*arguments)

    return slow


def watched(role, wait):
    """Say what share of a core a role has used after the workers' sleep, mostly by waiting."""

    def watching(*arguments, **named):
        wall, cpu = time.monotonic(), time.process_time()
        result = wait(*arguments, **named)
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        print(f"{role} used {share:.4f} of a core", flush=True)
        return result

    return watching


for owner, name, change in (
    (worker, "blocks", sleeping),
    (coordinator.Coordinator, "run", partial(watched, "coordinator")),
    (writer, "run", partial(watched, "writer")),
):
    setattr(owner, name, change(getattr(owner, name)))
sys.exit(__main__.main(sys.argv[2:]))
