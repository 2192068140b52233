"""The program: the communicator, the role by rank, the guard, the exit code."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

# Before numpy and GDAL are imported, which read these once. One thread a rank: the ranks are
# the parallelism, and sixteen of them with sixteen threads each would fight over the cores. With
# threads GDAL 3.6 also keeps silent about JPEG 2000 tiles that it cannot decode.
os.environ.update(
    GDAL_NUM_THREADS="1", OPJ_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"
)
# Every source block is read once, so a cache gains nothing; it only has to hold a few blocks.
os.environ.setdefault("GDAL_CACHEMAX", "16")
os.environ.setdefault("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")

from mpi4py import MPI

from s2rgb_mpi import advice, cli, coordinator, waiting, worker, writer
from s2rgb_mpi.conclusion import About, conclude
from s2rgb_mpi.errors import RankError, S2RGBError
from s2rgb_mpi.news import block_nbytes, hand_in, tell
from s2rgb_mpi.protocol import Tag
from s2rgb_mpi.report import Report, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s2rgb_mpi.news import Written
    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.report import Wanted

SECONDS_TO_TELL = 1.0
"""How long a failed rank waits for rank 0 to speak for it before it speaks itself."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run this rank's part of the program; return the exit code of the whole.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; this process's own by default.
    """
    comm = MPI.COMM_WORLD.Dup()  # our tags cannot meet anybody else's
    report = Report()
    plan = None
    arguments = sys.argv[1:] if argv is None else argv
    about = About(arguments, MPI.Get_library_version(), os.environ.get("SLURM_JOB_ID"))
    try:
        try:
            orders = agree(comm, lambda: prepare(comm.size, arguments, report))
        except S2RGBError as error:  # every rank is here, with the same error
            if comm.rank == 0 and str(error):
                report.error(error)
            return error.exit_code
        if orders is not None:
            plan, wanted = orders
            run(comm, plan, wanted, report, about)
    except BaseException as error:  # noqa: BLE001  whatever it is, the others must not wait
        return stop_all(comm, plan, error, report)
    finally:
        report.close()
    return 0


def agree(comm: MPI.Comm, decide: Callable[[], Any]) -> Any:
    """Give every rank what ``decide`` returns on rank 0, or raise on every rank what it raises."""
    outcome = None
    if comm.rank == 0:
        try:
            outcome = decide()
        except S2RGBError as error:
            outcome = error
    outcome = waiting.broadcast(comm, outcome)
    if isinstance(outcome, S2RGBError):
        raise outcome
    return outcome


def prepare(size: int, argv: Sequence[str], report: Report) -> tuple[Plan, Wanted] | None:
    """Read the command line and make the plan; None if there is nothing to run."""
    coordinator.check_launch(size, os.environ)
    try:
        order = cli.parse(argv)
    except SystemExit:  # --help or --version has been printed
        return None
    report.quiet = order.quiet
    plan = coordinator.prepare(order.job)
    for warning in plan.warnings:
        report.warning(warning)
    if order.dry_run:
        report.text(advice.describe(plan, size))
        if order.advise:
            report.text(advice.advise(plan, argv, python=sys.executable))
        return None
    order.wanted.check(order.job.output)
    report.listen(order.wanted)
    coordinator.claim(plan)
    return plan, order.wanted


ROLES = {1: ["coordinator, worker and writer"], 2: ["coordinator and worker", "writer"]}
"""Of few ranks; of more, the first coordinates, the last writes, and all others work."""


def run(comm: MPI.Comm, plan: Plan, wanted: Wanted, report: Report, about: About) -> None:
    """Give this rank its role: coordinator, worker or writer; one or two ranks share them."""
    first, last = 0, comm.size - 1
    workers = range(1, last) or range(1)
    roles = ROLES.get(comm.size) or ["coordinator", *["worker"] * len(workers), "writer"]
    shares: list[list[int]] | None = None
    if comm.rank == first:
        shares = [[] for _ in range(comm.size)]
        shares[workers.start : workers.stop] = plan.deal(len(workers))
        owners = {number: rank for rank, share in enumerate(shares) for number in share}
        report.start(plan.windows, [owners[number] for number in range(len(plan.windows))])
    share = waiting.scatter(comm, shares)
    waiting.everyone(comm)  # the one moment that the clocks of all machines have in common
    tally = Tally(roles[comm.rank], rank=comm.rank, spans=[] if wanted.spans else None)
    if comm.size == 1:
        written = run_alone(plan, report, tally)
        conclude(plan, wanted, report, about, tallies=[tally], written=written)
    elif comm.rank == first:
        hearing = coordinator.Coordinator(comm, report)
        if comm.rank in workers:
            worker.run(comm, plan, share, tally, attend=hearing.attend)
        with tally.stage("idle"):
            written = hearing.run()
        tallies = [*hearing.tallies, tally.close()]
        conclude(plan, wanted, report, about, tallies=tallies, written=written)
    elif comm.rank == last:
        written = writer.run(comm, plan, workers, tally)
        hand_in(comm, tally.close(), written)
    else:
        worker.run(comm, plan, share, tally)
        hand_in(comm, tally.close())
    waiting.everyone(comm)


def run_alone(plan: Plan, report: Report, tally: Tally) -> Written:
    """Play all roles in one process: blocks go from hand to hand."""
    output = writer.Output(plan, tally)
    for block in worker.blocks(plan, range(len(plan.windows)), tally):
        output.place(block)
        report.advance(output.windows, output.nbytes, [(block.window, block_nbytes(block))])
    written = output.written(output.finish())
    tally.close()
    return written


def stop_all(comm: MPI.Comm, plan: Plan | None, error: BaseException, report: Report) -> int:
    """End every rank at once, with one voice: the rank, the window and the cause.

    A rank that fails tells rank 0, which speaks and ends the job; it does so itself only if
    rank 0 does not listen. A plain `raise` would leave all others waiting for ever.
    """
    code = error.exit_code if isinstance(error, S2RGBError) else S2RGBError.exit_code
    words = str(error) if isinstance(error, S2RGBError) else traceback.format_exc().strip()
    if comm.size > 1 and not isinstance(error, RankError):
        words = f"rank {comm.rank}: {words}"
    if comm.rank and tell(comm, Tag.FAILED, words[-8000:], code, seconds=SECONDS_TO_TELL):
        time.sleep(SECONDS_TO_TELL)
    if plan is not None:
        coordinator.clear(plan)
    report.error(words)
    if comm.size > 1:
        comm.Abort(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
