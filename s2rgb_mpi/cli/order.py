"""The command line as a value: a job, and how it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.report.outputs import Wanted

if TYPE_CHECKING:
    from s2rgb_mpi.plan.job import Job


@dataclass(frozen=True)
class Order:
    """A job, and how it is run.

    Parameters
    ----------
    job : Job
        The image to make.
    dry_run : bool
        Whether to print the plan and stop.
    quiet : bool
        Whether to print errors only.
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
