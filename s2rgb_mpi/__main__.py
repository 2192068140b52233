"""The program: the communicator, the role by rank, the guard, the exit code."""

# ruff: noqa: E402  some things must come before some imports

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
# Where one of these was closed, a file of ours would take its number, and all that libraries say.
for _number in range(3):
    try:
        os.fstat(_number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)
sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115  for as long as we run
sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115

# Every source block is read once, so a cache gains nothing; it only has to hold a few blocks.
os.environ.setdefault("GDAL_CACHEMAX", "16")
os.environ.setdefault("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")

from s2rgb_mpi import signals

signals.listen()  # what follows takes seconds on a busy machine, and a signal may come meanwhile

# Open MPI 5.0.7 (Debian 13) asks the kernel which addresses reach each other, and then finds no way
# over TCP between the processes of a machine with a global IPv6 address: open-mpi/ompi#14079.
os.environ.setdefault("OMPI_MCA_reachable", "weighted")
if "--survive" in sys.argv:  # Open MPI reads it when it starts; what it is for: see survival
    os.environ.setdefault("OMPI_MCA_btl_tcp_eager_limit", str(4 * 2**20))

try:
    from mpi4py import MPI

    from s2rgb_mpi import advice, cli, coordinator, survival, waiting, worker, writer
    from s2rgb_mpi.claim import claim, clear
    from s2rgb_mpi.conclusion import About, conclude
    from s2rgb_mpi.errors import LostError, RankError, S2RGBError, StopError
    from s2rgb_mpi.helpers import lend_a_hand
    from s2rgb_mpi.lock import SlurmStart
    from s2rgb_mpi.news import Orders, hand_in, tell
    from s2rgb_mpi.output import Output
    from s2rgb_mpi.protocol import Tag
    from s2rgb_mpi.report import Report, Tally
except (ImportError, MemoryError) as _error:
    # As where too little memory is allowed: a traceback of every rank would hide it.
    if os.environ.get("PMIX_RANK", os.environ.get("PMI_RANK", "0")) == "0":
        _cause = " ".join(str(_error).rpartition("Original error was: ")[2].split())  # numpy's
        sys.stderr.write(f"s2rgb_mpi: error: a library cannot be loaded: {_cause}\n")
    sys.exit(2)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.lock import Lock
    from s2rgb_mpi.news import Written
    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.report import Wanted

SECONDS_TO_TELL = 2.0
"""How long a failed rank waits for rank 0 to hear it before it speaks itself."""

SECONDS_TO_MEET = 60.0
"""The least that ranks have to meet in, whatever --timeout: some load Python from a slow disk."""

SECONDS_TO_END = 10.0
"""How long it then waits to be ended: Open MPI 4 kills a second after SIGTERM, not at once."""

SECONDS_TO_KEEP = 0.1
"""What rank 0 leaves the writer to keep its last blocks: Open MPI 5 kills 0.25 s after SIGTERM."""

LEFT_EMPTY = 3
"""The exit code of a run that is done, with windows that could not be read."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run this rank's part of the program; return the exit code of the whole.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; this process's own by default.
    """
    arguments = sys.argv[1:] if argv is None else argv
    comm: Any
    if survival.OPTION in arguments and survival.is_possible(os.environ):
        comm = survival.Comm(MPI.COMM_WORLD)  # to duplicate it, nobody must be lost already
    else:
        comm = MPI.COMM_WORLD.Dup()  # our tags cannot meet anybody else's
    report = Report()
    plan = None
    about = About(arguments, MPI.Get_library_version(), os.environ.get("SLURM_JOB_ID"))
    try:
        lock, orders, refusal = None, None, None
        if comm.rank == 0:
            try:
                lock, orders = prepare(comm.size, arguments, report)
            except S2RGBError as error:
                refusal = error
            plan = orders and orders[0]  # known to the guard from here on
        # The others cannot know how long rank 0 may take until it is there.
        patience = None if plan is None else _patience(plan)
        orders, refusal = waiting.broadcast(comm, (orders, refusal), patience)
        if refusal is not None:  # known to every rank
            if comm.rank == 0 and str(refusal):
                report.error(refusal)
            return refusal.exit_code
        if orders is None:
            return 0
        plan, wanted = orders
        return run(comm, plan, wanted=wanted, report=report, about=about, lock=lock)
    except BaseException as error:  # noqa: BLE001  whatever it is, the others must not wait
        return stop_all(comm, plan, error, report)
    finally:
        # At its end Python gives them back to the system: the next would kill a run that is done.
        signals.ending()
        report.close()
        if isinstance(comm, survival.Comm) and comm.code is not None:
            survival.leave(comm)


