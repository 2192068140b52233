"""The memory that a plan needs: upper bounds for the ranks of each role."""

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
from s2rgb_mpi.image.composite import source_nbytes
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.inputs.ahead import is_served
from s2rgb_mpi.inputs.class_blocks import KEPT_NBYTES
from s2rgb_mpi.inputs.class_blocks import kept_nbytes as classes_nbytes
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
"""Resident memory of a rank after all imports, bytes; used where the plan has no measurement (with
Debian 12's packages; 80 MB with wheels)."""

WORKING_NBYTES = 12_000_000
"""Memory that libraries take on first use, bytes: code of codecs, tifffile, PROJ's database; the
largest growth of a worker or writer of an image of 600 x 600 pixels (measured)."""

WARPER_NBYTES = 7
"""Memory of GDAL's warper per pixel, bytes: three DN, and whether they are valid."""

RECEIVE_NBYTES = 64_000_000
"""Limit of the payloads that the writer receives at the same time, bytes; one is always allowed."""

BLOCKS_IN_FLIGHT = 2
"""Blocks that a worker may have posted and that are not delivered yet."""

MAP_NBYTES = 30_000_000
"""Memory of GDAL while it writes the map of sources and its reduced levels, bytes, besides its
cache and a row of blocks (measured with 10,980 x 10,980 and 60,000 x 2048 pixels)."""

TILE_NBYTES = 480
"""Memory of the writer per tile of the image while it finalises the file, bytes (measured with
200,000 tiles)."""


def resident_nbytes() -> int:
    """Return the peak resident memory of this process, bytes; 0 if the system does not report it.

    Not by :func:`resource.getrusage`: its peak includes the time when this process was still a copy
    of its parent (getrusage(2), ru_maxrss).
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
        The same on every rank.
    shares : sequence of sequence of int
        Numbers of windows of each worker, in its order of work (`deal`): the parts of source chunks
        and the open tiles that it keeps depend on them.
    """
    window = _pixels(plan.edge, plan.grid)
    read = max(
        _read_nbytes(member.product, _pixels(edge, member.product.unwarped.grid), window)
        for member, edge in zip(plan.scene.members, plan.chunk_edges, strict=True)
    )
    arrays = read + window * 4 * RGBA + _composite_nbytes(plan, window)
    kept = max(
        kept_nbytes(plan, share)
        + passed
        + _tile_nbytes(plan, _open_tiles(plan, share))
        + _files_nbytes(plan, share)
        for share, passed in zip(shares, passed_nbytes(plan, shares), strict=True)
    )
    sent = BLOCKS_IN_FLIGHT * payload_nbytes(plan)
    return _start_nbytes(plan) + _cache_nbytes(plan) + _ahead_nbytes(plan) + arrays + kept + sent


def _composite_nbytes(plan: Plan, window: int) -> int:
    """Return the memory of the image of a window while observations are added, bytes.

    A median needs them all at once; else it is known which product each pixel is from, whether it
    is final, and which of the next product's pixels are clear. Classifications are decoded in
    turn, and parts of all of them are kept.
    """
    classes = 0
    if plan.job.clouds != "keep":
        found = (member.product.unwarped.classification for member in plan.scene.members)
        needed = [classes_nbytes(each) for each in found if each is not None]
        classes = max(needed, default=0) + KEPT_NBYTES * len(needed)
    if plan.job.composite != "median":
        return classes + window * (source_nbytes(len(plan.scene.members)) + 3)
    most = max(
        len({patch.member for patch in plan.patches(number)}) for number in range(len(plan.windows))
    )
    return classes + window * (most + 1) * RGBA


def _start_nbytes(plan: Plan) -> int:
    """Return the memory of a rank of any role before its work, bytes."""
    return (plan.libraries_nbytes or LIBRARIES_NBYTES) + WORKING_NBYTES


def _pixels(edge: tuple[int, int], grid: Grid) -> int:
    """Return the pixels of the largest piece of a grid that is cut into pieces of `edge`."""
    return min(edge[0], grid.width) * min(edge[1], grid.height)


def _cache_nbytes(plan: Plan) -> int:
    """Return the memory of GDAL's block cache, bytes: at least one block, at most all of them."""
    products = [member.product for member in plan.scene.members]
    largest = max((band.held.block for each in products for band in each.bands), default=0)
    return max(min(CACHE_NBYTES, sum(map(_decoded_nbytes, products))), largest)


def _ahead_nbytes(plan: Plan) -> int:
    """Return the most memory for reading ahead from servers, bytes; 0 for local files."""
    served = any(is_served(member.product) for member in plan.scene.members)
    return held_nbytes() if served else 0


