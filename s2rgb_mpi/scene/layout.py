"""Products of one grid: where each lies, and what of it shows in a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from osgeo import osr

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.product import same_crs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.product import Product

osr.UseExceptions()

OFF_GRID = 1e-3
"""Pixels that a product may lie beside the grid of the first: what geotransforms are rounded by."""


@dataclass(frozen=True)
class Member:
    """A product in its place.

    Parameters
    ----------
    product : Product
        Keeps its own offset, and so its own tables.
    col_off, row_off : int
        Where its first pixel lies in the scene, pixels; negative where the scene is cropped.
    """

    product: Product
    col_off: int
    row_off: int

    def visible(self, window: Window) -> Window | None:
        """Return what this product may show in a window of the scene; None if it is elsewhere."""
        grid = self.product.grid
        return window.overlap(Window(self.col_off, self.row_off, grid.width, grid.height))


@dataclass(frozen=True)
class Scene:
    """The ground that the image shows, and the products on it, the first on top.

    Parameters
    ----------
    grid : Grid
        Of the image.
    members : tuple of Member
        In the order given: per pixel the first valid one wins.
    """

    grid: Grid
    members: tuple[Member, ...]


class Cell(NamedTuple):
    """Whole blocks of a product that are read at once, and where they show."""

    source: Window
    """In pixels of the product; cut to what the scene shows of it."""
    target: Window
    """The same in pixels of the scene."""


def cells(member: Member, scene: Grid, edge: tuple[int, int], window: Window) -> Iterator[Cell]:
    """List the cells of a product that show in a window.

    Parameters
    ----------
    member : Member
        The product.
    scene : Grid
        Of the whole scene: cells are cut to it, so that a cell is the same for every window.
    edge : tuple of int
        ``(width, height)`` of an uncut cell, pixels: whole source blocks.
    window : Window
        In pixels of the scene.

    Yields
    ------
    Cell
        Row by row.
    """
    shown = member.visible(window)
    limits = member.visible(Window(0, 0, scene.width, scene.height))
    if shown is None or limits is None:
        return
    width, height = edge
    left, top = shown.col_off - member.col_off, shown.row_off - member.row_off
    for row in range(top // height, -(-(top + shown.height) // height)):
        for col in range(left // width, -(-(left + shown.width) // width)):
            whole = Window(
                member.col_off + col * width, member.row_off + row * height, width, height
            )
            target = whole.overlap(limits)
            if target is not None:
                yield Cell(target.moved(-member.col_off, -member.row_off), target)


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
        West, south, east, north of the part to keep, snapped outward to whole pixels.
    bounds_crs : str
        In which CRS the bounds are, as PROJ or GDAL name it.

    Returns
    -------
    Scene

    Raises
    ------
    InputError
        A product has another CRS or pixel size, or lies beside the grid; with the numbers.
    UsageError
        The bounds are not in a known CRS, or show nothing.
    """
    first = products[0]
    places = [_place(first, product) for product in products]
    whole = Window(0, 0, first.grid.width, first.grid.height)
    for product, place in zip(products, places, strict=True):
        whole = whole.union(Window(*place, product.grid.width, product.grid.height))
    if bounds is not None:
        need_crs(first, "--bounds")
        whole = cropped(whole, first.grid, bounds, bounds_crs)
    return Scene(
        first.grid.part(whole),
        tuple(
            Member(product, col - whole.col_off, row - whole.row_off)
            for product, (col, row) in zip(products, places, strict=True)
        ),
    )


def _place(first: Product, product: Product) -> tuple[int, int]:
    """Return where a product's first pixel lies on the grid of the first, in whole pixels."""
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


def cropped(
    whole: Window, grid: Grid, bounds: tuple[float, float, float, float], bounds_crs: str
) -> Window:
    """Cut a window of a grid down to bounds; refuse bounds that leave nothing of it."""
    shown = whole.overlap(window_of(grid, bounds, known_crs("--bounds-crs", bounds_crs)))
    if shown is None:
        raise UsageError(f"--bounds {' '.join(map(str, bounds))} show nothing of the input")
    return shown


def need_crs(product: Product, option: str) -> None:
    """Refuse what needs to know where on earth a product lies, where it does not say."""
    if not product.grid.crs:
        raise UsageError(f"{option}: {product.name} has no coordinate reference system")


def known_crs(option: str, name: str) -> osr.SpatialReference:
    """Look up a CRS by any name that PROJ or GDAL knows; say which option is wrong."""
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(name)
    except RuntimeError as error:
        raise UsageError(f"{option} {name}: {' '.join(str(error).split())}") from error
    return reference


def window_of(
    grid: Grid, bounds: tuple[float, float, float, float], crs: osr.SpatialReference
) -> Window:
    """Return the smallest window of whole pixels that holds bounds in another CRS.

    Parameters
    ----------
    grid : Grid
        Its size does not matter: the window may lie anywhere.
    bounds : tuple of float
        West, south, east, north.
    crs : osr.SpatialReference
        Of the bounds.

    Returns
    -------
    Window
    """
    source, target = crs.Clone(), osr.SpatialReference(grid.crs)
    for reference in (source, target):
        # West before south whatever the CRS itself says of the order of its axes.
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    try:
        # The straight edges of the bounds are curves in the other CRS: 21 points on each.
        west, south, east, north = osr.CoordinateTransformation(source, target).TransformBounds(
            *bounds, 21
        )
    except RuntimeError as error:
        raise UsageError(f"--bounds: {' '.join(str(error).split())}") from error
    x, dx, _, y, _, dy = grid.transform
    left, right = _outward(*sorted(((west - x) / dx, (east - x) / dx)))
    top, bottom = _outward(*sorted(((north - y) / dy, (south - y) / dy)))
    return Window(left, top, right - left, bottom - top)


def _outward(low: float, high: float) -> tuple[int, int]:
    """Round down and up, but not over what is an edge but for rounding."""
    return int((low + OFF_GRID) // 1), -int((-high + OFF_GRID) // 1)
