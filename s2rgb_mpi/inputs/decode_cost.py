"""Predicts the time to decode the blocks of a band file from their sizes; no pixel is read.

No data, water and clouds decode many times faster than a town, and take fewer bytes in the file.
The sizes are in the `codestream` of JPEG 2000, and in the directory of TIFF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.codestream import codestream, walk
from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.zarr.chunks import encoded_nbytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osgeo import gdal

    from s2rgb_mpi.inputs.zarr.arrays import Array

NS_PER_PIXEL_AND_BYTE = {"JP2OpenJPEG": (29.0, 234.0), "GTiff": (24.0, 16.0), "Zarr": (24.0, 4.0)}
"""CPU time per pixel of a band and per byte in the file, ns, by GDAL's driver.

It is the time to read, colour and encode, fitted by `tests/bench/costs.py` to two full products,
one of them half without data. Only the ratio of both matters: how much faster "no data" is.
"""

_MOST_BLOCKS = 100_000
"""With more blocks than this the cost is predicted by pixels only."""


def block_costs(dataset: gdal.Dataset, number: int) -> tuple[int, ...]:
    """Predict the time to decode each block of a band.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    number : int
        Number of the band, from 1.

    Returns
    -------
    tuple of int
        Nanoseconds per block, row by row. Empty if the file does not state the sizes, or if reading
        them takes many requests to a server.
    """
    driver = dataset.GetDriver().ShortName
    if driver not in NS_PER_PIXEL_AND_BYTE:
        return ()
    raster = dataset.GetRasterBand(number)
    width, height = raster.GetBlockSize()
    cols, rows = -(-raster.XSize // width), -(-raster.YSize // height)
    if cols * rows > _MOST_BLOCKS:
        return ()
    if driver == "GTiff":
        nbytes = tiff_nbytes(raster, cols, rows)
    else:
        nbytes = _jp2_nbytes(dataset.GetDescription(), (width, height), cols * rows)
    if not nbytes:
        return ()
    return _costs(driver, (width, height), (raster.XSize, raster.YSize), nbytes)


def array_costs(array: Array) -> tuple[int, ...]:
    """Predict how long each chunk of an array of a Zarr store takes to decode.

    Returns
    -------
    tuple of int
        As :func:`block_costs` has it. Chunks on a server count by their pixels: to ask for their
        bytes would be a request for each.
    """
    height, width = array.shape
    rows, cols = array.chunks
    if rows * cols > _MOST_BLOCKS:
        return ()
    nbytes = encoded_nbytes(array) or [0] * (rows * cols)
    return _costs("Zarr", array.chunk[::-1], (width, height), nbytes)


def _costs(
    driver: str, block: Sequence[int], size: tuple[int, int], nbytes: Sequence[int]
) -> tuple[int, ...]:
    """Predict how long blocks take to decode, from their pixels and bytes, row by row; ns."""
    per_pixel, per_byte = NS_PER_PIXEL_AND_BYTE[driver]
    cols, rows = (-(-whole // edge) for whole, edge in zip(size, block, strict=True))
    return tuple(
        round(
            per_pixel
            * min(block[0], size[0] - col * block[0])
            * min(block[1], size[1] - row * block[1])
            + per_byte * nbytes[row * cols + col]
        )
        for row in range(rows)
        for col in range(cols)
    )


def tiff_nbytes(raster: gdal.Band, cols: int, rows: int) -> list[int]:
    """Return the size of every block of a TIFF, row by row, bytes; 0 for sparse blocks."""
    return [
        int(raster.GetMetadataItem(f"BLOCK_SIZE_{col}_{row}", "TIFF") or 0)
        for row in range(rows)
        for col in range(cols)
    ]


def _jp2_nbytes(name: str, tile: tuple[int, int], count: int) -> list[int]:
    """Return the size of every tile of a JPEG 2000 file, bytes; empty if they are not GDAL's."""
    nbytes = [0] * count
    try:
        with codestream(name) as (file, head):
            if head is None or head.tile != tile:
                return []
            # On a server each step from one tile-part to the next would be a request.
            for part in head.listed or (() if is_far(name) else walk(file, head.end)):
                nbytes[part.tile] += part.nbytes
    except IndexError:  # a tile number beyond the last
        return []
    return nbytes if all(nbytes) else []
