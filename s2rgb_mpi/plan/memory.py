"""What a plan costs in memory: bounds for the ranks of each role."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from s2rgb_mpi.gdalenv import CACHE_NBYTES
from s2rgb_mpi.image.block import header_nbytes
from s2rgb_mpi.image.block_means import sum_nbytes
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.inputs.ahead import is_served
from s2rgb_mpi.inputs.files.read_ahead import held_nbytes
from s2rgb_mpi.inputs.reader import LARGEST_CHUNK_PIXELS
from s2rgb_mpi.inputs.warp.warper import most_source_pixels
from s2rgb_mpi.plan.deal import PIXEL_NBYTES, in_common, kept_nbytes, part_nbytes
from s2rgb_mpi.plan.levels import header_room, payload_nbytes, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan

LIBRARIES_NBYTES = 92_000_000
"""Resident memory of a rank that has imported everything and done nothing, bytes, where the plan
does not say it (measured with Debian 12's packages; with wheels it is 80 MB)."""

WORKING_NBYTES = 12_000_000
"""What libraries take once they work, bytes: code of codecs, tifffile, PROJ's database; the largest
growth of a worker or writer of an image of 600 x 600 pixels (measured)."""

WARPER_NBYTES = 7
"""What the warper holds of each pixel that it works on: three DN, and whether they are valid,
bytes."""

RECEIVE_NBYTES = 64_000_000
"""Payloads that the writer lets be under way at once, bytes; always at least one."""

BLOCKS_IN_FLIGHT = 2
"""Blocks that a worker may have sent and not yet delivered."""

TILE_NBYTES = 480
"""What the writer holds of each tile of the image while it puts them in order, bytes (measured with
200,000 of them)."""


def resident_nbytes() -> int:
    """Return the most memory that this process has had, bytes; 0 where the system does not say it.

    Not :func:`resource.getrusage`, which counts from when this process still was a copy of its
    parent (getrusage(2), ru_maxrss).
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def worker_nbytes(plan: Plan, shares: Sequence[Sequence[int]]) -> int:
    """Return the memory that a worker needs at most, bytes.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    shares : sequence of sequence of int
        Numbers of windows, of each worker in its order of work (`deal`):
        how many parts of source chunks and open tiles it has to keep depends on them.
    """
    window = _pixels(plan.edge, plan.grid)
    read = max(
        _read_nbytes(member.product, _pixels(edge, member.product.unwarped.grid), window)
        for member, edge in zip(plan.scene.members, plan.chunk_edges, strict=True)
    )
    arrays = read + window * 4 * RGBA
    kept = max(
        kept_nbytes(plan, share)
        + passed
        + _tile_nbytes(plan, _open_tiles(plan, share))
        + _files_nbytes(plan, share)
        for share, passed in zip(shares, passed_nbytes(plan, shares), strict=True)
    )
    sent = BLOCKS_IN_FLIGHT * payload_nbytes(plan)
    return _start_nbytes(plan) + _cache_nbytes(plan) + _ahead_nbytes(plan) + arrays + kept + sent


def _start_nbytes(plan: Plan) -> int:
    """Return what a rank takes whatever it does, bytes."""
    return (plan.libraries_nbytes or LIBRARIES_NBYTES) + WORKING_NBYTES


def _pixels(edge: tuple[int, int], grid: Grid) -> int:
    """Return the pixels of the largest piece of a grid that is cut into pieces of these edges."""
    return min(edge[0], grid.width) * min(edge[1], grid.height)


def _cache_nbytes(plan: Plan) -> int:
    """Return what GDAL's block cache can hold, bytes: at least one block, at most all of them."""
    products = [member.product for member in plan.scene.members]
    largest = max((band.held.block for each in products for band in each.bands), default=0)
    return max(min(CACHE_NBYTES, sum(map(_decoded_nbytes, products))), largest)


def _ahead_nbytes(plan: Plan) -> int:
    """Return what is read ahead from servers at most, bytes; nothing of files that are here."""
    served = any(is_served(member.product) for member in plan.scene.members)
    return held_nbytes() if served else 0


def _decoded_nbytes(product: Product) -> int:
    """Return a bound of the bytes of a product's blocks, decoded; those at the edges are padded."""
    grid, block = product.files
    sizes = grid.width, grid.height
    padded = (-(-size // edge) * edge for size, edge in zip(sizes, block, strict=True))
    return math.prod(padded) * sum(band.stored.nbytes_per_pixel for band in product.bands)


def _read_nbytes(product: Product, chunk: int, window: int) -> int:
    """Return what it takes to read a source chunk and to resample a window, bytes.

    Cache and open files are not counted.

    Parameters
    ----------
    product : Product
        Any.
    chunk, window : int
        How many pixels they have.
    """
    read = max((band.held.decoding for band in product.bands), default=0)
    if product.unwarped.means is not None:
        read += _means_nbytes(product.unwarped, chunk)
    else:
        if chunk > LARGEST_CHUNK_PIXELS:  # then only parts of it are held
            chunk = window
            read += window * PIXEL_NBYTES
        read += chunk * sum(band.stored.nbytes_per_pixel for band in product.bands)
    if product.warp is None:
        return read
    # What a piece needs, what comes out of it, and the warper's copies of both.
    return read + (most_source_pixels(product) + window) * (PIXEL_NBYTES + WARPER_NBYTES)


def _means_nbytes(product: Product, pixels: int) -> int:
    """Return what it takes to read so many pixels as block means, bytes.

    These are the means of all files, and of one file at a time the sums and counts, and pieces at
    full resolution with the sums of their rows.
    """
    means = product.means
    assert means is not None  # noqa: S101  it is asked for where there are any
    width, height = means.piece_edge(means.grid.width)
    piece = min(width, means.grid.width) * min(height, means.grid.height)
    sums = sum_nbytes(means.factor)
    rows = piece // means.factor * sums + piece  # and which of its pixels are valid
    stored: Counter[str] = Counter()
    for band in product.bands:
        stored[band.path] += band.stored.nbytes_per_pixel
    bands = max(Counter(band.path for band in product.bands).values(), default=0)
    read = piece * max(stored.values(), default=0) + rows
    return read + pixels * (2 * bands * sums + PIXEL_NBYTES)


def _files_nbytes(plan: Plan, share: Sequence[int]) -> int:
    """Return the most that GDAL keeps for files which are open at once, bytes.

    A product is open from the first window of the share that shows it to the last.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for place, number in enumerate(share):
        for patch in plan.patches(number):
            first.setdefault(patch.member, place)
            last[patch.member] = place
    change: Counter[int] = Counter()
    for member, place in first.items():
        bands = plan.scene.members[member].product.bands
        # Bands of one file that are of several types are read from it opened several times.
        files = {(band.path, band.stored.dtype): band.held.kept for band in bands}
        change[place] += sum(files.values())
        change[last[member] + 1] -= sum(files.values())
    return max(itertools.accumulate(change[place] for place in range(len(share))), default=0)


def writer_nbytes(plan: Plan, workers: int) -> int:
    """Return the memory that the writer needs at most, bytes.

    Parameters
    ----------
    plan : Plan
        What is to be done.
    workers : int
        Each has a line with one header.
    """
    # Each worker has one block under way at a time; and one that has come is being appended.
    under_way = min(workers * payload_nbytes(plan), max(RECEIVE_NBYTES, payload_nbytes(plan)))
    received = under_way + payload_nbytes(plan)
    headers = workers * header_nbytes(header_room(plan))
    # A tile that spans shares is joined and encoded at a time.
    joined = 2 * _tile_nbytes(plan, 1)
    count = tiles(plan) * (2 if plan.job.profile.mask == "internal" else 1)
    return _start_nbytes(plan) + received + headers + joined + count * TILE_NBYTES


def passed_nbytes(plan: Plan, shares: Sequence[Sequence[int]]) -> list[int]:
    """Return the most that parts of source chunks can take that pass between workers, bytes.

    All that a worker gets from others, and all that it gives to others, may be there at once; not
    what it needs itself of a chunk that it decodes.
    """
    common = in_common(plan, shares)
    totals = [0] * len(shares)
    for owner, share in enumerate(shares if common else ()):
        for number in share:
            for patch in plan.patches(number):
                for member, chunk in patch.keys:
                    users = common.get((member, chunk), [])
                    for user in users:
                        if user < owner or user == owner != users[0]:
                            totals[user] += part_nbytes(patch, chunk)
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
