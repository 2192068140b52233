"""Signals: handlers only set a flag, which is checked between windows and in every wait.

==================  ======================================================================
SIGUSR1             graceful stop: each worker finishes its window, the writer receives it.
                    mpirun and srun pass it to all ranks (measured: Open MPI 4 and 5, MPICH)
SIGTERM, SIGINT     stop now: mpirun of Open MPI leaves 0.25 to 2 s before SIGKILL
==================  ======================================================================
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import StopError

if TYPE_CHECKING:
    from types import FrameType

GRACEFUL = signal.SIGUSR1
AT_ONCE = (signal.SIGTERM, signal.SIGINT)

_received: set[int] = set()


def listen() -> None:
    """Handle the signals from now on; those that the parent ignores stay ignored (nohup, &)."""
    for number in (GRACEFUL, *AT_ONCE):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def finish() -> None:
    """Begin the graceful stop: another rank has received its signal."""
    _received.add(GRACEFUL)


def finishing() -> bool:
    """Return whether the run is stopping gracefully: no further window is begun."""
    return GRACEFUL in _received


def ending() -> None:
    """Ignore further signals: the end of the run must not be interrupted."""
    for number in (GRACEFUL, *AT_ONCE):
        signal.signal(number, signal.SIG_IGN)
    _received.clear()


def check() -> None:
    """Raise an error if a signal has asked this rank to stop at once.

    Raises
    ------
    StopError
        SIGTERM or SIGINT has arrived. Raised once per signal.
    """
    for number in AT_ONCE:
        if number in _received:
            _received.discard(number)
            raise StopError(f"stopped by {signal.Signals(number).name}")


def _note(number: int, _frame: FrameType | None) -> None:
    _received.add(number)
