"""A job that is stopped, in any way, is resumed to the same bytes."""

import sys
from pathlib import Path

import pytest

from conftest import SMALL

SLURM = Path(__file__).parents[2] / "slurm"
HELD = Path(__file__).parent / "programs" / "held.py"
ARGUMENTS = ("-o", "rgb.tif", *SMALL)


@pytest.fixture
def begin(jobs, safe, tmp_path):
    """The function that begins a job, and returns its id when some windows are safely on the disk.

    Its workers hold until they are stopped: what follows does not race with the end of the job.
    """
    held = tmp_path / "held"
    held.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HELD}" "$@"\n')
    held.chmod(0o755)
    journal = tmp_path / "rgb.tif.journal"

    def submit(*options, **env):
        env |= {"S2RGB_HOME": str(SLURM.parent), "S2RGB_PYTHON": str(held)}
        command = ("sbatch", "--ntasks", 1, *options, SLURM / "mosaic.sbatch", safe, *ARGUMENTS)
        job = jobs.submit(*command, env=env)
        jobs.until(lambda: records(journal) > 0, "with windows in its journal", job)
        return job

    return submit


def records(journal):
    """Return how many bytes of blocks a journal has noted, behind its first line."""
    return len(journal.read_bytes().partition(b"\n")[2]) if journal.exists() else 0


def go_on(jobs, safe):
    """Submit the same job again, for one rank now, and return it when it is over."""
    command = ("sbatch", "--ntasks", 1, SLURM / "mosaic.sbatch", safe, *ARGUMENTS)
    env = {"S2RGB_HOME": str(SLURM.parent), "S2RGB_OVERCOMMIT": "no"}
    job = jobs.submit(*command, env=env)
    assert jobs.end(job)["ExitCode"] == "0:0", jobs.log(job)
    return job


def assert_gone_on(jobs, job, expected):
    """The image is whole and the same, part of it was there before, and nothing is left over."""
    assert "windows are there already" in jobs.log(job)
    assert Path("rgb.tif").read_bytes() == expected
    assert [path.name for path in Path().glob("rgb.tif*")] == ["rgb.tif"]


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_a_stopped_job_is_put_back_and_goes_on(jobs, begin, expected, launcher):
    # With copies of the product, which are made again: they are the same to the program.
    local = f"{jobs.folder}/local"
    job = begin(S2RGB_LAUNCHER=launcher, S2RGB_STAGE="yes", TMPDIR=local)
    assert jobs.run("scancel", "--batch", "--signal=USR1", job).returncode == 0
    jobs.until(lambda: jobs.show(job)["JobState"] == "PENDING", "back in the queue", job)
    left = jobs.run("srun", "--nodes=4", "find", local, "-mindepth", 1, "-name", "s2rgb*")
    assert (left.returncode, left.stdout) == (0, "")
    jobs.start_now(job)
    said = jobs.end(job)
    assert (said["ExitCode"], said["Restarts"]) == ("0:0", "1"), jobs.log(job)
    assert jobs.log(job).count("copying") == 2
    assert_gone_on(jobs, job, expected)


def test_the_time_limit_stops_a_job_in_time(jobs, begin, expected):
    # Slurm looks every 30 s, and signals as much too early rather than too late.
    job = begin("--time=1", "--signal=B:USR1@15")
    jobs.start_now(job)
    said = jobs.end(job)
    assert (said["ExitCode"], said["Restarts"]) == ("0:0", "1"), jobs.log(job)
    assert_gone_on(jobs, job, expected)


def test_a_job_that_was_put_back_by_slurm_goes_on_elsewhere(jobs, begin, expected):
    job = begin()
    first = jobs.show(job)["NodeList"]
    assert jobs.run("scontrol", "requeue", job).returncode == 0
    jobs.start_now(job, f"ExcNodeList={first}")
    said = jobs.end(job)
    assert (said["ExitCode"], said["Restarts"]) == ("0:0", "1"), jobs.log(job)
    assert said["NodeList"] != first
    assert_gone_on(jobs, job, expected)


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_a_cancelled_job_can_be_gone_on_from(jobs, begin, safe, expected, launcher):
    job = begin(S2RGB_LAUNCHER=launcher)
    assert jobs.run("scancel", job).returncode == 0
    assert jobs.end(job)["JobState"] == "CANCELLED"
    assert_gone_on(jobs, go_on(jobs, safe), expected)


@pytest.mark.parametrize("launcher", ["srun", "mpirun"])
def test_a_killed_worker_fails_the_job_which_can_be_gone_on_from(
    jobs, begin, safe, expected, launcher
):
    job = begin(S2RGB_LAUNCHER=launcher)
    ranks = jobs.run("pgrep", "--full", rf"^{sys.executable} {HELD}").stdout.split()
    assert len(ranks) == 3
    assert jobs.run("kill", "-KILL", ranks[1]).returncode == 0
    said = jobs.end(job)
    assert (said["JobState"], said["Restarts"]) == ("FAILED", "0"), jobs.log(job)
    assert_gone_on(jobs, go_on(jobs, safe), expected)


def test_a_job_is_not_put_back_for_ever(jobs, begin):
    job = begin(S2RGB_RESTARTS="0")
    assert jobs.run("scancel", "--batch", "--signal=USR1", job).returncode == 0
    said = jobs.end(job)
    assert (said["JobState"], said["ExitCode"]) == ("FAILED", "75:0"), jobs.log(job)
    assert "the same command continues" in jobs.log(job)


def test_a_launch_that_fails_is_no_success(jobs, safe, tmp_path):
    command = ("sbatch", "--hold", "--ntasks", 1, SLURM / "mosaic.sbatch", safe, *ARGUMENTS)
    job = jobs.submit(*command, env={"S2RGB_HOME": str(SLURM.parent)})
    # What is in the way of PMIx, whose socket has this name: srun of Slurm 22.05 ends with 0 then,
    # that of 24.11 with 1.
    for machine in ("n1", "n2", "n3", "n4"):
        Path(jobs.folder, "spool", machine, f"stepd.slurm.pmix.{job}.0").touch()
    assert jobs.run("scontrol", "release", job).returncode == 0
    assert jobs.end(job)["ExitCode"] == "5:0", jobs.log(job)
    assert list(tmp_path.glob("rgb.tif*")) == []
