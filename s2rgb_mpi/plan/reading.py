"""What a worker reads, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Plan


def reading_order(
    plan: Plan, share: Sequence[int], is_elsewhere: Callable[[Key], bool]
) -> Iterator[Key]:
    """List the source chunks that will be read for a share, as far as the plan knows it.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows, in the order of work.
    is_elsewhere : callable
        Whether another worker reads a chunk.

    Yields
    ------
    member : int
        The number of a product.
    chunk : Window
        In pixels of the product's own grid. Those that products before it cover are left out: they
        are read where these turn out to have no data.
    """
    seen: set[Key] = set()
    for number in share:
        for patch in plan.patches(number):
            if _is_covered(plan, patch.member, patch.target):
                continue
            for key in patch.keys:
                if key not in seen and not is_elsewhere(key):
                    yield key
                seen.add(key)


def _is_covered(plan: Plan, member: int, shown: Window) -> bool:
    """Return whether one of the products before a product covers what is shown of it."""
    return any(each.visible(shown) == shown for each in plan.scene.members[:member])
