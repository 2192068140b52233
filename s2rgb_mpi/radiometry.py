"""From digital numbers to 8-bit colour: calibration, stretch, and the table that joins them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NODATA_OUT = 0
"""The value of "no data" in the image; valid pixels are 1..255, so dark water is no hole."""

DN_COUNT = 65536
"""How many digital numbers a uint16 band can hold: the length of every table."""


@dataclass(frozen=True)
class Calibration:
    """How the digital numbers of one band become reflectance.

    Parameters
    ----------
    offset : int
        Added to DN first (BOA_ADD_OFFSET), DN.
    quantification : float
        DN per unit of reflectance (BOA_QUANTIFICATION_VALUE).
    nodata : int
        The DN that means "no data", looked at before the offset is added.
    """

    offset: int = 0
    quantification: float = 10_000.0
    nodata: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be divided by."""
        if not 0 < self.quantification < math.inf:
            raise UsageError(f"quantification must be above 0, not {self.quantification:g}")
        if not 0 <= self.nodata < DN_COUNT:
            raise UsageError(f"no data must be a DN, 0..65535, not {self.nodata}")


@dataclass(frozen=True)
class Stretch:
    """Which reflectances become dark and white, and the curve between them.

    Parameters
    ----------
    black, white : float
        Reflectance (0..1, unitless) that maps to the darkest value and to 255.
    gamma : float
        ``out = 255 * ((reflectance - black) / (white - black)) ** (1 / gamma)``.
    """

    black: float = 0.0
    white: float = 1.0
    gamma: float = 2.2

    def __post_init__(self) -> None:
        """Refuse a stretch that has no curve."""
        for name in ("black", "white", "gamma"):
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"--{name} {getattr(self, name):g} is not a finite number")
        if not self.white > self.black:
            raise UsageError(f"--white {self.white:g} must be above --black {self.black:g}")
        if not self.gamma > 0:
            raise UsageError(f"--gamma must be above 0, not {self.gamma:g}")


def make_lut(calibration: Calibration, stretch: Stretch) -> NDArray[np.uint8]:
    """Build the table from digital number to display value, applied as ``lut[dn]``.

    Parameters
    ----------
    calibration : Calibration
        Offset, quantification and no-data DN of one band.
    stretch : Stretch
        Black and white reflectance, and gamma.

    Returns
    -------
    ndarray, shape (65536,), uint8
        0 for the no-data DN alone; every other DN gets 1..255.

    Notes
    -----
    Reflectance is ``(DN + offset) / quantification``: Sentinel-2 Products Specification
    Document, BOA_ADD_OFFSET and BOA_QUANTIFICATION_VALUE of the product metadata. Values are
    computed once in float64 and rounded half up.
    """
    dn = np.arange(DN_COUNT, dtype=np.float64)
    reflectance = (dn + calibration.offset) / calibration.quantification
    share = np.clip((reflectance - stretch.black) / (stretch.white - stretch.black), 0.0, 1.0)
    value = np.floor(255.0 * share ** (1.0 / stretch.gamma) + 0.5)
    lut = np.maximum(value, NODATA_OUT + 1).astype(np.uint8)
    lut[calibration.nodata] = NODATA_OUT
    return lut


def colour(
    dn: Sequence[NDArray[np.uint16]],
    luts: Sequence[NDArray[np.uint8]],
    rgb: NDArray[np.uint8],
) -> bool:
    """Apply one table per band, and keep valid pixels apart from "no data".

    A pixel is valid if any of its three bands is. In a valid pixel a band that has no data of
    its own (processors write DN 0 over very dark water) gets 1, the darkest value, so that a
    reader who looks at single bands sees no hole either.

    Parameters
    ----------
    dn : sequence of three ndarray, shape (height, width), uint16
        Digital numbers: red, green, blue.
    luts : sequence of three ndarray, shape (65536,), uint8
        What :func:`make_lut` gave for each band.
    rgb : ndarray, shape (height, width, 3), uint8
        Filled here.

    Returns
    -------
    bool
        True if any pixel is valid.
    """
    for band, (numbers, lut) in enumerate(zip(dn, luts, strict=True)):
        # mode="clip" only spares numpy a second pass for bounds: 65,536 entries cover uint16.
        rgb[..., band] = np.take(lut, numbers, mode="clip")
    if rgb.all():
        return True
    pixels = valid(rgb)
    np.maximum(rgb, pixels[..., np.newaxis], out=rgb)
    return bool(pixels.any())


def valid(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pixels are not "no data".

    Parameters
    ----------
    rgb : ndarray, shape (height, width, 3), uint8
        Colours, 0 in all bands where there is no data.

    Returns
    -------
    ndarray, shape (height, width), bool
    """
    # Joining the bands by hand is ten times faster than rgb.any(axis=2).
    return (rgb[..., 0] | rgb[..., 1] | rgb[..., 2]) != NODATA_OUT


def histogram(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Count the values of each band.

    Parameters
    ----------
    rgb : ndarray, shape (height, width, 3), uint8
        A window's pixels.

    Returns
    -------
    ndarray, shape (3, 256), uint32
        Pixels per value; "no data" is counted at 0.
    """
    counts = np.zeros((3, 256), dtype=np.uint32)
    for band in range(3):
        values = np.ascontiguousarray(rgb[..., band]).reshape(-1)
        # Two pixels at a time, as one uint16: half the work of counting them one by one.
        pairs = values[: values.size & ~1].view(np.uint16)
        table = np.bincount(pairs, minlength=DN_COUNT).reshape(256, 256)
        counts[band] = table.sum(axis=0) + table.sum(axis=1)
        if values.size % 2:
            counts[band, values[-1]] += 1
    return counts


class Statistics(NamedTuple):
    """Of the valid pixels of one band: display values, and how many percent are valid."""

    minimum: int
    maximum: int
    mean: float
    stddev: float
    valid_percent: float


def statistics(counts: NDArray[np.int64]) -> Statistics | None:
    """Compute exact statistics from one band's histogram.

    Parameters
    ----------
    counts : ndarray, shape (256,), int64
        Pixels per value, 0 being "no data".

    Returns
    -------
    Statistics or None
        None where no pixel is valid.
    """
    values = np.arange(1, 256, dtype=np.float64)
    valid_counts = counts[1:]
    number = int(valid_counts.sum())
    if not number:
        return None
    mean = float(valid_counts @ values) / number
    deviation = (float(valid_counts @ (values - mean) ** 2) / number) ** 0.5
    seen = np.flatnonzero(valid_counts) + 1
    percent = 100 * number / int(counts.sum())
    return Statistics(int(seen[0]), int(seen[-1]), mean, deviation, percent)
