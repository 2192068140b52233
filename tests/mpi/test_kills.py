"""Killed at random moments, resumed by any number of ranks: always the same file.

Most rounds are of one process, as ranks that mpirun starts cost much more. More rounds, or others:
``S2RGB_KILL_ROUNDS=200 S2RGB_KILL_SEED=6``.
"""

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import KILLED, MPI_ENVIRONMENT, MPIRUN
from running import marked, processes
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.paths import journal_path
from s2rgb_mpi.testing.safe import write_safe
from stopped import all_blocks, make_plan, resume, stop

ROUNDS = int(os.environ.get("S2RGB_KILL_ROUNDS", "50"))
SEED = int(os.environ.get("S2RGB_KILL_SEED", "5"))

BATCH = 10
"""Rounds of one test; the first of them is of several ranks."""

MOST_KILLS = 2
"""Kills in one round; then the run may end."""

FORKING = Path(__file__).parent / "programs" / "forking.py"
SMALL = ("--tile", "64", "--window", "64", "--resume")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A product of 5 x 4 windows of one tile each."""
    return write_safe(tmp_path_factory.mktemp("tiny"), width=300, height=240, tile=64)


class Whole(NamedTuple):
    """An undisturbed run."""

    file: bytes
    journal_nbytes: int
    """Before the end, when all windows were in it."""


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "rgb.tif"
    plan = make_plan(tiny, output, profile=Profile(tile=64), window=64)
    made = all_blocks(plan)
    stop(plan, made)
    nbytes = journal_path(plan).stat().st_size
    return Whole(resume(plan, made), nbytes)


class Moment:
    """A moment of a run: some time after its journal has reached a size."""

    def __init__(self, rng, folder, nbytes):
        self._journal = folder / "rgb.tif.journal"
        self._lock = folder / "rgb.tif.lock"
        # Above the whole journal: while the file is finalised, or has its name already.
        self._nbytes = rng.uniform(0, 1.2) * nbytes
        self._seconds = rng.uniform(0, 0.05)
        self._lock.unlink(missing_ok=True)  # a dead run's: here it tells that this one has begun

    def wait(self, is_over):
        while not is_over() and not self._is_there():
            time.sleep(0.002)
        time.sleep(self._seconds)

    def _is_there(self):
        try:
            return self._lock.exists() and self._journal.stat().st_size >= self._nbytes
        except FileNotFoundError:
            return False


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Killed ranks leave their shared memory behind: not among the machine's own."""
    folder = str(tmp_path_factory.mktemp("mpi"))
    places = {"TMPDIR": folder, "OMPI_MCA_btl_vader_backing_directory": folder}
    return os.environ | MPI_ENVIRONMENT | places | {"OMPI_MCA_btl_sm_backing_directory": folder}


class Alone:
    """Runs of one process, one at a time."""

    def __init__(self, program, said):
        self._program = program
        self._said = said

    def run(self, arguments, moment=None):
        """Run, and kill it at a moment; return its exit code."""
        self._program.stdin.write(json.dumps(arguments) + "\n")
        self._program.stdin.flush()
        pid = int(self._program.stdout.readline())
        try:
            process = os.pidfd_open(pid)  # nobody else's, should it be over and its number used
        except ProcessLookupError:
            return int(self._program.stdout.readline())
        if moment is not None:
            moment.wait(lambda: bool(select.select([process], [], [], 0)[0]))
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)
        return int(self._program.stdout.readline())

    def said(self):
        """Return what the last run said, and forget it."""
        words = self._said.read_text() if self._said.exists() else ""
        self._said.write_text("")
        return words


@pytest.fixture(scope="module")
def alone(tmp_path_factory, environment):
    said = tmp_path_factory.mktemp("alone") / "said"
    with subprocess.Popen(
        [sys.executable, FORKING, "0.02", said],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        yield Alone(program, said)
        assert program.stdin is not None
        program.stdin.close()


def run_ranks(rng, arguments, environment, moment):
    """Run under mpirun, and kill one rank, or all there is; return the exit code."""
    ranks = rng.choice((2, 3, 4))
    environment = marked(environment)
    with subprocess.Popen(
        [MPIRUN, "-n", str(ranks), sys.executable, "-m", "s2rgb_mpi", *arguments],
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        moment.wait(lambda: process.poll() is not None)
        everything = processes(environment)
        # Without what Hydra, of MPICH and Intel MPI, has between mpirun and the ranks.
        started = [one for one in everything if one.command.startswith(sys.executable)]
        victims = [rng.choice(started)] if started and rng.random() < 0.7 else everything
        for victim in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim.pid, signal.SIGKILL)
        try:
            return process.wait(60)
        finally:
            for survivor in processes(environment):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(survivor.pid, signal.SIGKILL)


def left(folder):
    return {path.name.removeprefix("rgb.tif") for path in folder.glob("rgb.tif*")}


def kill_until_done(run, folder):
    """Run again and again, until a run is not killed; return how many were."""
    for kills in range(100):
        code = run(kills)
        if code == 0:
            return kills
        assert code in {-signal.SIGKILL, *KILLED}, code
        if {"", ".journal"} & left(folder) == {""}:
            # Killed after the file had its name: there is no run left to resume.
            return kills + 1
    pytest.fail("killed a hundred times")


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS // BATCH))
def test_killed_at_random_moments(tiny, whole, alone, environment, tmp_path, *, seed):
    rng = random.Random(seed)  # noqa: S311  no secret
    kills = went_on = 0
    for number in range(BATCH):
        folder = tmp_path / str(number)
        folder.mkdir()
        arguments = [str(tiny), "-o", str(folder / "rgb.tif"), *SMALL]

        def run(kills_before, arguments=arguments, number=number, folder=folder):
            if kills_before == MOST_KILLS:
                return alone.run(arguments)
            moment = Moment(rng, folder, whole.journal_nbytes)
            if number == 0 and kills_before == 0:
                return run_ranks(rng, arguments, environment, moment)
            return alone.run(arguments, moment)

        kills += kill_until_done(run, folder)
        went_on += "windows are there already" in alone.said()
        assert (folder / "rgb.tif").read_bytes() == whole.file, f"round {number}"
        assert left(folder) <= {"", ".lock", ".part"}, f"round {number}"
    print(f"{kills} kills, {went_on} of {BATCH} rounds went on with windows of a killed run")
    assert kills >= BATCH / 2
    assert went_on >= BATCH / 5
