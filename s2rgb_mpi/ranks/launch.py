"""The start of the ranks: whether launcher and MPI library match, and which team is used."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import LaunchError, UsageError
from s2rgb_mpi.ranks.team import Team

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SURVIVE = "--survive"
"""The option that must be known before the communicator is created."""

_LAUNCHERS = (
    # Variables with the number of ranks started and that of this rank, innermost launcher first.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
)

_SPECIAL_STEPS = 0xFFFFFFF0
"""From this number on Slurm's steps are not parallel: batch scripts and interactive shells."""


def check_launch(size: int, environ: Mapping[str, str]) -> None:
    """Raise an error if this process is the only rank although the launcher started several.

    With an MPI library that does not match the launcher every process becomes "rank 0 of 1", and
    all of them would write the same file (open-mpi/ompi#13523).

    Parameters
    ----------
    size : int
        Size of the communicator.
    environ : mapping
        The process's environment.

    Raises
    ------
    LaunchError
        With an empty message on all processes but one, so that it is printed once.
    """
    if size > 1:
        return
    in_step = int(environ.get("SLURM_STEP_ID", _SPECIAL_STEPS)) < _SPECIAL_STEPS
    known = [names for names in _LAUNCHERS if names[0] in environ]
    known = [names for names in known if in_step or not names[0].startswith("SLURM")]
    count, is_first = 1, environ.get("PMIX_RANK") == "1"
    if known:
        count, is_first = int(environ[known[0][0]]), environ.get(known[0][1], "0") == "0"
    elif int(environ.get("PMIX_RANK", "0")) > 0:
        count = int(environ["PMIX_RANK"]) + 1
    if count > 1:
        raise LaunchError(
            f"{count} or more processes were launched, but each sees only itself: the launcher does"
            " not match the MPI library that mpi4py was built with; use that library's own mpirun,"
            " or under Slurm srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
            if is_first
            else ""
        )


def join(world: Any, arguments: Sequence[str], environ: Mapping[str, str]) -> Team:
    """Return the team of this run.

    Parameters
    ----------
    world : mpi4py.MPI.Comm
        COMM_WORLD.
    arguments : sequence of str
        The command line without the program's name.
    environ : mapping
        The process's environment.
    """
    if SURVIVE in arguments:
        with suppress(ImportError):  # without that folder only this option is missing
            from s2rgb_mpi.ranks.ulfm import comm, team  # noqa: PLC0415

            if comm.is_possible(environ):
                return team.SurvivingTeam(world)
    return Team(world)


def check_survive(team: Team, library: str) -> None:
    """Reject --survive if the death of a worker would end the run.

    Parameters
    ----------
    team : Team
        As :func:`join` returned it.
    library : str
        The MPI library's name and version.

    Raises
    ------
    UsageError
        With the MPI and the launcher's option that are needed.
    """
    if not team.survives:
        name = " ".join(library.splitlines()[0].split(",")[0].split())
        raise UsageError(
            f"{SURVIVE} needs an MPI with ULFM, switched on: Open MPI 5 or later, started by"
            f" mpirun --with-ft ulfm (this is {name});"
            " without it, --resume continues from what a lost rank leaves"
        )
