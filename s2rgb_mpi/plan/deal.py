"""The shares of a plan: which worker makes which windows, and in which order."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.inputs.ahead import is_served
from s2rgb_mpi.inputs.product import RGB_BANDS
from s2rgb_mpi.inputs.reader import is_large
from s2rgb_mpi.plan import partition
from s2rgb_mpi.plan.work import Schedule, costs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Crossing, Key
    from s2rgb_mpi.plan.plan import Patch, Plan

PIXEL_NBYTES = 2 * len(RGB_BANDS)
"""DN of three bands, bytes."""

SLOWER = 0.1
"""By this part an order of work may be slower than the fastest if it needs less memory: predictions
are no more exact."""

CUTS = 3
"""So many times shares are cut anew by what is decoded twice between them."""

RESERVE = 0.1
"""The part of a share that is dealt on demand: predicted costs are wrong by less."""

DECODED_TWICE = 0.25
"""The largest part of all decoding that is done twice so that no worker waits for another."""


def cut(plan: Plan, workers: int) -> list[list[int]]:
    """Cut the windows that are not done into one share per worker: neighbours, of about equal cost.

    Parameters
    ----------
    workers : int
        At least 1.

    Returns
    -------
    list of list of int
        Numbers of windows; every number once that is not in `done`. Some are empty if
        there are more workers than windows.
    """
    numbers = [number for number in range(len(plan.windows)) if number not in plan.done]
    shares = partition.cut(costs(plan.work, numbers), workers)
    if in_common(plan, shares):
        return shares
    # Chunks at the borders of shares are decoded in each of them. Where these lie depends on that.
    for _ in range(CUTS):
        each = {
            number: cost for share in shares for number, cost in costs(plan.work, share).items()
        }
        shares = partition.cut(each, workers)
    return shares


def deal(plan: Plan, workers: int) -> list[list[int]]:
    """Return the shares of :func:`cut`, each in its order of work.

    Of a few candidate orders the one that needs least memory is taken among those that end about
    first. A worker only ever waits for source chunks of lower workers, so there is no deadlock.
    """
    shares = cut(plan, workers)
    common = in_common(plan, shares)
    schedule = Schedule(plan.work, common)
    dealt = []
    for worker, share in enumerate(shares):
        orders = list(_orders(plan, share))
        if common:
            orders += [partition.arrange(worker, order, common, plan.sources) for order in orders]
        times = [schedule.times(worker, order) for order in orders]
        latest = min(end for end, _ in times) * (1 + SLOWER)
        best = min(
            (number for number, (end, _) in enumerate(times) if end <= latest),
            key=lambda number: kept_nbytes(plan, orders[number]),
        )
        schedule.add(times[best][1])
        dealt.append(orders[best])
    return dealt


def reserve(plan: Plan, shares: Sequence[Sequence[int]]) -> list[dict[int, int]]:
    """Choose the windows of each share that rank 0 keeps back, to deal them when shares are done.

    They are about a tenth of a share, its last windows with something to read, of which no other
    window needs a source chunk: whoever makes them decodes nothing twice. Nothing is kept back if
    workers may be lost, or if files are read ahead from a server, for which the windows must be
    known before.

    Returns
    -------
    list of dict of int to int
        For each share, numbers of windows and their predicted costs, in the order of work. At least
        one window of a share is not among them.
    """
    if plan.job.survive or any(is_served(member.product) for member in plan.scene.members):
        return [{} for _ in shares]
    chunks = [plan.sources(number) for number in range(len(plan.windows))]
    users = Counter(key for each in chunks for key in each)
    kept = []
    for share in shares:
        cost = costs(plan.work, share)
        left = RESERVE * sum(cost.values())
        back: list[int] = []
        for number in [number for number in share if chunks[number]][:0:-1]:
            if left <= 0 or any(users[key] > 1 for key in chunks[number]):
                break
            back.insert(0, number)
            left -= cost[number]
        kept.append({number: cost[number] for number in back})
    return kept


def _orders(plan: Plan, share: list[int]) -> Iterator[list[int]]:
    """Yield candidate orders of work for a share: which is best depends on its outline."""
    orders = [share]
    if plan.pieces:
        windows = plan.windows
        orders.append(sorted(share, key=lambda n: (windows[n].row_off, windows[n].col_off)))
        orders.append(sorted(share, key=lambda n: (windows[n].col_off, windows[n].row_off)))
    if any(is_large(chunk) for number in share for _, chunk in plan.sources(number)):
        orders.append(sorted(share, key=lambda n: min(map(_by_rows, plan.sources(n)))))
    for order in orders:
        yield order
        yield order[::-1]


def _by_rows(key: Key) -> tuple[int, int, int]:
    """Return a sort key for source chunks: product by product, row by row."""
    member, chunk = key
    return member, chunk.row_off, chunk.col_off


def in_common(plan: Plan, shares: Sequence[Sequence[int]]) -> dict[Key, list[int]]:
    """Find the source chunks that one worker decodes for others, and the workers that need them.

    There are none where workers may be lost, since no worker may then depend on another. Very large
    chunks are not among them either, every worker decodes these itself: sending them would take as
    long, and far more memory. Nor are there any where a product is resampled and decoding the
    chunks at the borders of shares twice costs less than a quarter of all decoding: waiting for
    them would take as long, and a row of chunks would have to be kept meanwhile.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    shares : sequence of sequence of int
        Numbers of the windows of each worker.
    """
    if plan.job.survive:
        return {}
    found = partition.in_common(shares, plan.sources)
    common = {key: users for key, users in found.items() if not is_large(key[1])}
    if not plan.pieces or not common:
        return common
    cost = {key: cost for each in plan.work for key, cost in each.chunks.items()}
    # Nothing for those that products before them hide: these are not decoded at all.
    twice = sum((len(users) - 1) * cost.get(key, 0.0) for key, users in common.items())
    return {} if twice <= DECODED_TWICE * sum(cost.values()) else common


def crossings(
    plan: Plan, shares: Sequence[Sequence[int]], ranks: Sequence[int]
) -> list[dict[Key, Crossing]]:
    """Find for each share the source chunks that other shares need too, with the ranks involved."""
    return partition.crossings(shares, ranks, plan.sources, in_common(plan, shares))


def kept_nbytes(plan: Plan, share: Sequence[int]) -> int:
    """Return the most memory of parts of source chunks that are kept for later windows, bytes.

    A chunk is decoded for the first window that needs it, and the parts that later windows of the
    share need are kept until then. Example: three windows in a row need 10 pixels of a chunk each.
    The first window leaves 20 pixels to keep, the second uses 10 of them, the third the rest: the
    most is 20, times the bytes of a pixel.
    """
    needed: defaultdict[Key, list[tuple[int, int]]] = defaultdict(list)
    places = 0
    for number in share:
        for patch in plan.patches(number):
            for member, chunk in patch.keys:
                needed[member, chunk].append((places, part_nbytes(plan, patch, chunk)))
            places += 1
    change = [0] * places
    for (first, _), *later in needed.values():
        change[first] += sum(nbytes for _, nbytes in later)
        for place, nbytes in later:
            change[place] -= nbytes
    return max(itertools.accumulate(change), default=0)


def part_nbytes(plan: Plan, patch: Patch, chunk: Window) -> int:
    """Return the size of the part of a source chunk for a patch, bytes.

    It is kept as DN where the product is resampled, else as colours and the counts of the offset
    check, which need less. But all parts of a large chunk are cut out of it as DN before the first
    of them is coloured.
    """
    part = patch.source.overlap(chunk)
    pixels = part.width * part.height if part else 0
    if plan.scene.members[patch.member].product.warp is not None or is_large(chunk):
        return pixels * PIXEL_NBYTES
    return pixels * RGBA + boa_offset.NBYTES
