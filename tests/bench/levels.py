"""What a codec and its level cost and gain, beside what decoding costs: a Markdown table.

    .venv/bin/python tests/bench/levels.py PRODUCT.SAFE [--windows 12]

CPU seconds of one core over windows spread evenly over the product; the image alone, as shares of
what decoding the same windows took.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from s2rgb_mpi import gdalenv
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import RGBA, Stretch, colour, make_lut
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.opening import open_raster
from s2rgb_mpi.inputs.safe import open_safe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import make_plan

PROFILES = [
    *(Profile(compress="deflate", level=level) for level in range(1, 10)),
    *(Profile(compress="zstd", level=level) for level in (1, 3, 9)),
    Profile(compress="lzw"),
    Profile(compress="none"),
]


def main() -> None:
    gdalenv.configure()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("product")
    parser.add_argument("--windows", type=int, default=12)
    options = parser.parse_args()

    (product,) = open_safe(options.product)
    plan = make_plan(Job((options.product,), Path("none.tif")), lay_out([product]))
    numbers = np.linspace(0, len(plan.windows) - 1, options.windows).astype(int)
    datasets = [open_raster(band.path) for band in product.bands]
    luts = [make_lut(band.calibration, Stretch()) for band in product.bands]

    decoding = 0.0
    raw = 0
    cpu: dict[Profile, float] = defaultdict(float)
    size: dict[Profile, int] = defaultdict(int)
    for window in (plan.windows[number] for number in numbers):
        begin = time.process_time()
        dn = [np.frombuffer(source.ReadRaster(*window), dtype=np.uint16) for source in datasets]
        decoding += time.process_time() - begin
        rgba = np.empty((window.height, window.width, RGBA), dtype=np.uint8)
        colour([band.reshape(rgba.shape[:2]) for band in dn], luts, rgba)
        raw += window.height * window.width * 3
        # All of them on every window in turn: what disturbs the machine disturbs all alike.
        for profile in PROFILES:
            begin = time.process_time()
            size[profile] += sum(len(tile.data) for tile in Encoder(profile).encode(rgba))
            cpu[profile] += time.process_time() - begin

    print(f"decoding: {decoding:.2f} s for {raw / 3e6:.1f} Mpx of three bands\n")
    print("| codec | level | CPU s | share of decoding | MB/s | size, % of raw |")
    print("| --- | --- | --- | --- | --- | --- |")
    for profile in PROFILES:
        print(
            f"| {profile.compress} | {profile.level or ''} | {cpu[profile]:.2f} "
            f"| {cpu[profile] / decoding:.1%} | {raw / 1e6 / cpu[profile]:.0f} "
            f"| {100 * size[profile] / raw:.1f} |"
        )


if __name__ == "__main__":
    main()
