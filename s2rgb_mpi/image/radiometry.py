"""From digital numbers to 8-bit colour: calibration, curve, and the table that joins them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.fields import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NODATA_OUT = 0
"""The value of "no data" in the image."""

ALPHA = 3
"""The band of an RGBA array that is 255 where a pixel is valid, and 0 where it is "no data"."""

RGBA = 4
"""Bands of such an array: all that is coloured is kept like this, up to the encoder."""

NODATA_DN = 0
"""The digital number of "no data", in every band that has been read."""

DN_COUNT = 65536
"""How many digital numbers a uint16 band can hold: the length of every table."""


@dataclass(frozen=True)
class Calibration:
    """How the digital numbers of one band become reflectance; DN 0 is "no data" before any offset.

    Parameters
    ----------
    offset : int
        Added to DN first (BOA_ADD_OFFSET), DN.
    quantification : float
        DN per unit of reflectance (BOA_QUANTIFICATION_VALUE).
    """

    offset: int = 0
    quantification: float = 10_000.0

    def __post_init__(self) -> None:
        """Reject what cannot be divided by."""
        if not 0 < self.quantification < math.inf:
            raise UsageError(f"quantification must be above 0, not {self.quantification:g}")


@dataclass(frozen=True)
class Curve(ABC):
    """From reflectance to colour: what a preset stands for.

    The fields of a curve are its options; those that have none always give the same colours.
    """

    preset: ClassVar[str]
    """Its name on the command line and in the file."""

    has_zero: ClassVar[bool] = True
    """Whether valid pixels may be 0, which they are only where 0 does not mean "no data"."""

    @abstractmethod
    def values(self, numbers: NDArray[np.float64], quantification: float) -> NDArray[np.float64]:
        """Colour digital numbers to which the offset has been added.

        Parameters
        ----------
        numbers : ndarray, float64
            DN + offset, whole numbers or halves.
        quantification : float
            DN per unit of reflectance.

        Returns
        -------
        ndarray, float64
            Whole numbers, 0..255.
        """


@dataclass(frozen=True)
class Stretch(Curve):
    """Preset boa: reflectance, cut at black and white, with a gamma between them.

    Parameters
    ----------
    black, white : float
        Reflectance (0..1, unitless) that maps to the darkest value and to 255.
    gamma : float
        ``out = 255 * ((reflectance - black) / (white - black)) ** (1 / gamma)``, rounded half
        up.
    """

    preset: ClassVar[str] = "boa"
    has_zero: ClassVar[bool] = False  # dark water must not look like "no data", whatever the mask

    black: float = 0.0
    white: float = 1.0
    gamma: float = 2.2

    def __post_init__(self) -> None:
        """Reject a stretch that has no curve."""
        check(self)
        for name in ("black", "white", "gamma"):
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"--{name} {getattr(self, name):g} is not a finite number")
        if not self.white > self.black:
            raise UsageError(f"--white {self.white:g} must be above --black {self.black:g}")
        if not self.gamma > 0:
            raise UsageError(f"--gamma must be above 0, not {self.gamma:g}")

    def values(self, numbers: NDArray[np.float64], quantification: float) -> NDArray[np.float64]:
        """Clamp, normalise, apply gamma; see :meth:`Curve.values`."""
        reflectance = numbers / quantification
        share = np.clip((reflectance - self.black) / (self.white - self.black), 0.0, 1.0)
        return np.floor(255.0 * share ** (1.0 / self.gamma) + 0.5)


@dataclass(frozen=True)
class Tci(Curve):
    """Preset tci: the true-colour image (TCI) that ESA puts into every L2A product.

    Notes
    -----
    ESA's values are 0 where ``r = DN + BOA_ADD_OFFSET`` is not above 0, and else
    ``min(255, 1 + floor(254 * r / 2500))``. No document says so: it was found on a product of
    baseline 04.00, and holds for each of its pixels. 2500 is a reflectance of 0.25 there, and
    here with any quantification.
    """

    preset: ClassVar[str] = "tci"

    white: ClassVar[float] = 0.25
    """The reflectance at which ESA's image becomes 255."""

    def values(self, numbers: NDArray[np.float64], quantification: float) -> NDArray[np.float64]:
        """Scale linearly to 1..255; see :meth:`Curve.values`."""
        # One division of exact numbers: no quotient is rounded across a whole number.
        value = 1.0 + np.floor(254.0 * numbers / (self.white * quantification))
        return np.where(numbers <= 0, 0.0, np.minimum(value, 255.0))


