"""Small images, and the way of their tiles into a file: as worker and writer do it, without MPI."""

import itertools
import random
import zlib
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from osgeo import gdal, osr

from s2rgb_mpi.grid import Grid
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.overviews import halve
from s2rgb_mpi.image.profile import CODECS, LAYOUTS, LOSSY, MASKS, Profile
from s2rgb_mpi.output.geotiff.finalise import finalise
from s2rgb_mpi.output.geotiff.log import Layer, TileLog

gdal.UseExceptions()
osr.UseExceptions()

TRANSFORM = (399960.0, 10.0, 0.0, 5300040.0, 0.0, -10.0)
TAGS = {"TIFFTAG_SOFTWARE": "a test", "S2RGB_PRODUCT": "S2A_MSIL2A"}

AVAILABLE = gdal.GetDriverByName("GTiff").GetMetadataItem("DMD_CREATIONOPTIONLIST")
PROFILES = [
    Profile(compress=compress, mask=mask, layout=layout, tile=64)
    for compress, mask, layout in itertools.product(CODECS, MASKS, LAYOUTS)
    if (compress, mask) != ("jpeg", "alpha")
    and not (compress in LOSSY and mask == "nodata")
    and f"<Value>{compress.upper()}</Value>" in AVAILABLE
]
"""Every profile that this GDAL can write."""


def profile_id(profile: Profile) -> str:
    return f"{profile.compress}{profile.quality or ''}-{profile.mask}-{profile.layout}"


def picture(width: int, height: int, *, hole: bool = True) -> NDArray[np.uint8]:
    """Make an image (height, width, 3), uint8: valid pixels are 1..255, the rest 0 in all bands.

    "No data" is what lies to the right of a slanted line, and single pixels here and there.
    """
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:height, :width]
    shade = 40 + 160 * rows / height + 30 * np.sin(cols / 17)
    image = shade[..., np.newaxis] + [20, 0, -20] + rng.normal(scale=3, size=(height, width, 3))
    image = np.clip(image, 1, 255).astype(np.uint8)
    if hole:
        image[cols > 0.7 * width + 0.2 * rows] = 0
        image[rng.random((height, width)) < 0.01] = 0
    return image


def rgba(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add the alpha band of an image whose valid pixels are not 0 in all bands."""
    return np.dstack([rgb, np.uint8(255) * rgb.any(axis=2)])


def make_grid(width: int, height: int) -> Grid:
    """Lay a grid of 10 m pixels in UTM zone 32."""
    utm = osr.SpatialReference()
    utm.ImportFromEPSG(32632)
    return Grid(utm.ExportToWkt(), TRANSFORM, width, height)


def log_tiles(
    path: Path, rgb: NDArray[np.uint8], profile: Profile, *, shuffle: bool = False
) -> tuple[TileLog, Grid]:
    """Append the tiles of all levels, as the writer does; return the log, and its grid."""
    grid = make_grid(rgb.shape[1], rgb.shape[0])
    levels = grid.overview_levels(profile.tile) if profile.layout == "cog" else 0
    encoder = Encoder(profile)
    tiles = []
    image = rgba(rgb)
    for level in range(levels + 1):
        tiles += [(Layer(level, tile.mask), tile) for tile in encoder.encode(image)]
        image = halve(image)
    if shuffle:
        random.Random(1).shuffle(tiles)  # noqa: S311
    path.touch()
    log = TileLog(path, grid, profile, levels)
    for layer, tile in tiles:
        offset = log.append(tile.data)
        nbytes, crc32 = len(tile.data), zlib.crc32(tile.data)
        log.note(layer, tile.row, tile.col, offset=offset, nbytes=nbytes, crc32=crc32)
    return log, grid


def write(path: Path, rgb: NDArray[np.uint8], profile: Profile, *, shuffle: bool = False) -> Path:
    """Write an image through log and finalise; return its path."""
    log, grid = log_tiles(path.with_suffix(".part"), rgb, profile, shuffle=shuffle)
    valid = rgb[rgb.any(axis=2)]
    counts = [np.bincount(valid[..., band].ravel(), minlength=256) for band in range(3)]
    histogram = np.array(counts, np.int64)
    path.touch()
    nbytes = finalise(log, path, grid=grid, profile=profile, tags=TAGS, histogram=histogram)
    log.close()
    log.path.unlink()
    assert nbytes == path.stat().st_size
    return path


def extents(path: Path) -> list[tuple[int, int]]:
    """Return where the tiles of all directories begin and end, in the order of the file."""
    with tifffile.TiffFile(path) as tif:
        return sorted(
            (offset, offset + nbytes)
            for page in tif.pages
            for offset, nbytes in zip(page.dataoffsets, page.databytecounts, strict=True)
            if nbytes
        )
