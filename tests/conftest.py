"""Fixtures of all tests: products, and a way to run the program as a user does.

This process never calls MPI_Init: after it Open MPI 4.1 makes every mpirun below it fail without
a word. So MPI is kept from starting before anything can import it.
"""

# ruff: noqa: E402  MPI is kept from starting before anything else is imported

import mpi4py

mpi4py.rc.initialize = False

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import numpy as np
import pytest
from mpi4py import MPI
from numpy.typing import NDArray
from osgeo import gdal

from running import marked, processes
from s2rgb_mpi import gdalenv
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.safe import write_safe
from shared import once

gdalenv.configure()

# A shell has its background jobs ignore it, and what they start too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline for an example: its duration depends on the load of the machine.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

LIBRARY = MPI.Get_library_version()  # which may be asked before MPI_Init
MPICH = "MPICH" in LIBRARY
INTEL = "Intel" in LIBRARY
# What the launcher returns where a rank was killed, on which a program has no influence; or 5,
# where with MPICH or Intel MPI another rank notices first and says so.
KILLED = {255, 5} if INTEL else {signal.SIGKILL, 5} if MPICH else {128 + signal.SIGKILL}
MPIRUN = "mpiexec.hydra" if INTEL else "mpirun"  # Intel's mpirun keeps signals to itself

MPI_ENVIRONMENT = {
    # As root, and with more ranks than cores: Open MPI 4 and 5 have different names for it.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
}


class Run(NamedTuple):
    """What a finished run left behind."""

    returncode: int
    stdout: str
    stderr: str
    end: float
    """When it was over, by time.monotonic(), which all processes of a machine share."""
    left: list[str]
    """Command lines of processes that it left behind."""

    @property
    def said(self) -> list[str]:
        """The lines that the program wrote, without those of mpirun."""
        # Open MPI 5 ends what it says of MPI_Abort with a NUL, which may precede a line of ours.
        lines = [line.lstrip("\0") for line in self.stderr.splitlines()]
        return [line for line in lines if line.startswith("s2rgb_mpi:")]


def launch(
    ranks: int | None,
    *arguments: object,
    program: tuple[str, ...] = ("-m", "s2rgb_mpi"),
    launcher: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
    seconds=60.0,
) -> Run:
    """Run the program under mpirun; one that is not over in time is ended, and fails the test.

    Without a number of ranks it is run without mpirun.
    """
    mpirun = [] if ranks is None else [MPIRUN, *launcher, "-n", str(ranks)]
    command = [*mpirun, sys.executable, *program, *map(str, arguments)]
    environment = marked(os.environ | MPI_ENVIRONMENT | (env or {}))
    run = finish(command, environment, seconds)
    return run._replace(left=_left(environment))


def finish(
    command: list[str], env: Mapping[str, str], seconds: float, cwd: Path | None = None
) -> Run:
    """Run a command to its end in a session of its own; return what it said.

    One that is not over in time is ended, and fails the test.
    """
    with subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            pytest.fail(f"{' '.join(command)} hung for {seconds} s\n{stdout}\n{stderr}")
    return Run(process.returncode, stdout, stderr, time.monotonic(), [])


def _left(env: Mapping[str, str]) -> list[str]:
    """List what still runs of a run; what is only just ending is given a second for it."""
    left = processes(env)
    for _ in range(20):
        if not left:
            break
        time.sleep(0.05)
        left = processes(env)
    return [process.command for process in left]


@pytest.fixture(scope="session")
def mpirun():
    """The function that runs the program under mpirun: ``mpirun(ranks, *arguments)``."""
    return launch


@pytest.fixture(scope="session")
def safe(tmp_path_factory) -> Path:
    """A product of baseline 05.09, offset -1000, with windows of 128 that cut nothing evenly."""
    return write_safe(tmp_path_factory.mktemp("safe"), width=611, height=389, tile=128)


@pytest.fixture(scope="session")
def old_safe(tmp_path_factory) -> Path:
    """The same scene of a baseline without offsets."""
    folder = tmp_path_factory.mktemp("old")
    return write_safe(folder, width=611, height=389, tile=128, baseline="02.14", offset=None)


DATES: dict[str, Any] = {"width": 611, "height": 389, "tile": 128, "scl_tile": 64}
"""The size of the products of several dates."""

DATE_OFFSETS = (-1000, None, -1000, -1000)
"""Of the first dates that `write_dates` makes."""


@pytest.fixture(scope="session")
def dates(tmp_path_factory) -> tuple[Path, ...]:
    """Four dates of one scene, whose scene classification misses rims of two pixels."""

    def write(folder):
        return write_dates(folder, len(DATE_OFFSETS), missed=2, **DATES).products

    return once(tmp_path_factory, "dates", write)


SMALL = ("--tile", "64", "--window", "128")
"""Options that cut the small products above into 5 x 4 windows of four tiles."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read the image as (height, width, band), uint8."""
    return np.moveaxis(gdal.Open(str(path)).ReadAsArray(), 0, -1)


@pytest.fixture
def image(mpirun, tmp_path):
    """The function that runs the program on an input and returns the image, (height, width, 3)."""

    def run(*arguments, said=()):
        output = tmp_path / "out" / "rgb.tif"
        output.parent.mkdir()
        # At two ranks another process opens the input again.
        result = mpirun(2, *arguments, "-o", output, *SMALL)
        assert result.returncode == 0, result.stderr
        assert [line for line in result.said if "warning" in line] == list(said)
        assert list(output.parent.iterdir()) == [output]
        return read_rgb(output)

    return run


@pytest.fixture
def refused(mpirun, tmp_path):
    """The function that runs the program on a bad input and returns the one line it said."""

    def run(*arguments):
        result = mpirun(2, *arguments, "-o", tmp_path / "rgb.tif", *SMALL)
        assert result.returncode == 2, result.stderr
        assert "Traceback" not in result.stderr
        assert list(tmp_path.glob("rgb.tif*")) == []
        (line,) = result.said
        return line.removeprefix("s2rgb_mpi: error: ")

    return run
