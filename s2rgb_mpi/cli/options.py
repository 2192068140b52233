"""The options of the command line, grouped as the documentation is."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from s2rgb_mpi import __version__
from s2rgb_mpi.cli.input_options import add_colour, add_grid, add_input
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.profile import CODECS, LAYOUTS, LEVELS, MASKS, OVERVIEWS, QUALITIES, Profile
from s2rgb_mpi.plan.job import ON_ERROR, Job
from s2rgb_mpi.report.outputs import PROGRESS, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Turn the bands B04, B03, B02 of a Sentinel-2 L2A product into one 8-bit true-colour GeoTIFF.

  mpirun -n 16 python -m s2rgb_mpi PRODUCT -o OUTPUT.tif
  srun         python -m s2rgb_mpi PRODUCT -o OUTPUT.tif     inside a Slurm allocation
  python -m s2rgb_mpi PRODUCT -o OUTPUT.tif                  one process, the same result
"""

EXIT_CODES = """\
exit codes: 0 done; 2 usage or input; 3 done, with windows left empty (listed); 4 the output could
not be written; 5 a rank failed; 75 stopped by a signal, --resume continues
"""


class _Parser(argparse.ArgumentParser):
    """Raises usage errors in place of printing them: only rank 0 speaks, and only once."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but let values of --nodata begin with a minus sign."""
        return super().parse_known_args(_joined(sys.argv[1:] if args is None else args), namespace)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")


_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
"""How lists of values begin that argparse would take for options; -10000 alone it knows."""


def _joined(args: Sequence[str]) -> list[str]:
    """Join --nodata and a value that begins with a minus sign to one word."""
    words: list[str] = []
    for word in args:
        if words and words[-1] == "--nodata" and _NEGATIVE.match(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def make_parser() -> argparse.ArgumentParser:
    """Build the parser, grouped as the documentation is."""
    parser = _Parser(
        prog="s2rgb_mpi",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"s2rgb_mpi {__version__}")
    add_input(parser.add_argument_group("input"))
    add_colour(parser.add_argument_group("colour"))
    add_grid(parser.add_argument_group("grid"))
    _add_output(parser.add_argument_group("output"))
    _add_run(parser.add_argument_group("run"))
    _add_report(parser.add_argument_group("report"))
    return parser


def _add_output(group: argparse._ArgumentGroup) -> None:
    default = Profile()
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="the GeoTIFF (required)")
    group.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=default.layout,
        help="Cloud Optimized GeoTIFF with overviews, or tiled without (default: %(default)s)",
    )
    _add_codec(group)
    group.add_argument(
        "--sparse",
        action="store_true",
        help="leave tiles without data out of the file: GDAL, rasterio, tifffile and"
        " geotiff.js read it then; Pillow, OpenCV, imageio, ImageMagick, sharp, async-geotiff and"
        " georaster do not; never with jpeg (default: every tile is written)",
    )
    group.add_argument(
        "--overviews",
        choices=OVERVIEWS,
        default=default.overviews,
        help="reduced levels of a COG, down to one tile, or none of them (default: %(default)s)",
    )
    group.add_argument(
        "--tile",
        type=int,
        default=default.tile,
        metavar="PX",
        help="edge of a TIFF tile, pixels (default: %(default)s)",
    )
    group.add_argument(
        "--window",
        type=int,
        default=Job.window,
        metavar="PX",
        help="least edge of a window, pixels of the input; grows to whole source tiles (default:"
        " %(default)s)",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an existing FILE, and what a stopped run has left of it (default: refuse)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue a stopped run of the same job; begin if it left nothing",
    )


def _add_codec(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--compress", choices=CODECS, default=Profile.compress, help="codec (default: %(default)s)"
    )
    efforts = ", ".join(f"{name} {low}..{high} ({n})" for name, (low, high, n) in LEVELS.items())
    group.add_argument(
        "--level",
        type=int,
        metavar="N",
        help=f"effort: {efforts}",
    )
    group.add_argument(
        "--quality",
        type=int,
        metavar="N",
        help=", ".join(f"{name} 1..100 ({usual})" for name, usual in QUALITIES.items()),
    )
    group.add_argument(
        "--mask",
        choices=MASKS,
        help='how "no data" is marked; nodata is the value 0 (default: nodata; for jpeg and webp,'
        " which do not keep the value 0, internal)",
    )


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--on-error",
        choices=ON_ERROR,
        default=Job.on_error,
        help="a window that cannot be read: fail, or leave it empty, list it, and exit with 3 at"
        " the end (default: %(default)s)",
    )
    group.add_argument(
        "--timeout",
        type=float,
        default=Job.timeout,
        metavar="S",
        help="end the run when a rank has said nothing for so long, seconds (default: %(default)g)",
    )
    group.add_argument(
        "--survive",
        action="store_true",
        help="continue without a worker that was killed: the others make its windows; needs Open"
        " MPI 5 and mpirun --with-ft ulfm (default: the run ends, and --resume continues)",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="print the plan and stop (default: off)"
    )
    _add_job(group)
    group.add_argument(
        "--advise",
        action="store_true",
        help="with --dry-run: ranks and memory to ask for, and the lines that submit the job",
    )
    group.add_argument(
        "--json",
        action="store_true",
        help="with --dry-run: the plan, and the advice, as one JSON object on standard output",
    )


def _add_job(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--job",
        type=Path,
        metavar="FILE.toml",
        help="the same options from a file, by their names (products = [...], output = ...); those"
        " on the command line win",
    )


def make_job_parser() -> argparse.ArgumentParser:
    """Build the parser that looks for the job file alone."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    _add_job(parser)
    return parser


def _add_report(group: argparse._ArgumentGroup) -> None:
    group.description = "what the run says of itself; files that are there are replaced"
    for option, metavar, words in (
        ("--report", "FILE.json", "all of it, for programs: s2rgb_mpi/report/schema.json"),
        ("--html", "FILE.html", "a page with pictures; needs the extra [html], matplotlib"),
        ("--trace", "FILE.json", "every rank's time line, for https://ui.perfetto.dev"),
        ("--quicklook", "FILE.png", "the image with at most 1024 pixels an edge"),
        ("--stac", "FILE.json", "the image's STAC item; needs the extra [stac], pystac"),
        ("--log-file", "FILE", "add every line to a log, with its time and rank"),
    ):
        group.add_argument(option, type=Path, metavar=metavar, help=words)
    group.add_argument(
        "--progress",
        choices=PROGRESS,
        default=Wanted.progress,
        help="a bar, or a line every 10 s or 5 %%; auto: the bar where standard error is a"
        " terminal, mpirun's too (default: %(default)s)",
    )
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="say a line a window too")
    loudness.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
