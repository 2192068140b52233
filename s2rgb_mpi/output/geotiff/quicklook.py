"""A small picture of a finished file, from its own overviews."""

from __future__ import annotations

from osgeo import gdal

from s2rgb_mpi.errors import OutputError
from s2rgb_mpi.gdalenv import contents, memory_file

EDGE = 1024
"""Pixels that neither edge of the picture exceeds."""


def quicklook(path: str, edge: int = EDGE) -> bytes:
    """Make a small picture of a GeoTIFF.

    Parameters
    ----------
    path : str
        A finished file. The largest of its overviews that fits is taken as it is; a file
        without one (``--layout tiled``, very large tiles) is read averaged.
    edge : int
        Pixels that neither edge exceeds.

    Returns
    -------
    bytes
        A PNG, transparent where there is no data.

    Raises
    ------
    OutputError
        The file cannot be read back.
    """
    try:
        return _png(_reduced(path, edge))
    except RuntimeError as error:
        raise OutputError(f"{path}: no quicklook of it: {error}; the image is whole") from error


def _reduced(path: str, edge: int) -> gdal.Dataset:
    """Return red, green, blue and alpha, reduced, in memory."""
    dataset = gdal.OpenEx(path, gdal.OF_RASTER)
    band = dataset.GetRasterBand(1)
    sizes = [(dataset.RasterXSize, dataset.RasterYSize)]
    for level in range(band.GetOverviewCount()):
        overview = band.GetOverview(level)
        sizes.append((overview.XSize, overview.YSize))
    fitting = [number for number, size in enumerate(sizes) if max(size) <= edge]
    # The largest that fits; where none does, the smallest there is, averaged down.
    number = fitting[0] if fitting else len(sizes) - 1
    width, height = sizes[number]
    shrink = max(1.0, max(width, height) / edge)
    options = [f"OVERVIEW_LEVEL={number - 1}"] if number else ["OVERVIEW_LEVEL=NONE"]
    dataset = gdal.OpenEx(path, gdal.OF_RASTER, open_options=options)
    width, height = max(1, round(width / shrink)), max(1, round(height / shrink))
    reduced = gdal.GetDriverByName("MEM").Create("", width, height, 4, gdal.GDT_Byte)
    bands = [dataset.GetRasterBand(number) for number in (1, 2, 3)]
    # The mask by itself: as band "mask" of gdal.Translate it is noise in GDAL 3.10.
    for target, band in enumerate([*bands, bands[0].GetMaskBand()], start=1):
        pixels = band.ReadAsArray(
            buf_xsize=width, buf_ysize=height, resample_alg=gdal.GRIORA_Average
        )
        reduced.GetRasterBand(target).WriteArray(pixels)
    reduced.GetRasterBand(4).SetColorInterpretation(gdal.GCI_AlphaBand)
    return reduced


def _png(dataset: gdal.Dataset) -> bytes:
    """Return a dataset as a PNG file."""
    with memory_file(".png") as name:
        gdal.GetDriverByName("PNG").CreateCopy(name, dataset)
        return contents(name)