@dataclass(frozen=True)
class Exopp(Curve):
    """Preset exopp: the recipe of the course exercise that asks for this program.

    Notes
    -----
    exoParaProc, ``src/exopp/transform.py``: ``((DN - 200) / 9600)`` clipped to 0..1, to the
    power of 0.6, times 255, truncated. It is written for the DN of products without an offset
    and 10,000 DN per unit of reflectance; with others it takes the DN that such a product
    would have, ``(DN + offset) * 10000 / quantification``.
    """

    preset: ClassVar[str] = "exopp"

    def values(self, numbers: NDArray[np.float64], quantification: float) -> NDArray[np.float64]:
        """Follow the recipe, in its own order of operations; see :meth:`Curve.values`."""
        number = numbers * 10_000.0 / quantification
        share = np.clip((number - 200.0) / (9800.0 - 200.0), 0.0, 1.0)
        return np.floor(share**0.6 * 255.0)


PRESETS: dict[str, type[Curve]] = {curve.preset: curve for curve in (Stretch, Tci, Exopp)}
"""The curves by their names on the command line."""


def make_lut(
    calibration: Calibration,
    curve: Curve,
    *,
    darkest: int = 1,
    dn: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Build the table from digital number to display value, applied as ``lut[dn]``.

    Parameters
    ----------
    calibration : Calibration
        Offset and quantification of one band.
    curve : Curve
        From reflectance to colour.
    darkest : int
        The least value of a valid pixel: 1 where 0 means "no data", so that what the curve makes 0
        becomes 1; 0 where "no data" is marked otherwise.
    dn : ndarray, shape (65536,), float64, optional
        The digital number of every code, where pixels are not read as DN themselves; that of code
        0, "no data", is not looked at.

    Returns
    -------
    ndarray, shape (65536,), uint8
        0 for DN 0, "no data"; ``darkest`` to 255 for every other DN.

    Notes
    -----
    Reflectance is ``(DN + offset) / quantification``: Sentinel-2 Products Specification
    Document, BOA_ADD_OFFSET and BOA_QUANTIFICATION_VALUE of the product metadata. Values are
    computed once in float64.
    """
    numbers = (np.arange(DN_COUNT, dtype=np.float64) if dn is None else dn) + calibration.offset
    values = curve.values(numbers, calibration.quantification)
    lut = np.maximum(values, darkest).astype(np.uint8)
    lut[NODATA_DN] = NODATA_OUT
    return lut


def colour(
    dn: Sequence[NDArray[np.uint16]],
    luts: Sequence[NDArray[np.uint8]],
    rgba: NDArray[np.uint8],
    *,
    darkest: int = 1,
) -> None:
    """Apply one table per band, and mark the valid pixels.

    A pixel is valid if any of its three bands is. In a valid pixel a band that has no data of
    its own (processors write DN 0 over very dark water) gets the darkest value, so that a reader
    who looks at single bands sees no nodata area either.

    Parameters
    ----------
    dn : sequence of three ndarray, shape (height, width), uint16
        Digital numbers: red, green, blue; 0 means "no data".
    luts : sequence of three ndarray, shape (65536,), uint8
        From :func:`make_lut`, one a band.
    rgba : ndarray, shape (height, width, 4), uint8
        Filled here: colours, 0 in all bands where there is no data; and :data:`ALPHA`.
    darkest : int
        The least value of a valid pixel, as for :func:`make_lut`.
    """
    for band, (numbers, lut) in enumerate(zip(dn, luts, strict=True)):
        # mode="clip" only spares numpy a second pass for bounds: 65,536 entries cover uint16.
        rgba[..., band] = np.take(lut, numbers, mode="clip")
    rgba[..., ALPHA] = ((dn[0] | dn[1] | dn[2]) != NODATA_DN) * np.uint8(255)
    if darkest and not rgba.all():
        rgb = rgba[..., :ALPHA]
        np.maximum(rgb, valid(rgba)[..., np.newaxis] * np.uint8(darkest), out=rgb)


def valid(rgba: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are not "no data".

    Parameters
    ----------
    rgba : ndarray, shape (height, width, 4), uint8
        As :func:`colour` fills it.

    Returns
    -------
    ndarray, shape (height, width), bool
    """
    return rgba[..., ALPHA] != 0
