"""What rank 0 does before all others: read the command line, make the plan, lock the output.

Only rank 0 imports this module: the parser, and finding products, take a third of all imports.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from s2rgb_mpi.cli.parse import parse
from s2rgb_mpi.output.lock import SlurmStart
from s2rgb_mpi.plan import describe
from s2rgb_mpi.plan.advice import advise
from s2rgb_mpi.ranks.beginning import check_wanted, claim_output, make_ready
from s2rgb_mpi.ranks.launch import check_launch, check_survive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.ranks.convert import Orders
    from s2rgb_mpi.ranks.team import Team
    from s2rgb_mpi.report.console import Report
    from s2rgb_mpi.report.run_record import About


def begin(
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
            report.text(describe.as_text(description))
        return None, None
    start = None
    if about.slurm_job_id is not None:
        start = SlurmStart(about.slurm_job_id, int(environ.get("SLURM_RESTART_COUNT", "0")))
    return claim_output(plan, order.wanted, report, start)
