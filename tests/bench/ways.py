"""The other ways to an image, each beside what a user would take instead: grids, mosaics, blocks.

Both run in turns, round by round, on the same input, and make the same grid. GDAL colours before it
resamples, this program after, so pixels are compared loosely: none may be somewhere else.
"""

from __future__ import annotations

import statistics
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from osgeo import gdal

from bench.contestants import DEFAULT_RANKS, LEVEL, PEERS, SERVERS, bands, program, to_tiled
from bench.inputs import OFFSET, large_blocks, neighbours, safe, store
from bench.measure import Run, run
from bench.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.inputs import Inputs
    from bench.server import Server

READERS_PYTHON = Path(".venv-readers/bin/python").absolute()
"""Of the environment that `ci/setup --readers` makes, with async-geotiff."""

LAYOUT = ("--layout", "tiled", "--level", LEVEL)
SWISS = ("--crs", "EPSG:2056", "--resampling", "bilinear")

MEAN_GREYS = 3.0
"""By how many steps of 256 images may differ in the mean: far less than if one is out of place."""


class Way(NamedTuple):
    """One way, by both."""

    key: str
    """What its results are kept under."""
    name: str
    """What is made of what."""
    theirs: str
    """What a user would take instead."""
    most: float
    """The target: this program's time by the other's."""
    ours_words: Callable[[str], Sequence[object]]
    """The input, and options beside layout and codec, by the address of a server."""
    their_words: Callable[[Path, Path, str], Sequence[object]]
    """The command, from an image of this program, the path of theirs and that address."""
    is_same: bool = True
    """Whether both make an image of the same files, so that pixels can be compared."""
    server: Server | None = None
    """How slow the server is, where the input is on one."""
    layout: tuple[object, ...] = LAYOUT
    """Layout and codec."""
    most_memory: float | None = None
    """The target: a worker's memory by that of the other's largest process."""


def ways(made: Inputs, folder: Path) -> list[Way]:
    """List them; inputs that only they need are made first."""
    folder.mkdir(parents=True, exist_ok=True)
    jp2 = coloured([[path] for path in bands(made)], folder / "jp2.vrt")
    sizes = safe(folder.parent / "sizes", made.size, nodata_fraction=0.05, resolutions=(10, 20, 60))
    granules = neighbours(made.cogs, folder.parent / "granules", 2)
    mosaic = coloured([list(paths) for paths in zip(*granules, strict=True)], folder / "four.vrt")
    blocks = large_blocks(made.cogs, folder.parent / "large")
    large = coloured([[path] for path in blocks], folder / "large.vrt")
    zarr = store(folder.parent / "store", made.size)
    ten = ["--rgb", *bands(made), "--offset", OFFSET]

    def warp(size: int) -> Callable[[Path, Path, str], Sequence[object]]:
        return lambda like, image, _: gdalwarp(jp2, size, like, image)

    def average(like: Path, image: Path, url: str) -> Sequence[object]:
        del url
        west, south, east, north, cols, rows = grid(like)
        place = ["-projwin", west, north, east, south, "-outsize", cols, rows]
        return [*translate(), "-r", "average", "-ovr", "NONE", *place, jp2, image]

    return [
        Way(
            "swiss", "10 m, EPSG:2056", "`gdalwarp`", 0.75, lambda _: [made.safe, *SWISS], warp(10)
        ),
        Way(
            "swiss-80",
            "80 m, EPSG:2056, from 10 m files alone",
            "`gdalwarp -ovr NONE`",
            0.55,
            lambda _: [*ten, *SWISS, "--resolution", 80],
            warp(80),
        ),
        Way(
            "swiss-80-sizes",
            "80 m, EPSG:2056, from a product with R20m",
            "`gdalwarp -ovr NONE`",
            0.15,
            lambda _: [sizes, *SWISS, "--resolution", 80],
            warp(80),
            is_same=False,
        ),
        Way(
            "own-60",
            "60 m, own grid, from 10 m files alone",
            "`gdal_translate -r average -ovr NONE`",
            0.7,
            lambda _: [*ten, "--resolution", 60],
            average,
        ),
        Way(
            "mosaic",
            "mosaic of 2 × 2 granules, COG",
            "`gdalbuildvrt`, `gdal_translate`",
            0.65,
            lambda _: [word for each in granules for word in ("--rgb", *each)] + offset(),
            lambda _, image, __: [*translate(), mosaic, image],
        ),
        Way(
            "large",
            "source blocks of 5504 × 5504 pixels, ZSTD",
            "`gdal_translate`",
            0.65,
            lambda _: ["--rgb", *blocks, *offset()],
            lambda _, image, __: [*translate(), large, image],
        ),
        Way(
            "store",
            "EOPF store, chunks of 1830 × 1830 pixels",
            "this program, the SAFE of the same scene",
            0.25,
            lambda _: [zarr],
            lambda _, image, __: program(DEFAULT_RANKS, [made.safe], image, *LAYOUT),
        ),
        *(far(made, *server) for server in SERVERS.values()),
    ]


