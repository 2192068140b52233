"""The scene classification (SCL) of a scene at 20 m, as Sen2Cor would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.testing.sky import CIRRUS, HIGH, MEDIUM, SHADOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = (
    "NODATA", "SATURATED_DEFECTIVE", "DARK_FEATURE_SHADOW", "CLOUD_SHADOW", "VEGETATION",
    "NOT_VEGETATED", "WATER", "UNCLASSIFIED", "CLOUD_MEDIUM_PROBA", "CLOUD_HIGH_PROBA",
    "THIN_CIRRUS", "SNOW_ICE",
)  # fmt: skip
"""Names of the classes 0 to 11, as ``MTD_MSIL2A.xml`` has them behind ``SC_``."""

_NO_DATA, _DARK, _VEGETATION, _BARE, _WATER, _UNCLASSIFIED, _SNOW = 0, 2, 4, 5, 6, 7, 11
_OF_COVER = {SHADOW: 3, MEDIUM: 8, HIGH: 9, CIRRUS: 10}

# Shares of the land, in percent from the darkest pixel on, where classes end or begin.
_WATER_END, _DARK_END, _SNOW_BEGIN = 3, 4, 97

_STEP = np.float32(1e-4)  # reflectance
_BIAS = 1000  # of brightness as a whole number of steps, as some is below 0
_LEVELS = 2**16


class Classification:
    """Collects what is known of a scene strip by strip, and classifies it.

    Parameters
    ----------
    width, height : int
        Size of the scene in 10 m pixels.
    missed : int
        Width of the rim of clouds and shadows that becomes "unclassified", pixels of 20 m.
    """

    def __init__(self, width: int, height: int, *, missed: int) -> None:
        if missed < 0:
            raise ValueError(f"missed {missed} is not 0 or more pixels")
        shape = -(-height // 2), -(-width // 2)
        self._missed = missed
        self._brightness = np.zeros(shape, np.uint16)
        self._counts = np.zeros(_LEVELS, np.int64)
        self._is_green = np.zeros(shape, bool)
        self._cover = np.zeros(shape, np.uint8)
        self._is_outside = np.zeros(shape, bool)

    def add(
        self,
        first: int,
        land: NDArray[np.float32],
        cover: NDArray[np.uint8],
        outside: NDArray[np.bool_],
    ) -> None:
        """Take in a strip, which begins at an even row.

        Parameters
        ----------
        first : int
            Its first row, 10 m pixels.
        land : ndarray, shape (3, rows, cols), float32
            Reflectance without clouds, every second row and column: red, green, blue.
        cover : ndarray, shape (rows, cols), uint8
            What covers it, at 10 m.
        outside : ndarray, shape (rows, cols), bool
            Where there is no data, at 10 m.
        """
        rows = slice(first // 2, first // 2 + land.shape[1])
        brightness = land.mean(axis=0) / _STEP + _BIAS
        self._brightness[rows] = np.clip(brightness, 0, _LEVELS - 1)
        self._counts += np.bincount(self._brightness[rows].ravel(), minlength=_LEVELS)
        self._is_green[rows] = land[1] > land[0]
        # As the 20 m images of `write_safe`, which repeat every second pixel.
        self._is_outside[rows] = outside[::2, ::2]
        odd = [(0, size % 2) for size in cover.shape]
        four = np.pad(cover, odd).reshape(land.shape[1], 2, land.shape[2], 2)
        self._cover[rows] = four.max(axis=(1, 3))

    def classes(self) -> NDArray[np.uint8]:
        """Classify the scene, of which all strips are in.

        Returns
        -------
        ndarray, shape (ceil(height / 2), ceil(width / 2)), uint8
            Classes 0 and 2 to 11.
        """
        land = self._brightness
        share = self._counts.cumsum() / land.size * 100
        ends = np.searchsorted(share, (_WATER_END, _DARK_END, _SNOW_BEGIN))
        classes = np.where(self._is_green, np.uint8(_VEGETATION), np.uint8(_BARE))
        classes[land <= ends[1]] = _DARK
        classes[land <= ends[0]] = _WATER
        classes[land >= ends[2]] = _SNOW
        for kind, number in _OF_COVER.items():
            classes[self._cover == kind] = number
        if self._missed:
            covered = self._cover > 0
            classes[covered & dilated(~covered, self._missed)] = _UNCLASSIFIED
        classes[self._is_outside] = _NO_DATA
        return classes


def dilated(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Grow what is marked by a disc: to all pixels whose centres are at most `radius` away.

    Parameters
    ----------
    mask : ndarray, shape (rows, cols), bool
        What is marked.
    radius : int
        In pixels.

    Returns
    -------
    ndarray, shape (rows, cols), bool
    """
    rows, cols = mask.shape
    grown = mask.copy()
    padded = np.pad(mask, radius)
    for down in range(-radius, radius + 1):
        for across in range(-radius, radius + 1):
            if down**2 + across**2 <= radius**2:
                row, col = radius + down, radius + across
                grown |= padded[row : row + rows, col : col + cols]
    return grown


def percentages(classes: NDArray[np.uint8]) -> list[float]:
    """Return the share of each class, percent: of class 0 of all pixels, of others of the valid.

    Parameters
    ----------
    classes : ndarray of uint8
        Of any shape.
    """
    # One by one: numpy would count all at once in a copy of eight times the size.
    outside, *counts = (int(np.count_nonzero(classes == number)) for number in range(len(CLASSES)))
    valid = max(sum(counts), 1)
    return [100 * outside / classes.size, *(100 * count / valid for count in counts)]
