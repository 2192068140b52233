"""What rank 0 does before all others: make the plan, check and lock the output.

Only rank 0 imports this module: finding products takes a third of all imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.output.paths import made_paths
from s2rgb_mpi.output.workspace import claim
from s2rgb_mpi.plan import prepare
from s2rgb_mpi.ranks.convert import Orders
from s2rgb_mpi.report.stac_item import sensing_times

if TYPE_CHECKING:
    from s2rgb_mpi.output.lock import Lock, SlurmStart
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.report.console import Report
    from s2rgb_mpi.report.outputs import Wanted


def make_ready(job: Job, report: Report) -> Plan:
    """Make the plan of a job and report its warnings, on rank 0 only.

    Raises
    ------
    S2RGBError
        Any error that can be found before the start.
    """
    plan = prepare.prepare(job)
    for warning in prepare.warnings(plan):
        report.warning(warning)
    return plan


def check_wanted(plan: Plan, wanted: Wanted) -> None:
    """Reject, before the start, files besides the image that could not be written at the end."""
    wanted.check(*plan.job.outputs)
    made = {path.resolve(): option for path, option in made_paths(plan).items()}
    named = zip(("--output", "--source-map"), plan.job.outputs, strict=False)
    for option, path in (*named, *wanted.files.items()):
        if path.resolve() in made:
            beside = made[path.resolve()]
            raise UsageError(f"{option} {path}: a run makes this file beside that of {beside}")
    products = (member.product for member in plan.scene.members)
    prepare.check_inputs_kept(plan.job, products, wanted.files)
    if wanted.stac is not None:
        sensing_times(plan)  # raises an error if a time is missing, which a STAC item needs


def claim_output(
    plan: Plan, wanted: Wanted, report: Report, start: SlurmStart | None = None
) -> tuple[Lock, Orders]:
    """Lock the output of a plan, and add the windows that a stopped run has written to the plan."""
    check_wanted(plan, wanted)
    report.listen(wanted)
    plan, lock = claim(plan, start)
    if plan.done:
        report.told(f"{len(plan.done)} of {len(plan.windows)} windows are there already")
    return lock, Orders(plan, wanted)
