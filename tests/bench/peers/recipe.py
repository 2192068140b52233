"""What the peers written here share: read a window, colour it in float64, write it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal

gdal.UseExceptions()

EDGE = 512
"""Of a window, pixels."""

OPTIONS = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "PHOTOMETRIC=RGB", "INTERLEAVE=PIXEL"]

Window = tuple[int, int, int, int]
"""Column, row, width and height, pixels."""


def windows(path: str) -> list[Window]:
    """Cut an image into windows, row by row."""
    dataset = gdal.Open(path)
    width, height = dataset.RasterXSize, dataset.RasterYSize
    return [
        (col, row, min(EDGE, width - col), min(EDGE, height - row))
        for row in range(0, height, EDGE)
        for col in range(0, width, EDGE)
    ]


def colour(paths: list[str], window: Window, offset: int) -> NDArray[np.uint8]:
    """Read a window of three band files and colour it; shape (3, height, width)."""
    dn = np.stack([gdal.Open(path).ReadAsArray(*window) for path in paths])
    reflectance = (dn.astype(np.float64) + offset) / 10_000
    value = np.floor(255 * np.clip(reflectance, 0, 1) ** (1 / 2.2) + 0.5)
    return np.where((dn != 0).any(axis=0), np.clip(value, 1, 255), 0).astype(np.uint8)


def create(path: str, like: str, options: list[str]) -> gdal.Dataset:
    """Create the image on the grid of a band file."""
    source = gdal.Open(like)
    size = source.RasterXSize, source.RasterYSize
    image = gdal.GetDriverByName("GTiff").Create(path, *size, 3, gdal.GDT_Byte, OPTIONS + options)
    image.SetGeoTransform(source.GetGeoTransform())
    image.SetProjection(source.GetProjection())
    return image


def write(image: gdal.Dataset, window: Window, rgb: NDArray[np.uint8]) -> None:
    """Write a window's pixels."""
    col, row, _, _ = window
    image.WriteArray(rgb, col, row)
