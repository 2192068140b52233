"""Band files: three of them on one grid are a product."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from osgeo import gdal, osr

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.product.calibrate import Stated, from_scale, settle
from s2rgb_mpi.product.costs import block_costs
from s2rgb_mpi.product.georeference import complete
from s2rgb_mpi.product.model import RGB_BANDS, Band, Choice, Listed, Product, Stored
from s2rgb_mpi.product.naming import described_band
from s2rgb_mpi.product.remote import gdal_name, refused, stamp
from s2rgb_mpi.redact import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

gdal.UseExceptions()
osr.UseExceptions()
# Errors are exceptions; warnings (a server is asked again) would come from many ranks at once.
gdal.SetErrorHandler("CPLQuietErrorHandler")

LEAST_BITS = 16
"""Pixels of fewer bits are a coloured image, not reflectance."""


def open_bands(paths: Sequence[str], choice: Choice | None = None) -> Product:
    """Take three single-band files as a product.

    Parameters
    ----------
    paths : sequence of three str
        Red, green and blue band file: paths, URLs, or names of GDAL's own.
    choice : Choice, optional
        What the user states of the values.

    Returns
    -------
    Product
        With a warning if the files have no coordinate reference system.

    Raises
    ------
    InputError
        A file is not one band of 16 bit or more, or not on the grid of the first.
    """
    listed = [Listed(name, gdal_name(path)) for name, path in zip(RGB_BANDS, paths, strict=True)]
    name = PurePosixPath(file_name(paths[0])).stem
    return join(name, listed, choice or Choice(), needs_crs=False)


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
    """Return GDAL's message on one line, without the path at its beginning; with a remedy."""
    words = " ".join(str(error).split())
    return refused(words.removeprefix(path).lstrip(":, "))


@dataclass(frozen=True)
class _Raster:
    """What a band's file says of it."""

    band: Band
    grid: Grid
    block: tuple[int, int]


def join(name: str, listed: Sequence[Listed], choice: Choice, *, needs_crs: bool = True) -> Product:
    """Make a product of three bands that lie on one grid.

    Parameters
    ----------
    name : str
        Of the product.
    listed : sequence of three Listed
        Red, green, blue.
    choice : Choice
        What the user states of the values.
    needs_crs : bool
        Whether bands without coordinate reference system are refused; otherwise the product
        warns of it.

    Raises
    ------
    InputError
        Names the file that cannot be read, or is unlike the first.
    """
    rasters = [_inspect(band, choice) for band in listed]
    first = rasters[0]
    for raster in rasters[1:]:
        difference = _difference(first.grid, raster.grid)
        if difference:
            raise InputError(f"{raster.band.path}: {difference}, unlike {first.band.path}")
    no_crs = f"{first.band.path}: no coordinate reference system"
    if needs_crs and not first.grid.crs:
        raise InputError(no_crs)
    block = (
        math.lcm(*(raster.block[0] for raster in rasters)),
        math.lcm(*(raster.block[1] for raster in rasters)),
    )
    return Product(
        name=name,
        bands=tuple(raster.band for raster in rasters),
        grid=first.grid,
        block=block,
        warnings=() if first.grid.crs else (f"{no_crs}; the image will have none either",),
        # Of one band for all three: what is hard in one is hard in the others (r > 0.99).
        costs=_costs(first.band) if first.block == block else (),
    )


def _inspect(listed: Listed, choice: Choice) -> _Raster:
    """Open a band's file for its header; say where it lies, and what its values mean."""
    dataset = open_raster(listed.path)
    if listed.number is None and dataset.RasterCount != 1:
        raise InputError(f"{listed.path}: {dataset.RasterCount} bands, where one is needed")
    if listed.count not in (0, dataset.RasterCount):
        raise InputError(
            f"{listed.path}: {dataset.RasterCount} bands, where the STAC item lists {listed.count}"
        )
    raster = dataset.GetRasterBand(listed.number or 1)
    description = raster.GetDescription()
    if listed.count and described_band(description) not in ("", listed.name):
        raise InputError(
            f"{listed.path}: band {listed.number} is {description!r} in the file, but {listed.name}"
            " in the STAC item; open the file itself, with --bidx R,G,B"
        )
    try:
        stated_crs, stated_transform = complete(dataset, listed.georeference)
    except UsageError as error:
        raise InputError(f"{listed.path}: {error}") from error
    crs = dataset.GetSpatialRef()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    block_width, block_height = raster.GetBlockSize()
    return _Raster(
        band=replace(_settled(listed, raster, choice), crs=stated_crs, transform=stated_transform),
        grid=Grid(
            stated_crs if crs is None else crs.ExportToWkt(),
            stated_transform or dataset.GetGeoTransform(),
            width,
            height,
        ),
        block=(min(block_width, width), min(block_height, height)),
    )