def prepare(
    size: int, argv: Sequence[str], report: Report
) -> tuple[Lock | None, tuple[Plan, Wanted] | None]:
    """Read the command line, make the plan, and take the output; None if nothing is to be run."""
    coordinator.check_launch(size, os.environ)
    try:
        order = cli.parse(argv)
    except SystemExit:  # --help or --version has been printed
        return None, None
    if order.job.survive:
        survival.check(os.environ)
    report.quiet = order.quiet
    plan = coordinator.prepare(order.job)
    for warning in coordinator.warnings(plan):
        report.warning(warning)
    if order.dry_run:
        report.text(advice.describe(plan, size))
        if order.advise:
            report.text(advice.advise(plan, argv, python=sys.executable))
        return None, None
    order.wanted.check(order.job.output)
    report.listen(order.wanted)
    start = None
    if "SLURM_JOB_ID" in os.environ:
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        start = SlurmStart(os.environ["SLURM_JOB_ID"], restarts)
    plan, lock = claim(plan, start)
    if plan.done:
        report.told(f"{len(plan.done)} of {len(plan.windows)} windows are there already")
    return lock, (plan, order.wanted)


ROLES = {1: ["coordinator, worker and writer"], 2: ["coordinator and worker", "writer"]}
"""Of few ranks; of more, the first coordinates, the last writes, and all others work."""


def run(
    comm: Any,
    plan: Plan,
    *,
    wanted: Wanted,
    report: Report,
    about: About,
    lock: Lock | None,
) -> int:
    """Give this rank its role: coordinator, worker or writer; one or two ranks share them.

    Returns
    -------
    int
        The exit code, the same on every rank.
    """
    first, last = 0, comm.size - 1
    workers = range(1, last) or range(1)
    roles = ROLES.get(comm.size) or ["coordinator", *["worker"] * len(workers), "writer"]
    tasks: list[tuple[list[int], Any]] | None = None
    shares: list[list[int]] = []
    if comm.rank == first:
        dealt = plan.deal(len(workers))
        tasks = [([], {}) for _ in range(comm.size)]
        tasks[workers.start : workers.stop] = zip(
            dealt, plan.crossings(dealt, workers), strict=True
        )
        shares = [share for share, _ in tasks]
        owners = {number: rank for rank, share in enumerate(shares) for number in share}
        ranks = [owners.get(number, 0) for number in range(len(plan.windows))]
        report.start(plan.windows, ranks, plan.done)
    timeout, patience = plan.job.timeout, _patience(plan)
    share, common = waiting.scatter(comm, tasks, patience)
    # The one moment that the clocks of all machines have in common.
    waiting.everyone(comm, patience)
    tally = Tally(roles[comm.rank], rank=comm.rank, spans=[] if wanted.spans else None)
    survive = isinstance(comm, survival.Comm)
    orders = (survival.Orders if survive else Orders)(comm)
    code = 0
    if lock is not None:  # rank 0
        if comm.size == 1:
            written, tallies = run_alone(plan, share, report, tally, lock), [tally]
        else:
            survivors = survival.Survivors(comm, plan, workers) if survive else None
            hearing = coordinator.Coordinator(comm, report, plan, shares, lock, survivors=survivors)
            if comm.rank in workers:
                worker.run(comm, plan, share, tally, crossings=common, attend=hearing.attend)
            with tally.stage("idle"):
                written = hearing.run()
            tallies = [*hearing.tallies, tally.close()]
        dealt = shares[workers.start : workers.stop]
        code = end(plan, wanted, report, about, shares=dealt, tallies=tallies, written=written)
    elif comm.rank == last:
        written = writer.run(comm, plan, workers, tally, orders.attend)
        hand_in(comm, tally.close(), written, timeout=timeout)
    else:
        worker.run(
            comm,
            plan,
            share,
            tally,
            crossings=common,
            attend=orders.attend,
            further=orders.further,
        )
        if not survive:  # then nobody may need another
            lend_a_hand(comm, tally, orders.wait)
        hand_in(comm, tally.close(), timeout=timeout)
    if isinstance(comm, survival.Comm):
        return survival.part(comm, code)
    return int(waiting.broadcast(comm, code))


