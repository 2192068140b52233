"""From a window to its block: render, reduce, encode."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Self

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.image.block import Block, Kind, Piece
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.overviews import Assembly, halve
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.image.statistics import histogram
from s2rgb_mpi.plan.levels import joined_tiles
from s2rgb_mpi.ranks.render import Renderer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.plan.partition import Share
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange
    from s2rgb_mpi.ranks.render import Rendered
    from s2rgb_mpi.timing import Tally

FAST = 1
"""The level of zlib for the map of sources, which is made anew at the end."""

LARGEST_CAUSE = 2000
"""Limit of the message why a window could not be read, bytes."""


class BlockMaker:
    """Makes the blocks of a share, one at a time.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : Share
        The windows to be made, each once, and those that are kept back.
    tally : Tally
        The times are added here.
    exchange : ChunkExchange, optional
        If other shares need source chunks of this one.
    """

    def __init__(
        self,
        plan: Plan,
        share: Share,
        tally: Tally,
        exchange: ChunkExchange | None = None,
    ) -> None:
        self._plan = plan
        self._tally = tally
        with tally.stage("open"):
            self._renderer = Renderer(plan, share.windows, tally, exchange)
            self._encoder = Encoder(plan.job.profile)
            # Tiles that span windows are encoded here if all these windows are made here; the
            # writer joins the others.
            joined = joined_tiles(plan, share.whole)
            self._assembly = Assembly(plan.grid, plan.job.profile.tile, joined)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop reading ahead; wait for open requests only if there was no error."""
        self._renderer.close(wait=kind is None)

    def add(self, windows: Sequence[int]) -> None:
        """Add windows to those of the share."""
        self._renderer.add(windows)

    def make(self, number: int) -> Block:
        """Read, colour, reduce and encode one window.

        Raises
        ------
        ReadError
            The window cannot be read, and the job says that this is a failure. Names the window and
            the file.
        """
        try:
            block = self._block(number)
        except ReadError as error:
            if self._plan.job.on_error == "fail":
                advice = "--on-error nodata leaves such windows empty"
                raise ReadError(f"{error}; {advice}") from error
            block = self._left_empty(number, error)
        except Exception as error:
            error.add_note(f"in window {number} {tuple(self._plan.windows[number])}")
            raise
        self._tally.windows += 1
        return block

    def _block(self, number: int) -> Block:
        rendered = self._renderer.render(number)
        with self._tally.stage("render", number):
            values = histogram(rendered.rgba)
        has_data = bool(values.any())  # some pixel is valid
        with self._tally.stage("encode", number):
            pieces = self._pieces(number, rendered.rgba, has_data=has_data)
        if not has_data:
            return Block(number, pieces, values)
        counts = [
            Piece.of(kind, numbers.tobytes(), product=member)
            for kind, sums in ((Kind.COUNTS, rendered.counts), (Kind.OVERLAP, rendered.overlaps))
            for member, numbers in sums.items()
        ]
        return Block(number, [*pieces, *counts, *self._origin(rendered)], values)

    def _origin(self, rendered: Rendered) -> Iterator[Piece]:
        """Yield what is known of the products that the pixels are from, if there are several."""
        if len(rendered.pixels) > 1:
            yield Piece.of(Kind.PIXELS, rendered.pixels.tobytes())
        if self._plan.job.source_map and rendered.sources is not None:
            yield Piece.of(Kind.SOURCES, zlib.compress(rendered.sources.tobytes(), FAST))

    def _left_empty(self, number: int, error: ReadError) -> Block:
        """Return the block of a window that cannot be read: the cause, and no valid pixel."""
        window = self._plan.windows[number]
        # A later run may be able to read it. Until then no joined tile may contain its pixels.
        for level in self._plan.joined_levels:
            self._assembly.leave(level, window.at_level(level))
        rgba = np.zeros((window.height, window.width, RGBA), dtype=np.uint8)
        cause = Piece.of(Kind.CAUSE, str(error).encode()[:LARGEST_CAUSE])
        pieces = [*self._pieces(number, rgba, has_data=False), cause]
        return Block(number, pieces, np.zeros((3, 256), dtype=np.uint32))

    def _pieces(self, number: int, rgba: NDArray[np.uint8], *, has_data: bool) -> list[Piece]:
        """Encode the levels whose tiles lie wholly in the window; add other levels as raw parts."""
        window, tile = self._plan.windows[number], self._plan.job.profile.tile
        tiles: list[Piece] = []
        raw: list[Piece] = []
        parts: dict[int, NDArray[np.uint8]] = {}
        for level in range(self._plan.levels + 1):
            place = window.at_level(level)
            if level:  # without data it is only smaller
                rgba = halve(rgba) if has_data else rgba[: place.height, : place.width]
            if level not in self._plan.joined_levels:
                row, col = place.row_off // tile, place.col_off // tile
                tiles += self._encoder.pieces(rgba, level, row, col)
            elif has_data:
                parts[level] = rgba
                at = {"row": place.row_off, "col": place.col_off}
                raw.append(Piece.of(Kind.PART, rgba.tobytes(), level=level, **at))
        return [*tiles, *raw, *self._joined(number, parts)]

    def _joined(self, number: int, parts: Mapping[int, NDArray[np.uint8]]) -> Iterator[Piece]:
        """Encode the tiles that a window's parts complete; a missing part counts as empty."""
        for level in self._plan.joined_levels:
            place = self._plan.windows[number].at_level(level)
            for tile in self._assembly.add(level, place, parts.get(level)):
                yield from self._encoder.pieces(tile.rgba, level, tile.row, tile.col)
