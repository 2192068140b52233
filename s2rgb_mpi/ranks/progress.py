"""Reports to rank 0: the writer's progress, and the times of every rank at the end."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.ranks.loop import WakingClock, until
from s2rgb_mpi.ranks.messages import Done, Progress, Tag, send_heard

if TYPE_CHECKING:
    from s2rgb_mpi.image.block import Block
    from s2rgb_mpi.output.assembler import Written
    from s2rgb_mpi.timing import Tally

WINDOWS_AT_ONCE = 500
"""Windows that one message lists: some 15 bytes each, of the 32 KB that rank 0 listens with."""

BEAT_SECONDS = 1.0
"""A rank that has nothing else to report sends a message this often, so as not to seem hung."""


class ProgressSender:
    """The writer's messages to rank 0: how far the file is, and which windows have come.

    While one message is under way, further progress waits for the next one.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    timeout : float
        Rank 0 may leave a message unheard for so long, seconds.
    """

    def __init__(self, comm: Any, timeout: float) -> None:
        self._comm = comm
        self._timeout = timeout
        self._new: list[tuple[int, int]] = []
        self._so_far = (0, 0)
        self._sent: Any = None
        self._clock = WakingClock()
        self._sent_at = 0.0

    def add(self, block: Block, *, windows: int, nbytes: int) -> None:
        """Report a block that is in the partial file, now or with the next ones.

        Parameters
        ----------
        block : Block
            Just placed.
        windows, nbytes : int
            Contents of the partial file with it.
        """
        self._new.append((block.window, block.nbytes))
        self._so_far = windows, nbytes
        if self._heard():
            self._send()

    def beat(self) -> None:
        """Send progress without a window, if there was none to report for a while.

        Raises
        ------
        SilenceError
            Rank 0 does not listen.
        """
        silent = self._clock.now() - self._sent_at
        if silent > BEAT_SECONDS and self._heard():
            self._send()
        elif silent > self._timeout:
            raise _deaf(self._timeout)

    def flush(self) -> None:
        """Report the rest, and wait until all is heard.

        Raises
        ------
        SilenceError
            Rank 0 does not listen.
        """
        while self._sent is not None:
            if not until(self._heard, seconds=self._timeout):
                raise _deaf(self._timeout)
            if self._new:
                self._send()

    def _heard(self) -> bool:
        """Return whether rank 0 has taken the last message; sends are synchronous to know it."""
        if self._sent is not None and self._sent.test()[0]:
            self._sent = None
        return self._sent is None

    def _send(self) -> None:
        new, self._new = self._new[:WINDOWS_AT_ONCE], self._new[WINDOWS_AT_ONCE:]
        self._sent = send_heard(self._comm, Progress(*self._so_far, tuple(new)), dest=0)
        self._sent_at = self._clock.now()


def hand_in(
    comm: Any, tally: Tally, written: Written | None = None, *, timeout: float = math.inf
) -> None:
    """Send rank 0 a tally, of any size: with every span of a long run it is megabytes.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    tally : Tally
        Closed.
    written : Written, optional
        From the writer, if there is a file.
    timeout : float
        How long rank 0 may take to listen, seconds.

    Raises
    ------
    SilenceError
        Rank 0 does not listen.
    """
    payload = pickle.dumps((tally, written))
    done = send_heard(comm, Done(len(payload)), dest=0)
    if not until(lambda: done.test()[0], seconds=timeout):
        raise _deaf(timeout)
    until(comm.Issend(payload, dest=0, tag=Tag.TALLY).Test)


def _deaf(seconds: float) -> SilenceError:
    return SilenceError(f"rank 0 has not listened for {seconds:g} s (--timeout)")
