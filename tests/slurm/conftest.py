"""A Slurm of four virtual machines for all tests of this folder, and ways to look at its jobs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import MPI_ENVIRONMENT, SMALL, Run, finish

ROOT = Path(__file__).parents[2]
LAB = ROOT / "ci" / "slurm-lab"
DAEMONS = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))


class Lab:
    """A Slurm that is up, seen from its login machine."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        # Whatever Slurm this runs under is not the one that is meant.
        self.env = {name: value for name, value in os.environ.items() if name[:5] != "SLURM"}
        self.env |= MPI_ENVIRONMENT | {"S2RGB_PYTHON": sys.executable}

    def run(
        self,
        *command: object,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        seconds=120.0,
    ) -> Run:
        """Run a command; one that is not over in time is ended, and fails the test."""
        joined = [str(LAB), "--join", str(self.folder), *map(str, command)]
        return finish(joined, self.env | (env or {}), seconds, cwd)

    def submit(self, *command: object, **how) -> str:
        """Run a command that submits a job; return the job's id."""
        run = self.run(*command, **how)
        assert run.returncode == 0, run.stderr
        return run.stdout.split()[-1]

    def show(self, job: str) -> dict[str, str]:
        """Return what Slurm says of a job."""
        said = self.run("scontrol", "--oneliner", "show", "job", job).stdout
        return dict(word.partition("=")[::2] for word in said.split())

    def log(self, job: str) -> str:
        """Return what a job's script and its program have said."""
        return Path(self.show(job)["StdOut"]).read_text()

    def until(self, is_so: Callable[[], bool], what: str, job: str, seconds=120.0) -> None:
        """Wait until something is so; fail the test if it is not so in time."""
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                pytest.fail(f"not {what} after {seconds} s: {self.show(job)}")
            time.sleep(0.1)

    def end(self, job: str, seconds=120.0) -> dict[str, str]:
        """Wait until a job is over; return what Slurm says of it."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
        self.until(lambda: self.show(job)["JobState"] in over, "over", job, seconds)
        return self.show(job)

    def start_now(self, job: str, *changes: str) -> None:
        """Let a job that was put back into the queue start, which Slurm would do after 2 minutes.

        It must not start before its first start is cleared away on every machine, and in the
        second after it: its credential would be taken for the revoked one. Changes are as
        scontrol has them.
        """
        self.until(lambda: self.show(job)["JobState"] == "PENDING", "back in the queue", job)
        cleared = ("sh", "-c", "! pgrep --exact slurmstepd")
        self.until(lambda: self.run(*cleared).returncode == 0, "cleared away", job)
        update = ("scontrol", "update", f"JobId={job}", *changes, "StartTime=now+2")
        assert self.run(*update).returncode == 0


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The Slurm: it is up as long as its command, which waits for the end of its input."""
    if shutil.which("slurmd", path=DAEMONS) is None:
        pytest.skip("no slurmd here: ci/setup --slurm installs it on Debian and Ubuntu")
    isolate = ("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "true")
    if subprocess.run(isolate, capture_output=True, check=False).returncode:
        pytest.skip("no namespaces here: not root, or in a container without --privileged")
    with subprocess.Popen(
        [str(LAB), "sh", "-c", 'echo "$LAB"; cat'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        folder = process.stdout.readline().strip()
        assert folder, "the lab did not come up"
        yield Lab(folder)
        process.stdin.close()


@pytest.fixture
def jobs(lab, tmp_path, monkeypatch) -> Iterator[Lab]:
    """The Slurm, in a folder of the test's own; what is left of its jobs is ended behind it."""
    monkeypatch.chdir(tmp_path)
    yield lab
    lab.run("scancel", "--full", "--signal=KILL", "--me")
    lab.run("scancel", "--me")


@pytest.fixture(scope="session")
def expected(mpirun, safe, tmp_path_factory) -> bytes:
    """The image of the small product, made by one process."""
    image = tmp_path_factory.mktemp("expected") / "rgb.tif"
    run = mpirun(None, safe, "-o", image, *SMALL)
    assert run.returncode == 0, run.stderr
    return image.read_bytes()
