"""Band files: three of them on one grid are a product."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.baseline import BASELINE_OFFSET
from s2rgb_mpi.inputs.calibration import Stated, from_scale, settle
from s2rgb_mpi.inputs.decode_cost import array_costs, block_costs
from s2rgb_mpi.inputs.decode_memory import held, held_of_array
from s2rgb_mpi.inputs.dtypes import largest_shift, numpy_name
from s2rgb_mpi.inputs.files.read_ahead import at_once, is_cached, read_beginnings
from s2rgb_mpi.inputs.files.remote import stamp
from s2rgb_mpi.inputs.naming import described_band
from s2rgb_mpi.inputs.nodata import alpha_of, find_alpha, has_mask, stored_values
from s2rgb_mpi.inputs.opening import mask_file, open_raster
from s2rgb_mpi.inputs.product import Band, Choice, Product
from s2rgb_mpi.inputs.safe_grid import reconcile, same_crs, same_place
from s2rgb_mpi.inputs.stac.georeference import complete
from s2rgb_mpi.inputs.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.listed import Listed
    from s2rgb_mpi.inputs.zarr.products import ArrayBand

LEAST_BITS = 16
"""Pixels of fewer bits are a coloured image, not reflectance."""


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
    read_beginnings(band.path for band in listed if band.array is None)
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
    warnings = [raster.warning for raster in rasters if raster.warning][:1]
    if not first.grid.crs:
        warnings.append(f"{no_crs}; the image will have none either")
    return Product(
        name=name,
        bands=_stamped([raster.band for raster in rasters]),
        grid=first.grid,
        block=block,
        warnings=tuple(warnings),
        # Of one band for all three: what is hard in one is hard in the others (r > 0.99).
        costs=_costs(first.band) if first.block == block else (),
    )


def _inspect(listed: Listed, choice: Choice, beside: Sequence[Listed]) -> _Raster:
    """Read the header of a band's file: its grid, and the meaning of its values."""
    if listed.array is not None:
        return _inspect_array(listed, listed.array, choice)
    mask = "" if listed.internal else mask_file(listed.path)
    dataset = open_raster(listed.path, internal=listed.internal, with_mask_file=bool(mask))
    if listed.count not in (0, dataset.RasterCount):
        raise InputError(
            f"{listed.path}: {dataset.RasterCount} bands, where the STAC item lists {listed.count}"
        )
    used = [band.number or only_band(dataset, band) for band in beside if band.path == listed.path]
    number = listed.number or used[0]
    raster = dataset.GetRasterBand(number)
    stored = Stored(
        _dtype(listed.path, raster),
        has_mask=not listed.internal and has_mask(raster),
        alpha=None if listed.internal else alpha_of(dataset, used),
    )
    description = raster.GetDescription()
    if listed.count and described_band(description) not in ("", listed.name):
        raise InputError(
            f"{listed.path}: band {listed.number} is {description!r} in the file, but {listed.name}"
            " in the STAC item; open the file itself, with --bidx R,G,B"
        )
    grid, warning = locate(listed, dataset)
    tag = None if listed.internal else raster.GetNoDataValue()
    tags = Stated() if listed.internal else _tags(listed.path, raster)
    band = _settled(replace(listed, number=number), choice, stored, (tag, listed.nodata), tags)
    block_width, block_height = raster.GetBlockSize()
    return _Raster(
        band=replace(band, held=held(dataset, number, stored.dtype)),
        grid=grid,
        block=(min(block_width, grid.width), min(block_height, grid.height)),
        warning=warning,
    )


def _inspect_array(listed: Listed, found: ArrayBand, choice: Choice) -> _Raster:
    """Say where an array of a Zarr store lies, and what its values mean."""
    array, grid = found.array, found.grid
    dtype = np.dtype(array.dtype)
    if dtype.kind not in "iuf" or dtype.itemsize * 8 < LEAST_BITS:
        raise InputError(
            f"{listed.path}: values of {dtype.name}, where reflectance of {LEAST_BITS} bits or more"
            " is needed"
        )
    # Half precision has not enough digits for what is made of it.
    stored = Stored("float32" if dtype.name == "float16" else dtype.name)
    band = _settled(listed, choice, stored, (*found.nodata, listed.nodata), found.stated)
    if dtype.kind == "f" and not band.stored.shift:
        # ESA's offset has been applied: what lies below 0 counts in means of pixels.
        band = replace(band, stored=replace(band.stored, shift=-round(BASELINE_OFFSET)))
    height, width = array.chunk
    return _Raster(
        band=replace(band, held=held_of_array(array), array=array, stamp=found.stamp),
        grid=grid,
        block=(min(width, grid.width), min(height, grid.height)),
    )