def _patience(plan: Plan) -> float:
    """Return how long ranks wait for all to meet, seconds."""
    return max(plan.job.timeout, SECONDS_TO_MEET)


def run_alone(
    plan: Plan, share: Sequence[int], report: Report, tally: Tally, lock: Lock
) -> Written | None:
    """Play all roles in one process: blocks go from hand to hand."""
    output = Output(plan, tally)

    def attend() -> None:
        signals.check()
        lock.refresh()

    try:
        for block in worker.blocks(plan, share, tally):
            output.place(block)
            report.advance(output.windows, output.nbytes, [(block.window, block.nbytes)])
            lock.refresh()
        written = output.finish(lambda copies: copies.run(attend))
    except StopError:
        output.keep()
        raise
    tally.close()
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
    """Say how the run ended, on rank 0, and return its exit code."""
    if written is None:
        kept = clear(plan, None) or "nothing is kept"
        report.stopped(f"stopped by {signals.GRACEFUL.name}: {kept}")
        return StopError.exit_code
    conclude(plan, wanted, report, about, shares=shares, tallies=tallies, written=written)
    clear(plan, None)
    return LEFT_EMPTY if written.damaged else 0


def stop_all(comm: Any, plan: Plan | None, error: BaseException, report: Report) -> int:
    """End every rank at once, with one voice: the rank, the window and the cause.

    A rank that fails tells rank 0, which speaks and ends the job; it does so itself only if
    rank 0 does not listen. A plain `raise` would leave all others waiting for ever.
    """
    signals.ending()  # mpirun's own SIGTERM, for one
    code = error.exit_code if isinstance(error, S2RGBError) else S2RGBError.exit_code
    is_known = False
    if isinstance(comm, survival.Comm):
        comm.code = code
    try:
        is_known = say_why(comm, plan, error, report, code=code)
    finally:
        if isinstance(comm, survival.Comm):
            if not is_known:
                survival.end_all(comm)
        elif comm.size > 1:
            MPI.COMM_WORLD.Abort(code)  # on a duplicate MPICH and Intel MPI lose the code
    return code


def say_why(
    comm: Any, plan: Plan | None, error: BaseException, report: Report, *, code: int
) -> bool:
    """Say why the run ends, on rank 0 or in place of it, and what is kept of it.

    Returns
    -------
    bool
        Whether another rank says it, and sees to the end of all.
    """
    stopped = code == StopError.exit_code
    words = _words(error)
    if comm.size > 1 and not stopped and not isinstance(error, RankError | LostError):
        words = f"rank {comm.rank}: {words}"
    if isinstance(comm, survival.Comm):
        if survival.is_known(comm, error, words[-8000:], seconds=SECONDS_TO_TELL):
            return True
    elif comm.rank:
        heard = tell(comm, Tag.FAILED, words[-8000:], code, seconds=SECONDS_TO_TELL)
        # A signal that has reached this rank has mostly reached rank 0 too, which does not listen
        # any more, but speaks.
        if heard or isinstance(error, StopError):
            time.sleep(SECONDS_TO_END)
    if comm.size > 1 and stopped:
        time.sleep(SECONDS_TO_KEEP)
    try:
        kept = "" if plan is None else clear(plan, error)
    except S2RGBError as problem:  # as where a failing disk was made read-only
        kept = str(problem)
    if stopped:
        report.stopped(f"{words}: {kept or 'nothing is kept'}")
    else:
        report.error(words)
        if kept and kept not in words:  # of a report that cannot be written, the words say so
            report.told(kept)
    return False


def _words(error: BaseException) -> str:
    """Return what is said of a failure: one line, or a traceback where it is a fault of ours."""
    if isinstance(error, S2RGBError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory: {error or 'no more is allowed'}; --dry-run says what a rank needs"
    return traceback.format_exc().strip()


if __name__ == "__main__":
    sys.exit(main())
