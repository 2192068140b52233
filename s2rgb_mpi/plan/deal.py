"""The shares of a plan: which worker makes which windows, and in which order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

from s2rgb_mpi.plan import partition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Crossing, Key
    from s2rgb_mpi.plan.plan import Patch, Plan

PIXEL_NBYTES = 6
"""DN of three bands, bytes."""


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
    costs = {
        number: _cost(plan, number)
        for number in range(len(plan.windows))
        if number not in plan.done
    }
    return partition.cut(costs, workers)


def deal(plan: Plan, workers: int) -> list[list[int]]:
    """Return what :func:`cut` does, each share in the order of work."""
    shares = cut(plan, workers)
    common = partition.in_common(shares, plan.sources)

    def walks(worker: int) -> Iterator[list[int]]:
        for walk in _walks(plan, shares[worker]):
            yield partition.arrange(worker, walk, common, plan.sources) if common else walk

    return [
        min(walks(worker), key=lambda share: kept_nbytes(plan, share)) for worker in range(workers)
    ]


def _walks(plan: Plan, share: list[int]) -> Iterator[list[int]]:
    """List the orders in which a share may be made: which keeps least depends on its outline."""
    yield share
    yield share[::-1]  # of a chunk across two windows the later part is kept
    if plan.pieces:
        windows = plan.windows
        yield sorted(share, key=lambda n: (windows[n].row_off, windows[n].col_off))
        yield sorted(share, key=lambda n: (windows[n].col_off, windows[n].row_off))


def crossings(
    plan: Plan, shares: Sequence[Sequence[int]], ranks: Sequence[int]
) -> list[dict[Key, Crossing]]:
    """Find for the share of each rank the cells that show in others too.

    None do where workers may be lost: then no one may need another.
    """
    if plan.job.survive:
        return [{} for _ in shares]
    return partition.crossings(shares, ranks, plan.sources)


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


def _cost(plan: Plan, window: int) -> int:
    """Predict the work of a window, ns: of what its products have there, until it is full."""
    cost, left = 0.0, 1.0
    whole = plan.windows[window].width * plan.windows[window].height
    for member, patches in itertools.groupby(plan.patches(window), lambda patch: patch.member):
        product = plan.scene.members[member].product.unwarped
        filled = 0
        for patch in patches:
            cost += left * product.cost(patch.source)
            filled += patch.target.width * patch.target.height
        left -= filled / whole
        if left <= 0:  # what lies below is hidden, but for "no data" that nobody knows yet
            break
    return 1 + round(cost)
