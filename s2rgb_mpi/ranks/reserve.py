"""The windows that rank 0 deals on demand, so that all workers are done at about the same time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.partition import Share
    from s2rgb_mpi.plan.plan import Plan


class Reserve:
    """The windows of each worker that rank 0 has kept back.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    shares : sequence of Share
        By rank.
    """

    def __init__(self, plan: Plan, shares: Sequence[Share]) -> None:
        self._kept = [dict(share.kept) for share in shares]
        self._products = {
            number: {member for member, _ in plan.sources(number)}
            for number in itertools.chain(*self._kept)
        }
        self._opened = [
            {member for number in share.whole for member, _ in plan.sources(number)}
            for share in shares
        ]
        """Of each rank: other products would need memory that was not planned."""

    def take(self, rank: int) -> int | None:
        """Take a window for a worker: its own next one, else the last one of the slowest worker.

        Returns
        -------
        int or None
            None if there is none that this worker can make.
        """
        own = self._kept[rank]
        if own:
            number = next(iter(own))
            del own[number]
            return number
        for windows in sorted(self._kept, key=lambda left: -sum(left.values())):
            for number in reversed(windows):
                if self._products[number] <= self._opened[rank]:
                    del windows[number]
                    return number
        return None
