"""What the other ranks tell rank 0: news while they work, and their tallies at the end."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.image.block import Tag
from s2rgb_mpi.ranks.loop import WakingClock, until

if TYPE_CHECKING:
    from s2rgb_mpi.image.block import Block
    from s2rgb_mpi.output.assembler import Written
    from s2rgb_mpi.timing import Tally

NEWS_WINDOWS = 500
"""Windows that one message tells of: some 15 bytes each, of the 32 KB that rank 0 listens with."""

BEAT_SECONDS = 1.0
"""Who has nothing else to tell lets rank 0 hear this often that it does not hang."""


class News:
    """The writer's news: how far the file is, and which windows have come since the last time.

    While one message is under way, what happens waits for the next one.

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
        """Tell of a block that is in the part file, now or with the next ones.

        Parameters
        ----------
        block : Block
            Just placed.
        windows, nbytes : int
            What is in the part file with it.
        """
        self._new.append((block.window, block.nbytes))
        self._so_far = windows, nbytes
        if self._heard():
            self._send()

    def beat(self) -> None:
        """Let rank 0 hear that the writer is there, if there was nothing to tell for a while.

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
        """Tell the rest, and wait until all is heard.

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
        """Tell whether rank 0 has taken the last message; sends are synchronous to know it."""
        if self._sent is not None and self._sent.test()[0]:
            self._sent = None
        return self._sent is None

    def _send(self) -> None:
        new, self._new = self._new[:NEWS_WINDOWS], self._new[NEWS_WINDOWS:]
        self._sent = self._comm.issend((Tag.NEWS, *self._so_far, new), dest=0, tag=Tag.NEWS)
        self._sent_at = self._clock.now()


class Orders:
    """What rank 0 and another rank tell each other of a stop that was asked for.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator; for ranks but rank 0.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._told: Any = None
        self._clock = WakingClock()
        self._beat: Any = None
        self._beat_at = 0.0

    def wait(self) -> None:
        """Attend, and let rank 0 hear that this rank, which has no windows left, is still there."""
        self.attend()
        heard = self._beat is None or self._beat.test()[0]
        if heard and self._clock.now() - self._beat_at > BEAT_SECONDS:
            self._beat = self._comm.issend((Tag.BEAT,), dest=0, tag=Tag.BEAT)
            self._beat_at = self._clock.now()

    def attend(self) -> None:
        """Take an order that has come; pass on a signal that has reached this rank."""
        if self._comm.Iprobe(source=0, tag=Tag.STOP):
            self._comm.recv(source=0, tag=Tag.STOP)
            self._told = True  # rank 0 knows
            signals.finish()
        if signals.finishing() and self._told is None:
            self._told = self._comm.isend((Tag.STOP,), dest=0, tag=Tag.STOP)

    def further(self) -> list[int] | None:
        """Return the share that follows the last one: none ever does, but see survival."""
        return None


def tell(comm: Any, tag: Tag, *words: Any, seconds: float | None = None) -> bool:
    """Send rank 0 a small message; return whether it was heard in time."""
    request = comm.issend((tag, *words), dest=0, tag=tag)
    return until(lambda: request.test()[0], seconds=seconds)


def _deaf(seconds: float) -> SilenceError:
    return SilenceError(f"rank 0 has not listened for {seconds:g} s (--timeout)")


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
        What the writer tells besides, if there is a file.
    timeout : float
        How long rank 0 may take to listen, seconds.

    Raises
    ------
    SilenceError
        Rank 0 does not listen.
    """
    payload = pickle.dumps((tally, written))
    if not tell(comm, Tag.DONE, len(payload), seconds=timeout):
        raise _deaf(timeout)
    until(comm.Issend(payload, dest=0, tag=Tag.TALLY).Test)
