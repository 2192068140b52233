"""The blocks of a scene classification, decoded one by one and kept as bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.clouds import LAST_CLASS, NODATA_CLASS, dilated
from s2rgb_mpi.inputs.band_file import BandFile, Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.image.clouds import Clouds
    from s2rgb_mpi.inputs.classification import Classification

LEAST_EDGE = 256
"""Blocks smaller than this are decoded several at once, pixels."""

KEPT_NBYTES = 2**21
"""Memory for decoded blocks, one bit per pixel, bytes: two rows of blocks of a whole tile of
Sentinel-2, so that each is decoded once if windows are read row by row."""

MOST_PIXELS = 2**22
"""The most pixels of a classification that are unpacked at once, unless a row of the window has
more."""


class ClassBlocks:
    """A classification, decoded block by block, of which the last ones are kept as bits.

    Parameters
    ----------
    classification : Classification
        It is opened here.
    clouds : Clouds
        Which pixels are cloudy.
    """

    def __init__(self, classification: Classification, clouds: Clouds) -> None:
        self.classification = classification
        self._file = BandFile([classification], Memory(), 0)
        self._table = clouds.table()
        self._radius = clouds.radius(classification.metres)
        self._edges = _edges(classification)
        self._all = Window(0, 0, classification.grid.width, classification.grid.height)
        self._kept: dict[Window, NDArray[np.uint8]] = {}
        self._nbytes = 0

    def cloudy(self, window: Window) -> NDArray[np.bool_]:
        """Return which pixels are cloudy, or within the buffer: shape (height, width).

        Pixels without a class never are.
        """
        if not self._radius:
            return self._plane(window, 0)
        wide = self._with_margin(window)
        near = dilated(self._plane(wide, 0), self._radius)
        return near[window.moved(-wide.col_off, -wide.row_off).slices] & self.valid(window)

    def valid(self, window: Window) -> NDArray[np.bool_]:
        """Return which pixels of a window have data: shape (height, width)."""
        return self._plane(window, 1)

    def rows(self, window: Window) -> Iterator[Window]:
        """Cut a window into rows of blocks."""
        height = self._edges[1]
        for row in range(window.row_off // height * height, window.row_off + window.height, height):
            part = window.overlap(Window(window.col_off, row, window.width, height))
            if part is not None:
                yield part

    def _with_margin(self, window: Window) -> Window:
        """Return the window that decides on another one."""
        margin = self._radius
        wide = Window(
            window.col_off - margin,
            window.row_off - margin,
            window.width + 2 * margin,
            window.height + 2 * margin,
        ).overlap(self._all)
        assert wide is not None  # noqa: S101  the window is inside
        return wide

    def _plane(self, window: Window, number: int) -> NDArray[np.bool_]:
        """Assemble cloudy pixels (0) or those with data (1) of a window."""
        found = np.empty((window.height, window.width), dtype=np.bool_)
        for block in self._touched(window):
            part = block.overlap(window)
            assert part is not None  # noqa: S101  only blocks that it touches are listed
            bits = np.unpackbits(self._block(block)[number], axis=-1, count=block.width)
            values = bits.view(np.bool_)
            inside = part.moved(-block.col_off, -block.row_off).slices
            found[part.moved(-window.col_off, -window.row_off).slices] = values[inside]
        return found

    def _touched(self, window: Window) -> Iterator[Window]:
        """List the blocks that a window touches, row by row."""
        width, height = self._edges
        right, bottom = window.col_off + window.width, window.row_off + window.height
        for row in range(window.row_off // height * height, bottom, height):
            for col in range(window.col_off // width * width, right, width):
                block = Window(col, row, width, height).overlap(self._all)
                if block is not None:
                    yield block

    def _block(self, block: Window) -> NDArray[np.uint8]:
        """Return a block, decoded now unless it is kept: its cloudy pixels and those with data.

        They are bits, of shape (2, height, bytes of a row).
        """
        bits = self._kept.pop(block, None)
        if bits is None:
            bits = self._decode(block)
            self._nbytes += bits.nbytes
        self._kept[block] = bits  # the last one used is the last one to go
        while self._nbytes > KEPT_NBYTES and len(self._kept) > 1:
            self._nbytes -= self._kept.pop(next(iter(self._kept))).nbytes
        return bits

    def _decode(self, block: Window) -> NDArray[np.uint8]:
        """Decode a block."""
        classes = self._file.read_stored(block)[0]
        for found in (int(classes.min()), int(classes.max())):
            if not NODATA_CLASS <= found <= LAST_CLASS:
                raise ReadError(
                    f"{tuple(block)} of {self.classification.path}: class {found} is none of a"
                    f" scene classification, {NODATA_CLASS} to {LAST_CLASS}: it is another image,"
                    " or was resampled"
                )
        planes = self._table[classes], classes != NODATA_CLASS
        return np.stack([np.packbits(plane, axis=-1) for plane in planes])


def kept_nbytes(classification: Classification) -> int:
    """Return the memory that a :class:`ClearMask` takes at most, bytes, besides GDAL's own."""
    width, height = _edges(classification)
    block = width * height
    pixels = classification.grid.pixels
    return block + min(KEPT_NBYTES + block // 8, pixels // 8) + 4 * min(MOST_PIXELS, pixels)


def _edges(classification: Classification) -> tuple[int, int]:
    """Return ``(width, height)`` of what is decoded at once: a block, or several small ones."""
    width, height = (edge * -(-LEAST_EDGE // edge) for edge in classification.block)
    return width, height
