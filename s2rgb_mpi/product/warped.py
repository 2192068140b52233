"""A band on another grid: GDAL's warper behind a virtual dataset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from osgeo import gdal, osr

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid

gdal.UseExceptions()
osr.UseExceptions()

WARP_CACHE_NBYTES = 96_000_000
"""GDAL's block cache of a rank that warps, bytes: a turned window shows in up to nine source tiles,
and the warper comes back to each of them with every strip of its own."""


def warped(
    dataset: gdal.Dataset, grid: Grid, resampling: str, nodata: float | None
) -> gdal.Dataset:
    """Show a dataset on another grid.

    The warper works in blocks that begin at the corner of the grid, with the exact transformation
    and one scale for all of them: so a pixel does not depend on the window that it is read by, and
    equals that of one `gdalwarp -et 0` of the whole.

    Parameters
    ----------
    dataset : gdal.Dataset
        Open for reading.
    grid : Grid
        The grid to show it on.
    resampling : str
        nearest, bilinear or cubic.
    nodata : float, optional
        The value that takes no part in resampling, and stands where the dataset has nothing.

    Returns
    -------
    gdal.Dataset
        Virtual, of the size of the grid.
    """
    gdal.SetCacheMax(max(gdal.GetCacheMax(), WARP_CACHE_NBYTES))
    x, dx, _, y, _, dy = grid.transform
    scale = _scale(dataset, grid)
    return gdal.Warp(
        "",
        dataset,
        format="VRT",
        dstSRS=grid.crs,
        outputBounds=(x, y + grid.height * dy, x + grid.width * dx, y),
        width=grid.width,
        height=grid.height,
        resampleAlg={"nearest": "near"}.get(resampling, resampling),
        srcNodata=nodata,
        dstNodata=nodata,
        errorThreshold=0,
        warpOptions=[f"XSCALE={scale:.17g}", f"YSCALE={scale:.17g}"],
    )


def _scale(dataset: gdal.Dataset, grid: Grid) -> float:
    """Return how many pixels of the grid a pixel of the dataset has along an edge, 1 at the most.

    By itself the warper guesses it for every block, from what the block happens to show of the
    source: blocks would then be smoothed differently.
    """
    source = dataset.GetSpatialRef()
    target = osr.SpatialReference(grid.crs)
    for reference in (source, target):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    middle = x + dx * dataset.RasterXSize / 2, y + dy * dataset.RasterYSize / 2
    to_target = osr.CoordinateTransformation(source, target)
    here, there = (to_target.TransformPoint(middle[0] + step, middle[1]) for step in (0, dx))
    edge = math.hypot(there[0] - here[0], there[1] - here[1])
    # Metres apart by a hundredth are the same pixel: nothing is to be smoothed then.
    ratio = edge / grid.transform[1]
    return 1.0 if ratio > _SAME_SIZE else ratio


_SAME_SIZE = 0.95
"""The ratio above which GDAL's own kernels take source and target pixels for equally large."""
