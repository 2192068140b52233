"""A team whose workers may die: without ``MPI_Abort``, and without ``MPI_Finalize`` at the end."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.errors import LostError, RankError
from s2rgb_mpi.ranks.loop import Loop, until
from s2rgb_mpi.ranks.messages import End, Failed, NoShare, Share, Tag, receive, send_synchronous
from s2rgb_mpi.ranks.team import SECONDS_TO_TELL, Team
from s2rgb_mpi.ranks.ulfm.comm import Comm
from s2rgb_mpi.ranks.ulfm.survivors import Survivors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.ulfm.comm import Request

SECONDS_TO_END = 30.0
"""Time for ranks to finish a window, or their imports on a busy machine, before the launcher is
made to end them."""

SECONDS_TO_NOTICE = 600.0
"""Time for rank 0 to find a loss that another rank has found: it may still be making the plan."""

SECONDS_TO_SPEAK = 1.0
"""Time for rank 0 or the writer to print the error, and for the launcher to forward it."""


class SurvivingTeam(Team):
    """The ranks of a run that continues without a worker that died."""

    survives = True
    comm: Comm

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._shares: deque[Share | NoShare] = deque()
        self._code: int | None = None
        """The exit code, once the run is ending: from then on MPI is not finalised."""

    def _communicator(self, world: Any) -> Comm:
        return Comm(world)  # no duplicate: to make one, no rank may be lost already

    def attend(self) -> None:
        """Receive the orders that have arrived.

        Raises
        ------
        RankError
            The run ends early; rank 0 has printed why.
        """
        super().attend()
        share: Share | NoShare | None = receive(self.comm, Tag.SHARE, source=0)
        if share is not None:
            self._shares.append(share)
        end: End | None = receive(self.comm, Tag.END, source=0)
        if end is not None:
            raise RankError("", end.exit_code)

    def further(self, loop: Loop) -> Sequence[int] | None:
        """Wait for windows of a lost worker; None if there will be none."""
        if self.comm.rank == 0:
            return None
        loop.until(lambda: bool(self._shares) or signals.finishing())
        if not self._shares:
            return None
        match self._shares.popleft():
            case Share(windows):
                return windows
            case NoShare():
                return None

    def survivors(self, plan: Plan, workers: Sequence[int]) -> Survivors:
        """Return the workers that take over windows of lost ones, on rank 0."""
        return Survivors(self.comm, plan, workers)

    def agree(self, code: int) -> int:
        """Agree on rank 0's exit code at the end of the run, and begin to exit."""
        if self.comm.rank == 0:
            self._tell_all(code)
        else:
            code = self._wait_for_end()
        self._code = 0 if self.comm.rank else code  # rank 0's is that of the run
        return code

    def _wait_for_end(self) -> int:
        loop = Loop()
        try:
            with loop.duty(self.attend):
                loop.until(lambda: False)
        except RankError as end:
            return end.exit_code
        raise AssertionError

    def _tell_all(self, code: int, *, seconds: float | None = None) -> bool:
        """Tell all ranks to exit; return whether all living ones have received it in time."""
        ends = []
        for rank in range(1, self.comm.size):
            with suppress(LostError):
                ends.append(send_synchronous(self.comm, End(code), dest=rank))

        def received() -> bool:
            ends[:] = [end for end in ends if not _is_over(end)]
            return not ends

        return until(received, seconds=seconds)

    def report(self, error: BaseException, text: str, code: int) -> bool:
        """Report a failure to rank 0, and wait to be ended; see :meth:`Team.report`."""
        comm, writer = self.comm, self.comm.size - 1
        self._code = code
        if comm.rank == 0:
            return False
        if isinstance(error, RankError) or (isinstance(error, LostError) and error.rank == 0):
            return isinstance(error, RankError) or comm.rank != writer

        def ended() -> bool:
            return comm.Iprobe(source=0, tag=Tag.END)

        seconds = SECONDS_TO_NOTICE if isinstance(error, LostError) else SECONDS_TO_TELL
        with suppress(LostError):
            sent = send_synchronous(comm, Failed(text, code), dest=0)
            if until(lambda: sent.Test() or ended(), seconds=seconds):
                if until(ended, seconds=seconds):
                    comm.recv(source=0, tag=Tag.END)
                return True
        return False

    def end_all(self, code: int, *, reported: bool) -> None:
        """End all ranks, from the one that has printed the error."""
        self._code = 0 if reported else code  # only the rank that reports exits with the code
        if reported or (self.comm.rank == 0 and self._tell_all(code, seconds=SECONDS_TO_END)):
            return
        if self.comm.first_lost() == 0:
            return  # which all other ranks find out themselves
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_SPEAK)

    def leave(self) -> None:
        """End this process at once, without ``MPI_Finalize``, if the run is ending."""
        if self._code is None:
            return
        if self._code and 0 < self.comm.rank < self.comm.size - 1:
            # The launcher ends all ranks when a second one exits with an error: also the one that
            # prints the error, and the writer, which saves the last blocks.
            time.sleep(SECONDS_TO_SPEAK)
        os._exit(self._code)


def _is_over(request: Request) -> bool:
    """Return whether a message was received, or its receiver is dead."""
    try:
        return request.Test()
    except LostError:
        return True
