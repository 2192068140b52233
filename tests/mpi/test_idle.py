"""Waiting costs nothing: the core that a waiting rank would burn is one that a worker needs."""

import re
from pathlib import Path

import pytest

IDLE = (str(Path(__file__).parent / "programs" / "idle.py"),)


@pytest.mark.parametrize("ranks", [3, 4])
def test_coordinator_and_writer_sleep(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, 8, safe, "-o", output, "--layout", "tiled", program=IDLE)
    assert run.returncode == 0, run.stderr
    shares = dict(re.findall(r"^(\w+) used (\S+) of a core", run.stdout, re.MULTILINE))
    assert shares.keys() == {"coordinator", "writer"}
    # One window is received, written and sealed in that time too.
    assert float(shares["coordinator"]) < 0.03
    assert float(shares["writer"]) < 0.06
