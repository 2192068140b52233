"""How long the blocks of a band file take to decode: their bytes tell, no pixel is read.

No data, water and clouds decode many times faster than a town: how many bytes a block has in the
file tells them apart. JPEG 2000 says it in its codestream (ISO/IEC 15444-1, annex A), where each
part of a tile begins with its length, so that a reader can skip from one to the next; a file may
also list all lengths in its main header. TIFF has them in its directory.
"""

from __future__ import annotations

import itertools
import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from osgeo import gdal

from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.zarr.chunks import chunk_nbytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.inputs.zarr.arrays import Array


NS_PER_PIXEL_AND_BYTE = {"JP2OpenJPEG": (29.0, 234.0), "GTiff": (24.0, 16.0), "Zarr": (24.0, 4.0)}
"""CPU time per pixel of a band and per byte that it has in the file, by GDAL's driver.

To read, colour and encode it, as `tests/bench/costs.py` fits it to two full products, one of them
half without data. Only their ratio counts, which says by how much "no data" is faster.
"""

_CODESTREAM = b"\xff\x4f\xff\x51"
"""How one begins, in boxes of JP2 or without: the markers SOC and SIZ."""

_SIZ, _TLM, _SOT = b"\xff\x51", b"\xff\x55", b"\xff\x90"

_PART = struct.Struct(">3HI")
"""How a part of a tile begins: marker, length of the segment, tile, length of the part."""

_HEAD_NBYTES = 2**16
"""Where a codestream is looked for, bytes; ESA's begins after 2,000 bytes of boxes."""

_MOST_PARTS = 100_000
"""Beyond this many blocks, or parts of them, pixels are counted instead."""


def block_costs(dataset: gdal.Dataset, number: int) -> tuple[int, ...]:
    """Predict how long each block of a band takes to decode.

    Parameters
    ----------
    dataset : gdal.Dataset
        The open file.
    number : int
        Of the band, from 1.

    Returns
    -------
    tuple of int
        Nanoseconds, block by block, row by row. Empty if the file does not say, or only after
        many requests to a server.
    """
    driver = dataset.GetDriver().ShortName
    if driver not in NS_PER_PIXEL_AND_BYTE:
        return ()
    raster = dataset.GetRasterBand(number)
    width, height = raster.GetBlockSize()
    cols, rows = -(-raster.XSize // width), -(-raster.YSize // height)
    if cols * rows > _MOST_PARTS:
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
    if rows * cols > _MOST_PARTS:
        return ()
    nbytes = chunk_nbytes(array) or [0] * (rows * cols)
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
    """Return the bytes of every block of a TIFF, row by row; sparse ones have none."""
    return [
        int(raster.GetMetadataItem(f"BLOCK_SIZE_{col}_{row}", "TIFF") or 0)
        for row in range(rows)
        for col in range(cols)
    ]


def codestream_tile(name: str) -> tuple[int, int] | None:
    """Return width and height of the tiles of a JPEG 2000 file, pixels; None if it is another."""
    file = gdal.VSIFOpenL(name, "rb")
    if file is None:
        return None
    try:
        head = _Head.read(file)
    except (IndexError, struct.error):  # cut off
        return None
    finally:
        gdal.VSIFCloseL(file)
    return None if head is None else head.tile


def _jp2_nbytes(name: str, tile: tuple[int, int], count: int) -> list[int]:
    """Return the bytes of every tile of a JPEG 2000 file; none if it is not cut as GDAL says."""
    file = gdal.VSIFOpenL(name, "rb")
    if file is None:
        return []
    try:
        head = _Head.read(file)
        if head is None or head.tile != tile:
            return []
        parts = head.parts or ([] if is_far(name) else _walk(file, head.end))
        nbytes = [0] * count
        for number, length in parts:
            nbytes[number] += length
    except (IndexError, struct.error):  # cut off, or tiles beyond the last
        return []
    finally:
        gdal.VSIFCloseL(file)
    return nbytes if all(nbytes) else []


class _Head(NamedTuple):
    """What the main header of a codestream says."""

    tile: tuple[int, int]
    """Width and height, pixels."""
    parts: list[tuple[int, int]]
    """Tile and length of each part of a tile, if it lists them."""
    end: int
    """Where the first part of a tile begins in the file."""

    @classmethod
    def read(cls, file: Any) -> _Head | None:
        """Read the main header; None if there is none, or tiles do not begin at the corner."""
        data = _read(file, 0, _HEAD_NBYTES)
        at = data.find(_CODESTREAM)
        if at < 0:
            return None
        at += 2
        tile = 0, 0
        lists: list[bytes] = []
        while (marker := data[at : at + 2]) != _SOT:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if marker == _SIZ:
                origin, edges, tiles_origin = struct.iter_unpack(">2I", data[at + 14 : at + 38])
                if any(origin) or any(tiles_origin):
                    return None
                tile = edges
            elif marker == _TLM:
                lists.append(data[at + 4 : at + 2 + length])
            at += 2 + length
        return cls(tile, list(_listed(sorted(lists))), at)


def _listed(segments: list[bytes]) -> Iterator[tuple[int, int]]:
    """Read tile and length of each part of a tile from the lists in a main header (TLM)."""
    counted = itertools.count()
    for segment in segments:
        style = segment[1]
        form = ">" + ("", "B", "H")[style >> 4 & 3] + ("I" if style >> 6 & 1 else "H")
        for entry in struct.iter_unpack(form, segment[2:]):
            # Parts without a number are whole tiles, in order.
            yield (next(counted), entry[0]) if len(entry) == 1 else (entry[0], entry[1])


def _walk(file: Any, at: int) -> Iterator[tuple[int, int]]:
    """Read tile and length of each part of a tile, going from one to the next."""
    for _ in range(_MOST_PARTS):
        data = _read(file, at, _PART.size)
        if len(data) < _PART.size or data[:2] != _SOT:
            return
        _, _, tile, length = _PART.unpack(data)
        yield tile, length
        if not length:  # up to the end of the codestream
            return
        at += length


def _read(file: Any, at: int, nbytes: int) -> bytes:
    """Read bytes at a place; fewer at the end of the file."""
    gdal.VSIFSeekL(file, at, os.SEEK_SET)
    return bytes(gdal.VSIFReadL(1, nbytes, file) or b"")
