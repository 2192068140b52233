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
from s2rgb_mpi.product.dtypes import can_hold, numpy_name
from s2rgb_mpi.product.georeference import complete
from s2rgb_mpi.product.model import RGB_BANDS, Band, Choice, Listed, Product, Stored
from s2rgb_mpi.product.naming import described_band
from s2rgb_mpi.product.nodata import alpha_of, find_alpha, has_mask, stored_values
from s2rgb_mpi.product.remote import gdal_name, is_far, refused, stamp
from s2rgb_mpi.redact import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def open_raster(path: str, *, with_mask_file: bool = False) -> gdal.Dataset:
    """Open a raster for reading.

    Parameters
    ----------
    path : str
        Under which GDAL opens it.
    with_mask_file : bool
        Whether to look for a mask in a file beside it, too.

    Raises
    ------
    InputError
        With GDAL's own words.
    """
    # GDAL 3.13's JP2Grok gives wrong pixels in windowed reads (OSGeo/gdal#14780).
    grok = gdal.GetDriverByName("JP2Grok")
    if grok is not None:
        grok.Deregister()
    before = gdal.GetThreadLocalConfigOption(_LOOK_BESIDE)
    if with_mask_file:
        gdal.SetThreadLocalConfigOption(_LOOK_BESIDE, "TRUE")
    try:
        return gdal.OpenEx(path, gdal.OF_RASTER)
    except RuntimeError as error:
        raise InputError(f"{path}: {cause(error, path)}") from error
    finally:
        gdal.SetThreadLocalConfigOption(_LOOK_BESIDE, before)


_LOOK_BESIDE = "GDAL_DISABLE_READDIR_ON_OPEN"
"""GDAL's option for files beside a raster: TRUE, each is asked for; EMPTY_DIR, as the program has
it, none is, which spares servers many requests."""


def mask_file(path: str) -> str:
    """Return the name of the mask beside a raster, as GDAL has it; empty if there is none.

    Servers are not asked: each would be for every band.
    """
    name = f"{path}.msk"
    return name if not is_far(path) and gdal.VSIStatL(name) is not None else ""


def cause(error: Exception, path: str) -> str:
    """Return GDAL's words on one line, without the path that they begin with; and what to do."""
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
    rasters = [_inspect(band, choice, listed) for band in listed]
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
    warnings = () if first.grid.crs else (f"{no_crs}; the image will have none either",)
    return Product(
        name=name,
        bands=tuple(raster.band for raster in rasters),
        grid=first.grid,
        block=block,
        warnings=(*warnings, *_impossible([raster.band for raster in rasters], choice)),
        # Of one band for all three: what is hard in one is hard in the others (r > 0.99).
        costs=_costs(first.band) if first.block == block else (),
    )


def _impossible(bands: Sequence[Band], choice: Choice) -> Iterator[str]:
    """Warn of the user's values that no pixel of a product can have."""
    types = {band.stored.dtype for band in bands}
    for value in choice.nodata:
        if not any(can_hold(dtype, value) for dtype in types):
            yield f"{bands[0].path}: --nodata {value}: no pixel of {' or '.join(types)} has it"


def _inspect(listed: Listed, choice: Choice, beside: Sequence[Listed]) -> _Raster:
    """Open a band's file for its header; say where it lies, and what its values mean."""
    mask = mask_file(listed.path) if listed.masks else ""
    dataset = open_raster(listed.path, with_mask_file=bool(mask))
    if listed.count not in (0, dataset.RasterCount):
        raise InputError(
            f"{listed.path}: {dataset.RasterCount} bands, where the STAC item lists {listed.count}"
        )
    used = [band.number or _only_band(dataset, band) for band in beside if band.path == listed.path]
    number = listed.number or used[0]
    raster = dataset.GetRasterBand(number)
    stored = Stored(
        _dtype(listed.path, raster),
        has_mask=listed.masks and has_mask(raster),
        alpha=alpha_of(dataset, used) if listed.masks else None,
    )
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
        band=_settled(replace(listed, number=number), raster, choice, stored),
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


def _only_band(dataset: gdal.Dataset, listed: Listed) -> int:
    """Return the number of the one band of a file; an alpha band may lie beside it."""
    alpha = find_alpha(dataset) if listed.masks else None
    numbers = [number for number in range(1, dataset.RasterCount + 1) if number != alpha]
    if len(numbers) != 1:
        raise InputError(f"{listed.path}: {dataset.RasterCount} bands, where one is needed")
    return numbers[0]


def _settled(listed: Listed, raster: gdal.Band, choice: Choice, stored: Stored) -> Band:
    """Settle how the values in a file become DN, and these reflectance."""
    values = stored_values(stored.dtype, (raster.GetNoDataValue(), listed.nodata), choice.nodata)
    calibration, gain, source = settle(
        choice.stated,
        listed.metadata,
        _tags(listed.path, raster),
        holds_reflectance=stored.dtype.startswith("float"),
    )
    stamps = [stamp(listed.path)]
    if stored.has_mask:
        stamps += [stamp(mask_file(listed.path))]
    return Band(
        name=listed.name,
        path=listed.path,
        calibration=calibration,
        number=listed.number or 1,
        stored=replace(stored, nodata=values, gain=gain),
        offset_source=source,
        stamp=", mask ".join(filter(None, stamps)),
    )


def _dtype(path: str, raster: gdal.Band) -> str:
    """Return numpy's name of the pixels' type, and refuse what is no reflectance."""
    kind = gdal.GetDataTypeName(raster.DataType)
    if gdal.DataTypeIsComplex(raster.DataType):
        raise InputError(f"{path}: pixels are {kind}, where real numbers are needed")
    if gdal.GetDataTypeSize(raster.DataType) < LEAST_BITS:
        raise InputError(f"{path}: pixels are {kind}, 8 bit: an image, where reflectance is needed")
    return numpy_name(raster)


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
