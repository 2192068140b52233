"""The shares of a plan: which worker makes which windows, and in which order."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.plan import partition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Crossing
    from s2rgb_mpi.plan.plan import Plan


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
        number: _cost(plan, window)
        for number, window in enumerate(plan.windows)
        if number not in plan.done
    }
    return partition.cut(costs, workers)


def deal(plan: Plan, workers: int) -> list[list[int]]:
    """Return what :func:`cut` does, each share in the order of work."""
    shares = cut(plan, workers)
    common = partition.in_common(shares, plan.sources)

    def walks(worker: int) -> Iterator[list[int]]:
        share = shares[worker]
        # Backwards where that keeps less: of a cell across two windows the later part is kept.
        for walk in (share, share[::-1]):
            yield partition.arrange(worker, walk, common, plan.sources) if common else walk

    return [
        min(walks(worker), key=lambda share: kept_nbytes(plan, share)) for worker in range(workers)
    ]


def crossings(
    plan: Plan, shares: Sequence[Sequence[int]], ranks: Sequence[int]
) -> list[dict[tuple[int, Window], Crossing]]:
    """Find for the share of each rank the cells that show in others too.

    None do where workers may be lost: then no one may need another.
    """
    if plan.job.survive:
        return [{} for _ in shares]
    return partition.crossings(shares, ranks, plan.sources)


def kept_nbytes(plan: Plan, share: Sequence[int]) -> int:
    """Return the most that parts of cells can take which later windows of the share show.

    A cell is read for the first window that shows it, and coloured for all: so much is kept until
    each later window takes its part. Three windows in a row, 10 pixels of one cell in each: at the
    first 20 pixels come to be kept, at the second 10 of them are taken, at the third the rest; the
    most is 20 (times the bytes of a pixel).
    """
    shown: defaultdict[tuple[int, Window], dict[int, int]] = defaultdict(dict)
    for number in share:
        window = plan.windows[number]
        for member, cell in plan.cells(window):
            part = cell.target.overlap(window)
            shown[member, cell.source][number] = part.width * part.height * RGBA if part else 0
    change: Counter[int] = Counter()
    for parts in shown.values():
        first, *later = parts
        change[first] += sum(parts[number] for number in later)
        change.subtract({number: parts[number] for number in later})
    return max(itertools.accumulate(change[number] for number in share), default=0)


def _cost(plan: Plan, window: Window) -> int:
    """Predict the work of a window, ns: of what its products have there, until it is full."""
    cost, left = 0.0, 1.0
    for member in plan.scene.members:
        shown = member.visible(window)
        if shown is None:
            continue
        cost += left * member.product.cost(shown.moved(-member.col_off, -member.row_off))
        left -= shown.width * shown.height / (window.width * window.height)
        if left <= 0:  # what lies below is hidden, but for "no data" that nobody knows yet
            break
    return 1 + round(cost)
