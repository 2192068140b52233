"""Ranks 1 ... n-2, the workers: read, colour, reduce, encode, send."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.encode import Encoder
from s2rgb_mpi.overviews import halve
from s2rgb_mpi.plan import BLOCKS_IN_FLIGHT
from s2rgb_mpi.protocol import Block, Kind, Piece, Tag, end_of_share, pack
from s2rgb_mpi.radiometry import histogram
from s2rgb_mpi.render import Renderer
from s2rgb_mpi.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.report import Tally


def run(
    comm: Any,
    plan: Plan,
    share: Sequence[int],
    tally: Tally,
    attend: Callable[[], None] = lambda: None,
) -> None:
    """Turn a share into blocks and send them to the writer, the last rank.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows.
    tally : Tally
        Filled here.
    attend : callable, optional
        What else this rank has to look after between two windows and while it waits (rank 0
        of two ranks is coordinator too).
    """
    outbox = _Outbox(comm, attend)
    for block in blocks(plan, share, tally):
        with tally.stage("pack"):
            header, payload = pack(block, plan.room)
        with tally.stage("send-wait"):
            outbox.send(header, payload)
    with tally.stage("send-wait"):
        outbox.send(end_of_share(plan.room))
        outbox.flush()


def blocks(plan: Plan, share: Sequence[int], tally: Tally) -> Iterator[Block]:
    """Read, colour, reduce and encode the windows of a share, one after the other.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows.
    tally : Tally
        Filled here.

    Yields
    ------
    Block
        Without pieces where no pixel of the window is valid.

    Raises
    ------
    ReadError
        Names the window and the file.
    """
    maker = _Maker(plan, share, tally)
    for number in share:
        try:
            block = maker.block(number)
        except Exception as error:
            error.add_note(f"in window {number} {tuple(plan.windows[number])}")
            raise
        yield block


class _Maker:
    """Makes one block after the other, with what all of them need."""

    def __init__(self, plan: Plan, share: Sequence[int], tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._renderer = Renderer(plan, share, tally)
        self._encoder = Encoder(plan.job.profile)

    def block(self, number: int) -> Block:
        """Turn one window into a block."""
        rendered = self._renderer.render(number)
        with self._tally.stage("colour"):
            values = histogram(rendered.rgb)
        if values[0, 0] == rendered.rgb[..., 0].size:  # no pixel is valid
            return Block(number, (), values)
        with self._tally.stage("encode"):
            pieces = self._pieces(self._plan.windows[number], rendered.rgb)
        counts = [
            Piece(kind, 0, member, 0, numbers.tobytes())
            for kind, sums in ((Kind.COUNTS, rendered.counts), (Kind.SEAM, rendered.seams))
            for member, numbers in sums.items()
        ]
        return Block(number, [*pieces, *counts], values)

    def _pieces(self, window: Window, rgb: NDArray[np.uint8]) -> list[Piece]:
        """Encode the levels whose tiles lie wholly in the window; add the other levels raw."""
        tile = self._plan.job.profile.tile
        tiles, parts = [], []
        for level in range(self._plan.levels + 1):
            if level:
                rgb = halve(rgb)
            place = window.at_level(level)
            if level > self._plan.whole_levels:
                pixels = rgb.tobytes()
                parts.append(Piece(Kind.PART, level, place.row_off, place.col_off, pixels))
                continue
            for encoded in self._encoder.encode(rgb):
                kind = Kind.MASK if encoded.mask else Kind.TILE
                row = place.row_off // tile + encoded.row
                col = place.col_off // tile + encoded.col
                tiles.append(Piece(kind, level, row, col, encoded.data))
        return tiles + parts


class _Outbox:
    """Synchronous sends to the writer, few at a time: its pace becomes this rank's pace.

    A send is complete only when the writer has begun to receive it, so a slow writer is never
    flooded with messages that it has to keep somewhere.
    """

    def __init__(self, comm: Any, attend: Callable[[], None]) -> None:
        self._comm = comm
        self._attend = attend
        self._writer = comm.size - 1
        self._sent: deque[list[tuple[Any, NDArray[np.uint8]]]] = deque()

    def send(self, header: NDArray[np.uint8], payload: NDArray[np.uint8] | None = None) -> None:
        """Post a block's messages, after waiting until few enough are under way."""
        while len(self._sent) >= BLOCKS_IN_FLIGHT:
            self._settle(self._sent.popleft())
        messages = [(Tag.HEADER, header)]
        if payload is not None and payload.size:
            messages.append((Tag.BLOCK, payload))
        # Each buffer is kept beside its request: it must not be freed before it is sent.
        self._sent.append(
            [
                (self._comm.Issend(message, dest=self._writer, tag=tag), message)
                for tag, message in messages
            ]
        )
        self._attend()

    def flush(self) -> None:
        """Wait until everything is delivered."""
        while self._sent:
            self._settle(self._sent.popleft())

    def _settle(self, messages: list[tuple[Any, NDArray[np.uint8]]]) -> None:
        """Wait for one block's messages, looking after the rest meanwhile."""
        for request, _ in messages:
            until(request.Test, attend=self._attend)
