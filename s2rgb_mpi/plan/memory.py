"""What a plan costs in memory: bounds for the ranks of each role; and how it goes back."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING

from s2rgb_mpi.gdalenv import CACHE_NBYTES, WARP_CACHE_NBYTES
from s2rgb_mpi.image.block import header_nbytes
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.inputs.warp.warper import most_source_pixels
from s2rgb_mpi.plan.deal import kept_nbytes
from s2rgb_mpi.plan.levels import header_room, payload_nbytes
from s2rgb_mpi.plan.partition import in_common
from s2rgb_mpi.plan.window_size import LARGEST_SOURCE_BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan

LIBRARIES_NBYTES = 90_000_000
"""Resident memory of a rank that has imported everything and done nothing, bytes (measured)."""

DECODER_NBYTES_PER_PIXEL = 12
"""What OpenJPEG holds besides the pixels while it decodes a tile, bytes (measured)."""

DN_NBYTES = 2
WARPER_NBYTES_PER_PIXEL = 3
"""What the warper holds of each pixel of the source that it works on: its DN, and whether it is
valid, bytes."""

RECEIVE_NBYTES = 64_000_000
"""Payloads that the writer lets be under way at once, bytes; always at least one."""

BLOCKS_IN_FLIGHT = 2
"""Blocks that a worker may have sent and not yet delivered."""


def give_back() -> None:
    """Give memory that was freed back to the system, though some about it is still in use.

    Parts of cells that are kept for long lie among others that come and go: without this a worker
    of a mosaic of nine granules grew by 180 MB of holes. It takes some 5 ms.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


def worker_nbytes(plan: Plan, shares: Sequence[Sequence[int]]) -> int:
    """Return the memory that a worker needs at the most, bytes.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    shares : sequence of sequence of int
        Numbers of windows, of each worker in its order of work (`deal`):
        how many cells and open tiles it has to keep depends on them.
    """
    pixels = plan.edge[0] * plan.edge[1]
    read = max(_read_nbytes(member.product, pixels) for member in plan.scene.members)
    arrays = read + pixels * 4 * RGBA
    kept = max(
        kept_nbytes(plan, share) + passed + _tile_nbytes(plan, _open_tiles(plan, share))
        for share, passed in zip(shares, passed_nbytes(plan, shares), strict=True)
    )
    sent = BLOCKS_IN_FLIGHT * payload_nbytes(plan)
    return LIBRARIES_NBYTES + arrays + kept + sent


def _read_nbytes(product: Product, pixels: int) -> int:
    """Return what it takes to read a window of so many pixels, GDAL's block cache too, bytes."""
    stored = sum(band.stored.nbytes_per_pixel for band in product.bands)
    if product.warp is None:
        return CACHE_NBYTES + pixels * (stored + DECODER_NBYTES_PER_PIXEL)
    # A piece of the source, the warper's copy of it, a block that is decoded, and what comes out.
    piece = most_source_pixels(product.warp)
    block = math.prod(min(edge, LARGEST_SOURCE_BLOCK) for edge in product.unwarped.block)
    out = pixels * 3 * DN_NBYTES
    return (
        WARP_CACHE_NBYTES
        + piece * (stored + WARPER_NBYTES_PER_PIXEL)
        + out
        + max(block, pixels) * DECODER_NBYTES_PER_PIXEL
    )


def writer_nbytes(plan: Plan, workers: int) -> int:
    """Return the memory that the writer needs at the most, bytes.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    workers : int
        Each has a line with one header.
    """
    received = max(RECEIVE_NBYTES, payload_nbytes(plan))
    headers = workers * header_nbytes(header_room(plan))
    # A tile that spans shares is joined and encoded at a time.
    joined = 2 * _tile_nbytes(plan, 1)
    return LIBRARIES_NBYTES + received + headers + joined


def passed_nbytes(plan: Plan, shares: Sequence[Sequence[int]]) -> list[int]:
    """Return the most that parts of cells can take that pass between workers, bytes.

    All that a worker gets from others, and all that it gives to others, may be there at once.
    """
    common = in_common(shares, plan.sources)
    totals = [0] * len(shares)
    for owner, share in enumerate(shares if common else ()):
        for number in share:
            window = plan.windows[number]
            for member, cell in plan.cells(window):
                part = cell.target.overlap(window)
                for user in common.get((member, cell.source), ()):
                    if part and user <= owner:
                        totals[user] += part.width * part.height * RGBA
    return totals


def _tile_nbytes(plan: Plan, tiles: int) -> int:
    """Return the memory of so many tiles that are joined, bytes."""
    return int(tiles * plan.job.profile.tile**2 * RGBA)


def _open_tiles(plan: Plan, share: Sequence[int]) -> int:
    """Count the tiles that span windows of a share and can be open at once.

    Along the curve there are two a level, the one that is at its end and the next; in another order
    all may be open.
    """
    count = 0
    for level in plan.joined_levels:
        tiles = len({_first_tile(plan, number, level) for number in share})
        count += min(2, tiles) if sorted(share) in (share, share[::-1]) else tiles
    return count


def _first_tile(plan: Plan, number: int, level: int) -> tuple[int, int]:
    """Return the tile of a level that a window begins in."""
    place, tile = plan.windows[number].at_level(level), plan.job.profile.tile
    return place.row_off // tile, place.col_off // tile
