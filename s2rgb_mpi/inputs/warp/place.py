"""Where products lie on another grid than their own, and how they are brought there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.product import Warp
from s2rgb_mpi.inputs.warp.bounds import window_of
from s2rgb_mpi.inputs.warp.globe import Area, unbroken
from s2rgb_mpi.inputs.warp.operation import choose_operation
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from osgeo import osr

    from s2rgb_mpi.inputs.product import Operation, Product


SAME_SIZE, HALF_SIZE = 0.95, 0.5
"""Between these ratios of pixel sizes GDAL's releases differ in how far they widen a kernel."""

MOST_REDUCED = 1000
"""How many pixels of the source an edge of an output pixel may have."""

MOST_APART = 20
"""How many times their usual distance neighbours of a lattice are apart where a CRS breaks."""


@dataclass(frozen=True)
class Target:
    """The other grid, without an end.

    Parameters
    ----------
    name : str
        What the user calls its CRS.
    crs : osr.SpatialReference
        The same.
    grid : Grid
        One pixel, at the origin of the CRS.
    turn : float, optional
        After how many columns it repeats itself, as :func:`period` has it.
    """

    name: str
    crs: osr.SpatialReference
    grid: Grid
    turn: float | None


@dataclass(frozen=True)
class Placed:
    """A product on the other grid.

    Parameters
    ----------
    product : Product
        As it is.
    warp : Warp
        How it is resampled.
    points : ndarray, shape (rows, cols, 2), float64
        A lattice over the product as pixels of the other grid; NaN where it has no place there.
    """

    product: Product
    warp: Warp
    points: NDArray[np.float64]

    def extent(self, near: Window, turn: float | None) -> Window:
        """Return what the product covers of the other grid.

        Parameters
        ----------
        near : Window
            Where it matters: of a grid that repeats itself, the turn that is nearest to this; of
            one that is torn inside the product, the whole of it.
        turn : float, optional
            After how many columns the grid repeats itself.
        """
        if _is_torn(self.points, turn):
            return near
        here = window_of(self.points)
        if turn is None:
            return here
        apart = near.col_off + near.width / 2 - here.col_off - here.width / 2
        return window_of(self.points + np.array([round(apart / turn) * turn, 0.0]))


def union(windows: Sequence[Window]) -> Window:
    """Return the smallest window that holds several, at least one."""
    whole = windows[0]
    for window in windows[1:]:
        whole = whole.union(window)
    return whole


def place(
    products: Sequence[Product], target: Target, area: Area, resampling: str | None
) -> list[Placed]:
    """Place products on another grid, all of one CRS by the same operation.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    target : Target
        The other grid.
    area : Area
        Where on the globe the image will lie.
    resampling : str, optional
        nearest, bilinear, cubic or average; by default nearest, or average for products that are
        read as block means.

    Raises
    ------
    UsageError
        A product has no place there, or its pixels would be reduced too far.
    """
    placed = []
    operations: dict[str, Operation | None] = {}
    for product in products:
        crs = product.grid.crs
        if crs not in operations:
            alike = [each.grid for each in products if each.grid.crs == crs]
            operations[crs] = choose_operation(alike, target.grid, area)
        transform = Transform(product.grid, target.grid, operations[crs])
        own = lattice(Window(0, 0, product.grid.width, product.grid.height))
        points = unbroken(transform.forward(own), target.turn)
        if not np.isfinite(points).any():
            raise UsageError(f"{product.name}: lies where --crs {target.name} is not defined")
        scale = _scale(transform, own[np.isfinite(points).all(axis=-1)], target)
        warp = Warp(product, _method(product, resampling), scale, operations[crs])
        placed.append(Placed(product, warp, points))
    return placed


def _method(product: Product, resampling: str | None) -> str:
    """Return how a product is resampled whose block means, if any, have been taken."""
    method = resampling or ("nearest" if product.means is None else "average")
    # GDAL's average looks at the upright box between two corners of a pixel, turned or not.
    return "bilinear" if method == "average" else method


def _scale(
    transform: Transform, inside: NDArray[np.float64], target: Target
) -> tuple[float, float]:
    """Return the scale for the warper.

    By itself the warper guesses it for every piece, from what the piece happens to show of the
    source: pieces would then be smoothed differently.
    """
    along = ratios(transform, inside, target.turn)
    least = float(np.nanmin(along, initial=1.0))
    if least < 1 / MOST_REDUCED:
        units = "degrees" if target.crs.IsGeographic() else target.crs.GetLinearUnitsName()
        raise UsageError(
            f"--resolution {target.grid.transform[1]:g}: in {units} that is as long as"
            f" {1 / least:.0f} pixels of the input; at most {MOST_REDUCED} are possible"
        )
    x, y = (_snapped(float(ratio)) for ratio in along)
    return x, y


def ratios(
    transform: Transform, inside: NDArray[np.float64], turn: float | None
) -> NDArray[np.float64]:
    """Return how many pixels of another grid one in the middle of a product has along its edges.

    Parameters
    ----------
    transform : Transform
        From the product to the other grid.
    inside : ndarray, shape (points, 2), float64
        Columns and rows of the product that have a place there, in order.
    turn : float, optional
        After how many columns the other grid repeats itself.

    Returns
    -------
    ndarray, shape (2,), float64
        Along a row and along a column of the product.
    """
    middle = inside[len(inside) // 2]
    points = unbroken(transform.forward(middle + np.array([[0, 0], [1, 0], [0, 1]])), turn)
    return np.asarray(np.hypot(*(points[1:] - points[0]).T))


def _snapped(ratio: float) -> float:
    """Return a ratio of pixel sizes that all of GDAL's releases take for the same kernel."""
    if not ratio <= SAME_SIZE:  # NaN too
        return 1.0
    return min(ratio, HALF_SIZE)


def _is_torn(points: NDArray[np.float64], turn: float | None) -> bool:
    """Return whether the points of a lattice do not tell where all between them lies."""
    if not np.isfinite(points).all():
        return True
    left, right = points[..., 0].min(), points[..., 0].max()
    if turn is not None and right - left > turn / 4:  # around a pole
        return True
    steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
    return bool(steps.max() > MOST_APART * np.median(steps))
