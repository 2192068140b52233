"""The windows that rank 0 deals on demand, so that all workers are done at about the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from s2rgb_mpi.plan.plan import Plan


class Reserve:
    """The windows of each worker that rank 0 has kept back.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    shares : mapping of int to iterable of int
        The windows that each rank has from the beginning.
    kept : mapping of int to mapping of int to int
        Those that are kept back of each rank, in the order of work, with their predicted costs.
    """

    def __init__(
        self,
        plan: Plan,
        shares: Mapping[int, Iterable[int]],
        kept: Mapping[int, Mapping[int, int]],
    ) -> None:
        self._kept = {rank: dict(windows) for rank, windows in kept.items()}
        self._products: dict[int, set[int]] = {}
        """Of each window."""
        self._opened: dict[int, set[int]] = {}
        """The products of each rank: others would need memory that was not planned."""
        for rank, share in shares.items():
            windows = (*share, *kept.get(rank, ()))
            self._products |= {
                number: {patch.member for patch in plan.patches(number)} for number in windows
            }
            self._opened[rank] = set().union(*(self._products[number] for number in windows))

    def take(self, rank: int) -> int | None:
        """Take a window for a worker: its own next one, else the last one of the slowest worker.

        Returns
        -------
        int or None
            None if there is none that this worker can make.
        """
        own = self._kept.get(rank)
        if own:
            number = next(iter(own))
            del own[number]
            return number
        for windows in sorted(self._kept.values(), key=lambda left: -sum(left.values())):
            for number in reversed(windows):
                if self._products[number] <= self._opened[rank]:
                    del windows[number]
                    return number
        return None
