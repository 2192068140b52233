"""The places of products on another grid than their own, and how they are resampled there."""

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
"""Between these ratios of pixel sizes GDAL's releases widen a kernel differently."""

MOST_REDUCED = 1000
"""The largest edge of an output pixel, pixels of the source."""

MOST_APART = 20
"""Neighbouring points of a lattice that are more than so many times the median distance apart show
that the CRS breaks."""


@dataclass(frozen=True)
class Target:
    """The other grid, unlimited.

    Parameters
    ----------
    name : str
        The name of its CRS in messages.
    crs : osr.SpatialReference
        Its CRS.
    grid : Grid
        One pixel, at the origin of the CRS.
    turn : float, optional
        Its period in columns, from :func:`period`.
    option : str
        What stands before the edge of a pixel in messages.
    """

    name: str
    crs: osr.SpatialReference
    grid: Grid
    turn: float | None
    option: str = "--resolution"


@dataclass(frozen=True)
class Placed:
    """A product on the other grid.

    Parameters
    ----------
    product : Product
        The product on its own grid.
    warp : Warp
        How it is resampled.
    points : ndarray, shape (rows, cols, 2), float64
        A lattice over the product, in pixels of the other grid; NaN where that is not defined.
    """

    product: Product
    warp: Warp
    points: NDArray[np.float64]

    def extent(self, near: Window, turn: float | None) -> Window:
        """Return the window of the other grid that the product covers.

        Parameters
        ----------
        near : Window
            On a periodic grid, the period nearest to this window is chosen. If the grid breaks
            inside the product, the whole of this window is returned.
        turn : float, optional
            The period of the grid in columns.
        """
        if _is_torn(self.points, turn):
            return near
        here = window_of(self.points)
        if turn is None:
            return here
        apart = near.col_off + near.width / 2 - here.col_off - here.width / 2
        return window_of(self.points + np.array([round(apart / turn) * turn, 0.0]))


def union(windows: Sequence[Window]) -> Window:
    """Return the smallest window that contains several, at least one."""
    whole = windows[0]
    for window in windows[1:]:
        whole = whole.union(window)
    return whole


def place(
    products: Sequence[Product],
    target: Target,
    area: Area,
    resampling: str | None,
    *,
    usual: str = "nearest",
) -> list[Placed]:
    """Place products on another grid, all of one CRS by the same operation.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    target : Target
        The other grid.
    area : Area
        Area of the image on the globe.
    resampling : str, optional
        nearest, bilinear, cubic or average; by default average for products that are read as block
        means, and `usual` for others.
    usual : str
        nearest, bilinear or cubic.

    Raises
    ------
    UsageError
        The other CRS is not defined at a product, or its pixels would be reduced too far.
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
        warp = Warp(product, _method(product, resampling, usual), scale, operations[crs])
        placed.append(Placed(product, warp, points))
    return placed


def _method(product: Product, resampling: str | None, usual: str) -> str:
    """Return the resampling of a product after its block means, if any."""
    method = resampling or (usual if product.means is None else "average")
    # GDAL's average uses the upright box between two corners of a pixel, even if it is rotated.
    return "bilinear" if method == "average" else method


def _scale(
    transform: Transform, inside: NDArray[np.float64], target: Target
) -> tuple[float, float]:
    """Return the scale for the warper.

    By default the warper estimates it for every piece, from the part of the source in that piece:
    pieces would then be smoothed differently.
    """
    along = ratios(transform, inside, target.turn)
    least = float(np.nanmin(along, initial=1.0))
    if least < 1 / MOST_REDUCED:
        units = "degrees" if target.crs.IsGeographic() else target.crs.GetLinearUnitsName()
        raise UsageError(
            f"{target.option} {target.grid.transform[1]:g}: in {units} that is as long as"
            f" {1 / least:.0f} pixels of the input; at most {MOST_REDUCED} are possible"
        )
    x, y = (_snapped(float(ratio)) for ratio in along)
    return x, y


def ratios(
    transform: Transform, inside: NDArray[np.float64], turn: float | None
) -> NDArray[np.float64]:
    """Return the edges of a pixel in the middle of a product, in pixels of another grid.

    Parameters
    ----------
    transform : Transform
        From the product to the other grid.
    inside : ndarray, shape (points, 2), float64
        Columns and rows of the product at which the other grid is defined, in order.
    turn : float, optional
        The period of the other grid in columns.

    Returns
    -------
    ndarray, shape (2,), float64
        Along a row and along a column of the product.
    """
    middle = inside[len(inside) // 2]
    points = unbroken(transform.forward(middle + np.array([[0, 0], [1, 0], [0, 1]])), turn)
    return np.asarray(np.hypot(*(points[1:] - points[0]).T))


def _snapped(ratio: float) -> float:
    """Return a ratio of pixel sizes for which all of GDAL's releases use the same kernel."""
    if not ratio <= SAME_SIZE:  # NaN too
        return 1.0
    return min(ratio, HALF_SIZE)


def _is_torn(points: NDArray[np.float64], turn: float | None) -> bool:
    """Return whether the grid breaks between the points of a lattice, or is not defined there."""
    if not np.isfinite(points).all():
        return True
    left, right = points[..., 0].min(), points[..., 0].max()
    if turn is not None and right - left > turn / 4:  # around a pole
        return True
    steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
    return bool(steps.max() > MOST_APART * np.median(steps))
