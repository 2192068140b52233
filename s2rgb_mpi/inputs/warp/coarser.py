"""Products as block means for a coarser grid, and grids whose pixels coincide with another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.means import averaged
from s2rgb_mpi.inputs.mosaic import OFF_GRID
from s2rgb_mpi.inputs.safe_grid import same_crs
from s2rgb_mpi.inputs.source_size import ROUNDING, blocks
from s2rgb_mpi.inputs.warp.place import MOST_REDUCED

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.inputs.source_size import Output


def coarser(product: Product, output: Output, target: Grid) -> Product:
    """Return a product as means of the largest blocks that fit into an output pixel.

    Parameters
    ----------
    product : Product
        On its own grid.
    output : Output
        The pixels of the image.
    target : Grid
        The other grid; its size does not matter.

    Returns
    -------
    Product
        The blocks begin at the corner of its files; or, if they can coincide with the pixels of the
        other grid, where these begin.
    """
    edge = output.edge(product.grid)
    factor = blocks(edge)
    if not 1 < factor <= MOST_REDUCED:  # larger factors are rejected when the product is placed
        return product
    whole = abs(edge - factor) <= ROUNDING
    first = _corner(averaged(product, factor).grid, target) if whole else None
    if first is None:
        return averaged(product, factor)
    cols, rows = (round((place % 1) * factor) % factor for place in first)
    shifted = averaged(product, factor, (cols, rows))
    return shifted if aligned(shifted.grid, target) else averaged(product, factor)


def aligned(grid: Grid, target: Grid) -> Window | None:
    """Return the window of a grid on another one if their pixels coincide, else None.

    Parameters
    ----------
    grid : Grid
        The grid whose window is returned.
    target : Grid
        The other one; its size does not matter.
    """
    first = _corner(grid, target)
    if first is None:
        return None
    col, row = (round(place) for place in first)
    off = max(abs(first[0] - col), abs(first[1] - row))
    return Window(col, row, grid.width, grid.height) if off <= OFF_GRID else None


def _corner(grid: Grid, target: Grid) -> tuple[float, float] | None:
    """Return column and row of a grid's corner on another one; None if pixel sizes differ."""
    x, dx, a, y, b, dy = grid.transform
    left, width, _, top, _, height = target.transform
    if a or b or not same_crs(grid.crs, target.crs):
        return None
    # The difference of pixels that count as equal, summed over the whole grid.
    drift = max(abs(dx / width - 1) * grid.width, abs(dy / height - 1) * grid.height)
    return ((x - left) / width, (y - top) / height) if drift <= OFF_GRID else None