def locate(listed: Listed, dataset: gdal.Dataset) -> tuple[Grid, str]:
    """Return where a file lies, by itself and by the metadata; and a warning, or none (empty)."""
    try:
        stated_crs, stated_transform = complete(dataset, listed.georeference)
    except UsageError as error:
        raise InputError(f"{listed.path}: {error}") from error
    crs = dataset.GetSpatialRef()
    own = Grid(
        stated_crs if crs is None else crs.ExportToWkt(),
        stated_transform or dataset.GetGeoTransform(),
        dataset.RasterXSize,
        dataset.RasterYSize,
    )
    return reconcile(listed.path, own, listed.placed) if listed.placed else (own, "")


def _costs(band: Band) -> tuple[int, ...]:
    """Predict how long each block of a band takes to decode."""
    if band.array is not None:
        return array_costs(band.array)
    return block_costs(open_raster(band.path, internal=band.internal), band.number)


def only_band(dataset: gdal.Dataset, listed: Listed) -> int:
    """Return the number of the one band of a file; an alpha band may lie beside it."""
    alpha = None if listed.internal else find_alpha(dataset)
    numbers = [number for number in range(1, dataset.RasterCount + 1) if number != alpha]
    if len(numbers) != 1:
        raise InputError(f"{listed.path}: {dataset.RasterCount} bands, where one is needed")
    return numbers[0]


def _settled(
    listed: Listed,
    choice: Choice,
    stored: Stored,
    nodata: Sequence[float | None],
    tags: Stated,
) -> Band:
    """Settle how the values in a file become DN, and these reflectance."""
    calibration, gain, source = settle(
        choice.stated,
        listed.metadata,
        tags,
        holds_reflectance=stored.dtype.startswith("float"),
    )
    shift = largest_shift(stored.dtype, calibration.offset)
    values = stored_values(stored.dtype, nodata, choice.nodata, shifted=shift > 0)
    return Band(
        name=listed.name,
        path=listed.path,
        calibration=calibration,
        number=listed.number or 1,
        stored=replace(stored, nodata=values, gain=gain, shift=shift),
        offset_source=source,
        internal=listed.internal,
    )


def _stamped(bands: Sequence[Band]) -> tuple[Band, ...]:
    """Add the fingerprints of the files; those on servers are requested in parallel."""
    files = [band.path for band in bands if band.array is None]
    served = [path for path in dict.fromkeys(files) if is_cached(path)]
    known = dict(zip(served, at_once(stamp, served), strict=True))
    stamped = []
    for band in bands:
        if band.array is not None:  # it has one already
            stamped.append(band)
            continue
        stamps = [known.get(band.path) or stamp(band.path)]
        if band.stored.has_mask:
            stamps += [stamp(mask_file(band.path))]
        stamped.append(replace(band, stamp=", mask ".join(filter(None, stamps))))
    return tuple(stamped)


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
            return Stated()  # the values of drivers without such tags
        return from_scale("scale and offset tags of the file", scale=scale, offset=offset)
    except (UsageError, ValueError) as error:
        raise InputError(f"{path}: {error}") from error


def _difference(one: Grid, other: Grid) -> str:
    """Describe how the second grid differs from the first; empty if it does not."""
    if (one.width, one.height) != (other.width, other.height):
        return f"{other.width} x {other.height} pixels, not {one.width} x {one.height}"
    if not same_place(one, other):
        return f"geotransform {other.transform}, not {one.transform}"
    if bool(one.crs) != bool(other.crs):
        return "a coordinate reference system" if other.crs else "no coordinate reference system"
    if not same_crs(one.crs, other.crs):
        return "another coordinate reference system"
    return ""
