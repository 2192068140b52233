"""What a codec and its level cost and gain, beside what decoding costs: a Markdown table.

    .venv/bin/python tests/bench/levels.py PRODUCT.SAFE [--windows 12]

CPU seconds of one core, for the image and all its overviews, over windows spread evenly over
the product. The share is that of the CPU time which decoding the same windows took.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from s2rgb_mpi.encode import Encoder
from s2rgb_mpi.job import Job
from s2rgb_mpi.overviews import halve
from s2rgb_mpi.plan import make_plan
from s2rgb_mpi.product import open_raster, open_safe
from s2rgb_mpi.profile import Profile
from s2rgb_mpi.radiometry import Stretch, colour, make_lut

PROFILES = [
    *(Profile(compress="deflate", level=level) for level in range(1, 10)),
    *(Profile(compress="zstd", level=level) for level in (1, 3, 9)),
    Profile(compress="lzw"),
    Profile(compress="none"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("product")
    parser.add_argument("--windows", type=int, default=12)
    options = parser.parse_args()

    product = open_safe(options.product)
    plan = make_plan(Job(product=options.product, rgb=(), output=Path("none.tif")), product, "")
    numbers = np.linspace(0, len(plan.windows) - 1, options.windows).astype(int)
    datasets = [open_raster(band.path) for band in product.bands]
    luts = [make_lut(band.calibration, Stretch()) for band in product.bands]

    decoding, images = 0.0, []
    for window in (plan.windows[number] for number in numbers):
        begin = time.process_time()
        dn = [np.frombuffer(dataset.ReadRaster(*window), dtype=np.uint16) for dataset in datasets]
        decoding += time.process_time() - begin
        rgb = np.empty((window.height, window.width, 3), dtype=np.uint8)
        colour([band.reshape(rgb.shape[:2]) for band in dn], luts, rgb)
        images.append(rgb)
        for _ in range(plan.levels):
            images.append(halve(images[-1]))

    raw = sum(image.nbytes for image in images)
    pixels = sum(plan.windows[number].width * plan.windows[number].height for number in numbers)
    print(f"decoding: {decoding:.2f} s for {pixels / 1e6:.1f} Mpx of three bands\n")
    print("| codec | level | CPU s | share of decoding | MB/s | size, % of raw |")
    print("| --- | --- | --- | --- | --- | --- |")
    for profile in PROFILES:
        encoder = Encoder(profile)
        begin = time.process_time()
        size = sum(len(tile.data) for image in images for tile in encoder.encode(image))
        cpu = time.process_time() - begin
        print(
            f"| {profile.compress} | {profile.level or ''} | {cpu:.2f} | {cpu / decoding:.1%} "
            f"| {raw / 1e6 / cpu:.0f} | {100 * size / raw:.1f} |"
        )


if __name__ == "__main__":
    main()
