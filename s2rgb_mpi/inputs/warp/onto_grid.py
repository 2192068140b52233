"""Lays products out on another grid than their own: its extent, and the products on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.mosaic import Member, Scene, need_crs
from s2rgb_mpi.inputs.safe_grid import same_crs
from s2rgb_mpi.inputs.source_size import Output
from s2rgb_mpi.inputs.warp import globe
from s2rgb_mpi.inputs.warp.bounds import Bounds, known_crs, window_of
from s2rgb_mpi.inputs.warp.breaks import broken, check_unbroken
from s2rgb_mpi.inputs.warp.coarser import aligned, coarser
from s2rgb_mpi.inputs.warp.operation import doubts
from s2rgb_mpi.inputs.warp.place import Target, place, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.inputs.warp.globe import Area
    from s2rgb_mpi.inputs.warp.place import Placed


def lay_out_resampled(
    products: Sequence[Product],
    *,
    crs: str | None,
    resolution: float | None,
    resampling: str | None,
    bounds: tuple[float, float, float, float] | None,
    bounds_crs: str,
    step: int,
    averages: bool = False,
) -> Scene:
    """Lay products of any grids out on another one; workers will resample them.

    Products are not resampled if their pixels, or their block means, coincide with those of the
    other grid.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    crs : str, optional
        A name that PROJ or GDAL knows; by default the CRS of the first product.
    resolution : float, optional
        Edge of a pixel, units of `crs`; by default the first product's, if both have the same unit.
    resampling : str, optional
        nearest, bilinear, cubic or average; by default nearest, or average for products that are
        read as block means. After the block means, average is bilinear resampling.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep; by default all that the products cover.
    bounds_crs : str
        The CRS of the bounds.
    step : int
        Edge of a window, pixels: the extent of a product is rounded outward to whole windows, so
        that each is read once.
    averages : bool
        Whether products are read as block means if several of their pixels fit into one of the
        image: means of as many as fit.

    Returns
    -------
    Scene
        Its corner is a multiple of the resolution.

    Raises
    ------
    UsageError
        The CRS is unknown or breaks between the products, has no resolution, or no product lies
        inside the bounds.
    """
    for product in products:
        need_crs(product, "--crs")
    requested = None if bounds is None else Bounds(bounds, bounds_crs)
    area = _area(products, requested)
    plane = _plane(products, crs, area, repeats=requested is not None)
    target = _target(products[0], plane, resolution)
    if averages and resolution is not None:
        output = Output(resolution, crs)
        products = [coarser(product, output, target.grid) for product in products]
    placed = place(products, target, area, resampling)
    whole = _whole(placed, requested, target)
    grid = target.grid.part(whole)
    check_unbroken(target.name, grid, [product.grid for product in products])
    members = []
    for each in placed:
        own = aligned(each.product.grid, target.grid)
        if own is not None:
            if own.overlap(whole):
                own = own.moved(-whole.col_off, -whole.row_off)
                members.append(Member(each.product, own.col_off, own.row_off))
            continue
        covered = each.extent(whole, target.turn).overlap(whole)
        if covered is not None:
            covered = _outward(covered.moved(-whole.col_off, -whole.row_off), grid, step)
            warped = replace(
                each.product,
                grid=grid.part(covered),
                block=(1, 1),
                warp=each.warp,
                means=None,
                costs=(),
            )
            members.append(Member(warped, covered.col_off, covered.row_off))
    if not members and requested is not None:  # the bounds lie in a gap between the products
        raise requested.no_input([product.grid for product in products])
    operations = [each.warp.operation for each in placed if each.warp.operation is not None]
    warnings, notes = doubts(target.name, target.crs, area, operations)
    if requested is not None:
        warnings = (*requested.warnings(target.grid), *warnings)
    return Scene(grid, tuple(members), warnings, notes)


def _area(products: Sequence[Product], bounds: Bounds | None) -> Area:
    """Return the area of the image on the globe."""
    area = globe.area_of([product.grid for product in products])
    if area is None:
        raise UsageError(f"{products[0].name}: its grid does not lie on the globe")
    if bounds is None:
        return area
    shown = area.overlap(bounds.area)
    if shown is None:
        raise bounds.no_input([product.grid for product in products])
    return shown


def _plane(products: Sequence[Product], crs: str | None, area: Area, *, repeats: bool) -> Target:
    """Return the CRS of the image, with pixels of its unit.

    Raises
    ------
    UsageError
        The CRS breaks inside the image. This is not an error for a periodic CRS with bounds: these
        decide on which side the image begins, and it continues beyond the edge of the CRS.
    """
    reference = known_crs("--crs", crs) if crs else osr.SpatialReference(products[0].grid.crs)
    name = crs or reference.GetName()
    grid = Grid(reference.ExportToWkt(), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
    turn = globe.period(grid)
    longitude = globe.breaks_at(grid, area)
    # The coordinates of products in this CRS are used as they are, even beyond its edge.
    moved = not all(same_crs(product.grid.crs, grid.crs) for product in products)
    if longitude is not None and moved and not (repeats and turn is not None):
        raise broken(name, area, longitude, products[0].grid)
    return Target(name, reference, grid, turn)


def _target(first: Product, plane: Target, resolution: float | None) -> Target:
    """Return the requested grid; by default pixels are as large as those of the first product."""
    if resolution is None:
        own = osr.SpatialReference(first.grid.crs)
        if plane.crs.IsGeographic() or plane.crs.GetLinearUnits() != own.GetLinearUnits():
            raise UsageError(
                f"--crs {plane.name} is not in the units of the input: give --resolution"
            )
        resolution = abs(first.grid.transform[1])
    grid = replace(plane.grid, transform=(0.0, resolution, 0.0, 0.0, 0.0, -resolution))
    return replace(plane, grid=grid, turn=plane.turn and plane.turn / resolution)


def _whole(placed: Sequence[Placed], bounds: Bounds | None, target: Target) -> Window:
    """Return the window of the image on the target grid."""
    if bounds is None:
        return union([window_of(each.points) for each in placed])
    requested = next(bounds.windows(target.grid))
    whole = union([each.extent(requested, target.turn) for each in placed]).overlap(requested)
    if whole is None:
        raise bounds.no_input([each.product.grid for each in placed])
    return whole


def _outward(window: Window, grid: Grid, step: int) -> Window:
    """Round a window inside a grid outward to multiples of ``step``, but not beyond the grid."""
    left, top = window.col_off // step * step, window.row_off // step * step
    right = -(-(window.col_off + window.width) // step) * step
    bottom = -(-(window.row_off + window.height) // step) * step
    return Window(left, top, min(right, grid.width) - left, min(bottom, grid.height) - top)
