"""Names of the red, green and blue bands, in catalogues and in files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.product import RGB_BANDS
from s2rgb_mpi.redact import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLOURS = {"B04": "red", "B03": "green", "B02": "blue"}
"""STAC's common names of the bands; also the asset keys of Earth Search v1 and stactools."""

CORRECTIONS = ("", "nbart", "nbar", "sr", "boa")
"""Prefixes of names, by precedence; the first that has all three bands is used. Digital Earth
Australia publishes the same bands as NBART (corrected for the terrain) and NBAR."""

OTHER = "other"
"""Any band that is none of the three."""

NAME = re.compile(
    r"(?:(?P<correction>nbart|nbar|sr|boa)[_-])?"
    r"(?:(?P<colour>red|green|blue)|b0?(?P<number>[234]))"
    r"(?:[_-]r?(?P<resolution>\d+)m)?"
    r"(?P<copy>[_-](?:jp2|cog|tiff?|geotiff))?",
    re.IGNORECASE,
)
"""``red``, ``B04``, ``b4``, ``B04_10m``, ``red_20m``, ``red-jp2``, ``nbart_red``; not ``rededge1``,
``B05`` or ``infrared``."""

FILE = re.compile(r"(?:.*_)?(B\d\d|B8A)(?:_(\d\d)m)?(\.\w+)")
"""The name of a file that may be a band of a product; some names contain the resolution."""

_OTHER = re.compile(r"b(?:0?[1-9]|1[0-2]|8a)|(?:.*[_-])?red[\s_-]*edge.*|.*nir.*", re.IGNORECASE)

_DESCRIPTIONS = {
    # B04, B4, B04_10m, "B4, central wavelength 665 nm" (GDAL's own), red, "Red (band 4)".
    "B04": re.compile(r"(b0?4(_\d+m)?|red)([\s,(].*)?", re.IGNORECASE),
    "B03": re.compile(r"(b0?3(_\d+m)?|green)([\s,(].*)?", re.IGNORECASE),
    "B02": re.compile(r"(b0?2(_\d+m)?|blue)([\s,(].*)?", re.IGNORECASE),
}
_RED_EDGE = re.compile(r"red[\s_-]*edge", re.IGNORECASE)


def named_band(match: re.Match[str]) -> str:
    """Return ESA's name of the band in a match of :data:`NAME`."""
    if match["number"]:
        return f"B0{match['number']}"
    return next(band for band, colour in COLOURS.items() if colour == match["colour"].lower())


def described_band(text: str) -> str:
    """Return the band that a name or description denotes.

    Parameters
    ----------
    text : str
        Such as ``B04``, ``nbart_red`` or ``Red (band 4)``.

    Returns
    -------
    str
        ESA's name of red, green or blue; :data:`OTHER` for another band, empty if unknown.
    """
    text = text.strip()
    match = NAME.fullmatch(text)
    if match:
        return named_band(match)
    if _OTHER.fullmatch(text):
        return OTHER
    return next((band for band in RGB_BANDS if names_band(text, band)), "")


def names_band(text: str, band: str) -> bool:
    """Return whether a description such as ``Red (band 4)`` is that of ESA's band."""
    text = text.strip()
    return bool(_DESCRIPTIONS[band].fullmatch(text)) and not _RED_EDGE.match(text)


def out_of_order(paths: Sequence[str]) -> Iterator[str]:
    """Yield a warning if files are red, green and blue by their names, in another order.

    As from ``*_B0[234]_10m.jp2``, which a shell sorts. Other bands are meant as they are given:
    false colours.
    """
    names = [_band_of_file(path) for path in paths]
    if sorted(names) == sorted(RGB_BANDS) and names != list(RGB_BANDS):
        yield (
            f"--rgb: by their names these files are {', '.join(names)}, where red, green and blue"
            f" are needed: {', '.join(RGB_BANDS)}"
        )


def _band_of_file(path: str) -> str:
    """Return the band that a file is by its name, such as ``B04``; empty if unknown."""
    name = PurePosixPath(file_name(path))
    match = FILE.fullmatch(name.name)
    return match[1] if match else described_band(name.stem)
