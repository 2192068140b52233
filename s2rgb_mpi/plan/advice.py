"""Advice before a run: the number of ranks, the memory of each, and the commands that start it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s2rgb_mpi.plan.deal import cut, deal
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.plan import Plan

SHARE_MPX = 8.0
"""The smallest share worth a worker, millions of pixels: it takes several times its start-up."""

EVEN_SHARES = 0.9
"""The smallest accepted ratio of the mean share to the largest: less, and workers wait too long."""

MEMORY_RESERVE = 1.2
MEMORY_STEP = 50_000_000
"""A factor of reserve, and the step to which the request is rounded up, bytes: a scheduler kills
jobs that exceed their request."""

DRY_OPTIONS = ("--dry-run", "--advise", "--json")
"""Options that are removed from a command line with --advise to get the one that starts the job."""


AS_ROOT = ("OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
OVERSUBSCRIBE_4 = "OMPI_MCA_rmaps_base_oversubscribe=1"
OVERSUBSCRIBE_5 = "PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe"
"""Variables without which mpirun of Open MPI 4, or of 5, refuses; docs/operations.md lists them."""


@dataclass(frozen=True)
class Commands:
    """Shell commands that start the job: by mpirun on this machine, or as a job of Slurm."""

    mpirun: str
    slurm: str


@dataclass(frozen=True)
class Advice:
    """The resources to request for a job.

    Parameters
    ----------
    ranks, workers : int
        The recommended number of ranks (the workers, the coordinator and the writer), and of
        workers among them.
    limit : str
        Why more workers are not recommended.
    windows_per_worker : tuple of int
        The number of windows of the smallest share and of the largest.
    rank_nbytes : int
        The memory to request per rank, the same for all roles, bytes; enough for fewer ranks too.
    commands : Commands
        With this number of ranks, or on this machine at most one worker per core.
    is_redacted : bool
        Whether query strings and passwords are left out of URLs in the commands.
    """

    ranks: int
    workers: int
    limit: str
    windows_per_worker: tuple[int, int]
    rank_nbytes: int
    commands: Commands
    is_redacted: bool

    def __str__(self) -> str:
        """Return the advice as text, one subject a line."""
        most = self.windows_per_worker[1]
        workers = f"{self.workers} workers of at most {most} windows each"
        if self.workers == 1:
            workers = f"1 worker of {most} window{'s' * (most > 1)}"
        lines = {
            "ranks": f"{self.ranks}: {workers}, the coordinator and the writer; {self.limit}",
            "memory": f"{self.rank_nbytes // 10**6} MB a rank,"
            f" {self.rank_nbytes * self.ranks / 1e9:.1f} GB in all",
            "here": self.commands.mpirun,
            "Slurm": self.commands.slurm,
        }
        if self.is_redacted:
            lines["URLs"] = (
                "without what follows their ?, and passwords: put these back in the lines"
            )
        return "\n".join(f"{name:8} {words}" for name, words in lines.items())


def workers_for(plan: Plan) -> int:
    """Return the recommended number of workers: the most that get large and even shares."""
    pixels = plan.grid.width * plan.grid.height
    most = min(len(plan.windows), max(1, int(pixels / 1e6 / SHARE_MPX)))
    return max(count for count in range(1, most + 1) if _evenness(plan, count) >= EVEN_SHARES)


def _limit(plan: Plan, workers: int) -> str:
    """Return why more workers than :func:`workers_for` has are not worth it."""
    if workers == len(plan.windows):
        return "there are no more windows"
    if plan.grid.width * plan.grid.height / 1e6 < (workers + 1) * SHARE_MPX:
        return f"more workers would have less than {SHARE_MPX:g} million pixels each"
    return "more workers would have uneven shares"


def _evenness(plan: Plan, workers: int) -> float:
    """Return the ratio of the mean share to the largest, in pixels."""
    shares = [
        sum(plan.windows[number].width * plan.windows[number].height for number in share)
        for share in cut(plan, workers)
    ]
    return sum(shares) / (workers * max(shares))


def rank_nbytes(plan: Plan, workers: int) -> int:
    """Return the memory to request per rank, bytes; enough for fewer workers too.

    The parts of source chunks that a worker keeps depend on where its share ends, so the powers of
    two below `workers` are checked too.
    """
    counts = {workers} | {2**power for power in range(workers.bit_length())}
    needs = [worker_nbytes(plan, deal(plan, count)) for count in counts]
    most = max(*needs, writer_nbytes(plan, workers)) * MEMORY_RESERVE
    return -(-int(most) // MEMORY_STEP) * MEMORY_STEP


def _variables(mpi: str, ranks: int) -> list[str]:
    """Return the variables without which mpirun does not start so many ranks on this machine."""
    version = re.match(r"Open MPI v(\d+)", mpi)
    if version is None:  # MPICH and Intel MPI need none
        return []
    variables = [*AS_ROOT] if os.geteuid() == 0 else []
    if ranks > _slots():
        variables.append(OVERSUBSCRIBE_4 if int(version[1]) < 5 else OVERSUBSCRIBE_5)  # noqa: PLR2004
    return variables


def _slots() -> int:
    """Return the cores of this machine, threads of one core counted once, as Open MPI does."""
    cores = set()
    for cpu in range(os.cpu_count() or 1):
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(path.read_text())
        except OSError:
            cores.add(str(cpu))
    return len(cores)


def advise(plan: Plan, argv: Sequence[str], *, python: str, mpi: str = "") -> Advice:
    """Recommend the resources to request for a job.

    Parameters
    ----------
    plan : Plan
        Of the job.
    argv : sequence of str
        The command line, without the program.
    python : str
        The interpreter to start.
    mpi : str
        The MPI that starts it here, as its library names itself.

    Returns
    -------
    Advice
        Its commands can be pasted into a shell. The query strings of URLs, which may be secrets,
        are left out.
    """
    workers = workers_for(plan)
    here = min(workers, os.cpu_count() or 1)
    given = [each for each in argv if each not in DRY_OPTIONS]
    arguments = list(map(shown, given))
    program = shlex.join([python, "-m", "s2rgb_mpi", *arguments])
    memory = rank_nbytes(plan, workers)
    shares = [len(share) for share in cut(plan, workers)]
    step = f"srun --mpi=pmix {program}"
    return Advice(
        ranks=workers + 2,
        workers=workers,
        limit=_limit(plan, workers),
        windows_per_worker=(min(shares), max(shares)),
        rank_nbytes=memory,
        commands=Commands(
            mpirun=" ".join([*_variables(mpi, here + 2), f"mpirun -n {here + 2} {program}"]),
            slurm=f"sbatch --ntasks={workers + 2} --mem-per-cpu={memory // 10**6}M"
            f" --wrap {shlex.quote(step)}",
        ),
        is_redacted=arguments != given,
    )
