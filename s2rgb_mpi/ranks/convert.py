"""The package as a library: one call makes an image, in one process or on many ranks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi import gdalenv
from s2rgb_mpi.errors import S2RGBError, StopError, UsageError
from s2rgb_mpi.output.workspace import clear
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.ranks import roles
from s2rgb_mpi.ranks.alone import AloneTeam
from s2rgb_mpi.ranks.guard import stop_all
from s2rgb_mpi.ranks.loop import broadcast
from s2rgb_mpi.ranks.team import Team
from s2rgb_mpi.report.console import Report
from s2rgb_mpi.report.outputs import Wanted
from s2rgb_mpi.report.run_record import About

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.plan.plan import Plan


class Orders(NamedTuple):
    """A run that is ready to begin; the same on every rank."""

    plan: Plan
    wanted: Wanted


@dataclass(frozen=True)
class Result:
    """A finished image.

    Parameters
    ----------
    path : Path
        The GeoTIFF.
    nbytes : int
        Its size, bytes.
    windows : int
        Number of its windows.
    histogram : ndarray, shape (3, 256), int64
        Number of valid pixels per value of each band: red, green, blue.
    empty : tuple of int
        Numbers of the windows without a valid pixel.
    damaged : mapping of int to str
        The cause for each window that could not be read and was left empty.
    warnings : tuple of str
        Warnings of the run, such as doubtful offsets or positions.
    """

    path: Path
    nbytes: int
    windows: int
    histogram: NDArray[np.int64] = field(repr=False)
    empty: tuple[int, ...]
    damaged: Mapping[int, str]
    warnings: tuple[str, ...]


def convert(job: Job, comm: Any = None, *, outputs: Wanted | None = None) -> Result:
    """Make an image.

    Parameters
    ----------
    job : Job
        The products, the output and the options.
    comm : mpi4py.MPI.Comm, optional
        All of its ranks call this function together and share the work: rank 0 coordinates, the
        last rank writes, the others work; the `job` of rank 0 is used. Without a communicator this
        process does all the work.
    outputs : Wanted, optional
        Files to write besides the image: report, html, trace, quicklook, stac, log_file.

    Returns
    -------
    Result
        The same on every rank.

    Raises
    ------
    S2RGBError
        The image cannot be made: a subclass in `errors`, with the reason in one line. An error that
        is found before the work begins is raised on every rank. A later one is raised in a single
        process; with several ranks it is printed and ends the MPI job (``Abort``), since the other
        ranks could wait for ever.
    """
    with gdalenv.configured():
        team = AloneTeam() if comm is None else Team(comm)
        report = Report(quiet=True)
        wanted = Wanted() if outputs is None else outputs

        def begin() -> tuple[Lock, Orders]:
            from s2rgb_mpi.ranks.beginning import (  # noqa: PLC0415  a third of all imports
                claim_output,
                make_ready,
            )

            _check_types(job, wanted)
            return claim_output(make_ready(job, report), wanted, report)

        try:
            orders, ended = _run(team, begin, report, about=_about(comm))
        finally:
            report.close()
        return _result(team, orders.plan, report, ended)


def _check_types(job: object, outputs: object) -> None:
    """Reject what is no job, and no files beside the image."""
    if not isinstance(job, Job):
        raise UsageError(f"job = {job!r}: must be Job(...) of s2rgb_mpi")
    if not isinstance(outputs, Wanted):
        raise UsageError(f"outputs = {outputs!r}: must be Wanted(...) of s2rgb_mpi")


def _run(
    team: Team, begin: Callable[[], tuple[Lock, Orders]], report: Report, *, about: About
) -> tuple[Orders, roles.Ended]:
    """Agree on the run and do this rank's part; a refusal is raised on every rank.

    Any other failure ends all ranks, for the others could wait for ever; of a single process it is
    raised.
    """
    orders = None
    try:
        lock, orders, refusal = agree(team, begin)
        if orders is not None:
            return orders, roles.run(
                team, orders.plan, orders.wanted, report, about=about, lock=lock
            )
    except BaseException as error:
        plan = orders and orders.plan
        if team.comm.size > 1:
            stop_all(team, plan, error, report)
        elif plan is not None:
            clear(plan, error)
        raise
    assert refusal is not None  # noqa: S101  `begin` returns orders, or raises
    raise refusal


def agree(
    team: Team, begin: Callable[[], tuple[Lock | None, Orders | None]]
) -> tuple[Lock | None, Orders | None, S2RGBError | None]:
    """Call `begin` on rank 0, and broadcast its orders, or its error, to all ranks.

    Returns
    -------
    lock : Lock or None
        On rank 0, if it has locked the output.
    orders : Orders or None
        None if nothing is to be run.
    refusal : S2RGBError or None
        The same on every rank.
    """
    lock, orders, refusal = None, None, None
    if team.comm.rank == 0:
        try:
            lock, orders = begin()
        except S2RGBError as error:
            refusal = error
    # Other ranks do not know how long rank 0 may take to make the plan.
    timeout = None if orders is None else team.meeting_timeout(orders.plan.job.timeout)
    try:
        orders, refusal = broadcast(team.comm, (orders, refusal), timeout)
    except BaseException as error:
        if lock is not None and orders is not None:  # no other rank knows of these files
            clear(orders.plan, error)
        raise
    return lock, orders, refusal


def _about(comm: Any) -> About:
    if comm is None:
        return About((), "none", "none", None)
    import mpi4py  # noqa: PLC0415  not needed in one process
    from mpi4py import MPI  # noqa: PLC0415

    return About((), MPI.Get_library_version(), mpi4py.__version__, None)


def _result(team: Team, plan: Plan, report: Report, ended: roles.Ended) -> Result:
    """Return the finished image on every rank; raise an error if the run was stopped."""
    result = None
    written = ended.written
    if written is not None:
        result = Result(
            plan.job.output,
            written.nbytes,
            len(plan.windows),
            written.histogram,
            tuple(written.empty),
            written.damaged,
            (*report.warnings,),
        )
    result = broadcast(team.comm, result)
    if result is None:
        raise StopError(f"{plan.job.output}: stopped before it was whole; resume=True continues")
    return result
