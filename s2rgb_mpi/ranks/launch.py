"""How ranks are started: whether the launcher and the MPI library match, and as which team."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import LaunchError, UsageError
from s2rgb_mpi.ranks.team import Team

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SURVIVE = "--survive"
"""The option that must be known before the communicator is made."""

_LAUNCHERS = (
    # How many ranks the launcher started, and which of them this is; the innermost first.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
)

_SPECIAL_STEPS = 0xFFFFFFF0
"""Slurm numbers the batch script and the interactive shell from here on: no parallel steps."""


def check_launch(size: int, environ: Mapping[str, str]) -> None:
    """Raise an error where this process runs alone though the launcher started several.

    With an MPI library that does not know the launcher every process becomes "rank 0 of 1",
    and all of them would write the same file (open-mpi/ompi#13523).

    Parameters
    ----------
    size : int
        Of the communicator.
    environ : mapping
        The process's environment.

    Raises
    ------
    LaunchError
        Without words on all but one of the processes, so that it is said once.
    """
    if size > 1:
        return
    in_step = int(environ.get("SLURM_STEP_ID", _SPECIAL_STEPS)) < _SPECIAL_STEPS
    known = [names for names in _LAUNCHERS if names[0] in environ]
    known = [names for names in known if in_step or not names[0].startswith("SLURM")]
    count, speaks = 1, environ.get("PMIX_RANK") == "1"
    if known:
        count, speaks = int(environ[known[0][0]]), environ.get(known[0][1], "0") == "0"
    elif int(environ.get("PMIX_RANK", "0")) > 0:
        count = int(environ["PMIX_RANK"]) + 1
    if count > 1:
        raise LaunchError(
            f"the launcher started {count} processes or more, but each of them is alone: it and"
            " the MPI library of mpi4py do not know each other; use that library's own mpirun,"
            " or under Slurm srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
            if speaks
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
        with suppress(ImportError):  # without that folder nothing is lacking but this
            from s2rgb_mpi.ranks.ulfm import comm, team  # noqa: PLC0415

            if comm.is_possible(environ):
                return team.SurvivingTeam(world)
    return Team(world)


def check_survive(team: Team, library: str) -> None:
    """Reject --survive where a dead worker would end the run.

    Parameters
    ----------
    team : Team
        As :func:`join` returned it.
    library : str
        The MPI library's name and version.

    Raises
    ------
    UsageError
        Names what is needed.
    """
    if not team.survives:
        name = " ".join(library.splitlines()[0].split(",")[0].split())
        raise UsageError(
            f"{SURVIVE} needs an MPI with ULFM, switched on: Open MPI 5 or later, started by"
            f" mpirun --with-ft ulfm (this is {name});"
            " without it, --resume continues from what a lost rank leaves"
        )
