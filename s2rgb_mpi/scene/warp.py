"""Another grid than the products' own: where it begins and ends, and who shows on it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.scene import globe
from s2rgb_mpi.scene.bounds import Bounds, known_crs, window_of
from s2rgb_mpi.scene.layout import Member, Scene, need_crs
from s2rgb_mpi.scene.operation import doubts
from s2rgb_mpi.scene.place import Target, place, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.product import Product
    from s2rgb_mpi.scene.globe import Area
    from s2rgb_mpi.scene.place import Placed

osr.UseExceptions()


def warp_out(
    products: Sequence[Product],
    *,
    crs: str | None,
    resolution: float | None,
    resampling: str,
    bounds: tuple[float, float, float, float] | None,
    bounds_crs: str,
    step: int,
) -> Scene:
    """Lay products of any grids onto another one; workers will resample them there.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    crs : str, optional
        As PROJ or GDAL name it; that of the first product by default.
    resolution : float, optional
        Edge of a pixel, units of `crs`; by default the first product's, where both are in metres.
    resampling : str
        nearest, bilinear or cubic.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep; what all products cover by default.
    bounds_crs : str
        The CRS of the bounds.
    step : int
        Edge of a window, pixels: what a product covers is rounded outward to whole windows, so
        that each is read once.

    Returns
    -------
    Scene
        Its corner is a multiple of the resolution.

    Raises
    ------
    UsageError
        An unknown CRS, one that breaks between the products, no resolution for it, or bounds that
        show nothing.
    """
    for product in products:
        need_crs(product, "--crs")
    target = _target(products[0], crs, resolution)
    asked = None if bounds is None else Bounds(bounds, bounds_crs)
    area = _area(products, asked, target)
    placed = place(products, target, area, resampling)
    whole = _whole(placed, asked, target)
    grid = target.grid.part(whole)
    members = []
    for each in placed:
        covered = each.covers(whole, target.turn)
        if covered is not None:
            covered = _outward(covered.moved(-whole.col_off, -whole.row_off), grid, step)
            warped = replace(
                each.product, grid=grid.part(covered), block=(1, 1), warp=each.warp, costs=()
            )
            members.append(Member(warped, covered.col_off, covered.row_off))
    operations = [each.warp.operation for each in placed if each.warp.operation is not None]
    warnings, notes = doubts(target.name, target.crs, area, operations)
    return Scene(grid, tuple(members), warnings, notes)


def _target(first: Product, crs: str | None, resolution: float | None) -> Target:
    """Return the grid that is asked for, the first product's CRS and resolution by default."""
    own = osr.SpatialReference(first.grid.crs)
    reference = known_crs("--crs", crs) if crs else own
    if resolution is None:
        if reference.IsGeographic() or reference.GetLinearUnits() != own.GetLinearUnits():
            raise UsageError(f"--crs {crs} is not in the units of the input: give --resolution")
        resolution = abs(first.grid.transform[1])
    grid = Grid(reference.ExportToWkt(), (0.0, resolution, 0.0, 0.0, 0.0, -resolution), 1, 1)
    return Target(crs or reference.GetName(), reference, grid, globe.period(grid))


def _area(products: Sequence[Product], bounds: Bounds | None, target: Target) -> Area:
    """Return where on the globe the image will lie; refuse a CRS that breaks there."""
    areas = []
    for product in products:
        covered = globe.area_of(product.grid)
        if covered is None:
            raise UsageError(f"{product.name}: its grid does not lie on the globe")
        areas.append(covered)
    area = globe.union(areas)
    if bounds is not None:
        shown = area.overlap(bounds.area)
        if shown is None:
            raise bounds.nothing()
        area = shown
    longitude = globe.breaks_at(target.grid, area)
    # Bounds say which side the image begins on, but only a grid that repeats itself goes on there.
    if longitude is not None and (bounds is None or target.turn is None):
        raise _broken(products[0], target, area, longitude)
    return area


def _broken(first: Product, target: Target, area: Area, longitude: float) -> UsageError:
    """Return the error that says where a CRS breaks, and what works."""
    own = osr.SpatialReference(first.grid.crs)
    unbroken = (
        [f"EPSG:{own.GetAuthorityCode(None)}"] if own.GetAuthorityName(None) == "EPSG" else []
    )
    where, sides = f"{longitude:.1f} degrees east", ""
    if globe.TURN / 2 - abs(longitude) < 1:
        where = "the antimeridian, 180 degrees"
        unbroken.insert(0, "EPSG:3832")
        west, south = (math.floor(number * 100) / 100 for number in (area.west, area.south))
        east, north = (math.ceil(number * 100) / 100 for number in (area.east, area.north))
        sides = (
            f": --bounds {west:g} {south:g} 180 {north:g} and --bounds -180 {south:g}"
            f" {east - globe.TURN:g} {north:g}"
        )
    names = f", such as {' or '.join(unbroken)}" if unbroken else ""
    return UsageError(
        f"--crs {target.name} breaks at {where}, and the input lies on both sides of it; take a CRS"
        f" that does not break there{names}, or make one image of each side{sides}"
    )


def _whole(placed: Sequence[Placed], bounds: Bounds | None, target: Target) -> Window:
    """Return what the image shows of the target."""
    if bounds is None:
        return union([window_of(each.points) for each in placed])
    asked = next(bounds.windows(target.grid))
    covers = [each.covers(asked, target.turn) for each in placed]
    shown = [cover for cover in covers if cover is not None]
    if not shown:
        raise bounds.nothing()
    return union(shown)


def _outward(window: Window, grid: Grid, step: int) -> Window:
    """Round a window inside a grid outward to multiples of ``step``, but not beyond the grid."""
    left, top = window.col_off // step * step, window.row_off // step * step
    right = -(-(window.col_off + window.width) // step) * step
    bottom = -(-(window.row_off + window.height) // step) * step
    return Window(left, top, min(right, grid.width) - left, min(bottom, grid.height) - top)
