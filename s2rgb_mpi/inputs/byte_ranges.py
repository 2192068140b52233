"""The byte ranges of a band file that are read to decode a window."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from s2rgb_mpi.inputs.codestream import PART_NBYTES, codestream, walk
from s2rgb_mpi.inputs.files.read_ahead import ByteRange, beginning, wait_interruptibly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from threading import Event

    from osgeo import gdal

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.codestream import Part

    Start = Callable[[Callable[[Event], list[Part]]], Future[list[Part]]]

_AROUND_NBYTES = 16
"""GDAL also reads the lengths that a COG stores around each tile: up to four bytes on each side."""


class Blocks(Protocol):
    """The places of the blocks in a file."""

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        """Yield the bytes that are read to decode a window, which is in pixels of the file."""


def find_blocks(
    dataset: gdal.Dataset,
    numbers: Sequence[int],
    start: Start,
) -> Blocks | None:
    """Return the places of the blocks of a file; None if its format does not state them.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    numbers : sequence of int
        Numbers of the bands that are read, from 1.
    start : callable
        Runs a function in the background, where it needs many requests.
    """
    driver = dataset.GetDriver().ShortName
    if driver == "GTiff":
        return _TiffBlocks(dataset, numbers)
    if driver == "JP2OpenJPEG":
        tile = dataset.GetRasterBand(1).GetBlockSize()
        path = dataset.GetDescription()
        parts = start(lambda over: _parts(path, (tile[0], tile[1]), over))
        return _Jp2Blocks(path, (tile[0], tile[1]), dataset.RasterXSize, parts)
    return None


class _TiffBlocks:
    """Blocks of a TIFF, listed in its directory."""

    def __init__(self, dataset: gdal.Dataset, numbers: Sequence[int]) -> None:
        self._dataset = dataset
        self._numbers = numbers

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        found: set[ByteRange] = set()  # bands that are pixel-interleaved share blocks
        for number in self._numbers:
            band = self._dataset.GetRasterBand(number)
            for col, row in _touched(window, band.GetBlockSize()):
                begin, nbytes = (
                    int(band.GetMetadataItem(f"BLOCK_{item}_{col}_{row}", "TIFF") or 0)
                    for item in ("OFFSET", "SIZE")
                )
                if nbytes:  # sparse blocks have none
                    around = max(0, begin - _AROUND_NBYTES), begin + nbytes + _AROUND_NBYTES
                    found.add(ByteRange(self._dataset.GetDescription(), *around))
        yield from sorted(found)


class _Jp2Blocks:
    """Tiles of a JPEG 2000 file; a decoder reads the headers of all tile-parts before a tile."""

    def __init__(
        self, path: str, tile: tuple[int, int], width: int, parts: Future[list[Part]]
    ) -> None:
        self._path = path
        self._tile = tile
        self._across = -(-width // tile[0])
        self._parts = parts
        self._passed: int | None = None
        """Number of tile-parts that the decoder has passed; None before it has begun."""

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        wait_interruptibly([self._parts])
        parts = self._parts.result()
        wanted = {row * self._across + col for col, row in _touched(window, self._tile)}
        places = [place for place, part in enumerate(parts) if part.tile in wanted]
        if not places:
            return
        yield beginning(self._path)
        # Old releases of OpenJPEG walk to the end before they decode the first tile, new ones from
        # tile to tile. Headers that are in the cache already cost nothing.
        reached = places[-1] + 2
        heads = range(len(parts)) if self._passed is None else range(self._passed, reached)
        for place in sorted({*places, *heads}):
            if place < len(parts):
                part = parts[place]
                nbytes = part.nbytes if part.tile in wanted else 0
                yield ByteRange(self._path, part.begin, part.begin + max(nbytes, PART_NBYTES))
        self._passed = max(self._passed or 0, reached)


def _parts(path: str, tile: tuple[int, int], over: Event) -> list[Part]:
    """List the tile-parts of a codestream; empty if its tiles are not GDAL's, or on an error."""
    with suppress(RuntimeError), codestream(path) as (file, head):
        if head is not None and head.tile == tile:
            steps = itertools.takewhile(lambda _: not over.is_set(), walk(file, head.end))
            return head.listed or list(steps)
    return []


def _touched(window: Window, size: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield column and row of the blocks that a window overlaps."""
    width, height = size
    cols = range(window.col_off // width, -(-(window.col_off + window.width) // width))
    rows = range(window.row_off // height, -(-(window.row_off + window.height) // height))
    return ((col, row) for row, col in itertools.product(rows, cols))
