"""How large windows are: whole output tiles of whole source blocks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job

LARGEST_SOURCE_BLOCK = 4096
"""Source blocks with longer edges are cut by windows: whole ones would not fit in memory."""


def least_edge(job: Job, products: Iterable[Product]) -> int:
    """Return the least edge of a window, pixels of the image: ``job.window`` pixels of the files.

    Of block means a window of as many pixels would be too much work to be shared out evenly.
    """
    factor = max(product.factor for product in products)
    return _multiple(job.profile.tile, -(-job.window // factor))


def window_edge(tile: int, least: int, product: Product, grid: Grid) -> tuple[int, int]:
    """Choose ``(width, height)`` of a window: whole output tiles of whole source blocks.

    Where these are too large together, windows are whole tiles alone.

    Parameters
    ----------
    tile : int
        Edge of an output tile.
    least : int
        From :func:`least_edge`.
    product : Product
        Whose blocks are followed, as if they were those of the whole grid.
    grid : Grid
        That is cut into windows.
    """
    if product.means is None:
        return _of_blocks(tile, least, product.block, grid)
    width, height = cell_edge(tile, least, product, grid)
    return _whole_tiles(tile, least, width, grid.width), _whole_tiles(
        tile, least, height, grid.height
    )


def cell_edge(tile: int, least: int, product: Product, grid: Grid) -> tuple[int, int]:
    """Choose ``(width, height)`` of what is read of a product at once: whole source blocks.

    Parameters
    ----------
    tile, least, product, grid
        As in :func:`window_edge`. Blocks of means that begin and end with blocks of the files can
        be large (1024 x 1024 pixels of 10 m are no whole number of 70 m): where there would be
        hardly two of them in a row they are cut, and a few source blocks are decoded twice.
    """
    means = product.means
    if means is None:
        return _of_blocks(tile, least, product.block, grid)
    is_aligned = not any(means.offset)
    if means.block[0] >= means.grid.width:  # strips
        width = grid.width
    else:
        width = _whole_blocks(product.block[0], grid.width, least, is_aligned=is_aligned)
    if means.block[1] >= means.grid.height:
        return width, grid.height
    low = min(least, _multiple(tile, -(-(least**2) // width)))
    return width, _whole_blocks(product.block[1], grid.height, low, is_aligned=is_aligned)


def _whole_tiles(tile: int, least: int, edge: int, size: int) -> int:
    """Return the edge of a window: that of what is read at once, if these are whole tiles."""
    if edge >= size:
        return _multiple(tile, size)
    return least if edge % tile else edge


def _whole_blocks(block: int, size: int, least: int, *, is_aligned: bool) -> int:
    """Return the least edge of whole blocks, or of pixels if blocks cut the grid too coarsely."""
    edge = _multiple(block, least)
    return edge if is_aligned and 2 * edge <= size else least


def _of_blocks(tile: int, least: int, block: tuple[int, int], grid: Grid) -> tuple[int, int]:
    """Return whole tiles of whole blocks.

    A source stored in strips gets windows as wide as the image, and less high, so that no
    strip is decoded twice and a window still has about ``least`` squared pixels.
    """
    block_width, block_height = block
    if block_width >= grid.width:
        width = _multiple(tile, grid.width)
    else:
        width = _multiple(_step(tile, block_width), least)
    if grid.height <= min(block_height, LARGEST_SOURCE_BLOCK):
        return width, _multiple(tile, grid.height)
    return width, _multiple(_step(tile, block_height), -(-(least**2) // width))


def _step(tile: int, block: int) -> int:
    """Return what a window's edge must be a multiple of; blocks that are too large are cut."""
    step = math.lcm(tile, block)
    return step if step <= LARGEST_SOURCE_BLOCK else tile


def _multiple(step: int, least: int) -> int:
    """Return the smallest multiple of ``step`` that is not below ``least``."""
    return -(-least // step) * step
