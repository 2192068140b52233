"""Checks the images of the benchmark: times are used only if the image is right."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from osgeo import gdal

from bench.inputs import STRIP_ROWS

gdal.UseExceptions()


class Difference(NamedTuple):
    """Of an image from the reference."""

    largest: int
    """Steps of the 8 bit scale, of the worst pixel."""
    share: float
    """Of band values that are not equal."""


def compare(image: Path, truth: Path, *, padded: bool = False) -> Difference:
    """Compare every pixel.

    Parameters
    ----------
    image : Path
        The image of a contestant.
    truth : Path
        An array file of shape (height, width, 3), uint8.
    padded : bool
        Whether the image may be larger, to the right and below, where it must be empty.

    Raises
    ------
    ValueError
        The image has another size, or no three bands of 8 bit.
    """
    expected = np.load(truth, mmap_mode="r")
    dataset = gdal.Open(str(image))
    height, width, bands = expected.shape
    size = dataset.RasterYSize, dataset.RasterXSize
    fits = size[0] >= height and size[1] >= width if padded else size == (height, width)
    if not fits or dataset.RasterCount != bands:
        raise ValueError(f"{image} has another shape than {truth}")
    if dataset.GetRasterBand(1).DataType != gdal.GDT_Byte:
        raise ValueError(f"{image} is not of 8 bit")
    largest = unequal = 0
    for row in range(0, size[0], STRIP_ROWS):
        rows = min(STRIP_ROWS, size[0] - row)
        strip = np.moveaxis(dataset.ReadAsArray(0, row, size[1], rows), 0, -1)
        right = np.zeros_like(strip)
        there = expected[row : row + rows]
        right[: len(there), :width] = there
        off = np.abs(strip.astype(np.int16) - right)
        largest = max(largest, int(off.max()))
        unequal += int(np.count_nonzero(off))
    return Difference(largest, unequal / expected.size)
