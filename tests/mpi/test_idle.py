"""Waiting takes almost no CPU time: a waiting rank must not use a core that a worker needs."""

import re
from pathlib import Path

import pytest

from s2rgb_mpi.ranks.loop import LONGEST_SLEEP

IDLE = (str(Path(__file__).parent / "programs" / "idle.py"),)


# The cost of one look depends on what else the machine does, so the share of a core only
# distinguishes sleeping from spinning, which takes all of it; the number of looks does not.
# Some blocks arrive in that time too.
LOOKS = 1.25 / LONGEST_SLEEP
SPINNING = 0.5


@pytest.mark.parametrize("ranks", [3, 4])
def test_coordinator_and_writer_sleep(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, 8, safe, "-o", output, "--layout", "tiled", program=IDLE)
    assert run.returncode == 0, run.stderr
    said = r"^(\w+) slept (\d+) times a second, used (\S+) of a core"
    used = re.findall(said, run.stdout, re.MULTILINE)
    assert sorted(role for role, _, _ in used) == ["coordinator", "writer"]
    for role, sleeps, share in used:
        assert 1 <= int(sleeps) < LOOKS, role
        assert float(share) < SPINNING, role
