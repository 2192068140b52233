"""A team whose workers may die: nobody aborts, and MPI is not finalised."""

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
from s2rgb_mpi.ranks.messages import End, Failed, NoShare, Share, Tag, receive, send_heard
from s2rgb_mpi.ranks.team import SECONDS_TO_TELL, Team
from s2rgb_mpi.ranks.ulfm.comm import Comm
from s2rgb_mpi.ranks.ulfm.survivors import Survivors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.ulfm.comm import Request

SECONDS_TO_END = 30.0
"""What ranks have to finish a window in, or their imports on a busy machine, before the launcher is
told to end them."""

SECONDS_TO_NOTICE = 600.0
"""What rank 0 has to meet a loss that another rank has met: it may be at the plan still."""

SECONDS_TO_SPEAK = 1.0
"""What workers leave to rank 0 or the writer, which says why, and to the launcher to pass it on."""


class SurvivingTeam(Team):
    """The ranks of a run that continues without a worker that died."""

    survives = True
    comm: Comm

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._shares: deque[Share | NoShare] = deque()
        self._code: int | None = None
        """The exit code, once ranks part: then MPI is not to be finalised."""

    def _communicator(self, world: Any) -> Comm:
        return Comm(world)  # to duplicate it, nobody must be lost already

    def attend(self) -> None:
        """Receive the orders that have come.

        Raises
        ------
        RankError
            The run is to end before it is done; rank 0 has said why.
        """
        super().attend()
        share: Share | NoShare | None = receive(self.comm, Tag.SHARE, source=0)
        if share is not None:
            self._shares.append(share)
        end: End | None = receive(self.comm, Tag.END, source=0)
        if end is not None:
            raise RankError("", end.exit_code)

    def further(self, loop: Loop) -> Sequence[int] | None:
        """Wait for the windows of a lost worker; None when there will not be any."""
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
        """Return who continues with the windows of a lost worker, on rank 0."""
        return Survivors(self.comm, plan, workers)

    def agree(self, code: int) -> int:
        """Leave together at the end of the run, with rank 0's exit code."""
        if self.comm.rank == 0:
            self._tell_all(code)
        else:
            code = self._wait_for_end()
        self._code = 0 if self.comm.rank else code  # rank 0's is that of the whole
        return code

    def _wait_for_end(self) -> int:
        loop = Loop()
        try:
            with loop.duty(self.attend):
                loop.until(lambda: False)
        except RankError as told:
            return told.exit_code
        raise AssertionError

    def _tell_all(self, code: int, *, seconds: float | None = None) -> bool:
        """Tell all ranks to leave; return whether all that live have heard it in time."""
        ends = []
        for rank in range(1, self.comm.size):
            with suppress(LostError):
                ends.append(send_heard(self.comm, End(code), dest=rank))

        def heard() -> bool:
            ends[:] = [end for end in ends if not _over(end)]
            return not ends

        return until(heard, seconds=seconds)

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
            told = send_heard(comm, Failed(text, code), dest=0)
            if until(lambda: told.Test() or ended(), seconds=seconds):
                if until(ended, seconds=seconds):
                    comm.recv(source=0, tag=Tag.END)
                return True
        return False

    def end_all(self, code: int, *, reported: bool) -> None:
        """End all ranks, from the one that has said why."""
        self._code = 0 if reported else code  # the other's is that of the whole
        if reported or (self.comm.rank == 0 and self._tell_all(code, seconds=SECONDS_TO_END)):
            return
        if self.comm.first_lost() == 0:
            return  # as all have met
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_SPEAK)

    def leave(self) -> None:
        """End this process here and now, past MPI_Finalize, if ranks have parted."""
        if self._code is None:
            return
        if self._code and 0 < self.comm.rank < self.comm.size - 1:
            # A second rank that leaves with an error is the end of all: also of the one that
            # speaks, and of the writer, which keeps what came last.
            time.sleep(SECONDS_TO_SPEAK)
        os._exit(self._code)


def _over(request: Request) -> bool:
    """Return whether a message was heard, or nobody is there to hear it."""
    try:
        return request.Test()
    except LostError:
        return True
