"""The pixels of a product: its bands, opened once, read window by window as DN."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.inputs.band_file import BandFile, Memory
from s2rgb_mpi.inputs.means import MeanFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.byte_ranges import Start
    from s2rgb_mpi.inputs.files.read_ahead import ByteRange
    from s2rgb_mpi.inputs.product import Band, Product

LARGEST_CHUNK_PIXELS = 2048**2
"""Larger source chunks are single blocks."""


class Source:
    """One product's bands, opened once and kept open.

    Parameters
    ----------
    product : Product
        What rank 0 found; it is read on its own grid.
    memory : Memory, optional
        Where the pixels are put; several sources may share it if they are read in turn.

    Raises
    ------
    ReadError
        A band that was there when rank 0 looked cannot be opened any more.
    """

    def __init__(self, product: Product, memory: Memory | None = None) -> None:
        self._memory = Memory() if memory is None else memory
        # Bands of one file are read in one call: pixel by pixel, they share its blocks.
        groups = groupby(product.bands, key=lambda band: (band.path, band.stored.dtype))
        self._files = [
            _open(product, list(bands), self._memory, place)
            for place, (_, bands) in enumerate(groups)
        ]

    def read(self, window: Window) -> list[NDArray[np.uint16]]:
        """Read one window of all bands.

        Parameters
        ----------
        window : Window
            In pixels of the product's own grid, and inside it.

        Returns
        -------
        list of three ndarray, shape (height, width), uint16
            Codes of digital numbers, red, green, blue; 0 is "no data", and nothing else is. What
            the others stand for is known from ``band.stored``; files of uint16 have the DN
            themselves. The arrays are reused: the next call overwrites them.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        return [array for file in self._files for array in file.read(window)]

    def ranges(self, window: Window, start: Start) -> list[ByteRange]:
        """List the bytes of files on servers that a window is decoded from, where files say so.

        Parameters
        ----------
        window : Window
            In pixels of the product's own grid, and inside it.
        start : callable
            Has something done in the background.
        """
        for file in self._files:  # all begin before the first is waited for
            file.locate(start)
        found = (each for file in self._files for each in file.ranges(window))
        return list(dict.fromkeys(found))

    def cut(self, chunk: Window, parts: Sequence[Window]) -> list[Sequence[NDArray[np.uint16]]]:
        """Decode a source chunk once, and cut parts out of it.

        Parameters
        ----------
        chunk : Window
            Whole source blocks, in pixels of the product's own grid.
        parts : sequence of Window
            Inside it, in the same pixels.

        Returns
        -------
        list of sequences of three ndarray, shape (height, width), uint16
            Each as :meth:`read` has it: the next call overwrites them, unless the chunk is large
            (:func:`is_large`).
        """
        if is_large(chunk):
            return list(map(list, self._cut_large(parts)))
        dn = self.read(chunk)
        inside = [part.moved(-chunk.col_off, -chunk.row_off).slices for part in parts]
        return [[band[slices] for band in dn] for slices in inside]

    def _cut_large(self, parts: Sequence[Window]) -> list[NDArray[np.uint16]]:
        """Cut parts out of a chunk that is decoded file by file, and never held as a whole.

        GDAL's cache holds one block of any size, so that no part decodes it again.
        """
        bands = sum(len(file.bands) for file in self._files)
        cut = [np.empty((bands, part.height, part.width), dtype=np.uint16) for part in parts]
        begin = 0
        for file in self._files:
            end = begin + len(file.bands)
            for part, out in zip(parts, cut, strict=True):
                out[begin:end] = file.read(part)
            begin = end
        return cut


def is_large(chunk: Window) -> bool:
    """Return whether a source chunk is too large to be held as DN of all bands."""
    return chunk.width * chunk.height > LARGEST_CHUNK_PIXELS


def _open(
    product: Product, bands: Sequence[Band], memory: Memory, place: int
) -> BandFile | MeanFile:
    """Open a file of a product, to be read as the product's own grid has its pixels."""
    means = product.unwarped.means
    if means is None:
        return BandFile(bands, memory, place)
    # Read file by file, into the same memory; the means of each have memory of their own.
    return MeanFile(BandFile(bands, memory, 0), means, memory, place)
