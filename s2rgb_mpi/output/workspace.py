"""The files of a run, beside its output: created, resumed from, and removed, by rank 0.

::

    rgb.tif.lock      while a run lasts: no other may begin
    rgb.tif.part      the blocks, in the order they came
    rgb.tif.journal   which of them are safely there
    rgb.tif.final     becomes rgb.tif by its name alone

A finished run leaves none of them. A stopped or failed one leaves the partial file and the journal,
if there is a block in them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import S2RGBError, StrictError, TakenError, UsageError, named
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.lock import Lock
from s2rgb_mpi.output.paths import final_path, journal_path, lock_path, map_paths, part_path
from s2rgb_mpi.plan.identity import identity

if TYPE_CHECKING:
    from pathlib import Path

    from s2rgb_mpi.output.lock import SlurmStart
    from s2rgb_mpi.plan.plan import Plan


WHOLE = "the image is whole"
"""What is said of a run that failed only after the image had its name."""


class Claim(NamedTuple):
    """An output that this run alone may write."""

    plan: Plan
    """With the windows that need not be done again."""
    lock: Lock


def claim(plan: Plan, start: SlurmStart | None = None) -> Claim:
    """Lock the output, and create its files or repair those of a stopped run.

    All other ranks only open what this makes. So once it is cleared away they cannot bring it
    back, whatever they are at when another rank fails.

    Parameters
    ----------
    plan : Plan
        Without `done`.
    start : SlurmStart, optional
        Where this is a job of Slurm.

    Raises
    ------
    UsageError
        The output is there, or being written by another run, or a stopped run has left
        something: says what to do.
    OutputError
        The files cannot be read or written.
    """
    lock = Lock(lock_path(plan), start)
    try:
        begun = None
        # Who starts anew does not mind what is there, not even where it cannot be read.
        if journal_path(plan).exists() and (plan.job.resume or not plan.job.overwrite):
            begun = journal.fields_of(journal_path(plan))
        if begun is not None and plan.job.resume:
            # Whether the output may be replaced was settled when that run began.
            plan = replace(plan, done=_resumed(plan, begun, lock))
        else:
            if not plan.job.overwrite:
                _reject_existing(plan, begun)
            _begin(plan)
        _empty(final_path(plan))
    except BaseException:
        lock.release()
        raise
    return Claim(plan, lock)


def clear(plan: Plan, error: BaseException | None) -> str:
    """Remove the files of a run that did not finish, except those that can be resumed from.

    Parameters
    ----------
    plan : Plan
        The run's.
    error : BaseException, optional
        What ended it; None if it was stopped by a signal.

    Returns
    -------
    str
        For the user: the windows that are kept and how to resume, or that the image is whole; else
        empty.

    Raises
    ------
    OutputError
        The files cannot be read or removed.
    """
    if isinstance(error, TakenError):
        return ""
    if error is not None and _is_whole(plan):
        _remove(part_path(plan), lock_path(plan))
        return WHOLE
    _remove(final_path(plan), *map_paths(plan), lock_path(plan))
    # A result that a strict run rejects at its end is not to be resumed; known by its exit code, as
    # the error may be that of another rank.
    was_refused = isinstance(error, S2RGBError) and error.exit_code == StrictError.exit_code
    kept = _kept(plan)
    if kept and not was_refused:
        count = f"{kept} of {len(plan.windows)} windows"
        return f"{count} are kept in {part_path(plan)}; the same command with --resume continues"
    _remove(journal_path(plan), part_path(plan))
    return ""


def _reject_existing(plan: Plan, begun: dict[str, str] | None) -> None:
    """Reject an output that exists, or that a stopped run has left."""
    part = part_path(plan)
    if begun is not None:
        raise UsageError(
            f"{part}: {_kept(plan)} of {len(plan.windows)} windows of a stopped run;"
            " --resume continues, --overwrite starts anew"
        )
    for output in plan.job.outputs:
        if output.exists():
            raise UsageError(f"{output}: exists already; --overwrite replaces it")
    if part.exists() and part.stat().st_size:  # an empty one is what a run that was killed leaves
        raise UsageError(
            f"{part}: left by a stopped run, but without its journal nothing of it can be used;"
            " --overwrite starts anew"
        )


def _begin(plan: Plan) -> None:
    """Make the files of a new run; none of them if that fails."""
    try:
        journal.begin(journal_path(plan), identity(plan))
        _empty(part_path(plan))
    except BaseException:
        _remove(journal_path(plan), part_path(plan))
        raise


def _resumed(plan: Plan, begun: dict[str, str], lock: Lock) -> frozenset[int]:
    """Return the windows that a stopped run of this very job has left."""
    fields = identity(plan)
    for name in sorted(begun.keys() | fields.keys()):
        there, here = begun.get(name, "none"), fields.get(name, "none")
        if there != here:
            raise UsageError(
                f"{part_path(plan)}: begun by another job, {name}: {there} there, {here} here;"
                " --overwrite without --resume starts anew"
            )
    if not part_path(plan).exists():
        _empty(part_path(plan))
    return journal.mend(journal_path(plan), part_path(plan), len(plan.windows), lock.refresh)


def _is_whole(plan: Plan) -> bool:
    """Return whether the image has its name: then nothing is left of what it was made from."""
    gone = not journal_path(plan).exists() and not final_path(plan).exists()
    return gone and plan.job.output.exists()


def _empty(path: Path) -> None:
    """Make a file without a byte in it."""
    with named(path):
        path.write_bytes(b"")


def _remove(*paths: Path) -> None:
    """Remove files that may not be there."""
    for path in paths:
        with named(path):
            path.unlink(missing_ok=True)


def _kept(plan: Plan) -> int:
    """Count the windows that the journal has."""
    if not journal_path(plan).exists():
        return 0
    return sum(1 for _ in journal.records(journal_path(plan)))
