"""The roles of the ranks, from the start of a run to its exit code."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi import signals
from s2rgb_mpi.errors import ReadError, StopError
from s2rgb_mpi.output.assembler import Output
from s2rgb_mpi.output.workspace import clear
from s2rgb_mpi.plan.deal import crossings, deal, reserve
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.ranks import worker, writer
from s2rgb_mpi.ranks.blocks import BlockMaker
from s2rgb_mpi.ranks.coordinator import Coordinator
from s2rgb_mpi.ranks.finalise_helpers import help_finalise
from s2rgb_mpi.ranks.loop import Loop, barrier, scatter
from s2rgb_mpi.ranks.progress import send_tally
from s2rgb_mpi.ranks.reserve import Reserve
from s2rgb_mpi.ranks.team import Rank
from s2rgb_mpi.timing import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.output.totals import Written
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.team import Team
    from s2rgb_mpi.report.console import Report
    from s2rgb_mpi.report.outputs import Wanted
    from s2rgb_mpi.report.run_record import About

ROLES = {1: ["coordinator, worker and writer"], 2: ["coordinator and worker", "writer"]}
"""Roles of one and two ranks. Of more, the first coordinates, the last writes, the others work."""

LEFT_EMPTY = 3
"""The exit code of a run that is complete except for windows that could not be read."""


class Ended(NamedTuple):
    """The end of a run."""

    code: int
    """The exit code, the same on every rank."""
    written: Written | None = None
    """The finished file, on rank 0; None if the run was stopped before it was whole."""


def run(
    team: Team, plan: Plan, wanted: Wanted, report: Report, *, about: About, lock: Lock | None
) -> Ended:
    """Run this rank's role: coordinator, worker or writer; one or two ranks have several roles.

    Parameters
    ----------
    team : Team
        All ranks.
    plan : Plan
        The same on every rank.
    wanted : Wanted
        The files to write besides the image.
    report : Report
        Prints, on rank 0.
    about : About
        The program and its environment, for the reports.
    lock : Lock or None
        The lock of the output, on rank 0.

    Returns
    -------
    Ended
    """
    size, number = team.comm.size, team.comm.rank
    workers = range(1, size - 1) or range(1)
    shares = _deal(plan, size, workers) if lock is not None else None
    timeout = team.meeting_timeout(plan.job.timeout)
    share = scatter(team.comm, shares, timeout)
    if shares is not None:
        owners = {window: rank for rank, each in enumerate(shares) for window in each.whole}
        ranks = [owners.get(window, 0) for window in range(len(plan.windows))]
        report.start(plan.windows, ranks, plan.done)
    # The moment by which the clocks of all machines are synchronised (`timing.synchronise`).
    barrier(team.comm, timeout)
    roles = ROLES.get(size) or ["coordinator", *["worker"] * len(workers), "writer"]
    tally = Tally(roles[number], rank=number, spans=[] if wanted.spans else None)
    rank = Rank(team, tally, Loop())
    if lock is None or shares is None:
        serve(rank, plan, share, workers)
        return Ended(team.agree(0))
    if size == 1:
        written, tallies = run_alone(rank, plan, share, report, lock), [tally]
    else:
        written, tallies = lead(rank, plan, shares, report, workers=workers, lock=lock)
    dealt = [each.whole for each in shares[workers.start : workers.stop]]
    code = end(plan, wanted, report, about, shares=dealt, tallies=tallies, written=written)
    return Ended(team.agree(code), written)


def _deal(plan: Plan, size: int, workers: range) -> list[Share]:
    """Return the share of each rank; ranks that are not workers have empty ones."""
    dealt = deal(plan, len(workers))
    # Rank 0 is the worker of two ranks and of one: there is nobody else to deal to.
    kept = reserve(plan, dealt) if len(workers) > 1 else [{} for _ in workers]
    more = any(kept)
    shares = [Share()] * size
    shares[workers.start : workers.stop] = [
        Share([number for number in windows if number not in back], crossing, back, more)
        for windows, back, crossing in zip(
            dealt, kept, crossings(plan, dealt, workers), strict=True
        )
    ]
    return shares


def lead(
    rank: Rank,
    plan: Plan,
    shares: Sequence[Share],
    report: Report,
    *,
    workers: range,
    lock: Lock,
) -> tuple[Written | None, list[Tally]]:
    """Run the coordinator of several ranks; of two ranks it is also the worker."""
    survivors = rank.team.survivors(plan, workers)
    windows = [share.windows for share in shares]
    reserved = Reserve(plan, shares) if any(share.kept for share in shares) else None
    coordinator = Coordinator(
        rank, plan, windows, report, lock, reserve=reserved, survivors=survivors
    )
    with rank.loop.duty(coordinator.attend):
        if rank.comm.rank in workers:
            worker.run(rank, plan, shares[rank.comm.rank])
        with rank.tally.stage("idle"):
            written = coordinator.run()
    return written, [*coordinator.tallies, rank.tally.close()]


def serve(rank: Rank, plan: Plan, share: Share, workers: range) -> None:
    """Run a worker, or on the last rank the writer."""
    written = None
    with rank.loop.duty(rank.team.attend):
        if rank.comm.rank == rank.comm.size - 1:
            written = writer.run(rank, plan, workers)
        else:
            worker.run(rank, plan, share)
            if not rank.team.survives:  # with --survive no rank may depend on another
                with rank.loop.duty(rank.team.heartbeat):
                    help_finalise(rank)
    send_tally(rank.comm, rank.tally.close(), written, timeout=plan.job.timeout)


def run_alone(rank: Rank, plan: Plan, share: Share, report: Report, lock: Lock) -> Written | None:
    """Run all roles in one process: blocks are passed on without messages."""
    with (
        closing(Output(plan, rank.tally)) as output,  # the caller's process goes on
        rank.loop.duty(signals.check),
        rank.loop.duty(lock.refresh),
    ):
        try:
            with BlockMaker(plan, share, rank.tally) as maker:
                for number in share.windows:
                    rank.loop.attend()
                    if signals.finishing():
                        output.keep()
                        return None
                    block = maker.make(number)
                    output.place(block)
                    report.advance(output.windows, output.nbytes, [(number, block.nbytes)])
            attend = rank.loop.attend
            written = output.finish(lambda copies: copies.run(attend), attend)
        except (StopError, ReadError, KeyboardInterrupt):
            output.keep()
            raise
    rank.tally.close()
    return written


def end(
    plan: Plan,
    wanted: Wanted,
    report: Report,
    about: About,
    *,
    shares: Sequence[Sequence[int]],
    tallies: Sequence[Tally],
    written: Written | None,
) -> int:
    """Report the end of the run, on rank 0, and return its exit code."""
    if written is None:
        kept = clear(plan, None) or "nothing is kept"
        report.stopped(f"stopped by {signals.GRACEFUL.name}: {kept}")
        return StopError.exit_code
    from s2rgb_mpi.report.finish import conclude  # noqa: PLC0415  for rank 0 alone

    conclude(plan, wanted, report, about, shares=shares, tallies=tallies, written=written)
    clear(plan, None)
    return LEFT_EMPTY if written.damaged else 0
