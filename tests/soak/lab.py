"""Where rounds are performed: folders, the undisturbed image, run after run, and the verdict."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from conftest import MPI_ENVIRONMENT, MPIRUN
from running import marked
from soak import inputs, judge
from soak.disturb import TIMEOUT_SECONDS, Files, Finished, Run, disturb, fill
from soak.rounds import MOST_STEPS, Moment, Round, Step

PROGRAM = Path(__file__).with_name("program.py")
REPORTS = ("told.json", "told.png")

MOST_RUNS = MOST_STEPS + 3
"""The last ones are undisturbed, and may have to begin anew: see `perform`."""


class Told(NamedTuple):
    """What was done to a run, and how it ended."""

    deed: str
    in_time: bool
    code: int
    by_mpi: int


class Outcome(NamedTuple):
    """A round that is over."""

    seed: int
    runs: list[Told]
    wrong: list[str]
    story: str
    """Every command, how it ended, and what was wrong with it."""

    @property
    def verdict(self) -> str:
        return f"{len(self.wrong)} complaints" if self.wrong else "well"


class Lab:
    """The folders of the long run, on disks of their own.

    Parameters
    ----------
    folder : Path
        With `disk`, a small one, and `tmp` for temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self._inputs, self._wholes = folder / "inputs", folder / "wholes"
        self._wholes.mkdir()
        self._said = folder / "said"
        self._said.mkdir()
        self._places = [folder / "tmp", Path("/dev/shm")]  # noqa: S108  a new one is mounted there
        self._disk = folder / "disk"
        self.output = self._disk / "round" / "rgb.tif"
        self._files = Files(self.output, self._disk / "filler")
        self._env = os.environ | MPI_ENVIRONMENT
        self._env |= {"TMPDIR": str(folder / "tmp"), "PYTHONFAULTHANDLER": "1"}

    def perform(self, one: Round) -> Outcome:
        """Perform a round, whatever it takes, and judge it."""
        shutil.rmtree(self.output.parent, ignore_errors=True)
        self.output.parent.mkdir()
        arguments = [*inputs.make(one.source, self._inputs), *one.options]
        whole = self._whole(arguments)
        reports = REPORTS if one.tells else ()
        for option, name in zip(("--report", "--quicklook"), reports, strict=False):
            arguments += [option, str(self.output.with_name(name))]
        story = [str(one)]
        told: list[Told] = []
        wrong: list[str] = []
        steps = list(one.steps)
        option, is_damaged = "--resume", False
        while len(told) < MOST_RUNS:
            step = steps.pop(0) if steps else _undisturbed(one)
            command = _command(step, [*arguments, "-o", str(self.output), option])
            before = judge.ends(self._files)
            run = self._run(command, step, len(whole))
            strays, by_mpi = judge.strays(self._places, run, step)
            found = judge.complaints(
                run, step, self._files, reports, before=before, is_damaged=is_damaged
            )
            told.append(Told(step.deed, run.in_time, run.code, by_mpi))
            story += ["", shlex.join(command), str(step), f"exit code {run.code}"]
            if found or strays:
                story += [*found, *strays, run.stderr]
                wrong += [*found, *strays]
            self._tidy()
            if run.hung:
                break
            if self._files.are_done():
                wrong += self._compare(whole)
                if {path.name for path in self.output.parent.iterdir()} <= {"rgb.tif", *reports}:
                    break
                steps, option = [], "--overwrite"  # which puts in order what a killed run has left
            elif run.code == judge.USAGE:
                option = "--overwrite"
            elif step.damage is not None:
                story.append(self._damage(step))
                is_damaged = True
        if not self._files.are_done():
            wrong.append("there is no image in the end")
        return Outcome(one.seed, told, wrong, "\n".join([*story, "", *wrong]))

    def _whole(self, arguments: list[str]) -> bytes:
        """Return the image that a run makes which nobody disturbs."""
        digest = hashlib.sha256("\n".join(arguments).encode()).hexdigest()
        path = self._wholes / f"{digest}.tif"
        if not path.exists():
            command = [sys.executable, "-m", "s2rgb_mpi", *arguments, "-o", str(path)]
            subprocess.run(command, env=self._env, check=True, capture_output=True, timeout=120)
            self._tidy()
        return path.read_bytes()

    def _run(self, command: list[str], step: Step, nbytes: int) -> Finished:
        """Run, and do what the step says meanwhile."""

        def rival() -> tuple[int, str]:
            other = [
                sys.executable,
                "-m",
                "s2rgb_mpi",
                *command[command.index(str(PROGRAM)) + 3 : -1],
            ]
            done = subprocess.run(
                [*other, step.option],
                env=self._env,
                check=False,
                capture_output=True,
                text=True,
                timeout=60,
            )
            return done.returncode, done.stderr

        if step.deed == "small disk":
            fill(self._files.filler, int(step.amount * nbytes))
        run = Run(command, marked(self._env), self._said)
        try:
            return disturb(run, step, self._files, nbytes, rival)
        finally:
            run.send(signal.SIGKILL, *run.everything())

    def _tidy(self) -> None:
        """Make room again, and remove what nobody will miss."""
        self._files.filler.unlink(missing_ok=True)
        for place in self._places:
            for path in place.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _compare(self, whole: bytes) -> list[str]:
        found = self.output.read_bytes()
        if found == whole:
            return []
        pairs = zip(found, whole, strict=False)
        first = next((place for place, (one, other) in enumerate(pairs) if one != other), "the end")
        return [f"wrong bytes: {len(found)}, not {len(whole)} of them; the first at {first}"]

    def _damage(self, step: Step) -> str:
        """Damage one of the files that a run has left; say how."""
        assert step.damage is not None
        path = self._files.beside("journal" if "journal" in step.damage else "part")
        if not path.exists() or not path.stat().st_size:
            return f"nothing there to {step.damage}"
        nbytes = path.stat().st_size
        place = int(step.place * nbytes)
        if step.damage.startswith("cut"):
            os.truncate(path, place)
        else:
            with path.open("r+b") as file:
                byte = os.pread(file.fileno(), 1, place)[0]
                os.pwrite(file.fileno(), bytes([byte ^ 1 << place % 8]), place)
        return f"{step.damage} at {place} of {nbytes} bytes"


def _undisturbed(one: Round) -> Step:
    """Return the last step of a round."""
    return Step("nothing", one.ranks, 0, Moment("process", 0, 0), 0, 1.0, 0, None, 0, "")


def _command(step: Step, arguments: list[str]) -> list[str]:
    """Return the command line of a run."""
    clocks = map(str, (step.commit_seconds, step.pace_seconds))
    launcher = [] if step.ranks is None else [MPIRUN, "-n", str(step.ranks)]
    if step.deed == "stop a rank":
        arguments = ["--timeout", str(TIMEOUT_SECONDS), *arguments]
    return [*launcher, sys.executable, str(PROGRAM), *clocks, *arguments]
