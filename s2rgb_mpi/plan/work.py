"""What windows cost: source chunks to be decoded, each once, and what is done with them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Plan

RESAMPLING_NS = 40
"""What a pixel of a band costs that is resampled, ns: less than a third of decoding it."""


class Work(NamedTuple):
    """What is to be done for one window, ns for one band."""

    chunks: Mapping[Key, float]
    """To decode each of its source chunks, if nobody has done so, and to colour and encode it."""
    own: float
    """Whatever comes on top."""


def works(plan: Plan) -> list[Work]:
    """Predict the work of every window: that of its products, top first, until it is full."""
    return [_work(plan, number) for number in range(len(plan.windows))]


def _work(plan: Plan, window: int) -> Work:
    chunks: dict[Key, float] = {}
    own, left = 1.0, 1.0
    whole = plan.windows[window].width * plan.windows[window].height
    for member, patches in itertools.groupby(plan.patches(window), lambda patch: patch.member):
        product = plan.scene.members[member].product
        filled = 0
        for patch in patches:
            for key in patch.keys:
                if key not in chunks:
                    chunks[key] = left * product.unwarped.cost(key[1])
            filled += patch.target.width * patch.target.height
        if product.warp is not None:
            own += left * filled * RESAMPLING_NS
        left -= filled / whole
        if left <= 0:  # what lies below is hidden, but for "no data" that nobody knows yet
            break
    return Work(chunks, own)


def costs(works: Sequence[Work], numbers: Iterable[int]) -> dict[int, int]:
    """Return what windows cost if they are made in this order, by one or by many, ns.

    A source chunk costs where it is needed first: that worker decodes it.
    """
    decoded: set[Key] = set()
    found = {}
    for number in numbers:
        chunks = works[number].chunks
        new = sum(cost for key, cost in chunks.items() if key not in decoded)
        found[number] = round(works[number].own + new)
        decoded.update(chunks)
    return found


class Schedule:
    """When source chunks of several shares will have been decoded, if all begin at the same time.

    Parameters
    ----------
    works : sequence of Work
        Of all windows.
    common : mapping of Key to sequence of int
        The chunks that several shares need, and the workers of these, ascending: the first of them
        decodes it for all.
    """

    def __init__(self, works: Sequence[Work], common: Mapping[Key, Sequence[int]]) -> None:
        self._works = works
        self._common = common
        self._ready: dict[Key, float] = {}

    def times(self, worker: int, share: Iterable[int]) -> tuple[float, dict[Key, float]]:
        """Return when a worker ends its share, made in this order, and when it gives what, ns.

        Workers before it have settled.
        """
        clock = 0.0
        decoded: set[Key] = set()
        gives: dict[Key, float] = {}
        for number in share:
            for key, cost in self._works[number].chunks.items():
                if key in decoded:
                    continue
                decoded.add(key)
                users = self._common.get(key, (worker,))
                if users[0] != worker:
                    clock = max(clock, self._ready.get(key, 0.0))
                    continue
                clock += cost
                if len(users) > 1:
                    gives[key] = clock
            clock += self._works[number].own
        return clock, gives

    def settle(self, gives: Mapping[Key, float]) -> None:
        """Take note of when a worker gives which chunks."""
        self._ready.update(gives)
