"""The options of the command line, grouped as the documentation is."""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from s2rgb_mpi import __version__
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.profile import CODECS, LAYOUTS, MASKS, OVERVIEWS, Profile
from s2rgb_mpi.image.radiometry import PRESETS, Stretch
from s2rgb_mpi.plan.job import ON_ERROR, RESAMPLINGS, Job
from s2rgb_mpi.report.outputs import PROGRESS, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DESCRIPTION = """\
Turn the bands B04, B03, B02 of a Sentinel-2 L2A product into one 8-bit true-colour GeoTIFF.

  mpirun -n 16 python -m s2rgb_mpi PRODUCT -o OUTPUT.tif
  srun         python -m s2rgb_mpi PRODUCT -o OUTPUT.tif     inside a Slurm allocation
  python -m s2rgb_mpi PRODUCT -o OUTPUT.tif                  one process, the same result
"""

EXIT_CODES = """\
exit codes: 0 done; 2 usage or input; 3 done, with windows left empty (listed); 4 the output could
not be written; 5 a rank failed; 75 stopped by a signal, --resume goes on
"""


class _Parser(argparse.ArgumentParser):
    """Raises usage errors in place of printing them: only rank 0 speaks, and only once."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but let values of --nodata begin with a minus sign."""
        return super().parse_known_args(_joined(sys.argv[1:] if args is None else args), namespace)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see --help)")


def _auto(kind: type) -> Callable[[str], float | None]:
    """Return a reader of numbers for an option whose default, `auto`, is None."""

    def read(text: str) -> float | None:
        return None if text == "auto" else kind(text)

    read.__name__ = f"auto or {kind.__name__}"  # what argparse calls a text it cannot read
    return read


def _band_file(text: str) -> str:
    """Return the text, unless it is an option: argparse of Python 3.13 takes one as a file."""
    if text.startswith("-"):
        raise argparse.ArgumentTypeError(f"expected 3 arguments, and {text} is an option")
    return text


def _numbers(text: str) -> tuple[int, ...]:
    """Read numbers with commas between them."""
    return tuple(map(int, text.split(",")))


_numbers.__name__ = "R,G,B"  # what argparse calls a text it cannot read


def _values(text: str) -> tuple[float, ...]:
    """Read pixel values with commas between them; what is not finite needs no mention."""
    numbers = [int(part) if _WHOLE.fullmatch(part) else float(part) for part in text.split(",")]
    return tuple(number for number in numbers if math.isfinite(number))


_values.__name__ = "VALUE[,VALUE ...]"

_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
"""Whole numbers stay whole: float64 has not all of those of 64 bits."""

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
    _add_input(parser.add_argument_group("input"))
    _add_colour(parser.add_argument_group("colour"))
    _add_grid(parser.add_argument_group("grid"))
    _add_output(parser.add_argument_group("output"))
    _add_run(parser.add_argument_group("run"))
    _add_report(parser.add_argument_group("report"))
    return parser


def _add_input(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "products",
        nargs="*",
        metavar="PRODUCT",
        help="a SAFE folder, the MTD_MSIL2A.xml in it, or a zip or tar of it; a folder tiles/... of"
        " the AWS buckets; a STAC item, or the items of a saved search in their order (JSON); a"
        " raster with several bands; each as a path, a URL (http, https, s3) or a name of GDAL's"
        " such as /vsis3/...; several of one UTM grid: a mosaic, the first valid pixel in the order"
        " given wins",
    )
    group.add_argument(
        "--granule",
        metavar="NAME",
        help="one granule of a product of 2016 that has several, by its identifier or its tile,"
        " such as T32TMT (default: all, as a mosaic)",
    )
    group.add_argument(
        "--rgb",
        nargs=3,
        type=_band_file,
        action="append",
        metavar=("RED", "GREEN", "BLUE"),
        help="three single-band files in place of PRODUCT; may be repeated; in the folder of a SAFE"
        " product its metadata count for them",
    )
    group.add_argument(
        "--bidx",
        type=_numbers,
        metavar="R,G,B",
        help="band numbers in a raster with several bands (default: by their descriptions, such as"
        " B04 or red, or their colours)",
    )
    group.add_argument(
        "--source-resolution",
        type=int,
        choices=(10, 20, 60),
        default=Job.source_resolution,
        help="which band files of a SAFE product, AWS tile or STAC item, metres (default:"
        " %(default)s)",
    )
    group.add_argument(
        "--allow-l1c",
        action="store_true",
        help="take top-of-atmosphere products, Level-1C, too (default: refuse)",
    )
    group.add_argument(
        "--offset",
        type=_auto(int),
        metavar="auto|DN",
        help="DN added before all else, in place of what the metadata say (default: auto)",
    )
    group.add_argument(
        "--quantification",
        type=_auto(float),
        metavar="auto|DN",
        help="DN per unit of reflectance, in place of what the metadata say (default: auto)",
    )
    group.add_argument(
        "--nodata",
        type=_values,
        metavar="VALUE[,VALUE ...]",
        help="values in the input files that are no data, beside what files and metadata state, DN"
        " 0 of unsigned integers, and NaN (default: none)",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="doubtful offsets and places are errors, and so are pixels that contradict offset"
        " or quantification, or each other where products overlap, and an image without a valid"
        " pixel (default: off)",
    )


