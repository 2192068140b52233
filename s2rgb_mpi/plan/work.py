"""The predicted cost of windows: source chunks are decoded once each, then coloured and encoded."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.inputs.reader import is_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.plan import Plan

RESAMPLING_NS = 40
"""Cost to resample a pixel of a band, ns: less than a third of decoding it."""


class Work(NamedTuple):
    """The cost of one window, ns for one band."""

    chunks: Mapping[Key, float]
    """To decode each of its source chunks, unless already done, and to colour and encode it."""
    own: float
    """All other costs of the window."""


def works(plan: Plan) -> list[Work]:
    """Predict the work of every window: products are read from the top until the window is full."""
    return [_work(plan, number) for number in range(len(plan.windows))]


def _work(plan: Plan, window: int) -> Work:
    chunks: dict[Key, float] = {}
    own, left = 1.0, 1.0
    whole = plan.windows[window].width * plan.windows[window].height
    for member, patches in itertools.groupby(plan.patches(window), lambda patch: patch.member):
        product = plan.scene.members[member].product
        if plan.needed is not None:  # a chunk is decoded as a whole, however little is needed
            left = 1.0 if (member, window) in plan.needed else 0.0
        filled = 0
        for patch in patches:
            for key in patch.keys:
                if is_large(key[1]):  # decoded by every share: only the needed part counts
                    own += left * product.unwarped.cost(patch.source)
                elif left and key not in chunks:
                    chunks[key] = left * product.unwarped.cost(key[1])
            filled += patch.target.width * patch.target.height
        if product.warp is not None:
            own += left * filled * RESAMPLING_NS
        if plan.hides:  # except under "no data", which is not known yet
            left -= filled / whole
            if left <= 0:
                break
    return Work(chunks, own)


def costs(works: Sequence[Work], numbers: Iterable[int]) -> dict[int, int]:
    """Return the cost of windows that are made in this order, by one worker or several, ns.

    A source chunk is counted for the first window that needs it: its worker decodes the chunk.
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
    """Predicts when source chunks that several shares need are decoded, if all begin together.

    Parameters
    ----------
    works : sequence of Work
        Of all windows.
    common : mapping of Key to sequence of int
        The chunks that several shares need, and their workers, ascending: the first one decodes
        the chunk for all.
    """

    def __init__(self, works: Sequence[Work], common: Mapping[Key, Sequence[int]]) -> None:
        self._works = works
        self._common = common
        self._ready: dict[Key, float] = {}

    def times(self, worker: int, share: Iterable[int]) -> tuple[float, dict[Key, float]]:
        """Return when a worker ends a share in this order, and when it sends which chunks, ns.

        The times of the workers before it must have been added.
        """
        clock = 0.0
        decoded: set[Key] = set()
        sent: dict[Key, float] = {}
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
                    sent[key] = clock
            clock += self._works[number].own
        return clock, sent

    def add(self, sent: Mapping[Key, float]) -> None:
        """Add the times at which a worker sends chunks."""
        self._ready.update(sent)
