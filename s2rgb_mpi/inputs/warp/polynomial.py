"""A coordinate operation over one piece of an image as a polynomial: as exact, and far faster.

A chain of map projections takes PROJ about 500 ns per point, which for an image of 10,980 x 10,980
pixels takes longer than decoding. Over some kilometres the same operation is a polynomial of low
degree, to within the rounding of its own float64 numbers. PROJ evaluates it in 60 ns
(``+proj=horner``), inside GDAL's warper.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DEGREE = 6
"""Degree of the polynomial. Over a distance x the curvature of a sphere of radius R adds terms of
x (x / R)^k to a map. For 60 km, half a piece of 60 m pixels, that of degree 7 is below 1e-7 m."""

TOLERANCE = 1e-8
"""The largest difference of polynomial and operation, pixels of the source. Northings of
5,000,000 m are rounded to 1e-9 m: both have that uncertainty."""


def horner(points: NDArray[np.float64]) -> str | None:
    """Return a PROJ operation with the polynomial from the target of a piece to its source.

    Parameters
    ----------
    points : ndarray, shape (rows, cols, 2), float64
        Source positions of points spread evenly over the target, including its edges; in pixels
        from the middle of the source.

    Returns
    -------
    str or None
        The inverse of the operation transforms target coordinates, from -1 to 1 across width and
        height, to the source. The forward direction is correct to first order only, since GDAL's
        warper does not need it. None if no polynomial is exact enough, or if there are too few
        points.
    """
    rows, cols = points.shape[:2]
    if min(rows, cols) < DEGREE + 3:
        return None
    vander, solve, monomials = _basis(rows, cols)
    values = points.reshape(-1, 2)
    fitted = solve @ values
    if not np.abs(vander @ fitted - values).max() <= TOLERANCE:
        return None
    x, y = (_by_powers(monomials @ column) for column in fitted.T)
    jacobian = np.array([[x[1, 0], x[0, 1]], [y[1, 0], y[0, 1]]])
    if not np.linalg.det(jacobian):
        return None
    forward = np.zeros((2, DEGREE + 1, DEGREE + 1))
    forward[:, 1, 0], forward[:, 0, 1] = np.linalg.inv(jacobian).T
    terms = {"fwd_u": forward[0], "fwd_v": forward[1].T, "inv_u": x, "inv_v": y.T}
    return (
        f"+proj=horner +deg={DEGREE} +range=1e9 +fwd_origin=0,0 +inv_origin=0,0"
        f" {' '.join(f'+{name}={_listed(each)}' for name, each in terms.items())}"
    )


def _exponents() -> Iterator[tuple[int, int]]:
    """Yield the exponents of x and y of a polynomial in two variables."""
    for x in range(DEGREE + 1):
        for y in range(DEGREE + 1 - x):
            yield x, y


@lru_cache(maxsize=64)
def _basis(
    rows: int, cols: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Chebyshev polynomials at evenly spread points, and matrices to fit and expand them.

    The fit is well-conditioned with them, but not with powers of x and y: T0 = 1, T1 = x,
    Tn = 2 x Tn-1 - Tn-2.
    """
    x, y = np.meshgrid(np.linspace(-1, 1, cols), np.linspace(-1, 1, rows))
    of_x, of_y = [np.ones(x.size), x.ravel()], [np.ones(y.size), y.ravel()]
    powers = np.eye(DEGREE + 1)  # coefficients of the powers of x in each polynomial
    for n in range(2, DEGREE + 1):
        for values in (of_x, of_y):
            values.append(2 * values[1] * values[-1] - values[-2])
        powers[n] = 2 * np.roll(powers[n - 1], 1) - powers[n - 2]
    exponents = list(_exponents())
    vander = np.stack([of_x[i] * of_y[j] for i, j in exponents], axis=-1)
    monomials = np.array(
        [[powers[i, x] * powers[j, y] for i, j in exponents] for x, y in exponents]
    )
    return vander, np.linalg.pinv(vander), monomials


def _by_powers(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Arrange coefficients in a table: the power of x selects the row, that of y the column."""
    table = np.zeros((DEGREE + 1, DEGREE + 1))
    for (x, y), term in zip(_exponents(), terms, strict=True):
        table[x, y] = term
    return table


def _listed(table: NDArray[np.float64]) -> str:
    """Format coefficients in PROJ's order: by powers of the second, then of the first variable."""
    return ",".join(
        f"{table[first, second]:.17g}"
        for second in range(DEGREE + 1)
        for first in range(DEGREE + 1 - second)
    )
