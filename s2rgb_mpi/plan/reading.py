"""What a worker reads, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.plan import Plan


def reading_order(
    plan: Plan, share: Sequence[int], is_elsewhere: Callable[[tuple[int, Window]], bool]
) -> Iterator[tuple[int, Window]]:
    """List the cells that will be read for a share, as far as the plan knows it.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows, in the order of work.
    is_elsewhere : callable
        Whether another worker reads a cell.

    Yields
    ------
    member : int
        The number of a product.
    source : Window
        In pixels of the product. Those that products before it cover are left out: they are read
        where these turn out to have no data.
    """
    seen: set[tuple[int, Window]] = set()
    for number in share:
        window = plan.windows[number]
        for member, cell in plan.cells(window):
            key = member, cell.source
            if key in seen or _is_covered(plan, member, cell.target.overlap(window)):
                continue
            seen.add(key)
            if not is_elsewhere(key):
                yield key


def _is_covered(plan: Plan, member: int, shown: Window | None) -> bool:
    """Return whether one of the products before a product covers what is shown of it."""
    above = plan.scene.members[:member]
    return shown is None or any(each.visible(shown) == shown for each in above)
