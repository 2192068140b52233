"""The levels that GeoZarr stores have above 60 m: each of block means of the one before.

They are those of the EOPF Explorer's converter (eopf-geozarr 0.12): of the valid pixels of each
block, and without the rows and columns that fill no block.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.testing.product import RESOLUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

LEVELS = (120, 360, 720)
"""Pixel sizes of the levels, metres."""


def levels(
    reflectance: NDArray[np.float32], wanted: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Make the levels of an image of 60 m.

    Parameters
    ----------
    reflectance : ndarray of float32
        Shape (3, height, width), NaN where there is no data.
    wanted : sequence of int
        Which of them, metres.

    Yields
    ------
    tuple of int and ndarray of float32
        The pixel size, and the level.

    Raises
    ------
    ValueError
        The image is too small for a level.
    """
    before = RESOLUTIONS[-1]
    for size in LEVELS[: max(map(LEVELS.index, wanted), default=-1) + 1]:
        reflectance = _block_means(reflectance, size // before)
        if not reflectance.size:
            raise ValueError(f"an image as small as this has no level of {size} m")
        before = size
        if size in wanted:
            yield size, reflectance


def _block_means(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return means of the values in each block that are not NaN; NaN where all are."""
    bands, height, width = values.shape
    rows, cols = height // factor, width // factor
    blocks = values[:, : rows * factor, : cols * factor].reshape(bands, rows, factor, cols, factor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of blocks without any value
        means: NDArray[np.float32] = np.nanmean(blocks, axis=(2, 4), dtype=np.float32)
    return means
