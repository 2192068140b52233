"""Sealing with many hands: workers on the writer's machine copy their part of the tiles.

::

    worker                                   writer
      |  (its share is sent)                   |
      |  Here (machine)               ------>  |  all blocks have come
      |  <------ Copy (tiles, files) / Dismiss |  copies its own part meanwhile
      |  Copied (whether it could)    ------>  |  copies what others could not

A worker elsewhere, or one that sees other files under these names, is not asked, or says no. So
nothing depends on it: one process alone makes the same file.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import OutputError, SilenceError, named
from s2rgb_mpi.ranks.messages import Copied, Copy, Dismiss, Here, Tag, receive, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.output.geotiff.copying import Copies
    from s2rgb_mpi.ranks.loop import Loop
    from s2rgb_mpi.ranks.team import Rank

LEAST_NBYTES = 16_000_000
"""What is worth asking a helper for, bytes: some ten milliseconds of copying."""


class Helpers:
    """The workers, on the writer's side.

    Parameters
    ----------
    rank : Rank
        The writer.
    workers : sequence of int
        Their ranks.
    timeout : float
        How long one may take to answer, seconds.
    """

    def __init__(self, rank: Rank, workers: Sequence[int], timeout: float) -> None:
        self._comm = rank.comm
        self._loop = rank.loop
        self._waiting = list(workers)
        self._machines: dict[int, str] = {}
        self._told: list[Any] = []
        self._timeout = timeout

    def copy(self, copies: Copies) -> None:
        """Copy the tiles, with the help of all workers that can.

        Raises
        ------
        OutputError
            A file cannot be read or written, here; a helper for which that is so ends the run.
        SilenceError
            A helper does not answer.
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
        for order in self._told:
            self._loop.until(partial(_is_sent, order))

    def release(self) -> None:
        """Dismiss the workers that were not asked."""
        for rank in list(self._waiting):
            self._machine(rank)  # so that no message is left behind
            self._order(rank, Dismiss())

    def _machine(self, rank: int) -> str:
        """Return what tells the machine of a worker from others."""
        if rank not in self._machines:
            here: Here = self._answer(rank, Tag.HERE)
            self._machines[rank] = here.machine
        return self._machines[rank]

    def _order(self, rank: int, order: Copy | Dismiss) -> None:
        """Send a worker its only order."""
        self._waiting.remove(rank)
        self._told.append(send(self._comm, order, dest=rank))

    def _answer(self, rank: int, tag: Tag) -> Any:
        """Wait for the answer of a worker."""
        answer = _awaited(self._comm, self._loop, tag, rank, seconds=self._timeout)
        if answer is None:
            raise SilenceError(
                f"rank {rank} has said nothing for {self._timeout:g} s (--timeout)"
                " while the image is finalised"
            )
        return answer


def lend_a_hand(rank: Rank) -> None:
    """Wait, as a worker that is done, for the writer's order, and carry it out.

    Raises
    ------
    OutputError
        A file cannot be read or written.
    """
    comm, loop, writer = rank.comm, rank.loop, rank.comm.size - 1
    with rank.tally.stage("idle"):
        sent = send(comm, Here(machine()), dest=writer)
        order: Copy | Dismiss = _awaited(comm, loop, Tag.COPY, writer, idle=True)
        loop.until(partial(_is_sent, sent))
    if not isinstance(order, Copy):
        return
    with rank.tally.stage("finalise"):
        can = sees(order.copies, order.files)
        if can:
            order.copies.run(loop.attend)
    with rank.tally.stage("idle"):
        sent = send(comm, Copied(can), dest=writer)
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
    """Wait for a message and return it; None if the time ran out."""
    message = None

    def is_here() -> bool:
        nonlocal message
        message = receive(comm, tag, source)
        return message is not None

    loop.until(is_here, seconds=seconds, idle=idle)
    return message


def _is_sent(message: Any) -> bool:
    return bool(message.test()[0])


def machine() -> str:
    """Return what tells this machine, up to its next start, from all others (random(4), Linux)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def files_of(copies: Copies) -> tuple[tuple[int, int], ...]:
    """Return what tells the files from all others of the machine, whatever their names."""
    found = []
    for path in (copies.source, copies.target):
        with named(path):
            status = path.stat()
        found.append((status.st_dev, status.st_ino))
    return tuple(found)


def sees(copies: Copies, files: tuple[tuple[int, int], ...]) -> bool:
    """Return whether a path is the same file here as for the writer: not in containers."""
    try:
        return files_of(copies) == files
    except OutputError:
        return False
