"""The program: rank 0 reads the command line and makes the plan, then all ranks run it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.cli.parse import parse
from s2rgb_mpi.output.lock import SlurmStart
from s2rgb_mpi.plan import describe
from s2rgb_mpi.plan.advice import advise
from s2rgb_mpi.plan.as_text import as_text
from s2rgb_mpi.ranks import roles
from s2rgb_mpi.ranks.convert import Orders, agree, check_wanted, claim_output, make_ready
from s2rgb_mpi.ranks.guard import stop_all
from s2rgb_mpi.ranks.launch import check_launch, check_survive, join
from s2rgb_mpi.report.console import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.ranks.team import Team
    from s2rgb_mpi.report.finish import About


def run(world: Any, about: About, environ: Mapping[str, str]) -> int:
    """Run this rank's part of the program; return the exit code of the whole.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
        COMM_WORLD.
    about : About
        The command line, and the versions of what runs it.
    environ : mapping
        The process's environment.
    """
    team = join(world, about.command, environ)
    report = Report()
    plan = None
    try:
        lock, orders, refusal = agree(team, lambda: _begin(team, about, environ, report))
        plan = orders and orders.plan  # known to the guard from here on
        if refusal is not None:  # known to every rank
            if team.comm.rank == 0 and str(refusal):
                report.error(refusal)
            return refusal.exit_code
        if orders is None:
            return 0
        plan, wanted = orders
        return roles.run(team, plan, wanted, report, about=about, lock=lock).code
    except BaseException as error:  # noqa: BLE001  whatever it is, the others must not wait
        return stop_all(team, plan, error, report)
    finally:
        # At its end Python gives them back to the system: the next would kill a run that is done.
        signals.ending()
        report.close()
        team.leave()


def _begin(
    team: Team, about: About, environ: Mapping[str, str], report: Report
) -> tuple[Lock | None, Orders | None]:
    """Read the command line, make the plan, and take the output; None if nothing is to be run."""
    check_launch(team.comm.size, environ)
    try:
        order = parse(about.command)
    except SystemExit:  # --help or --version has been printed
        return None, None
    if order.job.survive:
        check_survive(team, about.mpi)
    report.quiet = order.quiet
    plan = make_ready(order.job, report)
    if order.dry_run:
        check_wanted(plan, order.wanted)
        advice = None
        if order.advise:
            advice = advise(plan, about.command, python=sys.executable, mpi=about.mpi)
        description = describe.describe(
            plan, team.comm.size, warnings=report.warnings, advice=advice
        )
        if order.json:
            report.fields(describe.as_fields(description))
        else:
            report.text(as_text(description))
        return None, None
    start = None
    if about.slurm_job_id is not None:
        start = SlurmStart(about.slurm_job_id, int(environ.get("SLURM_RESTART_COUNT", "0")))
    return claim_output(plan, order.wanted, report, start)
