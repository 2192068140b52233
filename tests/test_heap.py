"""The heap: freed memory is returned to the system, though memory around it is in use."""

import os
import sys
from pathlib import Path

import pytest

from s2rgb_mpi.heap import trim

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


@pytest.mark.skipif(sys.platform != "linux", reason="what the C library of Linux does")
def test_holes_go_back():
    # Smaller than arrays with a mapping of their own; written to, so that it is resident.
    made = [b"x" * 100_000 for _ in range(2000)]
    kept = made[::8]
    del made
    before = resident()
    trim()
    assert before - resident() > 100_000_000
    assert sum(map(len, kept)) == 25_000_000
