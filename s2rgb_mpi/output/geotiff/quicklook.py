"""A small picture of a finished file, from its own overviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from osgeo import gdal

from s2rgb_mpi.errors import OutputError
from s2rgb_mpi.gdalenv import contents, memory_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
        return _png(_picture(reduce(path, edge)))
    except RuntimeError as error:
        raise OutputError(f"{path}: no quicklook of it: {error}; the image is whole") from error


class Reduced(NamedTuple):
    """A file opened at a reduced level, and the size that it is read in."""

    dataset: gdal.Dataset
    width: int
    height: int
    step: tuple[float, float]
    """Columns and rows of the file in one pixel; those at the right and bottom may have fewer."""

    def read(self, band: gdal.Band) -> NDArray[np.uint8]:
        """Read a band of the dataset, or its mask."""
        pixels: NDArray[np.uint8] = band.ReadAsArray(
            buf_xsize=self.width, buf_ysize=self.height, resample_alg=gdal.GRIORA_Average
        )
        return pixels

    def mask(self) -> NDArray[np.uint8]:
        """Read which pixels are valid: above 0 where any pixel of the file is."""
        # The mask by itself: as band "mask" of gdal.Translate it is noise in GDAL 3.10.
        return self.read(self.dataset.GetRasterBand(1).GetMaskBand())


def reduce(path: str, edge: int = EDGE) -> Reduced:
    """Open a GeoTIFF reduced; the parameters are those of :func:`quicklook`.

    Raises
    ------
    RuntimeError
        The file cannot be read back.
    """
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
    full = width * 2**number, height * 2**number
    shrink = max(1.0, max(width, height) / edge)
    options = [f"OVERVIEW_LEVEL={number - 1}"] if number else ["OVERVIEW_LEVEL=NONE"]
    dataset = gdal.OpenEx(path, gdal.OF_RASTER, open_options=options)
    width, height = max(1, round(width / shrink)), max(1, round(height / shrink))
    return Reduced(dataset, width, height, (full[0] / width, full[1] / height))


def _picture(level: Reduced) -> gdal.Dataset:
    """Return red, green, blue and alpha, reduced, in memory."""
    picture = gdal.GetDriverByName("MEM").Create("", level.width, level.height, 4, gdal.GDT_Byte)
    for number in (1, 2, 3):
        pixels = level.read(level.dataset.GetRasterBand(number))
        picture.GetRasterBand(number).WriteArray(pixels)
    alpha = picture.GetRasterBand(4)
    alpha.WriteArray(level.mask())
    alpha.SetColorInterpretation(gdal.GCI_AlphaBand)
    return picture


def _png(dataset: gdal.Dataset) -> bytes:
    """Return a dataset as a PNG file."""
    with memory_file(".png") as name:
        gdal.GetDriverByName("PNG").CreateCopy(name, dataset)
        return contents(name)
