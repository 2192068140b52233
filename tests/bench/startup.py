"""What sixteen ranks cost before the first window is read, beside the bare imports."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from bench.contestants import mpirun, program
from bench.measure import run
from s2rgb_mpi import gdalenv
from s2rgb_mpi.testing.safe import write_safe

RANKS = 16

BARE = "import mpi4py.MPI, osgeo.gdal, numpy"


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return CPU seconds of the bare imports and of a run with almost no work.

    The whole run counts, on a product of 16 windows of 64 x 64 pixels: what comes after the first
    window is a little more than is asked for.
    """
    product = next(iter((folder / "tiny").glob("*.SAFE")), None) or write_safe(
        folder / "tiny", width=256, height=256, tile=64
    )
    image = folder / "startup.tif"
    tiny = program(RANKS, [product], image, "--tile", 64, "--window", 64)
    bare = [*mpirun(RANKS), "-c", BARE]
    both = [(run(bare).cpu, run(tiny).cpu) for _ in range(rounds)]
    image.unlink()
    return {
        "bare": statistics.median(one for one, _ in both),
        "ours": statistics.median(one for _, one in both),
        "ratio": statistics.median(ours / one for one, ours in both),
    }


if __name__ == "__main__":
    gdalenv.configure()
    print(measure(Path(sys.argv[1]), int(sys.argv[2])))
