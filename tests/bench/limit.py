"""The limit: what decoding alone and encoding alone cost, with nothing around them.

limit.py SAFE decode|encode FIRST STEP LEVEL prints CPU seconds for every STEP-th window.
"""

from __future__ import annotations

import os

# As in the program: before GDAL is imported.
os.environ.update(GDAL_NUM_THREADS="1", OPJ_NUM_THREADS="1", GDAL_CACHEMAX="16")

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from osgeo import gdal

from s2rgb_mpi import gdalenv
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.inputs.safe import open_safe

if TYPE_CHECKING:
    from bench.inputs import Inputs

EDGE = 1024
"""Of a window, pixels: a source tile."""


def compared(inputs: Inputs, folder: Path, rounds: int, cores: int) -> list[dict[str, Any]]:
    """Run the program and its limit in turns; return both, and where the program's time went.

    Returns
    -------
    list of dict
        Of each round: seconds of the `wall` clock, CPU seconds to `decode` and to `encode`, the
        `efficiency` that is made of them, the seconds to `start` until all ranks have met, and the
        `stages` of every rank in seconds.
    """
    from bench.contestants import DEFAULT_RANKS, LEVEL, program  # noqa: PLC0415  this file is a
    from bench.measure import run  # noqa: PLC0415  program too, which must not be busy with these

    image, report = folder / "limit.tif", folder / "limit.json"
    options = ("--layout", "tiled", "--level", LEVEL, "--report", report)
    results = []
    for _ in range(rounds):
        wall = run(program(DEFAULT_RANKS, [inputs.safe], image, *options)).wall
        image.unlink()
        least = measure(inputs.safe, inputs.truth, level=LEVEL, cores=cores)
        told = json.loads(report.read_text())
        ranks = told["ranks"]
        results.append(
            {
                "wall": wall,
                **least,
                "efficiency": sum(least.values()) / (wall * cores),
                "start": told["times"]["start_seconds"],
                "stages": {f"{rank['rank']} {rank['role']}": rank["seconds"] for rank in ranks},
            }
        )
    return results


def measure(safe: Path, truth: Path, *, level: int, cores: int) -> dict[str, float]:
    """Measure both on all cores at once, as they are in a run; return seconds of one process.

    Each of as many processes as there are cores takes its part of the windows: what cores share,
    such as caches and clock rate, is shared as it is in a run.
    """
    seconds = {}
    for what, source in (("decode", safe), ("encode", truth)):
        command = [sys.executable, __file__, str(source), what]
        parts = [
            subprocess.Popen(
                [*command, str(first), str(cores), str(level)], stdout=subprocess.PIPE, text=True
            )
            for first in range(cores)
        ]
        said = [part.communicate()[0] for part in parts]
        if any(part.returncode for part in parts):
            raise RuntimeError(f"{command} failed")
        seconds[what] = sum(map(float, said))
    return seconds


def decode(safe: str, first: int, step: int) -> float:
    """Return the CPU seconds that it takes to decode windows, and nothing else."""
    (product,) = open_safe(safe)
    datasets = [gdal.Open(band.path) for band in product.bands]
    begin = time.process_time()
    for window in product.grid.windows(EDGE, EDGE)[first::step]:
        for dataset in datasets:
            dataset.ReadRaster(*window)
    return time.process_time() - begin


def encode(truth: str, first: int, step: int, level: int) -> float:
    """Return the CPU seconds that it takes to encode windows, and nothing else."""
    image = np.load(truth, mmap_mode="r")
    grid = Grid("", (0, 1, 0, 0, 0, -1), image.shape[1], image.shape[0])
    encoder = Encoder(Profile(layout="tiled", level=level))
    seconds = 0.0
    for window in grid.windows(EDGE, EDGE)[first::step]:
        rgb = image[window.slices]
        rgba = np.dstack([rgb, rgb.any(axis=2) * np.uint8(255)])
        begin = time.process_time()
        for _ in encoder.encode(rgba):
            pass
        seconds += time.process_time() - begin
    return seconds


if __name__ == "__main__":
    gdalenv.configure()
    source, what, first, step, level = sys.argv[1:]
    if what == "decode":
        print(decode(source, int(first), int(step)))
    else:
        print(encode(source, int(first), int(step), int(level)))
