"""The options of the output, the run and its reports."""

from __future__ import annotations

from pathlib import Path

from s2rgb_mpi.cli.option import Group, Option
from s2rgb_mpi.cli.order import Order
from s2rgb_mpi.image.profile import CODECS, LAYOUTS, LEVELS, MASKS, OVERVIEWS, QUALITIES, Profile
from s2rgb_mpi.plan.job import ON_ERROR, WEB_TILE, Job
from s2rgb_mpi.report.outputs import PROGRESS, Wanted

_EFFORTS = ", ".join(f"{name} {low}..{high} ({n})" for name, (low, high, n) in LEVELS.items())

OUTPUT = (
    Option("--output", Job, "the GeoTIFF (required)", read=Path, metavar="FILE", short="-o"),
    Option(
        "--layout",
        Profile,
        "Cloud Optimized GeoTIFF with overviews, or tiled without (default: {default})",
        choices=LAYOUTS,
    ),
    Option("--compress", Profile, "codec (default: {default})", choices=CODECS),
    Option("--level", Profile, f"effort: {_EFFORTS}", read=int, metavar="N"),
    Option(
        "--quality",
        Profile,
        ", ".join(f"{name} 1..100 ({usual})" for name, usual in QUALITIES.items()),
        read=int,
        metavar="N",
    ),
    Option(
        "--mask",
        Profile,
        'how "no data" is marked; nodata is the value 0 (default: nodata; for jpeg and webp,'
        " which do not keep the value 0, internal)",
        choices=MASKS,
    ),
    Option(
        "--sparse",
        Profile,
        "leave tiles without data out of the file: GDAL, rasterio, tifffile and geotiff.js can"
        " read such a file; Pillow, OpenCV, imageio, ImageMagick, sharp, async-geotiff and"
        " georaster cannot; not with jpeg (default: every tile is written)",
    ),
    Option(
        "--overviews",
        Profile,
        "reduced levels of a COG, down to one tile, or none of them (default: {default})",
        choices=OVERVIEWS,
    ),
    Option(
        "--tile",
        Profile,
        f"edge of a TIFF tile, pixels (default: {{default}}; {WEB_TILE} with --web-optimized)",
        read=int,
        metavar="PX",
    ),
    Option(
        "--window",
        Job,
        "smallest edge of a window, pixels of the input; grows to whole source tiles (default:"
        " {default})",
        read=int,
        metavar="PX",
    ),
    Option(
        "--overwrite",
        Job,
        "replace an existing FILE, and the files of a stopped run (default: reject)",
    ),
    Option("--resume", Job, "continue a stopped run of the same job; start anew if there is none"),
)

RUN = (
    Option(
        "--on-error",
        Job,
        "a window that cannot be read: fail, or leave it empty, list it, and exit with 3 at"
        " the end (default: {default})",
        choices=ON_ERROR,
    ),
    Option(
        "--timeout",
        Job,
        "end the run if a rank sends nothing for this long, seconds (default: {default})",
        read=float,
        metavar="S",
    ),
    Option(
        "--survive",
        Job,
        "continue without a worker that was killed: other workers make its windows; needs Open"
        " MPI 5 and mpirun --with-ft ulfm (default: the run ends, and --resume continues)",
        in_file=False,  # it is needed before MPI starts, when no file is read
    ),
    Option("--dry-run", Order, "print the plan and stop (default: off)"),
    Option(
        "--job",
        None,
        "read options from a file, by their names (products = [...], output = ...); those on the"
        " command line have precedence",
        read=Path,
        metavar="FILE.toml",
        in_file=False,
    ),
    Option(
        "--advise",
        Order,
        "with --dry-run: ranks and memory to request, and the lines that start the job",
    ),
    Option(
        "--json",
        Order,
        "with --dry-run: the plan, and the advice, as one JSON object on standard output",
    ),
)


def _file(name: str, metavar: str, meaning: str) -> Option:
    return Option(name, Wanted, meaning, read=Path, metavar=metavar)


REPORT = (
    _file(
        "--report", "FILE.json", "everything, for programs; schema: s2rgb_mpi/report/schema.json"
    ),
    _file("--html", "FILE.html", "a page with pictures; needs the extra [html], matplotlib"),
    _file("--trace", "FILE.json", "every rank's time line, for https://ui.perfetto.dev"),
    _file("--quicklook", "FILE.png", "the image with at most 1024 pixels an edge"),
    _file("--stac", "FILE.json", "the image's STAC item; needs the extra [stac], pystac"),
    _file("--log-file", "FILE", "append every line to a log, with its time and rank"),
    Option(
        "--progress",
        Wanted,
        "a bar, or a line every 10 s or 5 %; auto: the bar where standard error is a"
        " terminal, mpirun's too (default: {default})",
        choices=PROGRESS,
    ),
    Option("--verbose", Wanted, "also print a line for each window", short="-v", rivals="loudness"),
    Option("--quiet", Order, "print errors only", short="-q", rivals="loudness"),
)

GROUPS = (
    Group("output", OUTPUT),
    Group("run", RUN),
    Group("report", REPORT, "what the run reports; existing files are replaced"),
)
