"""Means of square blocks of pixels, from pieces of an image that come one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_OF_32_BITS = 181
"""Up to this factor twice the sum of a block, and a rounding, fit in 32 bits."""


class BlockMeans:
    """Sums and counts of the valid pixels of square blocks.

    Parameters
    ----------
    factor : int
        Edge of a block, pixels.
    shape : tuple of int
        ``(bands, height, width)`` of the means.
    """

    def __init__(self, factor: int, shape: tuple[int, int, int]) -> None:
        self._factor = factor
        dtype = f"u{sum_nbytes(factor)}"
        self._sums = np.zeros(shape, dtype)
        self._counts = np.zeros(shape, dtype)

    def add(self, values: NDArray[np.uint16], row: int, col: int) -> None:
        """Add a piece of the image; it may begin and end inside blocks.

        Parameters
        ----------
        values : ndarray, shape (bands, height, width), uint16
            0 is "no data".
        row, col : int
            Place of its first pixel, pixels from the first corner of the first block.
        """
        for band, sums, counts in zip(values, self._sums, self._counts, strict=True):
            if not band.any():
                continue
            _add(band, sums, self._factor, row, col)
            # A view: bool would be added as "or".
            valid = np.ones(band.shape, np.uint8) if band.all() else (band != 0).view(np.uint8)
            _add(valid, counts, self._factor, row, col)

    def means(self, out: NDArray[np.uint16]) -> None:
        """Write the means, rounded to the nearest, halves up; 0 where a block has no valid pixel.

        Parameters
        ----------
        out : ndarray, shape (bands, height, width), uint16
            Filled here. That of blocks at the edges is the mean of their pixels inside the image.
        """
        for sums, counts, target in zip(self._sums, self._counts, out, strict=True):
            np.multiply(sums, 2, out=sums)
            np.add(sums, counts, out=sums)
            np.multiply(counts, 2, out=counts)
            np.maximum(counts, 1, out=counts)
            np.floor_divide(sums, counts, out=target, casting="unsafe")


def sum_nbytes(factor: int) -> int:
    """Return how many bytes a sum of a block takes, and a count."""
    return 4 if factor <= _LARGEST_OF_32_BITS else 8


def _add(
    values: NDArray[np.uint16] | NDArray[np.uint8],
    sums: NDArray[Any],
    factor: int,
    row: int,
    col: int,
) -> None:
    """Add pixels to the sums of their blocks: first whole rows, which lie together in memory."""
    height, width = values.shape
    top, bottom = row // factor, -(-(row + height) // factor)
    left, right = col // factor, -(-(col + width) // factor)
    rows = np.zeros((bottom - top, width), sums.dtype)
    for first in range(min(factor, height)):
        part = values[first::factor]
        at = (row + first) // factor - top
        rows[at : at + len(part)] += part
    inside = sums[top:bottom, left:right]
    for first in range(min(factor, width)):
        columns = rows[:, first::factor]
        at = (col + first) // factor - left
        inside[:, at : at + columns.shape[1]] += columns
