"""Windows dealt on demand: a slow worker makes fewer, stops and kills lose none."""

import json
from pathlib import Path

import pytest

FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)
SMALL = ("--window", 128, "--tile", 64)


@pytest.fixture(scope="module")
def whole(mpirun, safe, tmp_path_factory):
    """Return the bytes of the image, made in one process."""
    output = tmp_path_factory.mktemp("whole") / "rgb.tif"
    assert mpirun(None, safe, "-o", output, *SMALL).returncode == 0
    return output.read_bytes()


def test_a_fast_worker_makes_the_windows_of_a_slow_one(mpirun, safe, tmp_path, whole):
    output, report = tmp_path / "rgb.tif", tmp_path / "run.json"
    options = (safe, "-o", output, *SMALL, "--report", report)
    run = mpirun(4, "worker that asks", "rank 1 naps", *options, program=FAILING)
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == whole
    made = [rank["windows"] for rank in json.loads(report.read_text())["ranks"]]
    assert sum(made) == 20
    own = mpirun(4, *options, "--overwrite", "--dry-run", "--json")
    fewest, most = json.loads(own.stdout)["windows_per_worker"]
    assert made[1] < fewest <= most < made[2]


@pytest.mark.parametrize(("how", "code"), [("SIGUSR1", 75), ("SIGKILL", None)])
@pytest.mark.parametrize("ranks", [4, 6])
def test_what_was_not_dealt_is_made_later(mpirun, safe, tmp_path, whole, *, ranks, how, code):
    output = tmp_path / "rgb.tif"
    options = (safe, "-o", output, *SMALL)
    run = mpirun(ranks, "worker that asks", how, *options, program=FAILING)
    assert run.returncode == code if code else run.returncode
    assert not output.exists()
    assert run.left == []
    run = mpirun(ranks, *options, "--resume")
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]
