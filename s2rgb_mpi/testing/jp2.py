"""JPEG 2000 files as ESA encodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from osgeo import gdal

if TYPE_CHECKING:
    from pathlib import Path

DN_NBITS = 15
"""Bits of a band's samples."""

SCL_NBITS = 8
"""Bits of the samples of the scene classification."""

# Edges of JP2 tiles, code-blocks and precincts. ESA's 60 m files really have code-blocks of 4;
# for 20 m only the tile is known from a source, the rest is taken from 10 m. So it is for SCL.
_CODING = {10: (1024, 64, 256), 20: (640, 64, 256), 60: (192, 4, 64)}


def write_jp2(dataset: gdal.Dataset, file: Path, options: list[str]) -> None:
    """Write the band of a dataset.

    Parameters
    ----------
    dataset : gdal.Dataset
        With its georeference.
    file : Path
        Where to.
    options : list of str
        Those of `jp2_options`.

    Raises
    ------
    RuntimeError
        GDAL cannot write it, or has no JPEG 2000 to write it with.
    """
    driver = gdal.GetDriverByName("JP2OpenJPEG")
    if driver is None:
        raise RuntimeError("GDAL here cannot write JPEG 2000: it has no driver JP2OpenJPEG")
    driver.CreateCopy(str(file), dataset, options=options)


def jp2_options(resolution: int, tile: int | None = None, *, nbits: int = DN_NBITS) -> list[str]:
    """Return creation options of GDAL's JP2OpenJPEG driver that give ESA's codestream header.

    Parameters
    ----------
    resolution : {10, 20, 60}
        In metres.
    tile : int, optional
        Tile edge in pixels in place of ESA's.
    nbits : int
        Bits of a sample.

    Returns
    -------
    list of str
        ``NAME=VALUE``.
    """
    esa_tile, code_block, precinct = _CODING[resolution]
    tile = tile or esa_tile
    precincts = ",".join([f"{{{precinct},{precinct}}}"] * 5)
    return [
        "REVERSIBLE=YES",
        "QUALITY=100",
        "YCBCR420=NO",
        f"NBITS={nbits}",
        f"BLOCKXSIZE={tile}",
        f"BLOCKYSIZE={tile}",
        f"CODEBLOCK_WIDTH={code_block}",
        f"CODEBLOCK_HEIGHT={code_block}",
        "RESOLUTIONS=5",
        f"PRECINCTS={precincts}",
        "PROGRESSION=LRCP",
        "PLT=YES",
        "PROFILE=UNRESTRICTED",
        "JPX=NO",
        "GMLJP2=YES",
        "GEOJP2=NO",
    ]