def far(made: Inputs, name: str, server: Server) -> Way:
    """Return the way from COGs on a server, beside a program that only reads them."""

    def urls(url: str) -> list[object]:
        return [f"{url}/{path.name}" for path in made.cogs]

    return Way(
        name,
        name,
        "async-geotiff reads the files into arrays, no more",
        1.0,
        lambda url: ["--rgb", *urls(url), *offset()],
        lambda _, __, url: [READERS_PYTHON, PEERS / "async_read.py", *urls(url)],
        is_same=False,
        server=server,
    )


def offset() -> list[object]:
    """Return this program's words for what COGs do not say."""
    return ["--offset", OFFSET]


def measure(
    enter: Callable[[Inputs, Path], list[Way]], made: Inputs, folder: Path, rounds: int
) -> list[dict[str, Any]]:
    """Run both of every way in turns."""
    entered = enter(made, folder)
    folder.mkdir(parents=True, exist_ok=True)
    runs: dict[str, list[tuple[Run, Run]]] = {one.key: [] for one in entered}
    ours, theirs = folder / "ours.tif", folder / "theirs.tif"
    for number in range(rounds):
        for one in entered:
            for image in (ours, theirs):
                image.unlink(missing_ok=True)
            with serving(made.cogs[0].parent, one.server) if one.server else nullcontext("") as url:
                words = program(DEFAULT_RANKS, one.ours_words(url), ours, *one.layout)
                pair = run(words, watch=True), run(one.their_words(ours, theirs, url))
            if not number and one.is_same:
                compare(one, ours, theirs)
            runs[one.key].append(pair)
    return [account(one, runs[one.key]) for one in entered]


def account(one: Way, runs: list[tuple[Run, Run]]) -> dict[str, Any]:
    """Put together what is known of a way."""
    return {
        "name": one.name,
        "theirs": one.theirs,
        "most": one.most,
        "most_memory": one.most_memory,
        "ratio": statistics.median(a.wall / b.wall for a, b in runs),
        "wall": [statistics.median(pair[i].wall for pair in runs) for i in (0, 1)],
        "cpu": [statistics.median(pair[i].cpu for pair in runs) for i in (0, 1)],
        "peak_worker": max(a.peak(range(1, DEFAULT_RANKS - 1)) for a, _ in runs),
        "peak_theirs": max(b.largest for _, b in runs),
    }


def compare(one: Way, ours: Path, theirs: Path) -> None:
    """End the benchmark if the two images do not show the same in the same places."""
    first, second = (gdal.Open(str(path)) for path in (ours, theirs))
    size = first.RasterXSize, first.RasterYSize
    # That of odc-geo goes on to the right and below, to a whole number of pixels at each level.
    if second.RasterXSize < size[0] or second.RasterYSize < size[1]:
        raise SystemExit(f"bench: {one.name}: the two images are not of one size")
    a, b = (np.asarray(each.ReadAsArray(0, 0, *size), np.int16) for each in (first, second))
    both = (a > 0).all(axis=0) & (b > 0).all(axis=0)
    apart = np.abs(a - b)[:, both].mean()
    if apart > MEAN_GREYS or both.mean() < 0.95 * max((a > 0).any(axis=0).mean(), 0.01):
        raise SystemExit(f"bench: {one.name}: the two images differ by {apart:.1f} in the mean")


def coloured(files: Sequence[Sequence[Path]], vrt: Path) -> Path:
    """Make the 8-bit VRT that a user would: `gdalbuildvrt` for each band, and for the three."""
    parts = []
    for number, paths in enumerate(files):
        part = vrt.with_suffix(f".{number}.vrt")
        gdal.BuildVRT(str(part), [str(path) for path in paths])
        parts.append(str(part))
    stack = vrt.with_suffix(".stack.vrt")
    gdal.BuildVRT(str(stack), parts, separate=True)
    gdal.Translate(
        str(vrt),
        str(stack),
        format="VRT",
        outputType=gdal.GDT_Byte,
        noData=0,
        scaleParams=[[-OFFSET, 10_000 - OFFSET, 0, 255]] * 3,
        exponents=[1 / 2.2] * 3,
    )
    return vrt


def translate() -> list[object]:
    """Return the words of `gdal_translate` before the input."""
    threads = ["-co", "NUM_THREADS=ALL_CPUS", "--config", "GDAL_NUM_THREADS", "ALL_CPUS"]
    return ["gdal_translate", "-q", *to_tiled(LEVEL), *threads]


def grid(image: Path) -> tuple[float, float, float, float, int, int]:
    """Return west, south, east and north of an image, and how many columns and rows it has."""
    dataset = gdal.Open(str(image))
    cols, rows = dataset.RasterXSize, dataset.RasterYSize
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    return x, y + rows * dy, x + cols * dx, y, cols, rows


def gdalwarp(vrt: Path, size: int, like: Path, image: Path) -> list[object]:
    """Return the words of `gdalwarp` onto the grid of an image, with pixels of so many metres."""
    *extent, _, _ = grid(like)
    words: list[object] = ["gdalwarp", "-q", "-multi", "-wo", "NUM_THREADS=ALL_CPUS", "-wm", 500]
    words += ["-t_srs", "EPSG:2056", "-r", "bilinear", "-te", *extent, "-tr", size, size]
    threads = ["-co", "NUM_THREADS=ALL_CPUS", "--config", "GDAL_NUM_THREADS", "ALL_CPUS"]
    return [*words, "-ovr", "NONE", *to_tiled(LEVEL), *threads, vrt, image]
