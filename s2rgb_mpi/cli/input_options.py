"""The options that say what is read, how it is coloured, and on which grid."""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

from s2rgb_mpi.image.radiometry import PRESETS, Stretch
from s2rgb_mpi.inputs.product import RESOLUTIONS
from s2rgb_mpi.plan.job import AUTO, RESAMPLINGS, Job

if TYPE_CHECKING:
    from collections.abc import Callable


def _auto(kind: type) -> Callable[[str], float | None]:
    """Return a reader of numbers for an option whose default, `auto`, is None."""

    def read(text: str) -> float | None:
        return None if text == "auto" else kind(text)

    read.__name__ = f"auto or {kind.__name__}"  # what argparse calls a text it cannot read
    return read


def _resolution(text: str) -> int | str:
    """Read metres, or ``auto``."""
    return text if text == AUTO else int(text)


_resolution.__name__ = "auto or int"  # what argparse calls a text it cannot read


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


def add_input(group: argparse._ArgumentGroup) -> None:
    """Add the options of the input."""
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
        type=_resolution,
        choices=(AUTO, *RESOLUTIONS),
        default=Job.source_resolution,
        help="which band files of a SAFE product, AWS tile or STAC item, metres; auto: the coarsest"
        " that serve --resolution, and means of as many of their pixels as fit into one of the"
        " image; 10 without --resolution; a number: just these, as they are (default: %(default)s)",
    )
    group.add_argument(
        "--allow-l1c",
        action="store_true",
        help="take top-of-atmosphere products, Level-1C, too (default: refuse)",
    )
    _add_values(group)


def _add_values(group: argparse._ArgumentGroup) -> None:
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


def add_colour(group: argparse._ArgumentGroup) -> None:
    """Add the options of the colour."""
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


def add_grid(group: argparse._ArgumentGroup) -> None:
    """Add the options of the grid."""
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
        help="how to, with --crs or --resolution; average: means of whole blocks of the input's"
        " pixels, and bilinear for the rest (default: average where several pixels of the input are"
        " one of the image, else nearest)",
    )
