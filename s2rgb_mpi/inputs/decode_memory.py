"""The memory that GDAL takes to read a band, besides its block cache: it depends on the driver.

A block cache holds at least one block, however small its limit; the rest belongs to the driver.
Measured with GDAL 3.6.2 and 3.13.3: the resident memory after each read of 1024 x 1024 pixels from
one and from three files, with blocks of 5504 x 5504 pixels (TIFF, Zarr), of 1376 to 5490 (JPEG
2000).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import gdal

from s2rgb_mpi.inputs.codestream import tile_size
from s2rgb_mpi.inputs.decode_cost import tiff_nbytes
from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.zarr.chunks import encoded_nbytes

if TYPE_CHECKING:
    from s2rgb_mpi.inputs.zarr.arrays import Array

ZSTD_WINDOW_NBYTES = 2**23
"""The window of a ZSTD decoder, bytes: at most this up to level 19, and up to the whole block at
levels 20 to 22."""

OPENJPEG_NBYTES_PER_PIXEL = 4
"""OpenJPEG decodes to int32."""

OPENJPEG_WINDOW_NBYTES_PER_PIXEL = 14
"""Memory that GDAL 3.6 keeps per pixel of a window of a codestream with one tile, bytes, besides
the codestream itself; GDAL 3.13 frees both."""

LARGEST_HEAP_ARRAY_NBYTES = 2**25
"""A freed array up to this size may remain part of the heap, bytes; larger ones glibc's malloc
returns to the system at once (mallopt(3), M_MMAP_THRESHOLD)."""

_MOST_SIZES_READ = 1000
"""In a file with more blocks these are small, and their uncompressed size is used."""


class Held(NamedTuple):
    """Memory that GDAL takes to read a band of a file, bytes."""

    block: int = 0
    """A decoded block of the band: the block cache holds at least one."""
    kept: int = 0
    """Kept for the file, from the first read until it is closed."""
    decoding: int = 0
    """Needed while a block is decoded."""


def held(dataset: gdal.Dataset, number: int, dtype: str) -> Held:
    """Return the memory to read a band.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    number : int
        Number of the band, from 1.
    dtype : str
        numpy's name of its type.
    """
    raster = dataset.GetRasterBand(number)
    pixels = math.prod(raster.GetBlockSize())
    block = pixels * np.dtype(dtype).itemsize
    driver = dataset.GetDriver().ShortName
    if driver == "GTiff":
        return Held(block, kept=_kept_of_tiff(dataset, raster, block))
    if driver.startswith("JP2"):
        decoded = pixels * OPENJPEG_NBYTES_PER_PIXEL
        # The last term is a bound for the encoded block.
        decoding = decoded + min(decoded, LARGEST_HEAP_ARRAY_NBYTES) + block
        return Held(block, kept=_kept_of_jp2(dataset, raster), decoding=decoding)
    return Held(block, kept=block, decoding=block)  # such as Zarr: a decoded and an encoded block


def held_of_array(array: Array) -> Held:
    """Return the memory that it takes to read an array of a Zarr store.

    The chunk that was decoded last is kept, until the next one has been read; of several codecs
    each makes a copy. What a server sends is in curl's buffer too.
    """
    decoded = array.chunk_nbytes
    encoded = encoded_nbytes(array)
    read = 2 * decoded if encoded is None else min(max(encoded), decoded)
    return Held(decoded, decoding=read + decoded * max(0, len(array.codecs) - 1))


def _kept_of_tiff(dataset: gdal.Dataset, raster: gdal.Band, block: int) -> int:
    """Return the memory that libtiff keeps: the largest encoded block, and the decoder's state.

    If bands are pixel-interleaved, GDAL also keeps a decoded block of all bands.
    """
    structure = dataset.GetMetadata("IMAGE_STRUCTURE")
    codec = structure.get("COMPRESSION", "")
    together = dataset.RasterCount > 1 and structure.get("INTERLEAVE") == "PIXEL"
    unit = block * (dataset.RasterCount if together else 1)
    kept = unit if together else 0
    if codec:  # blocks that are not compressed are read directly into their place
        kept += _largest_nbytes(dataset, raster, unit)
    if "ZSTD" in codec:
        kept += min(unit, ZSTD_WINDOW_NBYTES)
    return kept


def _largest_nbytes(dataset: gdal.Dataset, raster: gdal.Band, unit: int) -> int:
    """Return the size of the largest encoded block of a TIFF, or an upper bound, bytes."""
    width, height = raster.GetBlockSize()
    cols, rows = -(-raster.XSize // width), -(-raster.YSize // height)
    if cols * rows > _MOST_SIZES_READ or is_far(dataset.GetDescription()):  # each may be a request
        return unit
    return max(tiff_nbytes(raster, cols, rows))


def _kept_of_jp2(dataset: gdal.Dataset, raster: gdal.Band) -> int:
    """Return the memory that is kept for a codestream of one tile, decoded window by window."""
    name = dataset.GetDescription()
    width, height = raster.GetBlockSize()
    tile = None if is_far(name) else tile_size(name)
    if tile is None or tile[0] < raster.XSize or tile[1] < raster.YSize or tile == (width, height):
        return 0
    return width * height * OPENJPEG_WINDOW_NBYTES_PER_PIXEL + gdal.VSIStatL(name).size
