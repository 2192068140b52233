"""How large windows are, whole output tiles of whole source blocks; and the chunks of a source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job

LARGEST_SOURCE_BLOCK = 2048
"""Longer edges of source blocks, or of blocks and tiles in common, say nothing of windows: these
would be too large. Such blocks are decoded once and cut."""

LEAST_CHUNK = 512
"""The least edge of a source chunk, pixels: smaller ones cost calls, larger ones memory."""


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
    width, height = mean_chunk_edge(tile, least, product, grid)
    return _whole_tiles(tile, least, width, grid.width), _whole_tiles(
        tile, least, height, grid.height
    )


def mean_chunk_edge(
    tile: int, least: int, product: Product, grid: Grid, *, blocks: int = 2
) -> tuple[int, int]:
    """Choose ``(width, height)`` of what is read of block means at once: whole source blocks.

    Parameters
    ----------
    tile, least, product, grid
        As in :func:`window_edge`.
    blocks : int
        As long as so many source blocks is what is cut at least: those at its ends alone are
        decoded for others too.

    Notes
    -----
    Blocks of means that begin and end with blocks of the files can be large: 1024 pixels of 10 m
    are no whole number of 110 m, 11 x 1024 are. Where there would be hardly two of them in a row
    they are cut, and some source blocks are decoded twice; and wherever means do not begin at the
    corner of the files, for then none begin and end together.
    """
    means = product.means
    assert means is not None  # noqa: S101  it is asked for where there are any
    if means.block[0] >= means.grid.width:  # strips
        width = grid.width
    else:
        width = _mean_edge(tile, least, product, 0, grid.width, blocks=blocks)
    if means.block[1] >= means.grid.height:
        return width, grid.height
    low = min(least, _multiple(tile, -(-(least**2) // width)))
    return width, _mean_edge(tile, low, product, 1, grid.height, blocks=blocks)


def _whole_tiles(tile: int, least: int, edge: int, size: int) -> int:
    """Return the edge of a window: that of what is read at once, if these are whole tiles."""
    if edge >= size:
        return _multiple(tile, size)
    return least if edge % tile else edge


def _mean_edge(
    tile: int, least: int, product: Product, axis: int, size: int, *, blocks: int
) -> int:
    """Return the width (axis 0) or height (1) of what is read of block means at once."""
    means = product.means
    assert means is not None  # noqa: S101  it is asked for where there are any
    whole = _multiple(product.block[axis], least)
    cut = max(least, _multiple(tile, -(-blocks * means.block[axis] // means.factor)))
    if any(means.offset) or whole > max(cut, size // 2):
        return min(cut, size)
    return min(whole, size)


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


def chunk_edge(tile: int, least: int, product: Product) -> tuple[int, int]:
    """Choose ``(width, height)`` of the source chunks of a product: whole blocks, decoded at once.

    Those of a product that is not resampled are its windows, if these are whole blocks; else what
    windows need of a chunk is cut out of it.

    Parameters
    ----------
    tile, least
        As in :func:`window_edge`.
    product : Product
        In its place.
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


def _step(tile: int, block: int) -> int:
    """Return what a window's edge must be a multiple of; blocks that are too large are cut."""
    step = math.lcm(tile, block)
    return step if step <= LARGEST_SOURCE_BLOCK else tile


def _multiple(step: int, least: int) -> int:
    """Return the smallest multiple of ``step`` that is not below ``least``."""
    return -(-least // step) * step
