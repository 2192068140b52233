"""Ranks 1 ... n-2, the workers: read, colour, reduce, encode, send."""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.image.block import Block, Kind, Piece, Tag, end_of_share, pack
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.overviews import Assembly, halve
from s2rgb_mpi.image.radiometry import RGBA, histogram
from s2rgb_mpi.plan.memory import BLOCKS_IN_FLIGHT
from s2rgb_mpi.ranks.cell_exchange import Border
from s2rgb_mpi.ranks.loop import until
from s2rgb_mpi.ranks.render import Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.plan.partition import Crossing
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.cell_exchange import Key
    from s2rgb_mpi.timing import Tally

LARGEST_CAUSE = 2000
"""Bytes that are told of why a window could not be read."""


def run(
    comm: Any,
    plan: Plan,
    share: Sequence[int],
    tally: Tally,
    *,
    crossings: Mapping[Key, Crossing] = MappingProxyType({}),
    attend: Callable[[], None] = lambda: None,
    further: Callable[[], Sequence[int] | None] = lambda: None,
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
    crossings : mapping of cell to Crossing, optional
        The cells of the share that show in others.
    attend : callable, optional
        What else this rank has to look after between two windows and while it waits (rank 0
        of two ranks is coordinator too).
    further : callable, optional
        Gives the share that follows, None when there is none.
    """
    border = None
    if crossings:
        border = Border(comm, share, crossings, attend)
        attend = border.attend
    outbox = _Outbox(comm, attend)
    stopped = False
    following: Sequence[int] | None = share
    while following is not None:
        sent = 0
        for sent, block in enumerate(blocks(plan, following, tally, border), 1):  # noqa: B007  used
            with tally.stage("encode", block.window):
                header, payload = pack(block, plan.room)
            with tally.stage("send-wait", block.window):
                outbox.send(header, payload)
        stopped |= sent < len(following)
        with tally.stage("idle"):
            if border is not None:
                border.finish()
            following = further()
    with tally.stage("send-wait"):
        outbox.send(end_of_share(plan.room, stopped=stopped))
        outbox.flush()


def blocks(
    plan: Plan, share: Sequence[int], tally: Tally, border: Border | None = None
) -> Iterator[Block]:
    """Read, colour, reduce and encode the windows of a share, one after the other.

    None is begun after a graceful stop was asked for.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows.
    tally : Tally
        Filled here.
    border : Border, optional
        Where there are other shares.

    Yields
    ------
    Block
        Of every window, in the order of the share.

    Raises
    ------
    ReadError
        A window cannot be read, and the job is to fail then; names the window and the file.
    StopError
        A signal asked for the end.
    """
    with tally.stage("open"):
        maker = _Maker(plan, share, tally, border)
    for number in share:
        signals.check()
        if signals.finishing():
            return
        try:
            block = maker.block(number)
        except ReadError as error:
            if plan.job.on_error == "fail":
                raise
            block = maker.left_empty(number, error)
        except Exception as error:
            error.add_note(f"in window {number} {tuple(plan.windows[number])}")
            raise
        tally.windows += 1
        yield block


class _Maker:
    """Makes one block after the other, with what all of them need."""

    def __init__(
        self, plan: Plan, share: Sequence[int], tally: Tally, border: Border | None
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._renderer = Renderer(plan, share, tally, border)
        self._encoder = Encoder(plan.job.profile)
        # Tiles that span windows are encoded here if all of these are in this share; the writer
        # joins the others.
        self._assembly = Assembly(plan.grid, plan.job.profile.tile, plan.joined(share))

    def block(self, number: int) -> Block:
        """Turn one window into a block."""
        rendered = self._renderer.render(number)
        with self._tally.stage("render", number):
            values = histogram(rendered.rgba)
        with self._tally.stage("encode", number):
            pieces = self._pieces(number, rendered.rgba)
        if not values.any():  # no pixel is valid
            return Block(number, pieces, values)
        counts = [
            Piece.of(kind, 0, member, 0, numbers.tobytes())
            for kind, sums in ((Kind.COUNTS, rendered.counts), (Kind.SEAM, rendered.seams))
            for member, numbers in sums.items()
        ]
        return Block(number, [*pieces, *counts], values)

    def left_empty(self, number: int, error: ReadError) -> Block:
        """Return the block of a window that cannot be read: no pixel is valid, and the cause."""
        window = self._plan.windows[number]
        # Another run may be able to read it: until then its pixels are in no tile but its own.
        for level in self._plan.joined_levels:
            self._assembly.leave(level, window.at_level(level))
        rgba = np.zeros((window.height, window.width, RGBA), dtype=np.uint8)
        cause = Piece.of(Kind.CAUSE, 0, 0, 0, str(error).encode()[:LARGEST_CAUSE])
        pieces = [*self._pieces(number, rgba), cause]
        return Block(number, pieces, np.zeros((3, 256), dtype=np.uint32))

    def _pieces(self, number: int, rgba: NDArray[np.uint8]) -> list[Piece]:
        """Encode the levels whose tiles lie wholly in the window; add the other levels raw."""
        window, tile = self._plan.windows[number], self._plan.job.profile.tile
        tiles: list[Piece] = []
        raw: list[Piece] = []
        parts: dict[int, NDArray[np.uint8]] = {}
        has_data = bool(rgba.any())
        for level in range(self._plan.levels + 1):
            if level:
                rgba = halve(rgba)
            place = window.at_level(level)
            if level not in self._plan.joined_levels:
                row, col = place.row_off // tile, place.col_off // tile
                tiles += self._encoder.pieces(rgba, level, row, col)
            elif has_data:
                parts[level] = rgba
                raw.append(Piece.of(Kind.PART, level, place.row_off, place.col_off, rgba.tobytes()))
        return [*tiles, *raw, *self._joined(number, parts)]

    def _joined(self, number: int, parts: Mapping[int, NDArray[np.uint8]]) -> Iterator[Piece]:
        """Encode the tiles that a window's parts make whole; no parts are as good as empty ones."""
        for level in self._plan.joined_levels:
            place = self._plan.windows[number].at_level(level)
            for tile in self._assembly.add(level, place, parts.get(level)):
                yield from self._encoder.pieces(tile.rgba, level, tile.row, tile.col)


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
