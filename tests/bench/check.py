"""Whether an image is what it must be: no time counts before this is known."""

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


def compare(image: Path, truth: Path) -> Difference:
    """Compare every pixel.

    Raises
    ------
    ValueError
        The image has another size, or no three bands of 8 bit.
    """
    expected = np.load(truth, mmap_mode="r")
    dataset = gdal.Open(str(image))
    height, width, bands = expected.shape
    if (dataset.RasterYSize, dataset.RasterXSize, dataset.RasterCount) != (height, width, bands):
        raise ValueError(f"{image} has another shape than {truth}")
    if dataset.GetRasterBand(1).DataType != gdal.GDT_Byte:
        raise ValueError(f"{image} is not of 8 bit")
    largest = unequal = 0
    for row in range(0, height, STRIP_ROWS):
        rows = min(STRIP_ROWS, height - row)
        strip = np.moveaxis(dataset.ReadAsArray(0, row, width, rows), 0, -1)
        off = np.abs(strip.astype(np.int16) - expected[row : row + rows])
        largest = max(largest, int(off.max()))
        unequal += int(np.count_nonzero(off))
    return Difference(largest, unequal / expected.size)
