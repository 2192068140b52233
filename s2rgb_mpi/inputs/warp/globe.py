"""The areas of grids on the globe, and the places where the plane of a CRS breaks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import osr

from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


TURN = 360.0
"""A full turn, degrees."""


class Area(NamedTuple):
    """A part of the globe, degrees in WGS 84; `east` exceeds 180 beyond the antimeridian."""

    west: float
    """At least -180, below 180."""
    south: float
    east: float
    """Above `west`, by at most 360."""
    north: float

    def __str__(self) -> str:
        east = self.east if self.east <= TURN / 2 else self.east - TURN
        return f"{self.west:.2f} to {east:.2f} E, {self.south:.2f} to {self.north:.2f} N"

    @property
    def width(self) -> float:
        """From west to east, degrees."""
        return self.east - self.west

    def holds(self, other: Area) -> bool:
        """Return whether another area lies inside this one."""
        begins = (other.west - self.west) % TURN
        inside = self.width >= TURN or begins + other.width <= self.width
        return inside and self.south <= other.south and other.north <= self.north

    def overlap(self, other: Area) -> Area | None:
        """Return the intersection of both areas; the larger part of two, None if it is empty."""
        south, north = max(self.south, other.south), min(self.north, other.north)
        if self.width >= TURN or other.width >= TURN:
            west, _, east, _ = min(self, other, key=lambda each: each.width)
        else:
            # The other may begin before this one, or after it.
            begins = self.west + (other.west - self.west) % TURN
            parts = (
                (max(self.west, begins - turn), min(self.east, begins - turn + other.width))
                for turn in (0.0, TURN)
            )
            west, east = max(parts, key=lambda part: part[1] - part[0])
        return make_area(west, south, east, north) if west < east and south < north else None


def make_area(west: float, south: float, east: float, north: float) -> Area:
    """Return an area; `west` and `east` may be given with any multiple of 360 added."""
    begins = (west + TURN / 2) % TURN - TURN / 2
    return Area(begins, south, begins + min((east - west) % TURN or TURN, TURN), north)


def union(areas: Sequence[Area]) -> Area:
    """Return the smallest area that contains several; it may cross the antimeridian."""

    def width(west: float) -> float:
        return max((each.west - west) % TURN + each.east - each.west for each in areas)

    west = min((each.west for each in areas), key=width)
    south, north = min(each.south for each in areas), max(each.north for each in areas)
    return Area(west, south, west + min(width(west), TURN), north)


def degrees(crs: osr.SpatialReference | None = None) -> Grid:
    """Return a grid of the globe with pixels of one degree.

    Parameters
    ----------
    crs : osr.SpatialReference, optional
        The grid has its geographic CRS; WGS 84 by default.
    """
    geographic = osr.SpatialReference()
    if crs is None:
        geographic.ImportFromEPSG(4326)
    else:
        geographic = crs.CloneGeogCS()
    unit = math.radians(1) / geographic.GetAngularUnits()
    corner = (-TURN / 2 * unit, unit, 0.0, TURN / 4 * unit, 0.0, -unit)
    return Grid(geographic.ExportToWkt(), corner, 360, 180)


def area_of(grids: Sequence[Grid]) -> Area | None:
    """Return the smallest area that contains several grids; None if none is on the globe."""
    areas = [area for area in map(_area_of, grids) if area is not None]
    return union(areas) if areas else None


def _area_of(grid: Grid) -> Area | None:
    points = Transform(grid, degrees()).forward(lattice(Window(0, 0, grid.width, grid.height)))
    points = points[np.isfinite(points).all(axis=-1)]
    if not points.size:
        return None
    lon, lat = points[:, 0] - TURN / 2, TURN / 4 - points[:, 1]
    middle = lon[lon.size // 2]
    lon = middle + (lon - middle + TURN / 2) % TURN - TURN / 2
    west, south, east, north = (float(x) for x in (lon.min(), lat.min(), lon.max(), lat.max()))
    return make_area(west, south, east, north)


def breaks_at(plane: Grid, where: Area) -> float | None:
    """Find the longitude at which neighbouring points on the globe are far apart in a plane.

    Parameters
    ----------
    plane : Grid
        Its CRS is examined.
    where : Area
        It is examined along the parallel in the middle of this area.

    Returns
    -------
    float or None
        Degrees, from -180 to 180; None if the plane does not break there.
    """
    lon = np.linspace(where.west, where.east, 2002)[1:-1]
    cols = (lon + TURN / 2) % TURN
    rows = np.full_like(cols, TURN / 4 - (where.south + where.north) / 2)
    points = Transform(degrees(), plane).forward(np.stack([cols, rows], axis=-1))
    steps = np.hypot(*np.diff(points, axis=0).T)
    steps = np.where(np.isfinite(steps), steps, 0.0)
    if steps.max() <= _JUMP * np.median(steps):
        return None
    at = int(steps.argmax())
    found = float(lon[at] + lon[at + 1]) / 2
    return (found + TURN / 2) % TURN - TURN / 2


_JUMP = 100
"""Neighbouring points that are more than so many times the median distance apart mark a break."""


def period(plane: Grid) -> float | None:
    """Return the period of a plane in columns; geographic and Mercator ones have one.

    Parameters
    ----------
    plane : Grid
        Its CRS is examined.

    Returns
    -------
    float or None
        Pixels; None if the plane is not periodic.
    """
    crs = osr.SpatialReference(plane.crs)
    if crs.IsGeographic():
        return TURN * math.radians(1) / crs.GetAngularUnits() / abs(plane.transform[1])
    quarters = np.arange(5) * TURN / 4
    transform = Transform(degrees(crs), plane)
    turns = []
    for lat in (0.0, 50.0):
        rows = np.full_like(quarters, TURN / 4 - lat)
        points = transform.forward(np.stack([(quarters + 1) % TURN, rows], axis=-1))
        steps = np.sort(np.diff(points[:, 0]))
        # Of four equal steps one is shifted back by a whole period.
        if not np.allclose(steps, steps[3] * np.array([-3, 1, 1, 1])) or np.ptp(points[:, 1]) > 1:
            return None
        turns.append(float(4 * steps[3]))
    return turns[0] if math.isclose(*turns, rel_tol=1e-9) else None


def unbroken(points: NDArray[np.float64], turn: float | None) -> NDArray[np.float64]:
    """Move neighbouring points that lie at both edges of a periodic plane to one edge.

    Parameters
    ----------
    points : ndarray, shape (..., 2), float64
        Columns and rows; NaN where there is none.
    turn : float, optional
        The period, from :func:`period`; without one the points are returned unchanged.
    """
    known = points[np.isfinite(points).all(axis=-1)]
    if turn is None or not known.size:
        return points
    middle = known[len(known) // 2, 0]
    cols = middle + (points[..., 0] - middle + turn / 2) % turn - turn / 2
    return np.stack([cols, points[..., 1]], axis=-1)
