"""A run that was stopped, suspended or disturbed ends with the same bytes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import MPI_ENVIRONMENT, MPIRUN, SMALL
from running import marked, processes
from stopped import all_blocks, make_plan, resume

PROGRAMS = Path(__file__).parent / "programs"
FAILING = (str(PROGRAMS / "failing.py"),)
LATE = (str(PROGRAMS / "late.py"),)


@pytest.fixture(scope="module")
def whole(safe, tmp_path_factory):
    """The file of an undisturbed run."""
    plan = make_plan(safe, tmp_path_factory.mktemp("whole") / "rgb.tif")
    return resume(plan, all_blocks(plan))


@contextlib.contextmanager
def started(*command):
    """Start a command in a session of its own; nothing of it is left behind."""
    env = marked(os.environ | MPI_ENVIRONMENT)
    with subprocess.Popen(
        list(map(str, command)),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process, env
        finally:
            for left_behind in processes(env):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left_behind.pid, signal.SIGKILL)


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def left(folder):
    return {path.name for path in folder.glob("rgb.tif*")}


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_a_signal_to_mpirun(mpirun, safe, tmp_path, whole, *, ranks, number):
    """A worker hangs in a window, so that the signal always comes in the middle."""
    output = tmp_path / "rgb.tif"
    journal = tmp_path / "rgb.tif.journal"
    program = [*FAILING, "worker", "nap"]
    command = [MPIRUN, "-n", ranks, sys.executable, *program, safe, "-o", output, *SMALL]
    with started(*command) as (process, _):
        # At least one record: 3 KB, far more than the first line.
        wait_for(lambda: journal.exists() and journal.stat().st_size > 5000)
        process.send_signal(number)
        sent = time.monotonic()
        _, said = process.communicate(timeout=30)
        print(f"over {time.monotonic() - sent:.2f} s later")
    ours = [line for line in said.splitlines() if "stopped by" in line]
    if number == signal.SIGUSR1:
        assert process.returncode == 75, said
        assert len(ours) == 1, said
    assert "Traceback" not in said
    assert process.returncode != 0
    name = "SIG(INT|TERM)" if number == signal.SIGINT else number.name  # Open MPI hands on another
    kept = rf"stopped by {name}: (\d+) of 20 windows are kept in {output}.part;"
    assert all(re.search(kept, line) for line in ours), said
    assert {"rgb.tif.part", "rgb.tif.journal"} <= left(tmp_path)
    run = mpirun(None, safe, "-o", output, *SMALL, "--resume")
    assert run.returncode == 0, run.stderr
    assert "of 20 windows are there already" in run.stderr
    assert output.read_bytes() == whole
    assert left(tmp_path) == {"rgb.tif"}


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_stop_before_the_first_window_leaves_nothing(mpirun, safe, tmp_path, ranks):
    options = ("worker at its start", "SIGUSR1", safe, "-o", tmp_path / "rgb.tif", *SMALL)
    run = mpirun(ranks, *options, program=FAILING)
    assert run.returncode == 75, run.stderr
    assert [line for line in run.said if "stopped" in line] == [
        "s2rgb_mpi: stopped by SIGUSR1: nothing is kept"
    ]
    assert left(tmp_path) == set()


def test_a_stop_after_the_last_window_is_too_late(mpirun, safe, tmp_path, whole):
    options = ("writer at its end", "SIGUSR1", safe, "-o", tmp_path / "rgb.tif", *SMALL)
    run = mpirun(3, *options, program=FAILING)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "rgb.tif").read_bytes() == whole
    assert left(tmp_path) == {"rgb.tif"}


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_stop_after_all_is_done_is_no_failure(mpirun, safe, tmp_path, whole, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, safe, "-o", output, *SMALL, program=LATE)
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == whole
    assert left(tmp_path) == {"rgb.tif"}


def test_a_job_that_is_suspended_is_not_silent(safe, tmp_path, whole):
    output = tmp_path / "rgb.tif"
    program = [*FAILING, "worker", "suspend", safe, "-o", output, *SMALL, "--timeout", 2]
    with started(MPIRUN, "-n", 3, sys.executable, *program) as (process, env):

        def stopped():
            return [rank for rank in processes(env) if rank.state == "T"]

        wait_for(lambda: len(stopped()) == 3)
        time.sleep(4)
        assert len(stopped()) == 3
        for rank in stopped():
            os.kill(rank.pid, signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert output.read_bytes() == whole


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_second_run_is_refused_while_the_first_lasts(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    program = [*FAILING, "worker", "hang", safe, "-o", output, *SMALL]
    with started(sys.executable, *program) as (first, _):
        assert first.stdout is not None
        assert first.stdout.readline().startswith("broke")
        for options in ((), ("--resume",), ("--overwrite",)):
            run = mpirun(ranks, safe, "-o", output, *SMALL, *options)
            assert run.returncode == 2, run.stderr
            owner = f"process {first.pid} on {socket.gethostname()}"
            words = f"{output}.lock: {owner} is writing this output"
            assert len(run.said) == 1
            assert words in run.said[0]
        assert left(tmp_path) == {f"rgb.tif.{end}" for end in ("journal", "lock", "part", "final")}
        first.send_signal(signal.SIGKILL)
        first.wait()
    run = mpirun(None, safe, "-o", output, *SMALL, "--overwrite")
    assert run.returncode == 0, run.stderr
    assert left(tmp_path) == {"rgb.tif"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk that is too small for the image."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_full_disk(mpirun, safe, small_disk, whole, ranks):
    output = small_disk / "rgb.tif"
    run = mpirun(ranks, safe, "-o", output, *SMALL)
    assert run.returncode == 4, run.stderr
    assert run.said[0].startswith(f"s2rgb_mpi: warning: {small_disk}: 0 MB are free")
    errors = [line for line in run.said if "error: " in line]
    assert len(errors) == 1
    assert re.search(r"rgb\.tif\.(part|journal): No space left on device$", errors[0])
    assert "Traceback" not in run.stderr
    run = mpirun(None, safe, "-o", output, *SMALL, "--resume")
    assert run.returncode == 4, run.stderr
    remount = ["mount", "-o", "remount,size=20m", small_disk]
    subprocess.run(remount, check=True)
    run = mpirun(None, safe, "-o", output, *SMALL, "--resume")
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == whole
    assert left(small_disk) == {"rgb.tif"}


def test_a_disk_that_becomes_read_only(mpirun, safe, tmp_path):
    """As Linux does it where a disk fails: what is left cannot even be cleared away."""
    options = ("writer", "read-only", safe, "-o", tmp_path / "rgb.tif", *SMALL)
    run = mpirun(3, *options, program=FAILING)
    assert run.returncode == 4, run.stderr
    assert "Traceback" not in run.stderr
    errors = [line for line in run.said if "error: " in line]
    assert len(errors) == 1
    assert re.search(r"rgb\.tif\.part: Read-only file system$", errors[0])
    assert run.left == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(mpirun, safe, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    run = mpirun(3, safe, "-o", folder / "rgb.tif")
    assert run.returncode == 2
    assert run.said == [f"s2rgb_mpi: error: {folder}: this folder cannot be written to"]
