"""The program against GDAL's own tools, in turns, on the same product: a Markdown table.

    PYTHONPATH=tests .venv/bin/python tests/bench/gdal.py PRODUCT.SAFE [--rounds 3]

GDAL's recipe is `gdalbuildvrt -separate` and `gdal_translate -scale -exponent` with all threads,
into the same codec at the same level: a tiled GeoTIFF, and a Cloud Optimized one. Medians; the
ratio is that of each round, then its median. Peak memory is that of the largest process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conftest import MPI_ENVIRONMENT
from s2rgb_mpi.product import open_safe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("product")
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", type=int, default=6)
    options = parser.parse_args()

    print("| output | program | wall s | CPU s | peak MB | file MB | wall ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        vrt = Path(folder) / "rgb.vrt"
        product = open_safe(options.product)
        paths = [band.path for band in product.bands]
        subprocess.run(["gdalbuildvrt", "-q", "-separate", vrt, *paths], check=True)
        for layout in ("tiled", "cog"):
            ours, theirs = Path(folder) / "ours.tif", Path(folder) / "gdal.tif"
            commands = {
                f"s2rgb_mpi, {options.ranks} ranks": our_command(options, layout, ours),
                "GDAL, all threads": gdal_command(options, layout, vrt, theirs, product),
            }
            runs: dict[str, list[tuple[float, ...]]] = {name: [] for name in commands}
            for _ in range(options.rounds):
                for name, command in commands.items():
                    runs[name].append(measure(command))
            sizes = [ours.stat().st_size, theirs.stat().st_size]
            report(layout, runs, sizes)


def our_command(options, layout, output):
    program = ["mpirun", "-n", str(options.ranks), sys.executable, "-m", "s2rgb_mpi", "--quiet"]
    effort = ["--layout", layout, "--level", str(options.level)]
    return [*program, options.product, "-o", output, "--overwrite", *effort]


def gdal_command(options, layout, vrt, output, product):
    offset = product.bands[0].calibration.offset
    colours = ["-scale", str(-offset), str(10_000 - offset), "0", "255", "-exponent", str(1 / 2.2)]
    if layout == "cog":
        kind = ["-of", "COG", "-co", f"LEVEL={options.level}", "-co", "PREDICTOR=YES"]
        kind += ["-co", "OVERVIEW_RESAMPLING=AVERAGE"]
    else:
        kind = ["-co", "TILED=YES", "-co", "BLOCKXSIZE=512", "-co", "BLOCKYSIZE=512"]
        kind += ["-co", f"ZLEVEL={options.level}", "-co", "PREDICTOR=2", "-co", "PHOTOMETRIC=RGB"]
    threads = ["-co", "NUM_THREADS=ALL_CPUS", "--config", "GDAL_NUM_THREADS", "ALL_CPUS"]
    kind += ["-co", "COMPRESS=DEFLATE", *threads]
    return ["gdal_translate", "-q", "-ot", "Byte", "-a_nodata", "0", *colours, *kind, vrt, output]


def measure(command):
    """Run a command; return its wall and CPU seconds, and the peak of its largest process."""
    begin = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | MPI_ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    seconds = time.monotonic() - begin
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def report(layout, runs, sizes):
    """Print the rows of one layout."""
    first = next(iter(runs.values()))
    for (name, results), size in zip(runs.items(), sizes, strict=True):
        wall, cpu, peak = (statistics.median(column) for column in zip(*results, strict=True))
        ratio = statistics.median(
            mine[0] / other[0] for mine, other in zip(first, results, strict=True)
        )
        print(
            f"| {layout} | {name} | {wall:.1f} | {cpu:.1f} | {peak:.0f} | {size / 1e6:.1f} "
            f"| {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
