"""Waiting for messages without using a core, and the duties of a rank meanwhile.

A blocking call of any MPI library spins at 100 % of a core, which a worker needs, and Python's
signal handlers do not run during the call. So every wait posts a non-blocking call and tests it,
with a sleep between tests that grows from 0.1 to 5 ms: this takes 1 to 5 % of a core, and a message
is still received within milliseconds. Where many ranks wait for one, at the start and while the
image is finalised, the sleep grows further. Every wait also checks for signals.
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
"""Seconds between two tests: after something has happened, and when nothing does."""

LONGEST_IDLE_SLEEP = 0.1
"""Seconds between two tests where many ranks wait for one: more tests would take a core from it."""

PART_OF_WAIT = 0.02
"""The longest sleep as a part of the wait so far: how much longer a wait may become by it."""

SECONDS_FOR_RANK_0 = 3.0
"""How much longer other ranks wait than rank 0, seconds: so only rank 0 reports the time-out."""

LONGEST_GAP = 1.0
"""The most that counts of the time between two calls, seconds: the rank was busy or suspended."""


class WakingClock:
    """A clock that stops while this rank does not run: a suspended job causes no time-out."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked = time.monotonic()

    def now(self) -> float:
        """Return the seconds so far; since the last call at most `LONGEST_GAP` counts."""
        looked = time.monotonic()
        self._seconds += min(looked - self._looked, LONGEST_GAP)
        self._looked = looked
        return self._seconds


class Backoff:
    """A sleep between tests that grows while nothing happens.

    Parameters
    ----------
    longest : float
        The longest sleep, seconds. Beyond :data:`LONGEST_SLEEP` it stays a small part of the wait.
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
            A signal has asked this rank to stop.
        """
        signals.check()
        time.sleep(self._sleep)
        self._slept += self._sleep
        most = max(LONGEST_SLEEP, self._slept * PART_OF_WAIT)
        self._sleep = min(self._sleep * 1.5, self._longest, most)

    def reset(self) -> None:
        """Begin with the shortest sleep again, after something has happened."""
        self._sleep, self._slept = SHORTEST_SLEEP, 0.0


class Loop:
    """Waits, and calls a rank's duties meanwhile, in the order in which they were added."""

    def __init__(self) -> None:
        self._duties: list[Callable[[], None]] = []

    @contextmanager
    def duty(self, look: Callable[[], None]) -> Iterator[None]:
        """Add a duty while the context is open.

        Parameters
        ----------
        look : callable
            Called between the tests of every wait. It must not wait itself; an error that it
            raises ends the wait.
        """
        self._duties.append(look)
        try:
            yield
        finally:
            self._duties.remove(look)

    def attend(self) -> None:
        """Call all duties once."""
        for look in tuple(self._duties):
            look()

    def until(
        self, ready: Callable[[], bool], *, seconds: float | None = None, idle: bool = False
    ) -> bool:
        """Call ``ready`` again and again until it returns true.

        Parameters
        ----------
        ready : callable
            Usually the ``Test`` of an MPI request.
        seconds : float, optional
            Time limit; it does not run while the job is suspended.
        idle : bool
            Whether this rank is one of many that wait for one: tests become rarer in a long wait.

        Returns
        -------
        bool
            False only if the time limit was reached.
        """
        backoff = Backoff(LONGEST_IDLE_SLEEP if idle else LONGEST_SLEEP)
        clock = WakingClock()
        while not ready():
            if seconds is not None and clock.now() > seconds:
                return False
            self.attend()
            backoff.pause()
        return True


def until(ready: Callable[[], bool], *, seconds: float | None = None, idle: bool = False) -> bool:
    """Wait like :meth:`Loop.until`, without duties: before the run, and at its end."""
    return Loop().until(ready, seconds=seconds, idle=idle)


def broadcast(comm: Any, value: Any, seconds: float | None = None) -> Any:
    """Return rank 0's value on every rank.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All its ranks call this.
    value : object
        The value on rank 0; ignored on others.
    seconds : float, optional
        Time limit. Ranks without one wait for rank 0 without a limit, and then use that of rank 0.

    Raises
    ------
    SilenceError
        Rank 0 does not send a value in time, or other ranks do not receive it in time.
    """
    payload = np.frombuffer(pickle.dumps(value), dtype=np.uint8) if comm.rank == 0 else None
    head = np.array([0 if payload is None else payload.size, seconds or np.inf])
    _complete(comm, comm.Ibcast(head, root=0), seconds)
    nbytes, seconds = head
    if payload is None:
        payload = np.empty(int(nbytes), dtype=np.uint8)
    _complete(comm, comm.Ibcast(payload, root=0), seconds)
    return pickle.loads(payload.tobytes())  # noqa: S301  our own rank 0 made it


def scatter(comm: Any, values: Sequence[Any] | None, seconds: float | None = None) -> Any:
    """Return the r-th of rank 0's values on rank r.

    Raises
    ------
    SilenceError
        As for :func:`broadcast`.
    """
    payloads = None if values is None else [pickle.dumps(value) for value in values]
    sizes = None if payloads is None else [len(payload) for payload in payloads]
    sizes = broadcast(comm, sizes, seconds)
    mine = np.empty(sizes[comm.rank], dtype=np.uint8)
    send = None
    if payloads is not None:
        send = [np.frombuffer(b"".join(payloads), dtype=np.uint8), sizes]
    _complete(comm, comm.Iscatterv(send, mine, root=0), seconds)
    return pickle.loads(mine.tobytes())  # noqa: S301  our own rank 0 made it


def barrier(comm: Any, seconds: float | None = None) -> None:
    """Wait until every rank has called this.

    Raises
    ------
    SilenceError
        A rank does not call it within the time limit, seconds.
    """
    _complete(comm, comm.Ibarrier(), seconds)


def _complete(comm: Any, request: Any, seconds: float | None) -> None:
    """Wait for a collective call to complete."""
    if seconds is not None and comm.rank:
        seconds += SECONDS_FOR_RANK_0
    if not until(request.Test, seconds=seconds, idle=True):
        raise SilenceError(f"not all of the {comm.size} ranks have met in time (--timeout)")
