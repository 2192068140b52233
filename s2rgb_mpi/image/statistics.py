"""Counts of an image's values, and exact statistics from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.image.radiometry import ALPHA, DN_COUNT, NODATA_OUT, valid

if TYPE_CHECKING:
    from numpy.typing import NDArray


def histogram(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Count the values of each band over the valid pixels.

    Parameters
    ----------
    rgba : ndarray, shape (height, width, 4), uint8
        As :func:`~s2rgb_mpi.image.radiometry.colour` fills it: 0 in all bands without data.

    Returns
    -------
    ndarray, shape (3, 256), uint32
        Valid pixels per value.
    """
    counts = np.zeros((ALPHA, 256), dtype=np.uint32)
    for band in range(ALPHA):
        values = np.ascontiguousarray(rgba[..., band]).reshape(-1)
        # Two pixels at a time, as one uint16: half the work of counting them one by one.
        pairs = values[: values.size & ~1].view(np.uint16)
        table = np.bincount(pairs, minlength=DN_COUNT).reshape(256, 256)
        counts[band] = table.sum(axis=0) + table.sum(axis=1)
        if values.size % 2:
            counts[band, values[-1]] += 1
    counts[:, NODATA_OUT] -= np.uint32(np.count_nonzero(~valid(rgba)))
    return counts


class Statistics(NamedTuple):
    """Of the valid pixels of one band: display values, and how many percent are valid."""

    minimum: int
    maximum: int
    mean: float
    stddev: float
    valid_percent: float


def statistics(counts: NDArray[np.int64], pixels: int) -> Statistics | None:
    """Compute exact statistics from one band's histogram.

    Parameters
    ----------
    counts : ndarray, shape (256,), int64
        Valid pixels per value.
    pixels : int
        Pixels of the image, valid or not.

    Returns
    -------
    Statistics or None
        None where no pixel is valid.
    """
    values = np.arange(256, dtype=np.float64)
    number = int(counts.sum())
    if not number:
        return None
    mean = float(counts @ values) / number
    deviation = (float(counts @ (values - mean) ** 2) / number) ** 0.5
    seen = np.flatnonzero(counts)
    return Statistics(int(seen[0]), int(seen[-1]), mean, deviation, 100 * number / pixels)
