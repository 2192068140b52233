"""No data in a band file: stored values, the file's mask, or an alpha band."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from osgeo import gdal

from s2rgb_mpi.inputs.dtypes import can_hold, numpy_name
from s2rgb_mpi.inputs.stored import Alpha

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s2rgb_mpi.inputs.product import Product


_MASKS = {0, gdal.GMF_PER_DATASET, gdal.GMF_PER_DATASET | gdal.GMF_NODATA}
"""Flags of the masks that are read: a band's own, the dataset's, and that of the metadata item
NODATA_VALUES, which applies to all bands together. Others follow from bands and tags of a file."""

_DATA_MASK = re.compile(r"data_?mask", re.IGNORECASE)
"""Sentinel Hub's name for the band that is 0 where there is no data."""

_SPECTRAL = re.compile(
    r"(b\d\d?a?(_\d+m)?|red|green|blue|coastal|nir|swir|red[\s_-]*edge)([\s\d,(_-].*)?",
    re.IGNORECASE,
)
"""Names of bands that hold reflectance. GDAL's ``ALPHA=YES`` marks the *second* band of a file
without red, green and blue as its alpha band, whatever its content."""


def stored_values(
    dtype: str,
    stated: Iterable[float | None],
    chosen: Iterable[float],
    *,
    shifted: bool = False,
) -> tuple[float, ...]:
    """Collect the stored values of a band that mean "no data".

    Parameters
    ----------
    dtype : str
        numpy's name of the values' type.
    stated : iterable of float, optional
        Values stated by the file and its metadata, in this order; None where there is none.
    chosen : iterable of float
        Values stated by the user.
    shifted : bool
        Whether an offset raises values below 0: then 0 is a value like others.

    Returns
    -------
    tuple of float
        Each value once; without those that no pixel can have, and those that are not finite, which
        always mean "no data". 0 is included for unsigned integers (ESA's DN 0), and for signed
        ones if there is no other value.
    """
    values = [value for value in (*stated, *sorted(chosen)) if value is not None]
    found = [_exact(value) for value in values if can_hold(dtype, value)]
    if dtype.startswith("uint") or (dtype.startswith("int") and not (found or shifted)):
        found.append(0)
    return tuple(dict.fromkeys(found))


def impossible(products: Iterable[Product], chosen: Iterable[float]) -> tuple[str, ...]:
    """Return a warning for each of the user's values that no pixel of any product can have."""
    types = dict.fromkeys(band.stored.dtype for product in products for band in product.bands)
    return tuple(
        f"--nodata {value}: no pixel of {' or '.join(types)} has it"
        for value in chosen
        if not any(can_hold(dtype, value) for dtype in types)
    )


def _exact(value: float) -> float:
    """Return whole numbers as integers: float64 cannot represent all 64-bit ones."""
    return int(value) if value == int(value) else value


def has_mask(raster: gdal.Band) -> bool:
    """Return whether a band has a mask other than from a "no data" value or an alpha band."""
    return raster.GetMaskFlags() in _MASKS


def is_shared_mask(raster: gdal.Band) -> bool:
    """Return whether the mask of a band is shared by all bands of its file."""
    return bool(raster.GetMaskFlags() & gdal.GMF_PER_DATASET)


def find_alpha(dataset: gdal.Dataset, used: Sequence[int] = ()) -> int | None:
    """Return the number of the band that marks pixels with data, or None.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    used : sequence of int
        Numbers of bands that hold reflectance; these are excluded.
    """
    others = [number for number in range(1, dataset.RasterCount + 1) if number not in used]
    for is_one in (_is_data_mask, _is_alpha):
        for number in others:
            if is_one(dataset.GetRasterBand(number)):
                return number
    return None


def _is_data_mask(raster: gdal.Band) -> bool:
    return bool(_DATA_MASK.fullmatch(raster.GetDescription().strip()))


def _is_alpha(raster: gdal.Band) -> bool:
    """Return whether a band has the colour interpretation alpha, and no name of a spectral band.

    GDAL's own mask flags consider integer bands only.
    """
    is_alpha = raster.GetColorInterpretation() == gdal.GCI_AlphaBand
    return is_alpha and not _SPECTRAL.fullmatch(raster.GetDescription().strip())


def alpha_of(dataset: gdal.Dataset, used: Sequence[int]) -> Alpha | None:
    """Return the alpha band of a file besides the bands that are used, or None."""
    number = find_alpha(dataset, used)
    if number is None:
        return None
    return Alpha(number, numpy_name(dataset.GetRasterBand(number)))
