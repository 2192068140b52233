"""Upper bounds for a block and for the file: number of tiles, and bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from s2rgb_mpi.grid import reduced
from s2rgb_mpi.image.checks import boa_offset, overlap
from s2rgb_mpi.image.composite import source_nbytes
from s2rgb_mpi.image.overviews import whole_tiles
from s2rgb_mpi.image.radiometry import RGBA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.plan import Plan


OTHER_PIECES = 3
"""Pieces of a block that it has once at most: pixels of each product, their map, and a cause."""

PIXELS_NBYTES = 8
"""The number of pixels from one product, bytes."""


def joined_tiles(plan: Plan, share: Sequence[int]) -> set[tuple[int, int, int]]:
    """Find the tiles that span several windows, all of one share: level, row, col."""
    tile = plan.job.profile.tile
    return {
        key
        for level in plan.joined_levels
        for key in whole_tiles(
            plan.grid, tile, level, (plan.windows[n].at_level(level) for n in share)
        )
    }


def header_room(plan: Plan) -> int:
    """Return the largest number of pieces that a block can have."""
    tile = plan.job.profile.tile
    count = sum(
        -(-reduced(plan.edge[0], level) // tile) * -(-reduced(plan.edge[1], level) // tile)
        for level in range(plan.whole_levels + 1)
    )
    layers = 2 if plan.job.profile.mask == "internal" else 1
    parts = len(plan.joined_levels) + 2 * len(plan.scene.members) + OTHER_PIECES
    return (count + _joined_at_once(plan)) * layers + parts


def payload_nbytes(plan: Plan) -> int:
    """Return the largest payload of a block, bytes."""
    profile = plan.job.profile
    encoded = profile.bands * profile.worst_ratio + 1 / 8
    window = plan.edge[0] * plan.edge[1]
    # Reduced levels are encoded tiles, or raw RGBA.
    pixels = window * encoded + window / 3 * max(encoded, RGBA)
    joined = _joined_at_once(plan) * profile.tile**2 * encoded
    counts = len(plan.scene.members) * (boa_offset.NBYTES + overlap.NBYTES + PIXELS_NBYTES)
    sources = window * source_nbytes(len(plan.scene.members)) * 1.001 if plan.job.source_map else 0
    return math.ceil(pixels + joined + sources) + counts + 4096


def _joined_at_once(plan: Plan) -> int:
    """Return the most joined tiles that one window can complete: all those that it can overlap."""
    tile = plan.job.profile.tile
    return sum(
        math.prod(
            _most_across(min(reduced(length, level), size), tile)
            for length, size in zip(plan.edge, plan.grid.at_level(level), strict=True)
        )
        for level in plan.joined_levels
    )


def output_nbytes(plan: Plan) -> int:
    """Return an upper bound for the size of the file, bytes."""
    profile = plan.job.profile
    raw = profile.tile**2 * (profile.bands * profile.worst_ratio + 1 / 8)
    return math.ceil(tiles(plan) * (raw + 64)) + 1_000_000


def tiles(plan: Plan) -> int:
    """Count the tiles of the image and its reduced levels; a mask has as many of its own."""
    tile = plan.job.profile.tile
    return sum(
        -(-width // tile) * -(-height // tile)
        for width, height in map(plan.grid.at_level, range(plan.levels + 1))
    )


def _most_across(length: int, tile: int) -> int:
    """Return the most tiles that an interval overlaps that begins at a multiple of its length."""
    return -(-length // tile) + (length % tile > 0 and tile % length > 0)
