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

from s2rgb_mpi import cli, coordinator, waiting, worker, writer
from s2rgb_mpi.errors import RankError, S2RGBError
from s2rgb_mpi.plan import describe
from s2rgb_mpi.protocol import Tag
from s2rgb_mpi.report import Report, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s2rgb_mpi.plan import Plan

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
    try:
        try:
            arguments = sys.argv[1:] if argv is None else argv
            plan = agree(comm, lambda: prepare(comm.size, arguments, report))
        except S2RGBError as error:  # every rank is here, with the same error
            if comm.rank == 0 and str(error):
                report.error(error)
            return error.exit_code
        if plan is not None:
            run(comm, plan, report)
    except BaseException as error:  # noqa: BLE001  whatever it is, the others must not wait
        return stop_all(comm, plan, error, report)
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


def prepare(size: int, argv: Sequence[str], report: Report) -> Plan | None:
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
        report.text(describe(plan, size))
        return None
    coordinator.claim(plan)
    return plan


def run(comm: MPI.Comm, plan: Plan, report: Report) -> None:
    """Give this rank its role: coordinator, worker or writer; one or two ranks share them."""
    first, last = 0, comm.size - 1
    workers = range(1, last) or range(1)
    if comm.rank == first:
        report.start(len(plan.windows), plan.grid.width * plan.grid.height)
    if comm.size == 1:
        run_alone(plan, report)
        return
    shares: list[list[int]] | None = None
    if comm.rank == first:
        shares = [[] for _ in range(comm.size)]
        shares[workers.start : workers.stop] = plan.deal(len(workers))
    share = waiting.scatter(comm, shares)
    if comm.rank == first:
        hearing = coordinator.Coordinator(comm, report)
        if comm.rank in workers:
            tally = Tally("worker")
            worker.run(comm, plan, share, tally, attend=hearing.attend)
            hearing.tallies.append(tally.close())
        hearing.run()
        report.done(str(plan.job.output), hearing.nbytes, hearing.tallies)
        warn(hearing.warnings, report)
    elif comm.rank == last:
        tally = Tally("writer")
        nbytes, warnings = writer.run(comm, plan, workers, tally)
        tell(comm, Tag.DONE, tally.close(), nbytes, warnings)
    else:
        tally = Tally("worker")
        worker.run(comm, plan, share, tally)
        tell(comm, Tag.DONE, tally.close(), 0, ())
    waiting.everyone(comm)


def run_alone(plan: Plan, report: Report) -> None:
    """Play all roles in one process: blocks go from hand to hand."""
    working, writing = Tally("worker"), Tally("writer")
    output = writer.Output(plan, writing)
    for block in worker.blocks(plan, range(len(plan.windows)), working):
        output.place(block)
        report.advance(output.windows, output.nbytes)
    nbytes = output.finish()
    report.done(str(plan.job.output), nbytes, [working.close(), writing.close()])
    warn(output.warnings, report)


def warn(warnings: Sequence[str], report: Report) -> None:
    """Say what the writer found odd, last of all, where it is seen."""
    for text in warnings:
        report.warning(text)


def tell(comm: MPI.Comm, tag: Tag, *words: Any, seconds: float | None = None) -> bool:
    """Send rank 0 a small message; return whether it was heard in time."""
    request = comm.issend((tag, *words), dest=0, tag=tag)
    return waiting.until(lambda: request.test()[0], seconds=seconds)


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
