"""Products of one grid: the place of each, and its part in a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.errors import InputError, PlanError, UsageError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.safe_grid import same_crs
from s2rgb_mpi.inputs.warp.bounds import Bounds, check_horizontal
from s2rgb_mpi.inputs.warp.breaks import check_unbroken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.inputs.warp.web_tiles import Tiling


OFF_GRID = 1e-3
"""Tolerance for a product's place on the grid of the first, pixels: geotransforms are rounded."""

LARGE_PIXELS = 10**9
"""Smaller images are not checked, pixels: a mosaic of nine granules has as many."""

MOST_ENLARGED = 1000
"""The most pixels of a large image per pixel of its input."""


@dataclass(frozen=True)
class Member:
    """A product and its place in the scene.

    Parameters
    ----------
    product : Product
        With its own offset, and so its own lookup tables.
    col_off, row_off : int
        Column and row of its first pixel in the scene; negative where the scene is cropped.
    """

    product: Product
    col_off: int
    row_off: int

    def visible(self, window: Window) -> Window | None:
        """Return the part of a window of the scene that this product covers; None without one."""
        grid = self.product.grid
        return window.overlap(Window(self.col_off, self.row_off, grid.width, grid.height))


@dataclass(frozen=True)
class Scene:
    """The grid of the image, and the products on it, the first on top.

    Parameters
    ----------
    grid : Grid
        The grid of the image.
    members : tuple of Member
        In the order given: per pixel the first valid one is used.
    warnings : tuple of str
        Reasons why positions of pixels are doubtful.
    notes : tuple of str
        What is unusual about positions, but no reason to doubt them.
    tiling : Tiling, optional
        How the image lies on the tiles of web maps, if it is made for them.
    """

    grid: Grid
    members: tuple[Member, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tiling: Tiling | None = None


def chunks(window: Window, edge: tuple[int, int], limits: Window) -> Iterator[Window]:
    """Yield the source chunks that a window overlaps.

    Parameters
    ----------
    window : Window
        In pixels of a product's own grid.
    edge : tuple of int
        ``(width, height)`` of an uncut chunk, pixels: whole source blocks, which are decoded at
        once.
    limits : Window
        The window of the whole image: chunks are cut to it, so that they are the same for every
        window.

    Yields
    ------
    Window
        Row by row.
    """
    width, height = edge
    left, top = window.col_off, window.row_off
    for row in range(top // height, -(-(top + window.height) // height)):
        for col in range(left // width, -(-(left + window.width) // width)):
            chunk = Window(col * width, row * height, width, height).overlap(limits)
            if chunk is not None:
                yield chunk


def lay_out(
    products: Sequence[Product],
    bounds: tuple[float, float, float, float] | None = None,
    bounds_crs: str = "EPSG:4326",
) -> Scene:
    """Put products of one grid side by side, without resampling.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep, snapped outward to whole pixels; in a
        geographic CRS west may exceed east: the part then crosses the antimeridian.
    bounds_crs : str
        CRS of the bounds, by a name that PROJ or GDAL knows.

    Returns
    -------
    Scene

    Raises
    ------
    InputError
        A product has another CRS or pixel size, or its pixels do not coincide with the grid.
    UsageError
        The CRS of the bounds is unknown, or no product lies inside the bounds.
    """
    first = products[0]
    places = [_place(first, product) for product in products]
    whole = Window(0, 0, first.grid.width, first.grid.height)
    for product, place in zip(products, places, strict=True):
        whole = whole.union(Window(*place, product.grid.width, product.grid.height))
    warnings: tuple[str, ...] = ()
    if bounds is not None:
        need_crs(first, "--bounds")
        requested = Bounds(bounds, bounds_crs)
        found = (whole.overlap(window) for window in requested.windows(first.grid))
        shown = next((window for window in found if window), None)
        if shown is None:
            raise requested.no_input([product.grid for product in products])
        whole = shown
        warnings = requested.warnings(first.grid)
    grid = first.grid.part(whole)
    check_unbroken(f"the CRS of {first.name}", grid, [product.grid for product in products])
    return Scene(
        grid,
        tuple(
            Member(product, col - whole.col_off, row - whole.row_off)
            for product, (col, row) in zip(products, places, strict=True)
        ),
        warnings,
    )


def _place(first: Product, product: Product) -> tuple[int, int]:
    """Return column and row of a product's first pixel on the grid of the first product."""
    one, other = first.grid, product.grid
    if not same_crs(one.crs, other.crs):
        raise InputError(
            f"{product.name}: not in the coordinate reference system of {first.name};"
            " --crs resamples"
        )
    if (one.transform[1], one.transform[5]) != (other.transform[1], other.transform[5]):
        raise InputError(
            f"{product.name}: pixels of {other.transform[1]:g} x {-other.transform[5]:g}, unlike"
            f" {one.transform[1]:g} x {-one.transform[5]:g} of {first.name}"
        )
    col = (other.transform[0] - one.transform[0]) / one.transform[1]
    row = (other.transform[3] - one.transform[3]) / one.transform[5]
    if max(abs(col - round(col)), abs(row - round(row))) > OFF_GRID:
        raise InputError(
            f"{product.name}: begins at column {col:z.3f}, row {row:z.3f} of the grid of"
            f" {first.name}, between its pixels; --resolution resamples"
        )
    return round(col), round(row)


def need_crs(product: Product, option: str) -> None:
    """Raise an error if a product has no horizontal CRS."""
    if not product.grid.crs:
        raise UsageError(f"{option}: {product.name} has no coordinate reference system")
    check_horizontal(f"{option}: {product.name}", osr.SpatialReference(product.grid.crs))


def check_size(scene: Scene) -> None:
    """Raise an error if an image is far larger than its input.

    Raises
    ------
    PlanError
        With both sizes.
    """
    grid = scene.grid
    read = sum(member.product.files[0].pixels for member in scene.members)
    if grid.pixels > LARGE_PIXELS and grid.pixels > MOST_ENLARGED * read:
        size = "--crs, --resolution" if scene.tiling is None else "--zoom"
        raise PlanError(
            f"the image would have {grid.width} x {grid.height} pixels, {grid.pixels / read:.0f}"
            f" times as many as its input; look at {size} and where the products lie,"
            " or crop it with --bounds"
        )
