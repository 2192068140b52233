"""The source chunks that a worker reads, in their order: for reading ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Patch, Plan


def reading_order(
    plan: Plan, share: Sequence[int], is_elsewhere: Callable[[Key], bool]
) -> Iterator[Key]:
    """Yield the source chunks that will be read for a share, as far as the plan shows.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of windows, in the order of work.
    is_elsewhere : callable
        Returns whether another worker reads a chunk.

    Yields
    ------
    member : int
        The number of a product.
    chunk : Window
        In pixels of the product's own grid. Chunks under other products are left out: they are
        read only where these have no data, which the plan does not know.
    """
    seen: set[Key] = set()
    for number in share:
        for patch in plan.patches(number):
            if _is_hidden(plan, number, patch):
                continue
            for key in patch.keys:
                if key not in seen and not is_elsewhere(key):
                    yield key
                seen.add(key)


def _is_hidden(plan: Plan, window: int, patch: Patch) -> bool:
    """Return whether a patch is probably not needed: by clouds, or by products above it."""
    if not plan.hides:
        return plan.needed is not None and (patch.member, window) not in plan.needed
    above = plan.scene.members[: patch.member]
    return any(each.visible(patch.target) == patch.target for each in above)
