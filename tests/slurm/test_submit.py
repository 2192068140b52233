"""Errors that can be found before are reported before the queue; requests to Slurm fit the plan."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL
from rasters import write_raster

SUBMIT = Path(__file__).parents[2] / "slurm" / "submit"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A product that is worth two workers, though there is nothing in it."""
    path = tmp_path_factory.mktemp("large") / "large.tif"
    tiles = ("TILED=YES", "BLOCKXSIZE=1024", "BLOCKYSIZE=1024", "SPARSE_OK=TRUE")
    nothing = np.zeros((4096, 4096, 3), np.uint16)
    return write_raster(path, nothing, descriptions=("B04", "B03", "B02"), options=tiles)


def refused(jobs, *command, **env):
    """Submit what is refused; return why."""
    run = jobs.run(SUBMIT, *command, env=env)
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    assert jobs.run("squeue", "--noheader").stdout == ""
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), "no product; see --help"),
        (("--nonsense", 1, "x.SAFE"), "--nonsense: unknown here"),
        (("--cpus", "many", "x.SAFE"), "--cpus many: not a number"),
        (("--site", "nowhere", "x.SAFE"), "sites/nowhere.sh: no such site; there are generic.sh"),
        (("--time", "soon", "x.SAFE"), "--time soon: not a time"),
        (("--logs", "nowhere", "x.SAFE"), "--logs nowhere: no folder to write into"),
        (("nothing.SAFE", "-o", "rgb.tif"), "error: nothing.SAFE: no such file or folder"),
        (("--array", "nothing", "."), "nothing: no such list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_command_is_refused(jobs, command, words):
    assert words in refused(jobs, *command)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LONGEST_TIME", "30:00", "--time 01:00:00: at most 30:00 here"),
        ("MACHINE_MEMORY", "200", "MB on a machine, which has 200"),
        ("PARTITION", "nowhere", "partition nowhere"),
        ("TIME", "3-0", "Slurm refuses"),
        ("MPI", "openmpi", "S2RGB_MPI=openmpi: srun --mpi=list does not have it"),
        ("MPI", "openmpi", "S2RGB_LAUNCHER=mpirun needs none; srun says: MPI plugin types are..."),
        ("LAUNCHER", "mpiexec", "neither srun nor mpirun"),
        ("PYTHON", "/no/python", "S2RGB_PYTHON=/no/python: no program"),
    ],
)
def test_what_the_site_does_not_have_is_refused(jobs, safe, name, value, words):
    assert words in refused(jobs, safe, "-o", "rgb.tif", **{f"S2RGB_{name}": value})


@pytest.mark.parametrize("advice", ["ranks 4", '{"advice": {"ranks": 4}}', '{"ranks": 4}'])
def test_advice_that_cannot_be_read_is_refused(jobs, tmp_path, advice):
    program = tmp_path / "python"
    program.write_text(
        f"""#!/bin/sh
case " $* " in
*" --json "*) echo '{advice}' ;;
*) exec {sys.executable} "$@" ;;
esac
"""
    )
    program.chmod(0o755)
    said = refused(jobs, "x.SAFE", "-o", "rgb.tif", S2RGB_PYTHON=str(program))
    assert f"cannot read the program's advice: {advice}" in said


def test_an_output_that_exists_is_refused(jobs, safe, tmp_path):
    (tmp_path / "rgb.tif").touch()
    assert "exists already" in refused(jobs, safe, "-o", "rgb.tif")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("{safe}\nnothing.SAFE\n", "'nothing.SAFE' is not there"),
        ("{safe}\n\n", "'' is not there"),
        ("{safe}\n{safe}\n", "more than one product for"),
        ("", "empty"),
    ],
    ids=["missing", "empty line", "twice", "empty"],
)
def test_a_wrong_list_is_refused(jobs, safe, tmp_path, lines, words):
    (tmp_path / "list").write_text(lines.format(safe=safe))
    assert words in refused(jobs, "--array", "list", ".")


def asked(jobs, *command, **env):
    """Submit a job that does not start; return what it asked of Slurm."""
    job = jobs.submit(SUBMIT, "--sbatch=--hold", *command, env=env)
    said = jobs.show(job)
    jobs.run("scancel", job)
    return said


def test_a_machine_gets_memory_for_two_ranks_more_than_cpus(jobs, large):
    said = asked(jobs, large, "-o", "rgb.tif")
    program = (sys.executable, "-m", "s2rgb_mpi", "--dry-run", "--advise", "--json")
    advice = json.loads(jobs.run(*program, large, "-o", "rgb.tif").stdout)["advice"]
    ranks, memory = advice["ranks"], advice["rank_nbytes"] // 10**6
    assert int(said["NumTasks"]) == ranks - 2 == 2
    assert said["NumNodes"] == "1-1"
    asked_for = int(said["MinMemoryCPU"].removesuffix("M")) * (ranks - 2)
    assert ranks * memory <= asked_for < ranks * memory + ranks


def test_without_overcommitment_all_ranks_are_asked_for(jobs, large):
    said = asked(jobs, large, "-o", "rgb.tif", S2RGB_OVERCOMMIT="no")
    assert said["NumTasks"] == "4"


def test_cpus_are_spread_over_machines(jobs, large):
    said = asked(jobs, "--machines=2", "--time=20", large, "-o", "rgb.tif")
    assert (said["NumNodes"], said["NumTasks"], said["TimeLimit"]) == ("2-2", "2", "00:20:00")


def test_fewer_cpus_are_asked_for_on_request(jobs, large):
    assert asked(jobs, "--cpus", 1, large, "-o", "rgb.tif")["NumTasks"] == "1"


def test_all_is_checked_and_nothing_submitted(jobs, safe):
    run = jobs.run(SUBMIT, "--test", safe, "-o", "rgb.tif", *SMALL)
    assert run.returncode == 0
    assert "to start at" in run.stderr
    assert jobs.run("squeue", "--noheader").stdout == ""