def _costs(band: Band) -> tuple[int, ...]:
    """Predict how long each block of a band takes to decode."""
    return block_costs(open_raster(band.path), band.number)


def _settled(listed: Listed, raster: gdal.Band, choice: Choice) -> Band:
    """Settle how the values in a file become DN, and these reflectance."""
    dtype = _dtype(listed.path, raster)
    value = _nodata(raster, dtype)
    is_real = dtype.startswith("float")
    if value is None and not is_real:
        value = listed.nodata
    # Values of uint16 are read as they are, "no data" too; all others are moved, and it to DN 0.
    moved = dtype != "uint16"
    calibration, gain, source = settle(
        choice.stated,
        listed.metadata,
        _tags(listed.path, raster),
        holds_reflectance=is_real,
        nodata=0 if moved or value is None else int(value),
    )
    return Band(
        name=listed.name,
        path=listed.path,
        calibration=calibration,
        number=listed.number or 1,
        stored=Stored(dtype, value if moved else None, gain),
        offset_source=source,
        stamp=stamp(listed.path),
    )


def _dtype(path: str, raster: gdal.Band) -> str:
    """Return numpy's name of the pixels' type, and refuse what is no reflectance."""
    kind = gdal.GetDataTypeName(raster.DataType)
    if gdal.DataTypeIsComplex(raster.DataType):
        raise InputError(f"{path}: pixels are {kind}, where real numbers are needed")
    if gdal.GetDataTypeSize(raster.DataType) < LEAST_BITS:
        raise InputError(f"{path}: pixels are {kind}, 8 bit: an image, where reflectance is needed")
    return str(kind.lower())


def _nodata(raster: gdal.Band, dtype: str) -> float | None:
    """Return the file's "no data" value, or None if it has none, or one no pixel can have."""
    value: float | None = raster.GetNoDataValue()
    if value is None or dtype.startswith("float"):
        return value
    bits, signed = gdal.GetDataTypeSize(raster.DataType), dtype.startswith("int")
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    # GDAL writes 70,000, -9999 or NaN into the tag of a uint16 file without complaint.
    return int(value) if least <= value < most and value == int(value) else None


def _tags(path: str, raster: gdal.Band) -> Stated:
    """Read what scale and offset tags state: in TIFF, and in GDAL's own reading of SAFE."""
    esa = raster.GetMetadataItem("BOA_ADD_OFFSET")
    try:
        if esa is not None:
            return Stated("BOA_ADD_OFFSET of the band", float(esa), floats=Stated())
        scale, offset = raster.GetScale(), raster.GetOffset()
        if (scale, offset) in {(1.0, 0.0), (None, 0.0), (1.0, None)}:
            return Stated()  # what drivers give that know of no tags
        return from_scale("scale and offset tags of the file", scale=scale, offset=offset)
    except (UsageError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _difference(one: Grid, other: Grid) -> str:
    """Say how the second grid differs from the first; empty if it does not."""
    if (one.width, one.height) != (other.width, other.height):
        return f"{other.width} x {other.height} pixels, not {one.width} x {one.height}"
    pixel = max(abs(one.transform[1]), abs(one.transform[5]))
    if any(abs(a - b) > 1e-6 * pixel for a, b in zip(one.transform, other.transform, strict=True)):
        return f"geotransform {other.transform}, not {one.transform}"
    if bool(one.crs) != bool(other.crs):
        return "a coordinate reference system" if other.crs else "no coordinate reference system"
    if not same_crs(one.crs, other.crs):
        return "another coordinate reference system"
    return ""


def same_crs(one: str, other: str) -> bool:
    """Tell whether two WKT mean the same; each is spelled in many ways, which PROJ knows."""
    if not one or not other:
        return one == other
    return bool(osr.SpatialReference(one).IsSame(osr.SpatialReference(other)))
