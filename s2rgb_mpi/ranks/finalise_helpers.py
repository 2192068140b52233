"""Finalising in parallel: workers on the writer's machine copy a part of the tiles.

::

    worker                                   writer
      |  (its share is sent)                   |
      |  Ready (machine)              ------>  |  all blocks have arrived
      |  <------ Copy (tiles, files) / Dismiss |  copies its own part meanwhile
      |  Copied (whether it could)    ------>  |  copies what others could not

A worker on another machine is dismissed, and one for which the paths are other files declines. So
no worker is required: the writer alone makes the same file.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import OutputError, SilenceError, named
from s2rgb_mpi.ranks.messages import Copied, Copy, Dismiss, Ready, Tag, receive, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.output.geotiff.copying import Copies
    from s2rgb_mpi.ranks.loop import Loop
    from s2rgb_mpi.ranks.team import Rank

LEAST_NBYTES = 16_000_000
"""The smallest part worth a helper, bytes: it takes about ten milliseconds to copy."""


class Helpers:
    """The workers as helpers, on the writer's side.

    Parameters
    ----------
    rank : Rank
        The writer.
    workers : sequence of int
        Their ranks.
    timeout : float
        A worker must reply within this time, seconds.
    """

    def __init__(self, rank: Rank, workers: Sequence[int], timeout: float) -> None:
        self._comm = rank.comm
        self._loop = rank.loop
        self._waiting = list(workers)
        self._machines: dict[int, str] = {}
        self._sent: list[Any] = []
        self._timeout = timeout

    def copy(self, copies: Copies) -> None:
        """Copy the tiles, with the help of the workers on this machine.

        Raises
        ------
        OutputError
            A file cannot be read or written by the writer. (A helper's failure ends the run.)
        SilenceError
            A helper does not reply.
        """
        own_machine, files = machine(), files_of(copies)
        here = [rank for rank in self._waiting if self._machine(rank) == own_machine]
        helpers = here[: min(copies.nbytes // LEAST_NBYTES, (os.cpu_count() or 1) - 1)]
        own, *parts = copies.split(1 + len(helpers))
        asked = dict(zip(helpers, parts, strict=True))
        for rank, part in asked.items():
            self._order(rank, Copy(part, files))
        self.release()
        own.run(self._loop.attend)
        for rank, part in asked.items():
            copied: Copied = self._answer(rank, Tag.COPIED)
            if not copied.done:
                part.run(self._loop.attend)
        for order in self._sent:
            self._loop.until(partial(_is_sent, order))

    def release(self) -> None:
        """Dismiss the workers that are not needed."""
        for rank in list(self._waiting):
            self._machine(rank)  # so that its message is received in any case
            self._order(rank, Dismiss())

    def _machine(self, rank: int) -> str:
        """Return the identity of a worker's machine."""
        if rank not in self._machines:
            ready: Ready = self._answer(rank, Tag.READY)
            self._machines[rank] = ready.machine
        return self._machines[rank]

    def _order(self, rank: int, order: Copy | Dismiss) -> None:
        """Send a worker its order; each gets one."""
        self._waiting.remove(rank)
        self._sent.append(send(self._comm, order, dest=rank))

    def _answer(self, rank: int, tag: Tag) -> Any:
        """Wait for a message of a worker."""
        answer = _awaited(self._comm, self._loop, tag, rank, seconds=self._timeout)
        if answer is None:
            raise SilenceError(
                f"rank {rank} has sent no message for {self._timeout:g} s (--timeout)"
                " while the image is finalised"
            )
        return answer


def help_finalise(rank: Rank) -> None:
    """Wait for the writer's order, on a worker that is done, and carry it out.

    Raises
    ------
    OutputError
        A file cannot be read or written.
    """
    comm, loop, writer = rank.comm, rank.loop, rank.comm.size - 1
    with rank.tally.stage("idle"):
        sent = send(comm, Ready(machine()), dest=writer)
        order: Copy | Dismiss = _awaited(comm, loop, Tag.COPY, writer, idle=True)
        loop.until(partial(_is_sent, sent))
    if not isinstance(order, Copy):
        return
    with rank.tally.stage("finalise"):
        same = has_same_files(order.copies, order.files)
        if same:
            order.copies.run(loop.attend)
    with rank.tally.stage("idle"):
        sent = send(comm, Copied(same), dest=writer)
        loop.until(partial(_is_sent, sent))


def _awaited(
    comm: Any,
    loop: Loop,
    tag: Tag,
    source: int,
    *,
    seconds: float | None = None,
    idle: bool = False,
) -> Any:
    """Wait for a message and return it; None if the time limit was reached."""
    message = None

    def has_arrived() -> bool:
        nonlocal message
        message = receive(comm, tag, source)
        return message is not None

    loop.until(has_arrived, seconds=seconds, idle=idle)
    return message


def _is_sent(message: Any) -> bool:
    return bool(message.test()[0])


def machine() -> str:
    """Return the identity of this machine: its boot ID, until it restarts (random(4), Linux)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def files_of(copies: Copies) -> tuple[tuple[int, int], ...]:
    """Return device and inode of both files, which identify them on this machine."""
    found = []
    for path in (copies.source, copies.target):
        with named(path):
            status = path.stat()
        found.append((status.st_dev, status.st_ino))
    return tuple(found)


def has_same_files(copies: Copies, files: tuple[tuple[int, int], ...]) -> bool:
    """Return whether the paths are the same files as for the writer: not so in some containers."""
    try:
        return files_of(copies) == files
    except OutputError:
        return False
