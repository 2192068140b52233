"""The shares of a plan: which worker makes which windows, and in which order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.reader import is_large
from s2rgb_mpi.plan import partition
from s2rgb_mpi.plan.work import Schedule, costs, works

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Crossing, Key
    from s2rgb_mpi.plan.plan import Patch, Plan
    from s2rgb_mpi.plan.work import Work

PIXEL_NBYTES = 6
"""DN of three bands, bytes."""

NEARLY = 0.02
"""By how much longer a share may take to keep less meanwhile: no prediction is better."""

TWICE = 0.25
"""How much of all decoding may be done twice so that nobody waits."""


def cut(plan: Plan, workers: int) -> list[list[int]]:
    """Cut the windows to be done into one share per worker, runs of neighbours.

    All shares are to cost about the same.

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
    return _cut(plan, works(plan), workers)


def _cut(plan: Plan, work: Sequence[Work], workers: int) -> list[list[int]]:
    numbers = (number for number in range(len(plan.windows)) if number not in plan.done)
    return partition.cut(costs(work, numbers), workers)


def deal(plan: Plan, workers: int) -> list[list[int]]:
    """Return what :func:`cut` does, each share in the order of work.

    That is the one of a few which ends about first and, of those, keeps least. Who waits for the
    source chunk of another worker waits for a lower one, so nobody waits in a circle.
    """
    work = works(plan)
    shares = _cut(plan, work, workers)
    common = in_common(plan, shares)
    schedule = Schedule(work, common)
    dealt = []
    for worker, share in enumerate(shares):
        walks = list(_walks(plan, share))
        if common:
            walks += [partition.arrange(worker, walk, common, plan.sources) for walk in walks]
        times = [schedule.times(worker, walk) for walk in walks]
        latest = min(end for end, _ in times) * (1 + NEARLY)
        best = min(
            (number for number, (end, _) in enumerate(times) if end <= latest),
            key=lambda number: kept_nbytes(plan, walks[number]),
        )
        schedule.settle(times[best][1])
        dealt.append(walks[best])
    return dealt


def _walks(plan: Plan, share: list[int]) -> Iterator[list[int]]:
    """List the orders in which a share may be made: which is best depends on its outline."""
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
    """Return where a source chunk stands among all, product by product and row by row."""
    member, chunk = key
    return member, chunk.row_off, chunk.col_off


def in_common(plan: Plan, shares: Sequence[Sequence[int]]) -> dict[Key, list[int]]:
    """Find the source chunks that one share decodes for others, and in whose shares they are.

    None are where workers may be lost: then no one may need another. Very large chunks are decoded
    by each that needs them: to send them around takes as long, and far more memory. Nor are any
    where a product is resampled and few workers have large shares: there the chunks at the borders
    are decoded twice, which costs less than a quarter of all decoding; to wait for them would take
    as long, and mean to keep a row of chunks meanwhile.
    """
    if plan.job.survive:
        return {}
    found = partition.in_common(shares, plan.sources)
    common = {key: users for key, users in found.items() if not is_large(key[1])}
    if not plan.pieces or not common:
        return common
    cost = {key: cost for work in works(plan) for key, cost in work.chunks.items()}
    # Nothing for those that products before them hide: these are not decoded at all.
    twice = sum((len(users) - 1) * cost.get(key, 0.0) for key, users in common.items())
    return {} if twice <= TWICE * sum(cost.values()) else common


def crossings(
    plan: Plan, shares: Sequence[Sequence[int]], ranks: Sequence[int]
) -> list[dict[Key, Crossing]]:
    """Find for the share of each rank the source chunks that others need too."""
    return partition.crossings(shares, ranks, plan.sources, in_common(plan, shares))


def kept_nbytes(plan: Plan, share: Sequence[int]) -> int:
    """Return the most that parts of source chunks can take which are needed later in the share.

    A chunk is decoded where it is needed first, and all that is needed of it later is kept until
    then. Three windows in a row, 10 pixels of one chunk in each: at the first 20 pixels come to be
    kept, at the second 10 of them are taken, at the third the rest; the most is 20 (times the bytes
    of a pixel).
    """
    needed: defaultdict[Key, list[tuple[int, int]]] = defaultdict(list)
    places = 0
    for number in share:
        for patch in plan.patches(number):
            for member, chunk in patch.keys:
                needed[member, chunk].append((places, part_nbytes(patch, chunk)))
            places += 1
    change = [0] * places
    for (first, _), *later in needed.values():
        change[first] += sum(nbytes for _, nbytes in later)
        for place, nbytes in later:
            change[place] -= nbytes
    return max(itertools.accumulate(change), default=0)


def part_nbytes(patch: Patch, chunk: Window) -> int:
    """Return the size of what a patch needs of a source chunk, as DN of three bands, bytes."""
    part = patch.source.overlap(chunk)
    return part.width * part.height * PIXEL_NBYTES if part else 0
