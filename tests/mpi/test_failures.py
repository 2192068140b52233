"""One failure ends all ranks, at once, by name, and leaves nothing behind."""

import re
import shutil
from pathlib import Path

import pytest

from conftest import MPICH, SMALL, aborted

FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)

SECONDS = 5.0
"""Far below a hang, far above the second that it takes on an idle machine."""


def assert_ended(run, tmp_path, code, words):
    """One line that says what was wrong, in time; what is left can be gone on from."""
    assert run.returncode in ({code} if code == 2 else aborted(code)), run.stderr
    errors = [line for line in run.said if "error" in line]
    assert len(errors) == 1, run.stderr
    assert re.search(words, run.stderr), run.stderr
    left = {path.name for path in tmp_path.glob("rgb.tif*")}
    assert left in (set(), {"rgb.tif.part", "rgb.tif.journal"})
    assert bool(left) == ("--resume goes on" in run.stderr)
    assert run.left == []
    broke = re.findall(r"^broke (.*)$", run.stdout, re.MULTILINE)
    assert all(run.end - float(moment) < SECONDS for moment in broke)


@pytest.fixture
def damaged(safe, tmp_path):
    """A product of one's own, to be broken: its folder and its green band."""
    copy = tmp_path / safe.name
    shutil.copytree(safe, copy)
    return copy, next(copy.rglob("*_B03_10m.jp2"))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_coordinator_missing_file(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.unlink()
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif")
    assert_ended(run, tmp_path, 2, rf"{green}: no such file")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_coordinator_truncated_jp2(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.write_bytes(green.read_bytes()[:100])
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif")
    assert_ended(run, tmp_path, 2, str(green))


@pytest.mark.parametrize("ranks", [2, 4])
def test_coordinator_exception(mpirun, safe, tmp_path, ranks):
    run = mpirun(
        ranks, "coordinator", "exception", safe, "-o", tmp_path / "rgb.tif", program=FAILING
    )
    assert_ended(run, tmp_path, 5, r"rank 0[\s\S]*ValueError: broken on purpose")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_worker_missing_file(mpirun, damaged, tmp_path, ranks):
    product, _ = damaged
    run = mpirun(ranks, "worker", "missing", product, "-o", tmp_path / "rgb.tif", program=FAILING)
    assert_ended(run, tmp_path, 5, r"_B0[234]_10m\.jp2")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_worker_truncated_jp2(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.write_bytes(green.read_bytes()[: green.stat().st_size // 2])
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif", *SMALL)
    rank = "" if ranks == 1 else "rank [012]: "
    assert_ended(run, tmp_path, 5, rf"error: {rank}window \d+ \(.*\) of {green}: ")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_worker_exception(mpirun, safe, tmp_path, ranks):
    run = mpirun(
        ranks, "worker", "exception", safe, "-o", tmp_path / "rgb.tif", *SMALL, program=FAILING
    )
    assert_ended(run, tmp_path, 5, r"ValueError: broken on purpose\n.*window \d+ \(")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_writer_missing_file(mpirun, safe, tmp_path, ranks):
    run = mpirun(
        ranks, "writer", "missing-part", safe, "-o", tmp_path / "rgb.tif", *SMALL, program=FAILING
    )
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.part: No such file")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_writer_truncated_part_file(mpirun, safe, tmp_path, ranks):
    run = mpirun(
        ranks, "writer", "cut-part", safe, "-o", tmp_path / "rgb.tif", *SMALL, program=FAILING
    )
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.part: \d+ bytes at \d+ are not there")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_writer_exception(mpirun, safe, tmp_path, ranks):
    run = mpirun(
        ranks, "writer", "exception", safe, "-o", tmp_path / "rgb.tif", *SMALL, program=FAILING
    )
    assert_ended(run, tmp_path, 5, "ValueError: broken on purpose")


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing.SAFE", "-o", "rgb.tif"), "nothing.SAFE: no such file or folder"),
        (("--nonsense",), "--help"),
        (("x", "-o", "/no/such/rgb.tif"), "/no/such: no such folder"),
        (("x", "-o", "rgb.tif", "--gamma", "0"), "--gamma"),
        (("x", "-o", "rgb.tif", "--level", "99"), "--level 99"),
    ],
)
def test_usage_is_one_line(mpirun, tmp_path, ranks, arguments, words):
    run = mpirun(ranks, *arguments)
    assert_ended(run, tmp_path, 2, re.escape(words))
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("ranks", [1, 3])
def test_existing_output_is_kept(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    output.write_text("precious")
    run = mpirun(ranks, safe, "-o", output)
    assert run.returncode == 2
    assert run.said == [f"s2rgb_mpi: error: {output}: exists already; --overwrite replaces it"]
    assert output.read_text() == "precious"
    assert mpirun(ranks, safe, "-o", output, "--overwrite").returncode == 0
    assert output.read_bytes()[:4] == b"II*\0"


@pytest.mark.parametrize(
    "env",
    [
        {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_SIZE": "4", "PMI_RANK": "0"},
        {"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"},
        {"PMIX_RANK": "1"},
    ],
    ids=lambda env: next(iter(env)),
)
def test_singletons_of_a_mismatched_launcher_are_refused(mpirun, safe, tmp_path, env):
    run = mpirun(None, safe, "-o", tmp_path / "rgb.tif", env=env)
    if MPICH and "PMIX_RANK" in env:  # its own MPI_Init refuses that, in its own words
        assert "launcher not compatible" in run.stderr
        assert run.returncode != 0
        assert list(tmp_path.iterdir()) == []
        return
    assert_ended(run, tmp_path, 2, "each of them is alone")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_said_once(mpirun, option):
    run = mpirun(3, option)
    assert run.returncode == 0
    assert run.stdout.count("s2rgb_mpi 0" if option == "--version" else "usage:") == 1


def test_dry_run_writes_nothing(mpirun, safe, tmp_path):
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "20 of 128 x 128 pixels" in run.stdout
    assert list(tmp_path.iterdir()) == []
