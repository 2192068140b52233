"""The package as a library: one call makes an image, in one process or on many ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi import gdalenv
from s2rgb_mpi.errors import S2RGBError, StopError
from s2rgb_mpi.output.workspace import claim, clear
from s2rgb_mpi.plan import prepare
from s2rgb_mpi.ranks import roles
from s2rgb_mpi.ranks.alone import AloneTeam
from s2rgb_mpi.ranks.guard import stop_all
from s2rgb_mpi.ranks.loop import broadcast
from s2rgb_mpi.ranks.team import Team
from s2rgb_mpi.report.console import Report
from s2rgb_mpi.report.finish import About
from s2rgb_mpi.report.outputs import Wanted
from s2rgb_mpi.report.stac_item import sensing_times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.output.lock import Lock, SlurmStart
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.plan import Plan


class Orders(NamedTuple):
    """A run that may begin: every rank has the same."""

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
        Its size.
    windows : int
        How many it was cut into.
    histogram : ndarray, shape (3, 256), int64
        Valid pixels per value of each band.
    empty : tuple of int
        Windows without a valid pixel.
    damaged : mapping of int to str
        Windows that could not be read and were left empty, and why.
    warnings : tuple of str
        What should be looked at: doubtful offsets or places, and the like.
    """

    path: Path
    nbytes: int
    windows: int
    histogram: NDArray[np.int64]
    empty: tuple[int, ...]
    damaged: Mapping[int, str]
    warnings: tuple[str, ...]


def convert(job: Job, comm: Any = None, *, outputs: Wanted | None = None) -> Result:
    """Make an image.

    Parameters
    ----------
    job : Job
        The products, the output, and how it is made.
    comm : mpi4py.MPI.Comm, optional
        All of its ranks call this together, and share the work: rank 0 coordinates, the last rank
        writes, the others work; the `job` of rank 0 counts. Without it, this process does all.
    outputs : Wanted, optional
        Files to write beside the image: report, html, trace, quicklook, stac, log_file.

    Returns
    -------
    Result
        The same on every rank.

    Raises
    ------
    S2RGBError
        The image cannot be made: a subclass of `errors` says why, in one line. Before the work
        begins every rank raises it. Afterwards it is raised in a single process; of several ranks
        the failure is printed, and ends the MPI job (``Abort``), as the others could wait for ever.
    """
    gdalenv.configure()
    team = AloneTeam() if comm is None else Team(comm)
    report = Report(quiet=True)
    wanted = outputs or Wanted()
    try:
        lock, orders, refusal = agree(team, lambda: take(make_ready(job, report), wanted, report))
        if refusal is not None:
            raise refusal
        assert orders is not None  # noqa: S101  `take` returns some, or raises
        ended = _run(team, orders.plan, wanted, report, about=_about(comm), lock=lock)
    finally:
        report.close()
    return _result(team, orders.plan, report, ended)


def _run(
    team: Team, plan: Plan, wanted: Wanted, report: Report, *, about: About, lock: Lock | None
) -> roles.Ended:
    """Play this rank's role; a failure ends all of several ranks, and is raised by one alone."""
    try:
        return roles.run(team, plan, wanted, report, about=about, lock=lock)
    except BaseException as error:
        if team.comm.size > 1:
            stop_all(team, plan, error, report)
        else:
            clear(plan, error)
        raise


def make_ready(job: Job, report: Report) -> Plan:
    """Make the plan of a job, and report its warnings; on rank 0 alone.

    Raises
    ------
    S2RGBError
        All that can be known before the start.
    """
    plan = prepare.prepare(job)
    for warning in prepare.warnings(plan):
        report.warning(warning)
    return plan


def check_wanted(plan: Plan, wanted: Wanted) -> None:
    """Reject, before the start, files beside the image that could not be written at the end."""
    wanted.check(plan.job.output)
    if wanted.stac is not None:
        sensing_times(plan)  # which an item needs


def take(
    plan: Plan, wanted: Wanted, report: Report, start: SlurmStart | None = None
) -> tuple[Lock, Orders]:
    """Take the output of a plan, and note the windows that a stopped run has left."""
    check_wanted(plan, wanted)
    report.listen(wanted)
    plan, lock = claim(plan, start)
    if plan.done:
        report.told(f"{len(plan.done)} of {len(plan.windows)} windows are there already")
    return lock, Orders(plan, wanted)


def agree(
    team: Team, begin: Callable[[], tuple[Lock | None, Orders | None]]
) -> tuple[Lock | None, Orders | None, S2RGBError | None]:
    """Let rank 0 begin, and tell all ranks the orders, or the error in place of them.

    Returns
    -------
    lock : Lock or None
        On rank 0, if it took the output.
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
    # The others cannot know how long rank 0 may take until it is there.
    patience = None if orders is None else team.patience(orders.plan.job.timeout)
    try:
        orders, refusal = broadcast(team.comm, (orders, refusal), patience)
    except BaseException as error:
        if lock is not None and orders is not None:  # nobody else knows of these files
            clear(orders.plan, error)
        raise
    return lock, orders, refusal


def _about(comm: Any) -> About:
    if comm is None:
        return About((), "none", "none", None)
    import mpi4py  # noqa: PLC0415  in one process it may be missing
    from mpi4py import MPI  # noqa: PLC0415

    return About((), MPI.Get_library_version(), mpi4py.__version__, None)


def _result(team: Team, plan: Plan, report: Report, ended: roles.Ended) -> Result:
    """Return the finished image on every rank, or raise the stop."""
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
