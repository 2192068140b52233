"""Ranks 1 ... n-2, the workers: make the blocks of a share and send them to the writer."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.image.block import EndOfShare, pack, pack_end
from s2rgb_mpi.plan.levels import header_room
from s2rgb_mpi.plan.memory import BLOCKS_IN_FLIGHT
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.ranks.blocks import BlockMaker
from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange
from s2rgb_mpi.ranks.messages import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.team import Rank


def run(rank: Rank, plan: Plan, share: Share) -> None:
    """Make the blocks of a share and send them to the writer, the last rank.

    Parameters
    ----------
    rank : Rank
        This one.
    plan : Plan
        The same on every rank.
    share : Share
        Its windows, the source chunks that other shares need too, and whether there is a reserve.
    """
    outbox = _Outbox(rank)
    exchange = ChunkExchange(rank, share) if share.crossings else None
    with rank.loop.duty(exchange.attend) if exchange else nullcontext():
        whole = _work(rank, plan, share, outbox, exchange)
        with rank.tally.stage("idle"):
            if exchange:
                exchange.finish()
            further = rank.team.further(rank.loop)
        while further is not None:  # windows of a lost worker
            whole &= _work(rank, plan, Share(further), outbox)
            with rank.tally.stage("idle"):
                further = rank.team.further(rank.loop)
        with rank.tally.stage("send-wait"):
            outbox.send(pack_end(EndOfShare(stopped=not whole), header_room(plan)))
            outbox.flush()


def _work(
    rank: Rank,
    plan: Plan,
    share: Share,
    outbox: _Outbox,
    exchange: ChunkExchange | None = None,
) -> bool:
    """Make and send the blocks of a share; False if a graceful stop came before the last."""
    with BlockMaker(plan, share, rank.tally, exchange) as maker:
        for number in _dealt(rank, share, maker):
            signals.check()
            if signals.finishing():
                return False
            block = maker.make(number)
            with rank.tally.stage("encode", number):
                header, payload = pack(block, header_room(plan))
            with rank.tally.stage("send-wait", number):
                outbox.send(header, payload)
    return not signals.finishing()


def _dealt(rank: Rank, share: Share, maker: BlockMaker) -> Iterator[int]:
    """Yield the windows of a share, and then those that rank 0 deals on demand.

    A further one is asked for as soon as the last one is begun: it is there when that is done.
    """
    windows = deque(share.windows)
    while windows:
        asks = share.more and len(windows) == 1
        if asks:
            rank.team.ask()
        yield windows.popleft()
        if asks:
            with rank.tally.stage("idle"):
                further = rank.team.further(rank.loop) or ()
            maker.add(further)
            windows.extend(further)


class _Outbox:
    """Synchronous sends to the writer, a few at a time: the writer limits the speed of this rank.

    A send completes only when the writer has begun to receive it, so a slow writer never has to
    buffer unexpected messages.
    """

    def __init__(self, rank: Rank) -> None:
        self._comm = rank.comm
        self._loop = rank.loop
        self._writer = rank.comm.size - 1
        self._sent: deque[list[tuple[Any, NDArray[np.uint8]]]] = deque()

    def send(self, header: NDArray[np.uint8], payload: NDArray[np.uint8] | None = None) -> None:
        """Post the messages of a block, after waiting until fewer blocks are under way."""
        while len(self._sent) >= BLOCKS_IN_FLIGHT:
            self._wait(self._sent.popleft())
        messages = [(Tag.HEADER, header)]
        if payload is not None and payload.size:
            messages.append((Tag.BLOCK, payload))
        # Buffers are stored with their requests: they must not be freed before they are sent.
        self._sent.append(
            [
                (self._comm.Issend(message, dest=self._writer, tag=tag), message)
                for tag, message in messages
            ]
        )
        self._loop.attend()

    def flush(self) -> None:
        """Wait until all messages are delivered."""
        while self._sent:
            self._wait(self._sent.popleft())

    def _wait(self, messages: list[tuple[Any, NDArray[np.uint8]]]) -> None:
        """Wait until the messages of a block are delivered."""
        for request, _ in messages:
            self._loop.until(request.Test)
