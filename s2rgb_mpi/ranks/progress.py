"""Reports to rank 0: the writer's progress, and the times of every rank at the end."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.ranks.loop import WakingClock, until
from s2rgb_mpi.ranks.messages import Done, Progress, Tag, send_synchronous

if TYPE_CHECKING:
    from s2rgb_mpi.image.block import Block
    from s2rgb_mpi.output.totals import Written
    from s2rgb_mpi.timing import Tally

WINDOWS_AT_ONCE = 500
"""The most windows in one message: about 15 bytes each, and rank 0's receive buffer has 32 KB."""

HEARTBEAT_SECONDS = 1.0
"""A rank that has nothing else to report sends a message this often, to show that it runs."""


class ProgressSender:
    """The writer's messages to rank 0: size of the file, and the windows that have arrived.

    Only one message is under way at a time; progress meanwhile goes into the next one.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    timeout : float
        Rank 0 must receive a message within this time, seconds.
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
            The block that was appended.
        windows, nbytes : int
            Number of windows and size of the partial file, including this block.
        """
        self._new.append((block.window, block.nbytes))
        self._so_far = windows, nbytes
        if self._is_received():
            self._send()

    def heartbeat(self) -> None:
        """Send progress without a window if none was sent for a while.

        Raises
        ------
        SilenceError
            Rank 0 does not receive messages.
        """
        silent = self._clock.now() - self._sent_at
        if silent > HEARTBEAT_SECONDS and self._is_received():
            self._send()
        elif silent > self._timeout:
            raise _silence(self._timeout)

    def flush(self) -> None:
        """Report the rest, and wait until rank 0 has received all.

        Raises
        ------
        SilenceError
            Rank 0 does not receive messages.
        """
        while self._sent is not None:
            if not until(self._is_received, seconds=self._timeout):
                raise _silence(self._timeout)
            if self._new:
                self._send()

    def _is_received(self) -> bool:
        """Return whether rank 0 has received the last message (the sends are synchronous)."""
        if self._sent is not None and self._sent.test()[0]:
            self._sent = None
        return self._sent is None

    def _send(self) -> None:
        new, self._new = self._new[:WINDOWS_AT_ONCE], self._new[WINDOWS_AT_ONCE:]
        self._sent = send_synchronous(self._comm, Progress(*self._so_far, tuple(new)), dest=0)
        self._sent_at = self._clock.now()


def send_tally(
    comm: Any, tally: Tally, written: Written | None = None, *, timeout: float = math.inf
) -> None:
    """Send a tally to rank 0. With all spans of a long run its size is several megabytes.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    tally : Tally
        The times of this rank, closed.
    written : Written, optional
        The finished file, from the writer.
    timeout : float
        Rank 0 must begin to receive within this time, seconds.

    Raises
    ------
    SilenceError
        Rank 0 does not receive messages.
    """
    payload = pickle.dumps((tally, written))
    done = send_synchronous(comm, Done(len(payload)), dest=0)
    if not until(lambda: done.test()[0], seconds=timeout):
        raise _silence(timeout)
    until(comm.Issend(payload, dest=0, tag=Tag.TALLY).Test)


def _silence(seconds: float) -> SilenceError:
    return SilenceError(f"rank 0 has received no message for {seconds:g} s (--timeout)")
