"""How a rank waits without burning a core, and its duties meanwhile: all waiting is done here.

Every blocking call of every MPI library spins at 100 % of a core, which here is a core that a
worker needs; and Python's signal handlers do not run inside one. Everything below posts the
non-blocking form and tests it, with a sleep between tests that grows from 0.1 to 5 ms: 1..5 %
of a core, and a message is still met within milliseconds. Where many ranks wait for one, at the
start and while the image is sealed, it grows further. Whoever waits hears a signal too.
"""

from __future__ import annotations

import pickle
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.errors import SilenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SHORTEST_SLEEP = 1e-4
LONGEST_SLEEP = 5e-3
"""Seconds between two looks: right after something happened, and when nothing does."""

LONGEST_IDLE_SLEEP = 0.1
"""Seconds, where many ranks wait for one: by then so many looks would take a core from it."""

PART_OF_WAIT = 0.02
"""How much longer a long wait may become by sleeping too long."""

SECONDS_FOR_RANK_0 = 3.0
"""How much sooner rank 0 loses patience with ranks that do not come: it speaks, and once."""

LONGEST_GAP = 1.0
"""Seconds that count of a gap between two looks: the rank itself was busy, or not running."""


class WakingClock:
    """Seconds in which this rank was there to look: a job that is suspended makes nobody late."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked = time.monotonic()

    def now(self) -> float:
        """Return the seconds so far; a gap between two looks counts for little."""
        looked = time.monotonic()
        self._seconds += min(looked - self._looked, LONGEST_GAP)
        self._looked = looked
        return self._seconds


class Patience:
    """A sleep that grows while nothing happens.

    Parameters
    ----------
    longest : float
        Seconds that it grows to. Beyond :data:`LONGEST_SLEEP` it stays a small part of the wait.
    """

    def __init__(self, longest: float = LONGEST_SLEEP) -> None:
        self._longest = longest
        self._sleep = SHORTEST_SLEEP
        self._slept = 0.0

    def pause(self) -> None:
        """Sleep, longer than the last time.

        Raises
        ------
        StopError
            A signal asked for the end.
        """
        signals.check()
        time.sleep(self._sleep)
        self._slept += self._sleep
        most = max(LONGEST_SLEEP, self._slept * PART_OF_WAIT)
        self._sleep = min(self._sleep * 1.5, self._longest, most)

    def reset(self) -> None:
        """Something happened: look again soon."""
        self._sleep, self._slept = SHORTEST_SLEEP, 0.0


class Loop:
    """Waits, and looks after a rank's duties meanwhile: one list, in the order they were added."""

    def __init__(self) -> None:
        self._duties: list[Callable[[], None]] = []

    @contextmanager
    def duty(self, look: Callable[[], None]) -> Iterator[None]:
        """Add a duty for as long as the context lasts.

        Parameters
        ----------
        look : callable
            Called between two looks of every wait. It must not wait itself; an error that it
            raises ends the wait.
        """
        self._duties.append(look)
        try:
            yield
        finally:
            self._duties.remove(look)

    def attend(self) -> None:
        """Look after all duties once."""
        for look in tuple(self._duties):
            look()

    def until(
        self, ready: Callable[[], bool], *, seconds: float | None = None, idle: bool = False
    ) -> bool:
        """Look at ``ready`` again and again until it is true.

        Parameters
        ----------
        ready : callable
            Mostly the ``Test`` of an MPI request.
        seconds : float, optional
            Give up after so long; while the job is suspended none go by.
        idle : bool
            Whether this rank is one of many that wait for one: its looks become rarer in a long
            wait.

        Returns
        -------
        bool
            False only if the time ran out.
        """
        patience = Patience(LONGEST_IDLE_SLEEP if idle else LONGEST_SLEEP)
        clock = WakingClock()
        while not ready():
            if seconds is not None and clock.now() > seconds:
                return False
            self.attend()
            patience.pause()
        return True


def until(ready: Callable[[], bool], *, seconds: float | None = None, idle: bool = False) -> bool:
    """Wait as :meth:`Loop.until` does, without a duty: before the run, and at its end."""
    return Loop().until(ready, seconds=seconds, idle=idle)


def broadcast(comm: Any, value: Any, seconds: float | None = None) -> Any:
    """Return rank 0's value on every rank.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All ranks take part.
    value : object
        Rank 0's.
    seconds : float, optional
        How long this rank waits. Those that do not know are told by rank 0, once it is there.

    Raises
    ------
    SilenceError
        Rank 0 does not pass one in, or the others do not take it, in time.
    """
    payload = np.frombuffer(pickle.dumps(value), dtype=np.uint8) if comm.rank == 0 else None
    head = np.array([0 if payload is None else payload.size, seconds or np.inf])
    _together(comm, comm.Ibcast(head, root=0), seconds)
    nbytes, seconds = head
    if payload is None:
        payload = np.empty(int(nbytes), dtype=np.uint8)
    _together(comm, comm.Ibcast(payload, root=0), seconds)
    return pickle.loads(payload.tobytes())  # noqa: S301  our own rank 0 made it


def scatter(comm: Any, values: Sequence[Any] | None, seconds: float | None = None) -> Any:
    """Return the r-th of rank 0's values on rank r.

    Raises
    ------
    SilenceError
        As for a broadcast.
    """
    payloads = None if values is None else [pickle.dumps(value) for value in values]
    sizes = None if payloads is None else [len(payload) for payload in payloads]
    sizes = broadcast(comm, sizes, seconds)
    mine = np.empty(sizes[comm.rank], dtype=np.uint8)
    send = None
    if payloads is not None:
        send = [np.frombuffer(b"".join(payloads), dtype=np.uint8), sizes]
    _together(comm, comm.Iscatterv(send, mine, root=0), seconds)
    return pickle.loads(mine.tobytes())  # noqa: S301  our own rank 0 made it


def everyone(comm: Any, seconds: float | None = None) -> None:
    """Wait until every rank has come here.

    Raises
    ------
    SilenceError
        One of them does not come in so many seconds.
    """
    _together(comm, comm.Ibarrier(), seconds)


def _together(comm: Any, request: Any, seconds: float | None) -> None:
    """Wait for a call that all ranks make together."""
    if seconds is not None and comm.rank:
        seconds += SECONDS_FOR_RANK_0
    if not until(request.Test, seconds=seconds, idle=True):
        raise SilenceError(f"not all of the {comm.size} ranks have met in time (--timeout)")
