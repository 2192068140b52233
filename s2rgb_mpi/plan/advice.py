"""Advice before a run: the number of ranks, the memory of each, and the commands that start it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
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
    windows_per_worker: tuple[int, int]
    rank_nbytes: int
    commands: Commands
    is_redacted: bool

    def __str__(self) -> str:
        """Return the advice as text, one subject a line."""
        lines = {
            "ranks": f"{self.ranks}: {self.workers} workers of at most {self.windows_per_worker[1]}"
            " windows each, the coordinator and the writer",
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


def advise(plan: Plan, argv: Sequence[str], *, python: str) -> Advice:
    """Recommend the resources to request for a job.

    Parameters
    ----------
    plan : Plan
        Of the job.
    argv : sequence of str
        The command line, without the program.
    python : str
        The interpreter to start.

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
        windows_per_worker=(min(shares), max(shares)),
        rank_nbytes=memory,
        commands=Commands(
            mpirun=f"mpirun -n {here + 2} {program}",
            slurm=f"sbatch --ntasks={workers + 2} --mem-per-cpu={memory // 10**6}M"
            f" --wrap {shlex.quote(step)}",
        ),
        is_redacted=arguments != given,
    )
