"""The headers of a JPEG 2000 file, read without any library."""

import struct
from pathlib import Path

SIZ, COD, TLM, PLT, SOT, SOD = 0xFF51, 0xFF52, 0xFF55, 0xFF58, 0xFF90, 0xFF93

Segments = dict[int, bytes]
"""What markers are followed by, without the length; of equal markers the last."""


def segments(data: bytes, position: int) -> tuple[Segments, int]:
    """Return {marker: payload} from a position to the next SOT or SOD, and where that is."""
    found = {}
    while (marker := struct.unpack_from(">H", data, position)[0]) not in (SOT, SOD):
        (length,) = struct.unpack_from(">H", data, position + 2)
        found[marker] = data[position + 4 : position + 2 + length]
        position += 2 + length
    return found, position


def codestream(file: Path) -> tuple[Segments, list[tuple[int, Segments]]]:
    """Return the segments of the main header, and those of every tile-part with its tile."""
    data = file.read_bytes()
    start = data.index(b"\xff\x4f\xff\x51")
    header, position = segments(data, start + 2)
    tile_parts = []
    while struct.unpack_from(">H", data, position)[0] == SOT:
        tile, length = struct.unpack_from(">HI", data, position + 4)
        tile_parts.append((tile, segments(data, position + 12)[0]))
        position += length
    return header, tile_parts


def siz(header: Segments) -> tuple[int, int, int, int, int, int]:
    """Return width, height, tile width, tile height, components and bits of a main header."""
    _, width, height, _, _, tile_width, tile_height, _, _, components, bits = struct.unpack_from(
        ">H8IHB", header[SIZ]
    )
    return width, height, tile_width, tile_height, components, bits + 1
