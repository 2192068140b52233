"""Errors about a CRS that breaks inside an image: with the place, and the remedy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.warp.globe import TURN, area_of, period

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.warp.globe import Area


PACIFIC = "EPSG:3832"
"""A Mercator projection that breaks at 30 degrees west."""

_MERCATOR_ENDS = 85.0
"""Latitude up to which the Mercator projection is proposed, degrees."""

_EARTH_RADIUS = 6_378_137.0
"""Equatorial radius of WGS 84, metres."""


def broken(
    name: str, area: Area, longitude: float, own: Grid, *, is_fixed: bool = False
) -> UsageError:
    """Return the error that a CRS breaks inside an image.

    Parameters
    ----------
    name : str
        The name of the CRS in the error.
    area : Area
        Area of the image.
    longitude : float
        Longitude at which the CRS breaks, degrees.
    own : Grid
        Grid of the first product.
    is_fixed : bool
        Whether no other CRS can be used.
    """
    is_antimeridian = TURN / 2 - abs(longitude) < 1
    where = "the antimeridian, 180 degrees" if is_antimeridian else f"longitude {longitude:.1f}"
    sides = f": {_sides(area)}" if is_antimeridian else ""
    halves = f"make one image of each side{sides}"
    found = f"{name} breaks at {where}, and the input lies on both sides of it"
    if is_fixed:
        return UsageError(f"{found}; {halves}")
    is_polar = max(abs(area.south), abs(area.north)) > _MERCATOR_ENDS
    names = [PACIFIC] if is_antimeridian and not is_polar else []
    crs = osr.SpatialReference(own.crs)
    if crs.IsProjected() and crs.GetAuthorityName(None) == "EPSG":
        names.append(f"EPSG:{crs.GetAuthorityCode(None)}")
    such = f", such as {' or '.join(names)}" if names else ""
    return UsageError(f"{found}; take a CRS (--crs) that does not break there{such}, or {halves}")


def _sides(area: Area) -> str:
    """Return bounds for both sides of the antimeridian, rounded outward."""
    west, south = (math.floor(number * 100) / 100 for number in (area.west, area.south))
    east, north = (math.ceil(number * 100) / 100 for number in (area.east, area.north))
    return (
        f"--bounds {west:g} {south:g} 180 {north:g} and --bounds -180 {south:g} {east - TURN:g}"
        f" {north:g}"
    )


def check_unbroken(name: str, grid: Grid, sources: Sequence[Grid]) -> None:
    """Raise an error if an image goes around the globe although its products are close together.

    Parameters
    ----------
    name : str
        The name of the image's CRS in the error.
    grid : Grid
        Grid of the image.
    sources : sequence of Grid
        Grids of the products.

    Raises
    ------
    UsageError
        As :func:`broken` returns it.
    """
    if not grid.crs:
        return
    crs = osr.SpatialReference(grid.crs)
    unit = crs.GetAngularUnits() if crs.IsGeographic() else crs.GetLinearUnits() / _EARTH_RADIUS
    if grid.width * abs(grid.transform[1]) * unit < math.pi or period(grid) is None:
        return
    area = area_of(sources)
    if area is not None and area.width < TURN / 2:
        raise broken(name, area, TURN / 2, sources[0])
