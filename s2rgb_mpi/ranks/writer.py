"""The last rank, the writer (the aggregator): receive, append, journal, seal."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.errors import LostError, RankError, StopError
from s2rgb_mpi.image.block import (
    Block,
    EndOfShare,
    Header,
    header_nbytes,
    unpack,
    unpack_header,
)
from s2rgb_mpi.output.assembler import Output
from s2rgb_mpi.plan.levels import header_room
from s2rgb_mpi.plan.memory import RECEIVE_NBYTES
from s2rgb_mpi.ranks.loop import Patience
from s2rgb_mpi.ranks.messages import Tag
from s2rgb_mpi.ranks.progress import ProgressSender
from s2rgb_mpi.ranks.seal_helpers import Helpers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.output.assembler import Written
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.team import Rank


def run(rank: Rank, plan: Plan, workers: Sequence[int]) -> Written | None:
    """Receive the blocks of all workers, append them, and finalise the file.

    Parameters
    ----------
    rank : Rank
        This one.
    plan : Plan
        The same on every rank.
    workers : sequence of int
        The ranks that send.

    Returns
    -------
    Written or None
        None if a stop was asked for before the last window; all blocks that came are kept.
    """
    output = Output(plan, rank.tally)
    progress = ProgressSender(rank.comm, plan.job.timeout)
    # Named, for a traceback to keep it: MPI goes on writing into what a failed rank has posted.
    blocks = receive(rank, plan, workers)
    with rank.loop.duty(progress.beat), rank.loop.duty(output.look):
        try:
            for block in blocks:
                if rank.team.survives and output.has(block.window):
                    continue  # from a worker that was lost, and from the one that took its windows
                output.place(block)
                with rank.tally.stage("append", block.window):
                    progress.add(block, windows=output.windows, nbytes=output.nbytes)
            with rank.tally.stage("idle"):
                progress.flush()
                if rank.team.survives:
                    # Where no worker is left, rank 0 ends the run: it may hear of that after us.
                    rank.loop.until(lambda: output.is_whole or signals.finishing())
            return _finalise(rank, plan, workers, output)
        except (StopError, LostError, RankError):  # there is time to keep what came last
            output.keep()
            raise


def _finalise(rank: Rank, plan: Plan, workers: Sequence[int], output: Output) -> Written | None:
    """Finish the file with the help of the workers that can; None if a stop came before."""
    # Not of rank 0, the worker of two ranks: it has others to hear. Nor of any that may be lost.
    waiting = () if rank.team.survives or 0 in workers else workers
    helpers = Helpers(rank, waiting, plan.job.timeout)
    written = None
    if output.is_whole or not signals.finishing():
        written = output.finish(helpers.copy)
    else:
        output.keep()
    helpers.release()
    return written


class _Line:
    """The line to one worker: a header is awaited, then the payload that it announces.

    The source is always named: some MPI libraries lose messages to receives from any source.
    """

    def __init__(self, comm: Any, worker: int, room: int) -> None:
        self._comm = comm
        self._worker = worker
        self._message = np.empty(header_nbytes(room), dtype=np.uint8)
        self._payload = np.empty(0, dtype=np.uint8)
        self._request: Any = None
        self.listen()

    def listen(self) -> None:
        """Post the receive of the next header."""
        self._request = self._comm.Irecv(self._message, source=self._worker, tag=Tag.HEADER)

    def heard(self) -> Header | EndOfShare | None:
        """Return the header, once it is in."""
        return unpack_header(self._message) if self._request.Test() else None

    def fetch(self, header: Header) -> None:
        """Post the receive of the payload, of exactly its size; an empty one is never sent."""
        self._payload = np.empty(header.nbytes, dtype=np.uint8)
        self._request = None
        if header.nbytes:
            self._request = self._comm.Irecv(self._payload, source=self._worker, tag=Tag.BLOCK)

    def fetched(self, header: Header) -> Block | None:
        """Return the block, once its payload is in."""
        if self._request is not None and not self._request.Test():
            return None
        # It is the block's now: kept here until the next one, it would be one for every worker.
        payload, self._payload = self._payload, np.empty(0, dtype=np.uint8)
        return unpack(header, payload)


def receive(rank: Rank, plan: Plan, workers: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks of all workers as they arrive, until every share has ended.

    Payloads are only asked for while fewer than :data:`RECEIVE_NBYTES` are under way: memory
    is bounded at any number of ranks, and workers are held back by their synchronous sends.
    Blocks that a lost worker had not sent wholly are dropped.

    Yields
    ------
    Block
        Checked by its CRC-32.
    """
    tally = rank.tally
    listening = [_Line(rank.comm, worker, header_room(plan)) for worker in workers]
    announced: deque[tuple[_Line, Header]] = deque()
    fetching: dict[_Line, Header] = {}
    held = 0
    patience = Patience()
    while listening or announced or fetching:
        with tally.stage("idle") as look:  # one that finds nothing is part of the wait
            for line, header in _heard(listening):
                look.name = "receive"
                match header:
                    case Header():
                        announced.append((line, header))
                    case EndOfShare(stopped):
                        if stopped:
                            signals.finish()
                patience.reset()
            while announced and (not held or held + announced[0][1].nbytes <= RECEIVE_NBYTES):
                line, header = announced.popleft()
                with suppress(LostError):
                    line.fetch(header)
                    held += header.nbytes
                    fetching[line] = header
        for line, header in list(fetching.items()):
            try:
                with tally.stage("idle") as look:
                    block = line.fetched(header)
                    look.name = "idle" if block is None else "receive"
            except LostError:
                held -= header.nbytes
                del fetching[line]
                continue
            if block is not None:
                held -= header.nbytes
                del fetching[line]
                with suppress(LostError):
                    line.listen()
                    listening.append(line)
                patience.reset()
                yield block
        rank.loop.attend()
        with tally.stage("idle"):
            patience.pause()


def _heard(listening: list[_Line]) -> Iterator[tuple[_Line, Header | EndOfShare]]:
    """Yield the headers that have come, and take their lines off the list; lost ones too."""
    for line in list(listening):
        try:
            header = line.heard()
        except LostError:
            listening.remove(line)
            continue
        if header is not None:
            listening.remove(line)
            yield line, header
