"""The workers that make the unfinished windows of a lost one."""

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
    """The remaining workers, on rank 0: they receive the unfinished windows of lost ones.

    Parameters
    ----------
    comm : Comm
        The run's communicator.
    plan : Plan
        The same on every rank.
    workers : iterable of int
        The ranks that work. Rank 0, the worker of two ranks, is left out: no other worker remains.
    """

    def __init__(self, comm: Comm, plan: Plan, workers: Iterable[int]) -> None:
        self._comm = comm
        self._plan = plan
        self._workers = set(workers) - {0}
        self._released = False
        self._sent: list[Request] = []

    def lose(self, rank: int, left: list[int]) -> dict[int, list[int]]:
        """Deal the unfinished windows of a lost worker; return the share of each rank.

        Raises
        ------
        RankError
            No worker is left.
        """
        self._workers.discard(rank)
        if signals.finishing():
            return {}
        if not self._workers:  # even if it has left no window: that is not known for certain
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
        """Tell the workers, once, that no further windows will follow."""
        if not self._released:
            self._released = True
            for worker in self._workers:
                self._tell(worker, NoShare())

    def _tell(self, worker: int, message: Share | NoShare) -> None:
        with suppress(LostError):  # the coordinator will find out, and deal its windows again
            self._sent.append(send(self._comm, message, dest=worker))
