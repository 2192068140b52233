"""What all tests share: products, and a way to run the program as a user does.

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
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from osgeo import gdal

from safe import write_safe

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
    seconds: float

    @property
    def said(self) -> list[str]:
        """The lines that the program wrote, without those of mpirun."""
        return [line for line in self.stderr.splitlines() if line.startswith("s2rgb_mpi:")]


def launch(
    ranks: int, *arguments: object, program: tuple[str, ...] = ("-m", "s2rgb_mpi"), seconds=60.0
) -> Run:
    """Run the program under mpirun; one that is not over in time is ended, and fails the test."""
    command = ["mpirun", "-n", str(ranks), sys.executable, *program, *map(str, arguments)]
    begin = time.monotonic()
    with subprocess.Popen(
        command,
        env=os.environ | MPI_ENVIRONMENT,
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
    return Run(process.returncode, stdout, stderr, time.monotonic() - begin)


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


SMALL = ("--tile", "64", "--window", "128")
"""Options that cut the small products above into 5 x 4 windows of four tiles."""


def read_rgb(path: Path) -> np.ndarray:
    """Read the image as (height, width, band), uint8."""
    return np.moveaxis(gdal.Open(str(path)).ReadAsArray(), 0, -1)
