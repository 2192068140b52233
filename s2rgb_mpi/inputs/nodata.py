"""What is no data in a band file: stored values, the file's mask, a band that is an alpha band."""

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
"""Flags of masks that say more than the other bands and tags of a file: a band's own, a dataset's,
and that of the item NODATA_VALUES, which means all bands at once."""

_DATA_MASK = re.compile(r"data_?mask", re.IGNORECASE)
"""What Sentinel Hub calls the band that is 0 where there is no data."""

_SPECTRAL = re.compile(
    r"(b\d\d?a?(_\d+m)?|red|green|blue|coastal|nir|swir|red[\s_-]*edge)([\s\d,(_-].*)?",
    re.IGNORECASE,
)
"""Names of bands that hold reflectance. GDAL's ``ALPHA=YES`` makes the *second* band of a file
without red, green and blue its alpha band, whatever lies in it."""


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
        What the file and its metadata state, in this order; None where they state nothing.
    chosen : iterable of float
        What the user states.
    shifted : bool
        Whether an offset lifts values below 0: then 0 is a value like others.

    Returns
    -------
    tuple of float
        Each once, without those that no pixel can have, and those that are not finite, which are
        no data in any case. 0 is among them for unsigned integers (ESA's DN 0), and for signed
        ones where nothing else is.
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
    """Return whole numbers as integers: float64 has not all of those of 64 bits."""
    return int(value) if value == int(value) else value


def has_mask(raster: gdal.Band) -> bool:
    """Return whether a band has a mask that no "no data" value and no alpha band stands for."""
    return raster.GetMaskFlags() in _MASKS


def is_shared_mask(raster: gdal.Band) -> bool:
    """Return whether the mask of a band is that of all bands of its file."""
    return bool(raster.GetMaskFlags() & gdal.GMF_PER_DATASET)


def find_alpha(dataset: gdal.Dataset, used: Sequence[int] = ()) -> int | None:
    """Return the number of the band that says which pixels have data, or None.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    used : sequence of int
        Numbers of bands that hold reflectance; none of them is meant.
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
    """Return whether a band has alpha for its colour, and no other name.

    GDAL's own mask flags know of integers only.
    """
    is_alpha = raster.GetColorInterpretation() == gdal.GCI_AlphaBand
    return is_alpha and not _SPECTRAL.fullmatch(raster.GetDescription().strip())


def alpha_of(dataset: gdal.Dataset, used: Sequence[int]) -> Alpha | None:
    """Return the alpha band of a file, beside bands that are used."""
    number = find_alpha(dataset, used)
    if number is None:
        return None
    return Alpha(number, numpy_name(dataset.GetRasterBand(number)))
