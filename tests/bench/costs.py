"""What a window costs by its pixels and by its bytes in the file: for inputs/decode_cost.py.

    PYTHONPATH=tests .venv/bin/python tests/bench/costs.py PRODUCT [PRODUCT ...] [--step 2]

Reads, colours and encodes windows in one process, by the program's own functions, and fits their
CPU seconds, which other programs disturb less than the clock, to `per pixel` and `per byte` of a
band. Both can be separated on a product with much "no data".
"""

import argparse
import os
import time
from pathlib import Path

# As in the program: before GDAL is imported.
os.environ.update(GDAL_NUM_THREADS="1", OPJ_NUM_THREADS="1", GDAL_CACHEMAX="16")

import numpy as np
from numpy.typing import NDArray

from s2rgb_mpi import gdalenv
from s2rgb_mpi.inputs import decode_cost
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.ranks.blocks import BlockMaker
from s2rgb_mpi.timing import Tally


def main() -> None:
    gdalenv.configure()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("products", nargs="+", metavar="PRODUCT", help="or RED,GREEN,BLUE")
    parser.add_argument("--step", type=int, default=1, help="take every so-manieth window only")
    options = parser.parse_args()
    rows = np.concatenate([measure(name, options.step) for name in options.products])
    pixels, nbytes, seconds = rows.T
    terms = np.stack([pixels, nbytes], axis=1)
    # Relative to the whole: a share is a sum of windows, so no window is weighted down.
    fit, *_ = np.linalg.lstsq(terms, seconds, rcond=None)
    error = seconds - terms @ fit
    by_pixels = seconds - pixels * seconds.sum() / pixels.sum()
    print(f"{len(rows)} windows, {seconds.sum():.1f} s")
    print(f"per pixel of a band {fit[0] / 3 * 1e9:.1f} ns, per byte {fit[1] / 3 * 1e9:.1f} ns")
    print(
        f"a window is off by {error.std() / seconds.mean():.1%} of the mean,"
        f" by pixels alone {by_pixels.std() / seconds.mean():.1%}"
    )


def measure(name: str, step: int) -> NDArray[np.float64]:
    """Return pixels, bytes of the red band, and CPU seconds of windows, one row each."""
    paths = name.split(",")
    output = Path("never-written.tif")
    job = (
        Job((), output, rgb=((paths[0], paths[1], paths[2]),))
        if len(paths) == 3
        else Job((name,), output)
    )
    # Costs of 0 ns a pixel and 1 ns a byte are bytes.
    decode_cost.NS_PER_PIXEL_AND_BYTE = dict.fromkeys(decode_cost.NS_PER_PIXEL_AND_BYTE, (0.0, 1.0))
    plan = prepare(job)
    product = plan.scene.members[0].product
    cols = -(-product.grid.width // product.block[0])
    rows = []
    share = range(0, len(plan.windows), step)
    maker = BlockMaker(plan, Share(share), Tally("worker"))
    for number in share:
        window = plan.windows[number]
        begin = time.process_time()
        maker.make(number)
        seconds = time.process_time() - begin
        block = window.row_off // product.block[1] * cols + window.col_off // product.block[0]
        rows.append((window.width * window.height, product.costs[block], seconds))
    return np.array(rows)


if __name__ == "__main__":
    main()
