"""The permitted ends of a run, and the files that it may leave: those of docs/operations.md."""

from __future__ import annotations

import re
import signal
from collections.abc import Collection
from pathlib import Path

from conftest import KILLED
from soak.disturb import Files, Finished
from soak.rounds import Step

DONE, USAGE, DISK, RANK, STOPPED = 0, 2, 4, 5, 75

FORCEFUL = ("kill a rank", "kill the launcher", "kill all", "SIGTERM", "SIGINT")
"""After these nobody may be left to tidy up."""

_REFUSED = re.compile("not a journal of this version|begun by another job|without its journal")
"""What may be said of a journal whose first line is damaged."""

_BY_MPI = re.compile(
    r"vader_segment\.|sm_segment\.|ompi\.|prte\.|pmix|openmpi-sessions|mpich_|Intel_MPI"
)
"""What the MPI libraries call their own files."""


def codes(step: Step) -> set[int]:
    """Return the exit codes that a run may have to which this was done, beside that it is done."""
    if step.deed in ("SIGTERM", "SIGINT"):
        # A launcher has codes of its own.
        own = {-signal.Signals[step.deed]} if step.ranks is None else set(range(6, 256)) | {1}
        return {STOPPED, *own}
    return {
        "kill a rank": KILLED,
        "kill the launcher": {-signal.SIGKILL},
        "kill all": {-signal.SIGKILL},
        "SIGUSR1": {STOPPED},
        "SIGUSR1 to a rank": {STOPPED},
        "stop a rank": {RANK},
        "small disk": {DISK},
        "fill the disk": {DISK},
    }.get(step.deed, set())


def complaints(
    run: Finished,
    step: Step,
    files: Files,
    reports: Collection[str] = (),
    *,
    before: Collection[str] = (),
    is_damaged: bool = False,
) -> list[str]:
    """List what is wrong with a run that is over, but for its bytes.

    Parameters
    ----------
    run : Finished
        The run.
    step : Step
        What was done to it.
    files : Files
        Where it wrote.
    reports : collection of str
        Names of files that it was to write besides.
    before : collection of str
        The ends of the names of what was beside the output before it.
    is_damaged : bool
        Whether that was damaged.
    """
    found = []
    if run.hung:
        found.append(f"hung:\n{run.hung}")
    if run.orphans:
        found.append(f"left processes behind:\n{run.orphans}")
    allowed = codes(step) | {DONE}  # it may have come too late, and bytes tell the rest
    if is_damaged and _REFUSED.search(run.stderr):
        allowed = allowed | {USAGE}
    if not run.hung and run.code not in allowed:
        found.append(f"exit code {run.code}, not among {sorted(allowed)}")
    if "Traceback" in run.stderr:
        found.append("a traceback")
    found += _words(run, step)
    if run.rival is not None:
        found += _of_rival(*run.rival, step.option)
    # The image is no news where a run was killed just after it had got its name.
    kept = {*_kept(run, step), *reports, *({""} & set(before))}
    if run.code == USAGE or f"{files.beside('lock')}: " in run.stderr:
        kept.update(before)  # it was refused, or could not begin
    left = ends(files)
    if left - kept:
        found.append(f"left beside the output: {sorted(left - kept)}")
    if run.code == DONE and "" not in left:
        found.append("no image, for all that it says it is done")
    return found


def ends(files: Files) -> set[str]:
    """Return the ends of the names of the output and of all that is beside it."""
    return {path.name.removeprefix(files.output.name) for path in files.output.parent.iterdir()}


def _words(run: Finished, step: Step) -> list[str]:
    lines = [
        line for line in run.stderr.replace("\0", "").splitlines() if line.startswith("s2rgb_mpi:")
    ]
    errors = [line for line in lines if "error: " in line]
    stops = [line for line in lines if "stopped by " in line]
    if run.code in (USAGE, DISK, RANK):
        # Without rank 0 whoever finds that out speaks for itself.
        many = step.deed == "stop a rank" and step.rank == 0
        if not errors or (len(errors) > 1 and not many):
            return [f"{len(errors)} lines say what was wrong"]
    elif run.code == STOPPED and len(stops) != 1:
        return [f"{len(stops)} lines say that it was stopped"]
    elif run.code == DONE and (errors or stops):
        return ["an error, for all that it is done"]
    return []


def _of_rival(code: int, said: str, option: str) -> list[str]:
    lines = [line for line in said.splitlines() if line.startswith("s2rgb_mpi: error: ")]
    if code == USAGE and len(lines) == 1 and "Traceback" not in said:
        return []
    if code == DONE and option == "--overwrite":  # the first was over by then
        return []
    return [f"the rival ended with {code}:\n{said}"]


def _kept(run: Finished, step: Step) -> set[str]:
    """Return the ends of the names that may be there after a run."""
    if run.code == DONE and not run.hung:
        return {""}
    by_itself = run.code in (USAGE, DISK, RANK, STOPPED)
    if by_itself and (step.deed not in FORCEFUL or step.ranks is None):
        # Not where files beside it "are not written before the image is whole".
        is_whole = re.search(r"(?<!before )the image is whole", run.stderr)
        return {""} if is_whole else {".part", ".journal"}
    return {"", ".part", ".journal", ".journal-new", ".final", ".lock"}


def strays(places: list[Path], run: Finished, step: Step) -> tuple[list[str], int]:
    """List what a run has left in folders for temporary files; count what is of the MPI library.

    That is no fault of ours where ranks have been killed, which Open MPI does too when one of them
    ends the run; nor where a process is without a launcher (open-mpi/ompi#13261).
    """
    found, by_mpi = [], 0
    is_lone = step.ranks is None or run.rival is not None  # rivals are without one
    for place in places:
        for path in place.iterdir():
            if (run.code != DONE or is_lone) and _BY_MPI.match(path.name):
                by_mpi += 1
            else:
                found.append(f"left in {place}: {path.name}")
    return found, by_mpi
