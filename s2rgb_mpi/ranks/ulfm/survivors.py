"""Who makes the windows that a lost worker has left."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from s2rgb_mpi import signals
from s2rgb_mpi.errors import LostError, RankError
from s2rgb_mpi.plan.deal import deal
from s2rgb_mpi.ranks.messages import NoShare, Share, send

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.ulfm.comm import Comm, Request


class Survivors:
    """The workers that are left, on rank 0: they are given what others leave undone.

    Parameters
    ----------
    comm : Comm
        The run's communicator.
    plan : Plan
        The same on every rank.
    workers : iterable of int
        The ranks that work; rank 0 itself, of two, has nobody to replace.
    """

    def __init__(self, comm: Comm, plan: Plan, workers: Iterable[int]) -> None:
        self._comm = comm
        self._plan = plan
        self._workers = set(workers) - {0}
        self._released = False
        self._sent: list[Request] = []

    def lose(self, rank: int, left: list[int]) -> dict[int, list[int]]:
        """Deal what a lost worker has left undone; return the share of each rank.

        Raises
        ------
        RankError
            There is nobody to do it.
        """
        self._workers.discard(rank)
        if signals.finishing():
            return {}
        if not self._workers:  # what it has left may be nothing, but who knows that?
            lost = LostError(rank, self._comm.size)
            raise RankError(f"{lost}, and no other worker is left", lost.exit_code)
        others = frozenset(range(len(self._plan.windows))).difference(left)
        dealt = deal(replace(self._plan, done=others), len(self._workers))
        shares = {
            worker: share
            for worker, share in zip(sorted(self._workers), dealt, strict=True)
            if share
        }
        for worker, share in shares.items():
            self._tell(worker, Share(tuple(share)))
        return shares

    def release(self) -> None:
        """Tell the workers, once, that nothing is left to do."""
        if not self._released:
            self._released = True
            for worker in self._workers:
                self._tell(worker, NoShare())

    def _tell(self, worker: int, message: Share | NoShare) -> None:
        with suppress(LostError):  # whoever listens to it will hear that, and deal anew
            self._sent.append(send(self._comm, message, dest=worker))
