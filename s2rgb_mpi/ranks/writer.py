"""The last rank, the writer (the aggregator): receive, append, journal, finalise."""

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
from s2rgb_mpi.ranks.finalise_helpers import Helpers
from s2rgb_mpi.ranks.loop import Backoff
from s2rgb_mpi.ranks.messages import Tag
from s2rgb_mpi.ranks.progress import ProgressSender

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.output.totals import Written
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
        The ranks that send blocks.

    Returns
    -------
    Written or None
        None if the run was stopped before the last window; all blocks that arrived are kept.
    """
    output = Output(plan, rank.tally)
    progress = ProgressSender(rank.comm, plan.job.timeout)
    # A local variable, so that a traceback keeps it: after a failure MPI may still write into its
    # buffers.
    blocks = receive(rank, plan, workers)
    with rank.loop.duty(progress.heartbeat), rank.loop.duty(output.look):
        try:
            for block in blocks:
                if rank.team.survives and output.has(block.window):
                    continue  # sent by a lost worker and by the one that took over its windows
                output.place(block)
                with rank.tally.stage("append", block.window):
                    progress.add(block, windows=output.windows, nbytes=output.nbytes)
            with rank.tally.stage("idle"):
                progress.flush()
                if rank.team.survives:
                    # If no worker is left, rank 0 ends the run, but may find out after this rank.
                    rank.loop.until(lambda: output.is_whole or signals.finishing())
            return _finalise(rank, plan, workers, output)
        except (StopError, LostError, RankError):  # there is time to save the last blocks
            output.keep()
            raise


def _finalise(rank: Rank, plan: Plan, workers: Sequence[int], output: Output) -> Written | None:
    """Finish the file with the help of workers; None if the run was stopped before."""
    # Rank 0, the worker of two ranks, does not help: it must receive messages. Nor do workers that
    # may be lost.
    waiting = () if rank.team.survives or 0 in workers else workers
    helpers = Helpers(rank, waiting, plan.job.timeout)
    written = None
    if output.is_whole or not signals.finishing():
        written = output.finish(helpers.copy, rank.loop.attend)
    else:
        output.keep()
    helpers.release()
    return written


class _Receiver:
    """Receives from one worker: a header, then the payload that it announces, and so on.

    Receives name their source: some MPI libraries lose messages to receives from any source.
    """

    def __init__(self, comm: Any, worker: int, room: int) -> None:
        self._comm = comm
        self._worker = worker
        self._message = np.empty(header_nbytes(room), dtype=np.uint8)
        self._payload = np.empty(0, dtype=np.uint8)
        self._request: Any = None
        self.post_header()

    def post_header(self) -> None:
        """Post the receive of the next header."""
        self._request = self._comm.Irecv(self._message, source=self._worker, tag=Tag.HEADER)

    def header(self) -> Header | EndOfShare | None:
        """Return the header once it has arrived, else None."""
        return unpack_header(self._message) if self._request.Test() else None

    def post_payload(self, header: Header) -> None:
        """Post the receive of the payload, with its exact size; an empty one is never sent."""
        self._payload = np.empty(header.nbytes, dtype=np.uint8)
        self._request = None
        if header.nbytes:
            self._request = self._comm.Irecv(self._payload, source=self._worker, tag=Tag.BLOCK)

    def block(self, header: Header) -> Block | None:
        """Return the block once its payload has arrived, else None."""
        if self._request is not None and not self._request.Test():
            return None
        # The buffer now belongs to the block: kept here, there would be one for every worker.
        payload, self._payload = self._payload, np.empty(0, dtype=np.uint8)
        return unpack(header, payload)


def receive(rank: Rank, plan: Plan, workers: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks of all workers as they arrive, until every share has ended.

    Receives of payloads are posted for at most :data:`RECEIVE_NBYTES` at a time: so memory is
    bounded at any number of ranks, and synchronous sends slow the workers down. Blocks that a lost
    worker has not sent wholly are dropped.

    Yields
    ------
    Block
        Checked by its CRC-32.
    """
    tally = rank.tally
    listening = [_Receiver(rank.comm, worker, header_room(plan)) for worker in workers]
    announced: deque[tuple[_Receiver, Header]] = deque()
    fetching: dict[_Receiver, Header] = {}
    held = 0
    backoff = Backoff()
    while listening or announced or fetching:
        with tally.stage("idle") as stage:  # a poll that finds nothing is part of the wait
            for receiver, header in _headers(listening):
                stage.name = "receive"
                match header:
                    case Header():
                        announced.append((receiver, header))
                    case EndOfShare(stopped):
                        if stopped:
                            signals.finish()
                backoff.reset()
            while announced and (not held or held + announced[0][1].nbytes <= RECEIVE_NBYTES):
                receiver, header = announced.popleft()
                with suppress(LostError):
                    receiver.post_payload(header)
                    held += header.nbytes
                    fetching[receiver] = header
        for receiver, header in list(fetching.items()):
            try:
                with tally.stage("idle") as stage:
                    block = receiver.block(header)
                    stage.name = "idle" if block is None else "receive"
            except LostError:
                held -= header.nbytes
                del fetching[receiver]
                continue
            if block is not None:
                held -= header.nbytes
                del fetching[receiver]
                with suppress(LostError):
                    receiver.post_header()
                    listening.append(receiver)
                backoff.reset()
                yield block
        rank.loop.attend()
        with tally.stage("idle"):
            backoff.pause()


def _headers(listening: list[_Receiver]) -> Iterator[tuple[_Receiver, Header | EndOfShare]]:
    """Yield the headers that have arrived; remove their receivers, and lost ones, from the list."""
    for receiver in list(listening):
        try:
            header = receiver.header()
        except LostError:
            listening.remove(receiver)
            continue
        if header is not None:
            listening.remove(receiver)
            yield receiver, header
