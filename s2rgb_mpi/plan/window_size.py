"""The sizes of windows (whole output tiles, whole source blocks) and of source chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job

LARGEST_SOURCE_BLOCK = 2048
"""Source blocks, or common multiples of blocks and tiles, with longer edges than this do not decide
the size of windows, which would be too large. Such blocks are decoded once and cut."""

LEAST_CHUNK = 512
"""The smallest edge of a source chunk, pixels: smaller ones cost time, larger ones memory."""


def least_edge(job: Job, products: Iterable[Product]) -> int:
    """Return the smallest edge of a window, image pixels: ``job.window`` pixels of the files.

    With block means, a window of ``job.window`` image pixels would be so much work that shares
    could not be even.
    """
    factor = max(product.factor for product in products)
    return _multiple(job.profile.tile, -(-job.window // factor))


def window_edge(tile: int, least: int, product: Product, grid: Grid) -> tuple[int, int]:
    """Choose ``(width, height)`` of a window: whole output tiles of whole source blocks.

    If their common multiple is too large, windows are whole tiles only.

    Parameters
    ----------
    tile : int
        Edge of an output tile.
    least : int
        From :func:`least_edge`.
    product : Product
        Its blocks are used as if the whole grid had them.
    grid : Grid
        The grid that is cut into windows.
    """
    if product.means is None:
        return _of_blocks(tile, least, product.block, grid)
    width, height = mean_chunk_edge(tile, least, product, grid)
    return _whole_tiles(tile, least, width, grid.width), _whole_tiles(
        tile, least, height, grid.height
    )


def mean_chunk_edge(
    tile: int, least: int, product: Product, grid: Grid, *, blocks: int = 2
) -> tuple[int, int]:
    """Choose ``(width, height)`` of a chunk of block means: whole source blocks.

    Parameters
    ----------
    tile, least, product, grid
        As in :func:`window_edge`.
    blocks : int
        A chunk that cuts source blocks is at least this many blocks long: only the blocks at its
        ends are decoded twice.

    Notes
    -----
    A chunk of means that begins and ends with blocks of the files can be large: 1024 pixels of 10 m
    are not a whole number of 110 m, but 11 x 1024 are. If less than two of them would fit in a row,
    source blocks are cut, and some are decoded twice. The same holds where the means do not begin
    at the corner of the files, since then no chunk has the edges of blocks.
    """
    means = product.means
    assert means is not None  # noqa: S101  the caller has checked
    if means.block[0] >= means.grid.width:  # strips
        width = grid.width
    else:
        width = _mean_edge(tile, least, product, 0, grid.width, blocks=blocks)
    if means.block[1] >= means.grid.height:
        return width, grid.height
    low = min(least, _multiple(tile, -(-(least**2) // width)))
    return width, _mean_edge(tile, low, product, 1, grid.height, blocks=blocks)


def _whole_tiles(tile: int, least: int, edge: int, size: int) -> int:
    """Return the edge of a window: that of a chunk of means, if it is a whole number of tiles."""
    if edge >= size:
        return _multiple(tile, size)
    return least if edge % tile else edge


def _mean_edge(
    tile: int, least: int, product: Product, axis: int, size: int, *, blocks: int
) -> int:
    """Return the width (axis 0) or height (1) of a chunk of block means."""
    means = product.means
    assert means is not None  # noqa: S101  the caller has checked
    whole = _multiple(product.block[axis], least)
    cut = max(least, _multiple(tile, -(-blocks * means.block[axis] // means.factor)))
    if any(means.offset) or whole > max(cut, size // 2):
        return min(cut, size)
    return min(whole, size)


def _of_blocks(tile: int, least: int, block: tuple[int, int], grid: Grid) -> tuple[int, int]:
    """Return ``(width, height)`` of a window of whole tiles and whole blocks.

    A source stored in strips gets windows as wide as the image, but low, so that no strip is
    decoded twice and a window still has about ``least`` squared pixels.
    """
    block_width, block_height = block
    if block_width >= grid.width:
        width = _multiple(tile, grid.width)
    else:
        width = _multiple(window_step(tile, block_width), least)
    across = min(width, grid.width)
    # A block may be low and very wide.
    highest = (LARGEST_SOURCE_BLOCK + tile) ** 2 // across
    if grid.height <= min(block_height, LARGEST_SOURCE_BLOCK, highest):
        return width, _multiple(tile, grid.height)
    step = window_step(tile, block_height)
    return width, _multiple(step if step <= highest else tile, -(-(least**2) // width))


def chunk_edge(tile: int, least: int, product: Product) -> tuple[int, int]:
    """Choose ``(width, height)`` of a source chunk of a product: whole blocks, decoded at once.

    If a product is not resampled and windows are whole blocks, the chunks are as large as windows;
    else the parts that windows need are cut out of larger chunks.

    Parameters
    ----------
    tile, least
        As in :func:`window_edge`.
    product : Product
        As laid out on the grid of the image.
    """
    source = product.unwarped
    grid, block = source.grid, source.block
    if product.warp is not None:
        tile, least = 1, -(-LEAST_CHUNK // source.factor)
    if source.means is not None:
        return mean_chunk_edge(tile, least, source, grid, blocks=4 if product.warp else 2)
    if product.warp is None:
        edge = window_edge(tile, least, source, grid)
        if all(
            length % size == 0 or length >= whole
            for length, size, whole in zip(edge, block, grid.size, strict=True)
        ):
            return edge
    width = _multiple(block[0], min(least, grid.width))
    return width, _multiple(block[1], -(-(least**2) // width))


def window_step(tile: int, block: int) -> int:
    """Return the number that a window's edge must be a multiple of; too large blocks are cut."""
    step = math.lcm(tile, block)
    return step if step <= LARGEST_SOURCE_BLOCK else tile


def _multiple(step: int, least: int) -> int:
    """Return the smallest multiple of ``step`` that is at least ``least``."""
    return -(-least // step) * step
