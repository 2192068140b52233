"""Another grid than the products' own: where it begins and ends, and who shows on it."""

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


def warp_out(
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
    """Lay products of any grids onto another one; workers will resample them there.

    Products whose pixels are those of the other grid, or blocks of them, stay as they are.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    crs : str, optional
        As PROJ or GDAL name it; that of the first product by default.
    resolution : float, optional
        Edge of a pixel, units of `crs`; by default the first product's, where both are in metres.
    resampling : str, optional
        nearest, bilinear, cubic or average; by default nearest, or average for products that are
        read as block means. What is average is resampled bilinearly for the rest.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep; what all products cover by default.
    bounds_crs : str
        The CRS of the bounds.
    step : int
        Edge of a window, pixels: what a product covers is rounded outward to whole windows, so
        that each is read once.
    averages : bool
        Whether products of which several pixels fit into one of the image are read as block
        means: of so many as fit.

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
    asked = None if bounds is None else Bounds(bounds, bounds_crs)
    area = _area(products, asked)
    plane = _plane(products, crs, area, repeats=asked is not None)
    target = _target(products[0], plane, resolution)
    if averages and resolution is not None:
        output = Output(resolution, crs)
        products = [coarser(product, output, target.grid) for product in products]
    placed = place(products, target, area, resampling)
    whole = _whole(placed, asked, target)
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
    if not members and asked is not None:  # the bounds lie in a gap between the products
        raise asked.nothing([product.grid for product in products])
    operations = [each.warp.operation for each in placed if each.warp.operation is not None]
    warnings, notes = doubts(target.name, target.crs, area, operations)
    if asked is not None:
        warnings = (*asked.warnings(target.grid), *warnings)
    return Scene(grid, tuple(members), warnings, notes)


def _area(products: Sequence[Product], bounds: Bounds | None) -> Area:
    """Return where on the globe the image will lie."""
    area = globe.area_of([product.grid for product in products])
    if area is None:
        raise UsageError(f"{products[0].name}: its grid does not lie on the globe")
    if bounds is None:
        return area
    shown = area.overlap(bounds.area)
    if shown is None:
        raise bounds.nothing([product.grid for product in products])
    return shown


def _plane(products: Sequence[Product], crs: str | None, area: Area, *, repeats: bool) -> Target:
    """Return the CRS of the image, with pixels of its unit.

    Raises
    ------
    UsageError
        The CRS breaks inside the image. If it may repeat itself, bounds say on which side the image
        begins, and it continues beyond the edge of the CRS.
    """
    reference = known_crs("--crs", crs) if crs else osr.SpatialReference(products[0].grid.crs)
    name = crs or reference.GetName()
    grid = Grid(reference.ExportToWkt(), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
    turn = globe.period(grid)
    longitude = globe.breaks_at(grid, area)
    # Products in the same CRS are where they say, beyond its edge too.
    moved = not all(same_crs(product.grid.crs, grid.crs) for product in products)
    if longitude is not None and moved and not (repeats and turn is not None):
        raise broken(name, area, longitude, products[0].grid)
    return Target(name, reference, grid, turn)


def _target(first: Product, plane: Target, resolution: float | None) -> Target:
    """Return the grid that is asked for; by default pixels are as large as the first product's."""
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
    """Return what the image shows of the target."""
    if bounds is None:
        return union([window_of(each.points) for each in placed])
    asked = next(bounds.windows(target.grid))
    whole = union([each.extent(asked, target.turn) for each in placed]).overlap(asked)
    if whole is None:
        raise bounds.nothing([each.product.grid for each in placed])
    return whole


def _outward(window: Window, grid: Grid, step: int) -> Window:
    """Round a window inside a grid outward to multiples of ``step``, but not beyond the grid."""
    left, top = window.col_off // step * step, window.row_off // step * step
    right = -(-(window.col_off + window.width) // step) * step
    bottom = -(-(window.row_off + window.height) // step) * step
    return Window(left, top, min(right, grid.width) - left, min(bottom, grid.height) - top)
