"""The guard of every rank: a failure ends all ranks at once, with one error message."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from s2rgb_mpi import signals
from s2rgb_mpi.errors import LostError, RankError, S2RGBError, StopError
from s2rgb_mpi.output.workspace import clear

if TYPE_CHECKING:
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.team import Team
    from s2rgb_mpi.report.console import Report

LARGEST_TEXT = 8000
"""Limit of the error text that is sent to rank 0, characters."""

SECONDS_TO_KEEP = 0.1
"""Time for the writer to save its last blocks: Open MPI 5 kills 0.25 s after SIGTERM."""


def stop_all(team: Team, plan: Plan | None, error: BaseException, report: Report) -> int:
    """End every rank at once, with an error that names the rank, the window and the cause.

    A rank that fails reports to rank 0, which prints the error and ends the job; it does both
    itself only if rank 0 does not receive the report. A plain `raise` would leave all other ranks
    waiting for ever.

    Returns
    -------
    int
        The exit code.
    """
    signals.ending()  # such as mpirun's SIGTERM
    code = error.exit_code if isinstance(error, S2RGBError) else S2RGBError.exit_code
    reported = False
    try:
        text = _text(team, error)
        reported = team.report(error, text[-LARGEST_TEXT:], code)
        if not reported:
            _print(team, plan, error, report, text, is_stop=code == StopError.exit_code)
    finally:
        team.end_all(code, reported=reported)
    return code


def _print(
    team: Team,
    plan: Plan | None,
    error: BaseException,
    report: Report,
    text: str,
    *,
    is_stop: bool,
) -> None:
    """Print why the run ends, and which windows are kept; on rank 0, or on behalf of it."""
    if team.comm.size > 1 and is_stop:
        time.sleep(SECONDS_TO_KEEP)
    try:
        kept = "" if plan is None else clear(plan, error)
    except S2RGBError as problem:  # such as a failing disk that was remounted read-only
        kept = str(problem)
    if is_stop:
        report.stopped(f"{text}: {kept or 'nothing is kept'}")
        return
    report.error(text)
    if kept and kept not in text:  # the error of a report that cannot be written contains it
        report.told(kept)


def _text(team: Team, error: BaseException) -> str:
    """Return one line about a failure, or a traceback if it is a bug of this program."""
    if isinstance(error, S2RGBError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = f"out of memory: {error or 'no more is allowed'}; --dry-run says what a rank needs"
    else:
        text = traceback.format_exc().strip()
    if team.comm.size > 1 and not isinstance(error, StopError | RankError | LostError):
        text = f"rank {team.comm.rank}: {text}"
    return text
