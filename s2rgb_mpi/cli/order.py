"""What the command line asks for: a job, and how to go about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.report.outputs import Wanted

if TYPE_CHECKING:
    from s2rgb_mpi.plan.job import Job


@dataclass(frozen=True)
class Order:
    """A job, and how to go about it.

    Parameters
    ----------
    job : Job
        What is made.
    dry_run : bool
        Whether the plan is printed, and no more done.
    quiet : bool
        Whether nothing but errors is said.
    advise, json : bool
        Of a dry run: with advice on ranks and memory; as JSON.
    wanted : Wanted
        Files beside the image, and progress.
    """

    job: Job
    dry_run: bool = False
    quiet: bool = False
    advise: bool = False
    json: bool = False
    wanted: Wanted = field(default_factory=Wanted)
