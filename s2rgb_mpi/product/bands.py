"""Band files: three of them on one grid are a product."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osgeo import gdal

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.product.calibrate import Stated, from_scale, settle
from s2rgb_mpi.product.costs import block_costs
from s2rgb_mpi.product.downloads import first_bytes, refuse_answer
from s2rgb_mpi.product.geocoding import reconcile, same_crs, same_place
from s2rgb_mpi.product.model import Band, Choice, Listed, Product, Stored
from s2rgb_mpi.product.remote import stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

gdal.UseExceptions()
# Errors are exceptions; warnings (a server is asked again) would come from many ranks at once.
gdal.SetErrorHandler("CPLQuietErrorHandler")

LEAST_BITS = 16
"""Pixels of fewer bits are a coloured image, not reflectance."""


_ALONE = {
    # Desktop programs write .aux.xml beside what they show. GDAL before 3.10 reads it whatever
    # the second setting and the list of neighbours say that it is given.
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
_ALONE_OPTIONS = ["GEOREF_SOURCES=INTERNAL"]
"""What keeps GDAL from files beside the one that it opens: settings, and options to open with."""


def open_raster(path: str, *, internal: bool = False) -> gdal.Dataset:
    """Open a raster for reading.

    Parameters
    ----------
    path : str
        A name that GDAL opens.
    internal : bool
        Whether nothing beside the file is read: no ``.aux.xml``, no world file. Overviews
        (``.ovr``) and masks (``.msk``) beside it GDAL still offers, to who looks for them.

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
        if not internal:
            return gdal.OpenEx(path, gdal.OF_RASTER)
        with _settings(_ALONE):
            return gdal.OpenEx(path, gdal.OF_RASTER, open_options=_ALONE_OPTIONS)
    except RuntimeError as error:
        refuse_answer(path, first_bytes(path))
        raise InputError(f"{path}: {cause(error, path)}") from error


def to_resample(dataset: gdal.Dataset, band: Band) -> gdal.Dataset:
    """Return the open file of a band as the warper is to see it.

    Parameters
    ----------
    dataset : gdal.Dataset
        As :func:`open_raster` opened it.
    band : Band
        Where its product's metadata place it.

    Returns
    -------
    gdal.Dataset
        Of a product whose metadata decide: at its place, and without a mask (``.msk``) that lies
        beside the file, which the warper would apply. All others as they are.
    """
    if not band.internal:
        return dataset
    options = {}
    if band.placed is not None:
        x, dx, _, y, _, dy = band.placed.transform
        options = {
            "outputSRS": band.placed.crs,
            "outputBounds": (x, y, x + dx * band.placed.width, y + dy * band.placed.height),
        }
    return gdal.Translate("", dataset, format="VRT", maskBand="none", **options)


@contextmanager
def _settings(settings: Mapping[str, str]) -> Iterator[None]:
    """Set options of GDAL for this thread while the body runs."""
    before = {name: gdal.GetThreadLocalConfigOption(name) for name in settings}
    try:
        for name, value in settings.items():
            gdal.SetThreadLocalConfigOption(name, value)
        yield
    finally:
        for name, earlier in before.items():
            gdal.SetThreadLocalConfigOption(name, earlier)


def cause(error: Exception, path: str) -> str:
    """Return GDAL's words on one line, without the path that they begin with."""
    words = " ".join(str(error).split())
    return words.removeprefix(path).lstrip(":, ")


@dataclass(frozen=True)
class _Raster:
    """What a band's file says of it."""

    band: Band
    grid: Grid
    block: tuple[int, int]
    warning: str = ""


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
    warnings = [raster.warning for raster in rasters if raster.warning][:1]
    if not first.grid.crs:
        warnings.append(f"{no_crs}; the image will have none either")
    return Product(
        name=name,
        bands=tuple(raster.band for raster in rasters),
        grid=first.grid,
        block=block,
        warnings=tuple(warnings),
        # Of one band for all three: what is hard in one is hard in the others (r > 0.99).
        costs=_costs(first.band) if first.block == block else (),
    )


def _inspect(listed: Listed, choice: Choice) -> _Raster:
    """Open a band's file for its header; say where it lies, and what its values mean."""
    dataset = open_raster(listed.path, internal=listed.internal)
    if listed.number is None and dataset.RasterCount != 1:
        raise InputError(f"{listed.path}: {dataset.RasterCount} bands, where one is needed")
    raster = dataset.GetRasterBand(listed.number or 1)
    crs = dataset.GetSpatialRef()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    block_width, block_height = raster.GetBlockSize()
    own = Grid("" if crs is None else crs.ExportToWkt(), dataset.GetGeoTransform(), width, height)
    grid, warning = reconcile(listed.path, own, listed.placed) if listed.placed else (own, "")
    band = _settled(listed, raster, choice)
    return _Raster(
        band=band if grid is own else replace(band, placed=grid),
        grid=grid,
        block=(min(block_width, width), min(block_height, height)),
        warning=warning,
    )


def _costs(band: Band) -> tuple[int, ...]:
    """Predict how long each block of a band takes to decode."""
    return block_costs(open_raster(band.path, internal=band.internal), band.number)


def _settled(listed: Listed, raster: gdal.Band, choice: Choice) -> Band:
    """Settle how the values in a file become DN, and these reflectance."""
    dtype = _dtype(listed.path, raster)
    value = None if listed.internal else _nodata(raster, dtype)
    is_real = dtype.startswith("float")
    if value is None and not is_real:
        value = listed.nodata
    # Values of uint16 are read as they are, "no data" too; all others are moved, and it to DN 0.
    moved = dtype != "uint16"
    calibration, gain, source = settle(
        choice.stated,
        listed.metadata,
        Stated() if listed.internal else _tags(listed.path, raster),
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
        internal=listed.internal,
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
            return Stated("BOA_ADD_OFFSET of the band", float(esa))
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
    if not same_place(one, other):
        return f"geotransform {other.transform}, not {one.transform}"
    if bool(one.crs) != bool(other.crs):
        return "a coordinate reference system" if other.crs else "no coordinate reference system"
    if not same_crs(one.crs, other.crs):
        return "another coordinate reference system"
    return ""
