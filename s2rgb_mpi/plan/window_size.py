"""How large windows are, whole output tiles of whole source blocks; and the chunks of a source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.job import Job

LARGEST_SOURCE_BLOCK = 2048
"""Longer edges of source blocks, or of blocks and tiles in common, say nothing of windows: these
would be too large. Such blocks are decoded once and cut."""

LEAST_CHUNK = 512
"""The least edge of a source chunk, pixels: smaller ones cost calls, larger ones memory."""


def window_edge(job: Job, block: tuple[int, int], grid: Grid) -> tuple[int, int]:
    """Choose ``(width, height)`` of a window: whole output tiles of whole source blocks.

    A source stored in strips gets windows as wide as the image, and less high, so that no
    strip is decoded twice and a window still has about ``job.window`` squared pixels.
    """
    tile = job.profile.tile
    block_width, block_height = block
    if block_width >= grid.width:
        width = _multiple(tile, grid.width)
    else:
        width = _multiple(_step(tile, block_width), job.window)
    if grid.height <= min(block_height, LARGEST_SOURCE_BLOCK):
        return width, _multiple(tile, grid.height)
    return width, _multiple(_step(tile, block_height), -(-(job.window**2) // width))


def chunk_edge(job: Job, product: Product) -> tuple[int, int]:
    """Choose ``(width, height)`` of the source chunks of a product: whole blocks, decoded at once.

    Those of a product that is not resampled are its windows, if these are whole blocks; else what
    windows need of a chunk is cut out of it.
    """
    source = product.unwarped
    block, grid = source.block, source.grid
    least = LEAST_CHUNK
    if product.warp is None:
        least = job.window
        edge = window_edge(job, block, grid)
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
