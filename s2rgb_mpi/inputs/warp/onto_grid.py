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
from s2rgb_mpi.inputs.warp.bounds import ROUNDING, Bounds, known_crs, window_of
from s2rgb_mpi.inputs.warp.breaks import broken, check_unbroken
from s2rgb_mpi.inputs.warp.coarser import aligned, coarser
from s2rgb_mpi.inputs.warp.operation import doubts
from s2rgb_mpi.inputs.warp.place import Target, place, union
from s2rgb_mpi.inputs.warp.transform import suggested_resolution
from s2rgb_mpi.inputs.warp.web_tiles import CRS, CUT, WebTiles, natural_zoom

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
    tiles: WebTiles | None = None,
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
        nearest, bilinear, cubic or average; by default nearest (cubic on the tiles of web maps), or
        average for products that are read as block means. After the block means, average is
        bilinear resampling.
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
    tiles : WebTiles, optional
        The tiles of web maps that the image and its reduced levels consist of; `crs` and
        `resolution` are theirs.

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
    plane = _plane(products, crs, area, repeats=requested is not None, is_web=tiles is not None)
    target = _target(products[0], plane, resolution)
    if tiles is not None:
        target = replace(target, option=f"--zoom {tiles.zoom}, pixels of")
    if averages and resolution is not None:
        output = Output(resolution, crs)
        products = [coarser(product, output, target.grid) for product in products]
    # Nearest pixels would be moved by up to half a pixel, and further at each reduced level.
    usual = "nearest" if tiles is None else "cubic"
    placed = place(products, target, area, resampling, usual=usual)
    shown = _shown(placed, requested, target, ROUNDING if tiles is None else CUT)
    whole, levels = (shown, 0) if tiles is None else tiles.around(shown)
    sources = [product.grid for product in products]
    check_unbroken(target.name, target.grid.part(shown), sources)
    members = _members(placed, target, whole, whole if requested is None else shown, step)
    if not members and requested is not None:  # the bounds lie in a gap between the products
        raise requested.no_input(sources)
    operations = [each.warp.operation for each in placed if each.warp.operation is not None]
    warnings, notes = doubts(target.name, target.crs, area, operations)
    if requested is not None:
        warnings = (*requested.warnings(target.grid), *warnings)
    tiling = None if tiles is None else tiles.tiling(levels, shown)
    return Scene(target.grid.part(whole), tuple(members), warnings, notes, tiling)


def web_tiles_of(product: Product, zoom: int | None, edge: int, *, has_levels: bool) -> WebTiles:
    """Return the tiles of web maps that suit a product, or those of a zoom.

    Parameters
    ----------
    product : Product
        The first of the image.
    zoom : int, optional
        By default that whose pixels are nearest in size to the product's.
    edge : int
        Edge of a tile, pixels.
    has_levels : bool
        Whether the image has reduced levels.

    Raises
    ------
    UsageError
        The product has no CRS, or lies where web maps are not defined.
    """
    if zoom is None:
        need_crs(product, "--web-optimized")
        web = known_crs("--crs", CRS).ExportToWkt()
        try:
            zoom = natural_zoom(suggested_resolution(product.grid, web), edge)
        except RuntimeError as error:
            raise UsageError(f"--web-optimized: {product.name}: {error}") from error
    return WebTiles(zoom, edge, has_levels)


def _members(
    placed: Sequence[Placed], target: Target, whole: Window, shown: Window, step: int
) -> list[Member]:
    """Return the products on the grid of the image; those outside are left out.

    Parameters
    ----------
    placed : sequence of Placed
        At least one.
    target : Target
        The grid, unlimited.
    whole, shown : Window
        The image, and the part of it that products may fill, in pixels of the target.
    step : int
        Edge of a window, pixels.
    """
    grid = target.grid.part(whole)
    here = -whole.col_off, -whole.row_off
    members = []
    for each in placed:
        # A product that is not resampled would fill all of the image.
        own = aligned(each.product.grid, target.grid) if shown == whole else None
        if own is not None:
            if own.overlap(whole):
                own = own.moved(*here)
                members.append(Member(each.product, own.col_off, own.row_off))
            continue
        covered = each.extent(shown, target.turn).overlap(shown)
        if covered is not None:
            covered = _outward(covered.moved(*here), shown.moved(*here), step)
            warped = replace(
                each.product,
                grid=grid.part(covered),
                block=(1, 1),
                warp=each.warp,
                means=None,
                costs=(),
            )
            members.append(Member(warped, covered.col_off, covered.row_off))
    return members


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


def _plane(
    products: Sequence[Product], crs: str | None, area: Area, *, repeats: bool, is_web: bool
) -> Target:
    """Return the CRS of the image, with pixels of its unit.

    Raises
    ------
    UsageError
        The CRS breaks inside the image. This is not an error for a periodic CRS with bounds: these
        decide on which side the image begins, and it continues beyond the edge of the CRS. Web maps
        end there.
    """
    reference = known_crs("--crs", crs) if crs else osr.SpatialReference(products[0].grid.crs)
    name = crs or reference.GetName()
    grid = Grid(reference.ExportToWkt(), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
    turn = globe.period(grid)
    longitude = globe.breaks_at(grid, area)
    # The coordinates of products in this CRS are used as they are, even beyond its edge.
    moved = not all(same_crs(product.grid.crs, grid.crs) for product in products)
    continues = repeats and turn is not None and not is_web
    if longitude is not None and moved and not continues:
        raise broken(name, area, longitude, products[0].grid, is_fixed=is_web)
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


def _shown(
    placed: Sequence[Placed], bounds: Bounds | None, target: Target, rounding: float
) -> Window:
    """Return the window of the target grid that shows all products, or their part in the bounds."""
    if bounds is None:
        return union([window_of(each.points, rounding) for each in placed])
    requested = next(bounds.windows(target.grid))
    shown = union([each.extent(requested, target.turn) for each in placed]).overlap(requested)
    if shown is None:
        raise bounds.no_input([each.product.grid for each in placed])
    return shown


def _outward(window: Window, limits: Window, step: int) -> Window:
    """Round a window outward to multiples of ``step``, but not beyond limits, which contain it."""
    left, top = window.col_off // step * step, window.row_off // step * step
    right = -(-(window.col_off + window.width) // step) * step
    bottom = -(-(window.row_off + window.height) // step) * step
    rounded = Window(left, top, right - left, bottom - top).overlap(limits)
    assert rounded is not None  # noqa: S101  the window lies inside
    return rounded