def _decoded_nbytes(product: Product) -> int:
    """Return the size of all decoded blocks of a product, bytes; those at the edges are padded."""
    grid, block = product.files
    sizes = grid.width, grid.height
    padded = (-(-size // edge) * edge for size, edge in zip(sizes, block, strict=True))
    return math.prod(padded) * sum(band.stored.nbytes_per_pixel for band in product.bands)


def _read_nbytes(product: Product, chunk: int, window: int) -> int:
    """Return the memory to read a source chunk and to resample a window, bytes.

    Cache and open files are not counted.

    Parameters
    ----------
    product : Product
        Whose chunks are read.
    chunk, window : int
        Their numbers of pixels.
    """
    read = max((band.held.decoding for band in product.bands), default=0)
    if product.unwarped.means is not None:
        read += _means_nbytes(product.unwarped, chunk)
    else:
        if chunk > LARGEST_CHUNK_PIXELS:  # then only parts of it are in memory
            chunk = window
            read += window * PIXEL_NBYTES
        read += chunk * sum(band.stored.nbytes_per_pixel for band in product.bands)
    if product.warp is None:
        return read
    # The source pixels of a piece, the resampled ones, and the warper's copies of both.
    return read + (most_source_pixels(product) + window) * (PIXEL_NBYTES + WARPER_NBYTES)


def _means_nbytes(product: Product, pixels: int) -> int:
    """Return the memory to read a number of pixels as block means, bytes.

    It holds the means of all files; and of one file at a time the sums and counts, and a piece at
    full resolution with the sums of its rows.
    """
    means = product.means
    assert means is not None  # noqa: S101  the caller has checked
    width, height = means.piece_edge(means.grid.width)
    piece = min(width, means.grid.width) * min(height, means.grid.height)
    sums = sum_nbytes(means.factor)
    rows = piece // means.factor * sums + piece  # the latter: which of its pixels are valid
    stored: Counter[str] = Counter()
    for band in product.bands:
        stored[band.path] += band.stored.nbytes_per_pixel
    bands = max(Counter(band.path for band in product.bands).values(), default=0)
    read = piece * max(stored.values(), default=0) + rows
    return read + pixels * (2 * bands * sums + PIXEL_NBYTES)


def _files_nbytes(plan: Plan, share: Sequence[int]) -> int:
    """Return the most memory that GDAL keeps for files that are open at the same time, bytes.

    A product is open from the first window of the share that needs it to the last.
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
        # A file whose bands have several types is opened once for each type.
        files = {(band.path, band.stored.dtype): band.held.kept for band in bands}
        change[place] += sum(files.values())
        change[last[member] + 1] -= sum(files.values())
    return max(itertools.accumulate(change[place] for place in range(len(share))), default=0)


def writer_nbytes(plan: Plan, workers: int) -> int:
    """Return the memory that the writer needs at most, bytes.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    workers : int
        Number of workers; one header is received from each.
    """
    # At most one block per worker is being received, and one that has arrived is being appended.
    under_way = min(workers * payload_nbytes(plan), max(RECEIVE_NBYTES, payload_nbytes(plan)))
    received = under_way + payload_nbytes(plan)
    headers = workers * header_nbytes(header_room(plan))
    # Tiles that span shares are joined and encoded one at a time.
    joined = 2 * _tile_nbytes(plan, 1)
    count = tiles(plan) * (2 if plan.job.profile.mask == "internal" else 1)
    written = received + headers + joined + count * TILE_NBYTES + _map_nbytes(plan)
    return _start_nbytes(plan) + written


def _map_nbytes(plan: Plan) -> int:
    """Return the memory to write the map of sources, bytes; 0 without one."""
    if plan.job.source_map is None:
        return 0
    nbytes = source_nbytes(len(plan.scene.members))
    whole = plan.grid.pixels * nbytes
    pieces = _pixels(plan.edge, plan.grid) + plan.job.profile.tile * plan.grid.width
    return min(CACHE_NBYTES, whole) + min(MAP_NBYTES, 6 * whole) + 2 * nbytes * pieces


def passed_nbytes(plan: Plan, shares: Sequence[Sequence[int]]) -> list[int]:
    """Return for each worker the most memory of parts of source chunks from and for others, bytes.

    All parts that a worker receives from others, and all that it sends to others, may be in memory
    at the same time; the parts that it needs itself of a chunk that it decodes are not counted.
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
                            totals[user] += part_nbytes(plan, patch, chunk)
    return totals


def _tile_nbytes(plan: Plan, tiles: int) -> int:
    """Return the memory of a number of tiles that are being joined, bytes."""
    return int(tiles * plan.job.profile.tile**2 * RGBA)


def _open_tiles(plan: Plan, share: Sequence[int]) -> int:
    """Count the joined tiles of a share that can be incomplete at the same time.

    Along the Z-order curve there are two per level, the one being completed and the next; in any
    other order all may be incomplete.
    """
    count = 0
    for level in plan.joined_levels:
        tiles = len({_first_tile(plan, number, level) for number in share})
        count += min(2, tiles) if sorted(share) in (share, share[::-1]) else tiles
    return count


def _first_tile(plan: Plan, number: int, level: int) -> tuple[int, int]:
    """Return the row and column of the tile of a level in which a window begins."""
    place, tile = plan.windows[number].at_level(level), plan.job.profile.tile
    return place.row_off // tile, place.col_off // tile
