"""The ranks of a run as a team: how one hears orders, reports a failure, and ends all.

This is the team of every MPI: nobody is ever lost, a failure ends all at once by ``MPI_Abort``.
`ulfm` has another, whose workers may die (--survive).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from s2rgb_mpi import signals
from s2rgb_mpi.errors import StopError
from s2rgb_mpi.ranks.loop import Loop, WakingClock, broadcast, until
from s2rgb_mpi.ranks.messages import Beat, Failed, Stop, Tag, receive, send, send_heard
from s2rgb_mpi.ranks.progress import BEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.timing import Tally

SECONDS_TO_MEET = 60.0
"""The least that ranks have to meet in, whatever --timeout: some load Python from a slow disk."""

SECONDS_TO_TELL = 2.0
"""How long a failed rank waits for rank 0 to hear it before it speaks itself."""

SECONDS_TO_END = 10.0
"""How long it then waits to be ended: Open MPI 4 kills a second after SIGTERM, not at once."""


class Survivors(Protocol):
    """The workers that are left, where some may be lost; on rank 0."""

    def lose(self, rank: int, left: list[int]) -> Mapping[int, list[int]]:
        """Deal the windows of a lost worker; return the share of each rank."""

    def release(self) -> None:
        """Tell the workers that nothing is left to do."""


class Team:
    """The ranks of a run, none of which may be lost.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
        All ranks: COMM_WORLD.
    """

    survives = False
    """Whether the run continues without a worker that died."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.comm = self._communicator(world)
        """For all messages of the run."""
        self._stop: Any = None
        self._clock = WakingClock()
        self._beat: Any = None
        self._beat_at = 0.0

    def _communicator(self, world: Any) -> Any:
        return world.Dup()  # our tags cannot meet anybody else's

    def patience(self, timeout: float) -> float:
        """Return how long ranks wait for all to meet, seconds, given the job's --timeout."""
        return max(timeout, SECONDS_TO_MEET)

    def attend(self) -> None:
        """Receive an order of rank 0 that has come; pass on a signal of this rank."""
        if receive(self.comm, Tag.STOP, source=0) is not None:
            self._stop = True  # rank 0 knows
            signals.finish()
        if signals.finishing() and self._stop is None:
            self._stop = send(self.comm, Stop(), dest=0)

    def beat(self) -> None:
        """Report to rank 0 that this rank, which has no windows left, is still there."""
        heard = self._beat is None or self._beat.test()[0]
        if heard and self._clock.now() - self._beat_at > BEAT_SECONDS:
            self._beat = send_heard(self.comm, Beat(), dest=0)
            self._beat_at = self._clock.now()

    def further(self, loop: Loop) -> Sequence[int] | None:  # noqa: ARG002  see ulfm
        """Return the windows that follow a worker's share: none ever do."""
        return None

    def survivors(self, plan: Plan, workers: Sequence[int]) -> Survivors | None:  # noqa: ARG002
        """Return who continues with the windows of a lost worker, on rank 0: nobody."""
        return None

    def agree(self, code: int) -> int:
        """Return rank 0's exit code, on every rank, at the end of the run."""
        return int(broadcast(self.comm, code))

    def report(self, error: BaseException, text: str, code: int) -> bool:
        """Report a failure to rank 0, which ends the run.

        Returns
        -------
        bool
            Whether another rank speaks of it and ends all; this one is to do so otherwise.
        """
        if self.comm.rank:
            told = send_heard(self.comm, Failed(text, code), dest=0)
            heard = until(lambda: told.test()[0], seconds=SECONDS_TO_TELL)
            # A signal that has reached this rank has mostly reached rank 0 too, which does not
            # listen any more, but speaks.
            if heard or isinstance(error, StopError):
                time.sleep(SECONDS_TO_END)
        return False

    def end_all(self, code: int, *, reported: bool) -> None:  # noqa: ARG002  see ulfm
        """End all ranks at once."""
        if self.comm.size > 1:
            self._world.Abort(code)  # on a duplicate MPICH and Intel MPI lose the code

    def leave(self) -> None:
        """Leave; MPI finalises itself."""


@dataclass(frozen=True)
class Rank:
    """One rank of the run."""

    team: Team
    tally: Tally
    """The stopwatch, filled while it works."""
    loop: Loop
    """How it waits, and its duties meanwhile."""

    @property
    def comm(self) -> Any:
        """The run's communicator."""
        return self.team.comm
