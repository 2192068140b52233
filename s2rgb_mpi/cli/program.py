"""The program: rank 0 reads the command line and makes the plan, then all ranks run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.ranks import roles
from s2rgb_mpi.ranks.convert import agree
from s2rgb_mpi.ranks.guard import stop_all
from s2rgb_mpi.ranks.launch import join
from s2rgb_mpi.report.console import Report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.ranks.convert import Orders
    from s2rgb_mpi.ranks.team import Team
    from s2rgb_mpi.report.run_record import About


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
    """Begin on rank 0; the other ranks need nothing of what this imports."""
    from s2rgb_mpi.cli.begin import begin  # noqa: PLC0415

    return begin(team, about, environ, report)
