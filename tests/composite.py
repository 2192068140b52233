"""The expected composite of several dates, written independently in plain float64: whole arrays.

All arrays of one composite lie on one grid, the output's; dates are in the order in which they are
used.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import reference

SCL_METRES = 20
CLASSES = (3, 8, 9, 10)
"""Cloud shadow, cloud of medium and of high probability, thin cirrus."""


class Observation(NamedTuple):
    """One product on the output's grid."""

    dn: NDArray[np.uint16]
    """Shape (rows, cols, 3)."""
    offset: int
    cloudy: NDArray[np.bool_]
    """Shape (rows, cols)."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where any band has data; shape (rows, cols)."""
        return (self.dn != 0).any(axis=2)

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Where it is valid and not cloudy; shape (rows, cols)."""
        return self.valid & ~self.cloudy


def dilated(mask: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Mark every pixel whose centre is at most `radius` pixels from that of a marked one."""
    height, width = mask.shape
    padded = np.pad(mask, radius)
    near = np.zeros(mask.shape, bool)
    for row, col in np.ndindex(2 * radius + 1, 2 * radius + 1):
        if (row - radius) ** 2 + (col - radius) ** 2 <= radius**2:
            near |= padded[row : row + height, col : col + width]
    return near


def cloudy(
    scl: NDArray[np.uint8], classes: Collection[int] = CLASSES, buffer: float = 0
) -> NDArray[np.bool_]:
    """Find the pixels of 20 m that are cloudy, or at most `buffer` metres from one that is.

    Distances are those of centres, and the buffer is that of whole pixels. A pixel without a class
    is never cloudy: some at the edge of the swath have data.
    """
    marked = np.isin(scl, list(classes))
    return dilated(marked, math.ceil(buffer / SCL_METRES)) & (scl != 0)


def at_10_m(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return 2 x 2 pixels of 10 m for each of 20 m, as far as the image of this shape goes."""
    return np.kron(mask, np.ones((2, 2), bool))[: shape[0], : shape[1]]


def observe(dn: NDArray[np.uint16], offset: int | None, scl: NDArray[np.uint8]) -> Observation:
    """Put together what a product has on its own grid of 10 m, without a buffer."""
    return Observation(dn, offset or 0, at_10_m(cloudy(scl), dn.shape))


def first(
    dates: Sequence[Observation], *, drop: bool = False, **colours: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colour the first clear date of each pixel; where none is clear, the first valid, or nothing.

    Returns
    -------
    ndarray, shape (rows, cols, 3), uint8
        The image.
    ndarray, shape (rows, cols), uint8
        The number of the date, from 1; 0 where there is no data.
    """
    source = np.zeros(dates[0].valid.shape, np.uint8)
    image = np.zeros(dates[0].dn.shape, np.uint8)
    numbered = list(enumerate(dates, 1))
    passes = [(number, date, date.clear) for number, date in numbered]
    if not drop:
        passes += [(number, date, date.valid) for number, date in numbered]
    for number, date, wanted in passes:
        chosen = wanted & (source == 0)
        source[chosen] = number
        image[chosen] = reference.rgb(date.dn, offset=date.offset, **colours)[chosen]
    return image, source


def median(
    dates: Sequence[Observation], *, drop: bool = False, keep: bool = False, **colours: float
) -> NDArray[np.uint8]:
    """Colour the median of the reflectance of all clear dates, for each band and pixel.

    Of an even number it is the lower of the two in the middle. Where no date is clear, it is that
    of all valid ones, or with `drop` nothing; with `keep` it is that of all valid ones everywhere.
    A band without data of a valid pixel is darker than any other.
    """
    valid = np.stack([date.valid for date in dates])
    used = valid if keep else np.stack([date.clear for date in dates])
    if not drop:
        used = np.where(used.any(axis=0), used, valid)
    dn = np.stack([date.dn for date in dates]).astype(np.float64)
    offsets = np.array([date.offset for date in dates])[:, np.newaxis, np.newaxis, np.newaxis]
    shifted = np.where(dn == 0, -np.inf, dn + offsets)
    count = used.sum(axis=0)
    ordered = np.sort(np.where(used[..., np.newaxis], shifted, np.inf), axis=0)
    middle = np.maximum(count - 1, 0) // 2
    chosen = np.take_along_axis(ordered, middle[np.newaxis, ..., np.newaxis], axis=0)[0]
    return reference.coloured(chosen / 10_000, count > 0, **colours)
