"""The program, but one role breaks: ROLE HOW, then the arguments. Says when it breaks."""

import os
import sys
import time
from pathlib import Path

from s2rgb_mpi import __main__, coordinator, output, render, worker

role, how, *arguments = sys.argv[1:]


def breaking(function):
    """Make a function break before it does its work, in the way that was asked for."""

    def broken(first, *rest, **named):
        print("broke", time.monotonic(), flush=True)
        if how == "exception":
            raise ValueError("broken on purpose")
        if how == "missing":
            for band in first.scene.members[0].product.bands:
                Path(band.path).unlink()
        if how == "missing-part":
            first.unlink()
        if how == "cut-part":
            os.truncate(first._plan.part_path, 100)  # noqa: SLF001  nobody else knows the plan
        return function(first, *rest, **named)

    return broken


PLACES = {
    ("coordinator", "exception"): (coordinator.Coordinator, "attend"),
    ("worker", "exception"): (render, "colour"),
    ("worker", "missing"): (worker, "blocks"),
    ("writer", "exception"): (output.Output, "place"),
    ("writer", "missing-part"): (output, "TileLog"),
    ("writer", "cut-part"): (output.Output, "finish"),
}
owner, name = PLACES[role, how]
setattr(owner, name, breaking(getattr(owner, name)))

sys.exit(__main__.main(arguments))
