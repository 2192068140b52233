"""The ranks of a run as a team: how a rank receives orders, reports a failure, and ends all ranks.

This team works with every MPI: no rank may be lost, and a failure ends all of them at once by
``MPI_Abort``. `ulfm` has another one, whose workers may die (--survive).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from s2rgb_mpi import signals
from s2rgb_mpi.errors import StopError
from s2rgb_mpi.ranks.loop import Loop, WakingClock, broadcast, until
from s2rgb_mpi.ranks.messages import (
    Ask,
    Failed,
    Heartbeat,
    Share,
    Stop,
    Tag,
    receive,
    send,
    send_synchronous,
)
from s2rgb_mpi.ranks.progress import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.timing import Tally

SECONDS_TO_MEET = 60.0
"""The least time limit for ranks to meet at the start, even if --timeout is less: some load Python
from a slow disk."""

SECONDS_TO_TELL = 2.0
"""How long a failed rank waits for rank 0 to receive its report before it prints it itself."""

SECONDS_TO_END = 10.0
"""How long it then waits to be ended: Open MPI 4 kills a second after SIGTERM, not at once."""


class Survivors(Protocol):
    """The remaining workers, where some may be lost; on rank 0."""

    def lose(self, rank: int, left: list[int]) -> Mapping[int, list[int]]:
        """Deal the windows of a lost worker; return the share of each rank."""

    def release(self) -> None:
        """Tell the workers that no further windows will follow."""


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
        """The communicator of all messages of the run."""
        self._stop: Any = None
        self._clock = WakingClock()
        self._heartbeat: Any = None
        self._heartbeat_at = 0.0
        self._asked: Any = None

    def _communicator(self, world: Any) -> Any:
        return world.Dup()  # so that tags cannot collide with those of the caller

    def meeting_timeout(self, timeout: float) -> float:
        """Return the time limit for all ranks to meet, seconds, given the job's --timeout."""
        return max(timeout, SECONDS_TO_MEET)

    def attend(self) -> None:
        """Receive a stop from rank 0; report a signal of this rank to it."""
        if receive(self.comm, Tag.STOP, source=0) is not None:
            self._stop = True  # rank 0 knows already
            signals.finish()
        if signals.finishing() and self._stop is None:
            self._stop = send(self.comm, Stop(), dest=0)

    def heartbeat(self) -> None:
        """Report to rank 0 that this rank, which has no windows left, is still running."""
        received = self._heartbeat is None or self._heartbeat.test()[0]
        if received and self._clock.now() - self._heartbeat_at > HEARTBEAT_SECONDS:
            self._heartbeat = send_synchronous(self.comm, Heartbeat(), dest=0)
            self._heartbeat_at = self._clock.now()

    def ask(self) -> None:
        """Ask rank 0 for a further window, on a worker."""
        self._asked = send(self.comm, Ask(), dest=0)

    def further(self, loop: Loop) -> Sequence[int] | None:
        """Wait for the windows that were asked for; None if there are none, or at a stop."""
        if self._asked is None:
            return None
        answer = None

        def answered() -> bool:
            nonlocal answer
            answer = receive(self.comm, Tag.SHARE, source=0)
            return answer is not None or signals.finishing()

        loop.until(answered)
        loop.until(lambda: self._asked.test()[0])
        self._asked = None
        return answer.windows if isinstance(answer, Share) else None

    def survivors(self, plan: Plan, workers: Sequence[int]) -> Survivors | None:  # noqa: ARG002
        """Return the workers that take over windows of lost ones, on rank 0: none in this team."""
        return None

    def agree(self, code: int) -> int:
        """Return rank 0's exit code, on every rank, at the end of the run."""
        return int(broadcast(self.comm, code))

    def report(self, error: BaseException, text: str, code: int) -> bool:
        """Report a failure to rank 0, which ends the run.

        Returns
        -------
        bool
            Whether another rank prints the error and ends all; otherwise this one has to.
        """
        if self.comm.rank:
            sent = send_synchronous(self.comm, Failed(text, code), dest=0)
            received = until(lambda: sent.test()[0], seconds=SECONDS_TO_TELL)
            # A signal that has reached this rank has usually reached rank 0 too, which then prints
            # the error, but receives no messages any more.
            if received or isinstance(error, StopError):
                time.sleep(SECONDS_TO_END)
        return False

    def end_all(self, code: int, *, reported: bool) -> None:  # noqa: ARG002  see ulfm
        """End all ranks at once."""
        if self.comm.size > 1:
            self._world.Abort(code)  # on a duplicate MPICH and Intel MPI lose the code

    def leave(self) -> None:
        """Do nothing: mpi4py finalises MPI when the process exits."""


@dataclass(frozen=True)
class Rank:
    """One rank of the run."""

    team: Team
    tally: Tally
    """Its stopwatch."""
    loop: Loop
    """Its way to wait, with its duties."""

    @property
    def comm(self) -> Any:
        """The run's communicator."""
        return self.team.comm
