"""Signals: handlers only set a flag, which is looked at between windows and in every wait.

==================  ======================================================================
SIGUSR1             the graceful stop: windows in hand are finished, and the writer drains.
                    mpirun and srun hand it to all ranks (measured: Open MPI 4 and 5, MPICH)
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

_heard: set[int] = set()


def listen() -> None:
    """Handle the signals from now on; one that the parent had ignored stays so (nohup, &)."""
    for number in (GRACEFUL, *AT_ONCE):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def finish() -> None:
    """Note the graceful stop: another rank has received it."""
    _heard.add(GRACEFUL)


def finishing() -> bool:
    """Return whether no further window is to be begun."""
    return GRACEFUL in _heard


def ending() -> None:
    """Ignore further signals: the end of the run must not be interrupted."""
    for number in (GRACEFUL, *AT_ONCE):
        signal.signal(number, signal.SIG_IGN)
    _heard.clear()


def check() -> None:
    """End this rank's work if that was asked for.

    Raises
    ------
    StopError
        SIGTERM or SIGINT has come. It is raised once.
    """
    for number in AT_ONCE:
        if number in _heard:
            _heard.discard(number)
            raise StopError(f"stopped by {signal.Signals(number).name}")


def _note(number: int, _frame: FrameType | None) -> None:
    _heard.add(number)
