"""Sealing with many hands: workers on the writer's machine copy their part of the tiles.

::

    worker                                   writer
      |  (its share is sent)                   |
      |  HERE (machine)               ------>  |  all blocks have come
      |  <------  COPY (tiles, files; or none) |  copies its own part meanwhile
      |  COPIED (whether it could)    ------>  |  copies what others could not

A worker elsewhere, or one that sees other files under these names, is not asked, or says no. So
nothing depends on it: one process alone makes the same file.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import OutputError, SilenceError, named
from s2rgb_mpi.image.block import Tag
from s2rgb_mpi.ranks.loop import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s2rgb_mpi.output.geotiff.copying import Copies
    from s2rgb_mpi.timing import Tally

LEAST_NBYTES = 16_000_000
"""What is worth asking a helper for, bytes: some ten milliseconds of copying."""


class Helpers:
    """The workers, on the writer's side.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    workers : sequence of int
        Their ranks.
    timeout : float
        How long one may take to say that it is done, seconds.
    attend : callable
        What else the writer has to look after.
    """

    def __init__(
        self, comm: Any, workers: Sequence[int], timeout: float, attend: Callable[[], None]
    ) -> None:
        self._comm = comm
        self._waiting = list(workers)
        self._machines: dict[int, str] = {}
        self._told: list[Any] = []
        self._timeout = timeout
        self._attend = attend

    def copy(self, copies: Copies) -> None:
        """Have tiles copied, by all that can and by this rank itself.

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
            self._tell(rank, (part, files))
        self.release()
        own.run(self._attend)
        for rank, part in asked.items():
            if not self._answer(rank, Tag.COPIED):
                part.run(self._attend)
        for order in self._told:
            until(partial(_is_sent, order), attend=self._attend)

    def release(self) -> None:
        """Let those go that were not asked."""
        for rank in list(self._waiting):
            self._machine(rank)  # so that no message is left behind
            self._tell(rank, None)

    def _machine(self, rank: int) -> str:
        """Return what tells the machine of a worker from others."""
        if rank not in self._machines:
            self._machines[rank] = self._answer(rank, Tag.HERE)
        return self._machines[rank]

    def _tell(self, rank: int, order: Any) -> None:
        """Give a worker its order; it is the only one."""
        self._waiting.remove(rank)
        self._told.append(self._comm.isend(order, dest=rank, tag=Tag.COPY))

    def _answer(self, rank: int, tag: Tag) -> Any:
        """Wait for the answer of a worker."""

        def is_here() -> bool:
            return bool(self._comm.Iprobe(source=rank, tag=tag))

        if not until(is_here, seconds=self._timeout, attend=self._attend):
            raise SilenceError(
                f"rank {rank} has said nothing for {self._timeout:g} s (--timeout)"
                " while the image is sealed"
            )
        return self._comm.recv(source=rank, tag=tag)


def lend_a_hand(comm: Any, tally: Tally, attend: Callable[[], None]) -> None:
    """Wait, as a worker that is done, for the writer's order, and carry it out.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    tally : Tally
        Filled here.
    attend : callable
        What else this rank has to look after.

    Raises
    ------
    OutputError
        A file cannot be read or written.
    """
    writer = comm.size - 1
    with tally.stage("idle"):
        said = comm.isend(machine(), dest=writer, tag=Tag.HERE)
        until(lambda: bool(comm.Iprobe(source=writer, tag=Tag.COPY)), attend=attend, idle=True)
        order = comm.recv(source=writer, tag=Tag.COPY)
        until(partial(_is_sent, said), attend=attend)
    if order is None:
        return
    copies, files = order
    with tally.stage("seal"):
        can = sees(copies, files)
        if can:
            copies.run(attend)
    with tally.stage("idle"):
        said = comm.isend(can, dest=writer, tag=Tag.COPIED)
        until(partial(_is_sent, said), attend=attend)


def _is_sent(message: Any) -> bool:
    return bool(message.test()[0])


def machine() -> str:
    """Return what tells this machine, up to its next start, from all others (random(4), Linux)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def files_of(copies: Copies) -> list[tuple[int, int]]:
    """Return what tells the files from all others of the machine, whatever their names."""
    found = []
    for path in (copies.source, copies.target):
        with named(path):
            status = path.stat()
        found.append((status.st_dev, status.st_ino))
    return found


def sees(copies: Copies, files: list[tuple[int, int]]) -> bool:
    """Tell whether a path means the same file here as it does to the writer: not in containers."""
    try:
        return files_of(copies) == files
    except OutputError:
        return False
