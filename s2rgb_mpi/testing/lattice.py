"""Noise from lattices of random numbers: smooth fields, and sums of finer and finer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bilinear(
    lattice: NDArray[np.float32], rows: NDArray[Any], cols: NDArray[Any]
) -> NDArray[np.float32]:
    """Interpolate a lattice at every row with every column.

    Parameters
    ----------
    lattice : ndarray, shape (m, n), float32
        Values at the nodes.
    rows, cols : ndarray, one-dimensional
        Positions, counted in nodes: 0 to m - 1 and 0 to n - 1.

    Returns
    -------
    ndarray, shape (len(rows), len(cols)), float32
    """
    top = np.minimum(rows.astype(np.intp), lattice.shape[0] - 2)
    left = np.minimum(cols.astype(np.intp), lattice.shape[1] - 2)
    below = (rows - top).astype(np.float32)[:, np.newaxis]
    right = (cols - left).astype(np.float32)
    lines = lattice[top] + below * (lattice[top + 1] - lattice[top])
    field: NDArray[np.float32] = np.take(lines, left, axis=1)
    field += right * np.take(np.diff(lines, axis=1), left, axis=1)
    return field


def octaves(
    rng: np.random.Generator, size: int, *, slope: float, coarsest: int = 4
) -> NDArray[np.float32]:
    """Add up noises of ever more cells, up to `size` / 2; they continue at the opposite edge.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    size : int
        Edge of the field, pixels.
    slope : float
        The noise with n cells has the amplitude n ** -slope: the steeper, the smoother.
    coarsest : int
        Cells of the first noise along an edge; each has twice as many as the one before. A power
        of two.

    Returns
    -------
    ndarray, shape (size, size), float32
        With a mean of about 0.
    """
    where = np.arange(size) / size
    field = np.zeros((size, size), np.float32)
    for cells in 2 ** np.arange(coarsest.bit_length() - 1, size.bit_length() - 1):
        lattice = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
        lattice[-1] = lattice[0]
        lattice[:, -1] = lattice[:, 0]
        # Level at the nodes: else their rows and columns are seen as ridges.
        node, part = np.divmod(where * cells, 1)
        at = node + part**2 * (3 - 2 * part)
        field += np.float32(cells**-slope) * bilinear(lattice, at, at)
    return field
