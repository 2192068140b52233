"""The program, but one role breaks: ROLE HOW, then the arguments. Says when it breaks.

The journal is committed after every block, so that the kept blocks do not depend on the clock.
Ranks meet within --timeout where they are to break before.
"""

import errno
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from running import processes
from s2rgb_mpi import __main__, errors
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.output import assembler, workspace
from s2rgb_mpi.output.paths import part_path
from s2rgb_mpi.ranks import blocks, convert, render, roles, team, worker
from s2rgb_mpi.report.console import Report

role, how, *arguments = sys.argv[1:]


def empty_bands(renderer):
    """Cut files that are open: those that were only removed would still be there."""
    for band in renderer._plan.scene.members[0].product.bands:  # noqa: SLF001  nobody else knows it
        os.truncate(band.path, 0)


def flip_a_bit(_):
    """Damage the payload that is packed next, as a cable might."""

    def flipping(block, room):
        header, payload = wire.pack(block, room)
        damaged = payload.copy()
        damaged[payload.size // 2] ^= 1
        setattr(worker, "pack", wire.pack)  # noqa: B010  mypy knows no `worker.pack`
        return header, damaged

    setattr(worker, "pack", flipping)  # noqa: B010  likewise


def limit_files(nbytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, resource.RLIM_INFINITY))


def refuse(path, *_):
    """Refuse as a disk does that Linux has made read-only, because it fails."""
    with errors.named(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def suspend(_):
    """Stop every rank, this one last, as Slurm does with a job that has to wait."""
    ranks = [
        process.pid
        for process in processes(os.environ)
        if process.command.startswith(sys.executable)
    ]
    for rank in sorted(ranks, key=os.getpid().__eq__):
        os.kill(rank, signal.SIGSTOP)


def fail(_):
    raise ValueError("broken on purpose")


DEEDS = {
    "exception": fail,
    "flip": flip_a_bit,
    "empty-files": empty_bands,
    "missing-part": Path.unlink,
    "cut-part": lambda out: os.truncate(part_path(out._plan), out.nbytes // 2),  # noqa: SLF001
    "remove-folder": lambda out: shutil.rmtree(part_path(out._plan).parent),  # noqa: SLF001
    "disk-full": lambda out: limit_files(out.nbytes + 100),
    "no-room": lambda _: limit_files(1000),
    "suspend": suspend,
    "read-only": lambda out: refuse(part_path(out._plan)),  # noqa: SLF001
    "nap": lambda _: time.sleep(2),
    "hang": lambda _: time.sleep(3600),
    "rank 0 hangs": lambda comm: time.sleep(0 if comm.rank else 3600),
    "rank 1 naps": lambda team: time.sleep(2 if team.comm.rank == 1 else 0),
    "rank 1 hangs": lambda comm: time.sleep(3600 if comm.rank == 1 else 0),
    "SIGKILL": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda _: os.kill(os.getpid(), signal.SIGTERM),
    "SIGINT": lambda _: os.kill(os.getpid(), signal.SIGINT),
    "SIGUSR1": lambda _: os.kill(os.getpid(), signal.SIGUSR1),
}
"""What is done to, or with, the first argument of the function that breaks."""

PLACES = {
    "coordinator": (Report, "advance", 3),
    "worker at its start": (blocks, "Renderer", 1),
    "worker": (render.Renderer, "render", 6),
    "worker that asks": (team.Team, "ask", 1),
    "writer": (assembler.Output, "place", 4),
    "writer at its start": (assembler, "TileLog", 1),
    "all before the plan is known": (convert, "broadcast", 1),
    "all before the plan is dealt": (roles, "scatter", 1),
    "all before they meet": (roles, "barrier", 1),
    "all when the image is whole": (roles, "send_tally", 1),
    "writer at its end": (assembler.Output, "finish", 1),
}
"""The function that breaks, and at which call."""

owner, name, call = PLACES[role]
function, calls = getattr(owner, name), [0]


def broken(first, *rest, **named):
    calls[0] += 1
    if calls[0] == call:
        os.write(sys.stdout.fileno(), f"broke {time.monotonic()}\n".encode())
        DEEDS[how](first)
    return function(first, *rest, **named)


if role.startswith("all before"):
    team.SECONDS_TO_MEET = 0
setattr(assembler.Output, "look", assembler.Output.keep)  # noqa: B010  mypy takes no assignment to it
if how == "read-only":
    setattr(workspace, "_remove", refuse)  # noqa: B010  mypy takes no assignment to a function
setattr(owner, name, broken)
sys.exit(__main__.main(arguments))
