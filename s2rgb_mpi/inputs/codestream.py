"""JPEG 2000 codestreams: the size of their tiles, and the places of these in the file.

A codestream (ISO/IEC 15444-1, annex A) is a main header and tile-parts. Each part begins with its
length, so that a reader can skip from one to the next; the main header may also list all lengths.
No pixel is decoded here.
"""

from __future__ import annotations

import itertools
import os
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from osgeo import gdal

if TYPE_CHECKING:
    from collections.abc import Iterator

_CODESTREAM = b"\xff\x4f\xff\x51"
"""The first bytes of a codestream, inside the boxes of JP2 or without: the markers SOC and SIZ."""

_SIZ, _TLM, _SOT = b"\xff\x51", b"\xff\x55", b"\xff\x90"

_PART = struct.Struct(">3HI")
"""The first bytes of a tile-part: marker, length of the segment, tile, length of the part."""

PART_NBYTES = _PART.size
"""Bytes of a tile-part that are read to find the next one."""

HEAD_NBYTES = 2**15, 2**16
"""Bytes that are searched for the main header: the larger number only if it does not end within the
smaller. ESA's codestreams begin after 2,000 bytes of boxes."""

_MOST_PARTS = 100_000
"""The most tile-parts that are read."""


class Part(NamedTuple):
    """A tile-part."""

    tile: int
    """Its tile, row by row from 0."""
    begin: int
    """Where it begins in the file, bytes."""
    nbytes: int
    """How long it is; 0 for a last one that reaches to the end of the codestream."""


class Head(NamedTuple):
    """The main header of a codestream."""

    tile: tuple[int, int]
    """Width and height of a tile, pixels."""
    listed: list[Part]
    """All tile-parts, if the header lists them."""
    end: int
    """Offset of the first tile-part in the file, bytes."""


@contextmanager
def codestream(name: str) -> Iterator[tuple[Any, Head | None]]:
    """Open a JPEG 2000 file and read the main header of its codestream.

    Parameters
    ----------
    name : str
        A file name for GDAL.

    Yields
    ------
    file : object
        A GDAL file handle, for :func:`walk`; None if the file cannot be opened.
    head : Head or None
        None if there is none, if it is cut off, or if tiles do not begin at the image's corner.
    """
    file = gdal.VSIFOpenL(name, "rb")
    if file is None:
        yield None, None
        return
    try:
        head = None
        for nbytes in HEAD_NBYTES:
            with suppress(IndexError, struct.error):  # cut off
                head = _head(_read(file, 0, nbytes))
                break
        yield file, head
    finally:
        gdal.VSIFCloseL(file)


def walk(file: Any, at: int) -> Iterator[Part]:
    """Yield the tile-parts one after the other; on a server each is a request.

    Parameters
    ----------
    file : object
        A GDAL file handle.
    at : int
        Offset of the first one, bytes.
    """
    for _ in range(_MOST_PARTS):
        data = _read(file, at, PART_NBYTES)
        if len(data) < PART_NBYTES or data[:2] != _SOT:
            return
        _, _, tile, length = _PART.unpack(data)
        yield Part(tile, at, length)
        if not length:  # up to the end of the codestream
            return
        at += length


def tile_size(name: str) -> tuple[int, int] | None:
    """Return width and height of the tiles of a JPEG 2000 file, pixels; None if unknown."""
    with codestream(name) as (_, head):
        return None if head is None else head.tile


def _head(data: bytes) -> Head | None:
    """Read the main header from the beginning of a file."""
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
    return Head(tile, list(_listed(sorted(lists), at)), at)


def _listed(segments: list[bytes], at: int) -> Iterator[Part]:
    """Read the tile-parts from the lists in a main header (TLM)."""
    counted = itertools.count()
    for segment in segments:
        style = segment[1]
        form = ">" + ("", "B", "H")[style >> 4 & 3] + ("I" if style >> 6 & 1 else "H")
        for entry in struct.iter_unpack(form, segment[2:]):
            # Entries without a tile number are whole tiles, in order.
            tile, length = (next(counted), entry[0]) if len(entry) == 1 else entry
            yield Part(tile, at, length)
            at += length


def _read(file: Any, at: int, nbytes: int) -> bytes:
    """Read bytes from an offset; fewer at the end of the file."""
    gdal.VSIFSeekL(file, at, os.SEEK_SET)
    return bytes(gdal.VSIFReadL(1, nbytes, file) or b"")