def _add_colour(group: argparse._ArgumentGroup) -> None:
    default = Stretch()
    group.description = "boa: out = 255 * ((reflectance - black) / (white - black)) ** (1 / gamma)"
    group.add_argument(
        "--preset",
        choices=PRESETS,
        default=default.preset,
        help="boa, the formula above; tci, ESA's own true-colour image; exopp, the recipe of the"
        " course exercise; the last two take none of the options below (default: %(default)s)",
    )
    # No default of argparse's: whether one was given has to be known.
    group.add_argument(
        "--black",
        type=float,
        metavar="RHO",
        help=f"reflectance that becomes the darkest value (default: {default.black:g})",
    )
    group.add_argument(
        "--white",
        type=float,
        metavar="RHO",
        help=f"reflectance that becomes 255 (default: {default.white:g})",
    )
    group.add_argument(
        "--gamma",
        type=float,
        metavar="G",
        help=f"exponent 1/G between them (default: {default.gamma:g})",
    )


def _add_grid(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--bounds",
        type=float,
        nargs=4,
        metavar=("W", "S", "E", "N"),
        help="crop, snapped outward to whole pixels; W above E crosses the antimeridian (default:"
        " the whole extent)",
    )
    group.add_argument(
        "--bounds-crs",
        default=Job.bounds_crs,
        metavar="CRS",
        help="the CRS of --bounds (default: %(default)s)",
    )
    group.add_argument(
        "--crs",
        metavar="CRS",
        help="resample into another CRS, such as EPSG:2056 (default: the product's own)",
    )
    group.add_argument(
        "--resolution",
        type=float,
        metavar="M",
        help="resample to pixels of this edge, units of the CRS (default: the product's own)",
    )
    group.add_argument(
        "--resampling",
        choices=RESAMPLINGS,
        help="how to, with --crs or --resolution (default: nearest)",
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    default = Profile()
    group.add_argument("-o", "--output", type=Path, metavar="FILE", help="the GeoTIFF (required)")
    group.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=default.layout,
        help="Cloud Optimized GeoTIFF with overviews, or tiled without (default: %(default)s)",
    )
    group.add_argument(
        "--compress", choices=CODECS, default=default.compress, help="codec (default: %(default)s)"
    )
    group.add_argument(
        "--level", type=int, metavar="N", help="effort: deflate 1..12 (1), zstd 1..22 (1)"
    )
    group.add_argument("--quality", type=int, metavar="N", help="jpeg, webp: 1..100 (90)")
    group.add_argument(
        "--mask",
        choices=MASKS,
        help='how "no data" is marked; nodata is the value 0 (default: nodata; for jpeg and webp,'
        " which do not keep the value 0, internal)",
    )
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
        help="least edge of a window, pixels; grows to whole source tiles (default: %(default)s)",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an existing FILE, and what a stopped run has left of it (default: refuse)",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from what a stopped run of the same job has left; begin if it left nothing",
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
        help="go on without a worker that was killed: the others make its windows; needs Open MPI 5"
        " and mpirun --with-ft ulfm (default: the run ends, and --resume goes on)",
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
