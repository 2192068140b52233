"""Another grid than the products' own: its place, and what each product covers of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.scene.layout import Member, Scene, cropped, known_crs, need_crs, window_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.product import Product

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
        An unknown CRS, no resolution for it, or bounds that show nothing.
    """
    for product in products:
        need_crs(product, "--crs")
    target = known_crs("--crs", crs) if crs else osr.SpatialReference(products[0].grid.crs)
    own = osr.SpatialReference(products[0].grid.crs)
    if resolution is None:
        if target.IsGeographic() or target.GetLinearUnits() != own.GetLinearUnits():
            raise UsageError(f"--crs {crs} is not in the units of the input: give --resolution")
        resolution = abs(products[0].grid.transform[1])
    origin = Grid(target.ExportToWkt(), (0.0, resolution, 0.0, 0.0, 0.0, -resolution), 0, 0)
    extents = [
        window_of(origin, _extent(product), osr.SpatialReference(product.grid.crs))
        for product in products
    ]
    whole = extents[0]
    for extent in extents[1:]:
        whole = whole.union(extent)
    if bounds is not None:
        whole = cropped(whole, origin, bounds, bounds_crs)
    grid = origin.part(whole)
    members = []
    for product, extent in zip(products, extents, strict=True):
        covered = _outward(extent.moved(-whole.col_off, -whole.row_off), grid, step)
        if covered is not None:
            warped = replace(
                product, grid=grid.part(covered), block=(1, 1), resampling=resampling, costs=()
            )
            members.append(Member(warped, covered.col_off, covered.row_off))
    if not members:  # the bounds lie in a gap between the products
        raise UsageError(f"--bounds {' '.join(map(str, bounds or ()))} show nothing of the input")
    return Scene(grid, tuple(members))


def _extent(product: Product) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a product in its own CRS."""
    x, dx, _, y, _, dy = product.grid.transform
    xs = sorted((x, x + product.grid.width * dx))
    ys = sorted((y, y + product.grid.height * dy))
    return xs[0], ys[0], xs[1], ys[1]


def _outward(window: Window, grid: Grid, step: int) -> Window | None:
    """Round a window outward to multiples of ``step``, inside the grid; None if it is outside."""
    left, top = window.col_off // step * step, window.row_off // step * step
    right = -(-(window.col_off + window.width) // step) * step
    bottom = -(-(window.row_off + window.height) // step) * step
    return Window(left, top, right - left, bottom - top).overlap(
        Window(0, 0, grid.width, grid.height)
    )
