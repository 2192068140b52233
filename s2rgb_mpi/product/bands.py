"""Band files: three of them on one grid are a product."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from osgeo import gdal, osr

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.radiometry import DN_COUNT, Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

gdal.UseExceptions()
osr.UseExceptions()

RGB_BANDS = ("B04", "B03", "B02")
"""Red, green, blue: the one order of bands everywhere inside."""


@dataclass(frozen=True)
class Band:
    """One band of a product.

    Parameters
    ----------
    name : str
        ESA's name, such as B04.
    path : str
        The file, under a name that GDAL opens.
    calibration : Calibration
        From digital numbers to reflectance.
    """

    name: str
    path: str
    calibration: Calibration


@dataclass(frozen=True)
class Product:
    """Three bands on one grid.

    Parameters
    ----------
    name : str
        ESA's product identifier, or the name of the red band file.
    bands : tuple of Band
        Red, green, blue.
    grid : Grid
        Where all three lie.
    block : tuple of int
        ``(width, height)`` of the pieces the sources are stored in, pixels.
    sensing_time : str
        UTC, ISO 8601; empty where unknown.
    baseline : str
        Processing baseline, such as 05.09; empty where unknown.
    resampling : str
        Empty if `grid` is that of the files; else how they are to be resampled onto it.
    """

    name: str
    bands: tuple[Band, ...]
    grid: Grid
    block: tuple[int, int]
    sensing_time: str = ""
    baseline: str = ""
    resampling: str = ""


def open_bands(paths: Sequence[str]) -> Product:
    """Take three single-band files as a product.

    Parameters
    ----------
    paths : sequence of three str
        Red, green and blue band file, under names that GDAL opens.

    Returns
    -------
    Product
        Without offset, 10,000 DN per unit of reflectance; the no-data DN is the files' own,
        0 where they have none.
    """
    bands = tuple(
        Band(name, path, Calibration()) for name, path in zip(RGB_BANDS, paths, strict=True)
    )
    return join(Path(paths[0]).stem, bands)


def open_raster(path: str) -> gdal.Dataset:
    """Open a raster for reading.

    Raises
    ------
    InputError
        With GDAL's own words.
    """
    # GDAL 3.13's JP2Grok gives wrong pixels in windowed reads (OSGeo/gdal#14780).
    grok = gdal.GetDriverByName("JP2Grok")
    if grok is not None:
        grok.Deregister()
    try:
        return gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:
        raise InputError(f"{path}: {cause(error, path)}") from error


def cause(error: Exception, path: str) -> str:
    """Return GDAL's words on one line, without the path that they begin with."""
    words = " ".join(str(error).split())
    return words.removeprefix(path).lstrip(":, ")


@dataclass(frozen=True)
class _Raster:
    """What one band file says of itself."""

    grid: Grid
    block: tuple[int, int]
    nodata: int | None


def _inspect(path: str) -> _Raster:
    """Open a band file for its header, and refuse what is not one uint16 band on a grid."""
    dataset = open_raster(path)
    if dataset.RasterCount != 1:
        raise InputError(f"{path}: {dataset.RasterCount} bands, where one is needed")
    band = dataset.GetRasterBand(1)
    if band.DataType != gdal.GDT_UInt16:
        kind = gdal.GetDataTypeName(band.DataType)
        raise InputError(f"{path}: pixels are {kind}, where UInt16 is needed")
    crs = dataset.GetSpatialRef()
    if crs is None:
        raise InputError(f"{path}: no coordinate reference system")
    width, height = dataset.RasterXSize, dataset.RasterYSize
    block_width, block_height = band.GetBlockSize()
    nodata = band.GetNoDataValue()
    return _Raster(
        grid=Grid(crs.ExportToWkt(), dataset.GetGeoTransform(), width, height),
        block=(min(block_width, width), min(block_height, height)),
        nodata=None if nodata is None or not 0 <= nodata < DN_COUNT else int(nodata),
    )


def join(name: str, bands: Sequence[Band]) -> Product:
    """Make a product of bands that lie on one grid; the files' own no-data DN wins."""
    rasters = [_inspect(band.path) for band in bands]
    for band, raster in zip(bands[1:], rasters[1:], strict=True):
        difference = _difference(rasters[0].grid, raster.grid)
        if difference:
            raise InputError(f"{band.path}: {difference}, unlike {bands[0].path}")
    return Product(
        name=name,
        bands=tuple(
            band
            if raster.nodata is None
            else replace(band, calibration=replace(band.calibration, nodata=raster.nodata))
            for band, raster in zip(bands, rasters, strict=True)
        ),
        grid=rasters[0].grid,
        block=(
            math.lcm(*(raster.block[0] for raster in rasters)),
            math.lcm(*(raster.block[1] for raster in rasters)),
        ),
    )


def _difference(one: Grid, other: Grid) -> str:
    """Say how the second grid differs from the first; empty if it does not."""
    if (one.width, one.height) != (other.width, other.height):
        return f"{other.width} x {other.height} pixels, not {one.width} x {one.height}"
    pixel = max(abs(one.transform[1]), abs(one.transform[5]))
    if any(abs(a - b) > 1e-6 * pixel for a, b in zip(one.transform, other.transform, strict=True)):
        return f"geotransform {other.transform}, not {one.transform}"
    if one.crs != other.crs and not same_crs(one.crs, other.crs):
        return "another coordinate reference system"
    return ""


def same_crs(one: str, other: str) -> bool:
    """Tell whether two WKT mean the same; each is spelled in many ways, which PROJ knows."""
    return bool(osr.SpatialReference(one).IsSame(osr.SpatialReference(other)))
