"""The lab itself: it is taken down however it ends, and two can be up at once."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

LAB = Path(__file__).parents[2] / "ci" / "slurm-lab"


@pytest.fixture
def another(lab):  # noqa: ARG001  where there is none, there is no second
    """A second lab, as its process and its folder."""
    with subprocess.Popen(
        [LAB, "--machines", "1", "sh", "-c", 'echo "$LAB"; cat'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
        process.stdin.close()


def processes(folder):
    """List the processes that know a lab's folder."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"LAB={folder}".encode() in environ.read_bytes().split(b"\0"):
                found.append(environ.parent.name)
        except OSError:  # it has ended since
            continue
    return found


def test_two_labs_do_not_meet(lab, another):
    _, folder = another
    both = lab.folder, str(folder)
    for where, machines in zip(both, ("4", "1"), strict=True):
        command = [LAB, "--join", where, "sinfo", "--noheader", "--format=%D %T"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert run.stdout.split() == [machines, "idle"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_ended_lab_leaves_no_process(another, number):
    process, folder = another
    assert len(processes(folder)) >= 4
    os.kill(process.pid, number)
    process.wait(timeout=30)
    end = time.monotonic() + 30
    while processes(folder):
        assert time.monotonic() < end, "its processes are still there"
        time.sleep(0.05)
    if number == signal.SIGKILL:  # nobody was left to remove it; the next lab does
        assert folder.exists()
        subprocess.run([LAB, "--machines", "1", "true"], timeout=60, check=True)
    assert not folder.exists()


def test_the_exit_code_is_the_commands(another):
    _, folder = another
    for command in ([LAB, "--machines", "1"], [LAB, "--join", folder]):
        run = subprocess.run([*command, "sh", "-c", "exit 7"], timeout=60, check=False)
        assert run.returncode == 7
