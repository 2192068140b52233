"""A block: what a window becomes, and its bytes, the same on the wire and in the journal.

A block is one window's pieces. Its header is little-endian::

    magic version count window nbytes crc32 | histogram 3 x 256 | table of pieces
    u4    u2      u2    i4     u4     u4    | u4                |

    piece: kind level product row col nbytes crc32
           u1   u1    u4      u4  u4  u4     u4

The payload is the pieces' bytes in the order of the table. The header's CRC-32 covers the header
(its own field as 0), that of a piece its bytes. The table has room for as many pieces as any block
of the run can have, so that a receive can be posted before its sender is known to have a block;
the journal keeps a header without the unused end of its table. A header without a window ends a
worker's share.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MAGIC = 0x62676253
VERSION = 5

LARGEST_PAYLOAD = 2**31 - 1
"""Bytes of one message that every MPI can count."""


_SHARE_ENDS, _STOPPED = -1, -2
"""Window numbers of the header that follows a worker's last block."""


class Kind(IntEnum):
    """What a piece of a block is."""

    TILE = 0
    """An encoded tile of the image; row and col count tiles of its level."""
    MASK = 1
    """An encoded tile of the internal mask; row and col as for TILE."""
    PART = 2
    """The window's own RGBA pixels of a level whose tiles span windows; row and col in pixels."""
    COUNTS = 3
    """Counts of a product's DN in the window, for the check of its offset."""
    OVERLAP = 4
    """Counts of a product's colours, and of those above it in the same places."""
    CAUSE = 5
    """Why the window could not be read and is left empty: text, UTF-8."""
    PIXELS = 6
    """How many observations of each product are in the window: u8 each."""
    SOURCES = 7
    """Which product each pixel of the window is from: u1 or u2, compressed by zlib."""


class Piece(NamedTuple):
    """One entry of a block."""

    kind: Kind
    data: bytes | memoryview
    crc32: int
    level: int
    """Of tiles and parts: 0 is the full image."""
    row: int
    col: int
    product: int
    """Of counts: its number in the scene."""

    @classmethod
    def of(
        cls,
        kind: Kind,
        data: bytes | memoryview,
        *,
        level: int = 0,
        row: int = 0,
        col: int = 0,
        product: int = 0,
    ) -> Piece:
        """Make a piece of new data: its CRC-32 goes with it from here to the finished file."""
        return cls(kind, data, zlib.crc32(data), level, row, col, product)


@dataclass(frozen=True)
class Block:
    """What a window becomes.

    Parameters
    ----------
    window : int
        Its number in the plan.
    pieces : sequence of Piece
        Its encoded tiles, and what else is known of it.
    histogram : ndarray, shape (3, 256), uint32
        Valid pixels of the window per value of each band.
    """

    window: int
    pieces: Sequence[Piece]
    histogram: NDArray[np.uint32]

    @property
    def nbytes(self) -> int:
        """Size of its pieces."""
        return sum(len(piece.data) for piece in self.pieces)


_HEAD = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u2"),
        ("count", "<u2"),
        ("window", "<i4"),
        ("nbytes", "<u4"),
        ("crc32", "<u4"),
        ("histogram", "<u4", (3, 256)),
    ]
)
_ENTRY = np.dtype(
    [
        ("kind", "u1"),
        ("level", "u1"),
        ("product", "<u4"),
        ("row", "<u4"),
        ("col", "<u4"),
        ("nbytes", "<u4"),
        ("crc32", "<u4"),
    ]
)


class Header(NamedTuple):
    """A header that was read: the block it announces, still without its payload."""

    window: int
    nbytes: int
    """Size of the payload that follows; 0: none follows."""
    histogram: NDArray[np.uint32]
    table: NDArray[np.void]


class EndOfShare(NamedTuple):
    """The header that follows a worker's last block."""

    stopped: bool
    """Whether a stop was requested, and windows of the share are left."""


def header_nbytes(pieces: int) -> int:
    """Return the size of a header that has room for ``pieces`` entries, bytes."""
    return _HEAD.itemsize + pieces * _ENTRY.itemsize


def pack(block: Block, room: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turn a block into its two messages.

    Parameters
    ----------
    block : Block
        As it was made.
    room : int
        Entries that a header has room for, agreed for the whole run.

    Returns
    -------
    header : ndarray, shape (header_nbytes(room),), uint8
    payload : ndarray, uint8
        Empty if the block has no pieces.
    """
    if block.nbytes > LARGEST_PAYLOAD:
        raise ProtocolError(f"window {block.window}: {block.nbytes} bytes are over one message")
    payload = b"".join(piece.data for piece in block.pieces)
    return pack_header(block, room), np.frombuffer(payload, dtype=np.uint8)


def pack_header(block: Block, room: int) -> NDArray[np.uint8]:
    """Turn all of a block but its payload into bytes; the parameters are those of `pack`.

    Raises
    ------
    ProtocolError
        The block has more pieces than there is room for.
    """
    if len(block.pieces) > room:
        raise ProtocolError(f"window {block.window}: {len(block.pieces)} pieces, room for {room}")
    header = np.zeros(header_nbytes(room), dtype=np.uint8)
    head = header[: _HEAD.itemsize].view(_HEAD)[0]
    head["magic"], head["version"] = MAGIC, VERSION
    head["count"], head["window"] = len(block.pieces), block.window
    head["nbytes"], head["histogram"] = block.nbytes, block.histogram
    table = header[_HEAD.itemsize :].view(_ENTRY)
    for entry, piece in zip(table, block.pieces, strict=False):
        entry["kind"], entry["level"] = piece.kind, piece.level
        entry["product"], entry["row"], entry["col"] = piece.product, piece.row, piece.col
        entry["nbytes"], entry["crc32"] = len(piece.data), piece.crc32
    head["crc32"] = zlib.crc32(_used(header, len(block.pieces)))
    return header


def _used(header: NDArray[np.uint8], count: int) -> memoryview:
    """Return a header without the unused end of its table."""
    return header[: header_nbytes(count)].data


def pack_end(end: EndOfShare, room: int) -> NDArray[np.uint8]:
    """Return the header with which a worker ends its share."""
    nothing = np.zeros((3, 256), dtype=np.uint32)
    return pack_header(Block(_STOPPED if end.stopped else _SHARE_ENDS, (), nothing), room)


def unpack_header(message: NDArray[np.uint8]) -> Header | EndOfShare:
    """Read a header; reject one that is not ours or contradicts itself.

    Parameters
    ----------
    message : ndarray, uint8
        As received; not changed, not kept.

    Returns
    -------
    Header or EndOfShare

    Raises
    ------
    ProtocolError
        Magic, version, number of pieces, their sizes or the CRC-32 are not what they must be.
    """
    if message.size < _HEAD.itemsize:
        raise ProtocolError(f"a header of {message.size} bytes is too short")
    raw = message.copy()
    head = raw[: _HEAD.itemsize].view(_HEAD)[0]
    if head["magic"] != MAGIC or head["version"] != VERSION:
        raise ProtocolError(f"not a header: {head['magic']:#010x}, version {head['version']}")
    entries = (raw.size - _HEAD.itemsize) // _ENTRY.itemsize
    if head["count"] > entries:
        raise ProtocolError(f"a header announces {head['count']} pieces, has room for {entries}")
    crc32, head["crc32"] = int(head["crc32"]), 0
    used = _used(raw, head["count"])
    if zlib.crc32(used) != crc32 or raw[len(used) :].any():
        raise ProtocolError("a header was damaged on its way: CRC-32 differs")
    table = raw[_HEAD.itemsize : len(used)].view(_ENTRY)
    if int(table["nbytes"].sum(dtype=np.int64)) != head["nbytes"]:
        raise ProtocolError(f"window {head['window']}: pieces and payload differ in size")
    window = int(head["window"])
    if window in (_SHARE_ENDS, _STOPPED):
        return EndOfShare(stopped=window == _STOPPED)
    return Header(
        window=window,
        nbytes=int(head["nbytes"]),
        histogram=head["histogram"].copy(),
        table=table,
    )


def unpack(header: Header, payload: NDArray[np.uint8]) -> Block:
    """Join a header and its payload to the block that was packed.

    Parameters
    ----------
    header : Header
        From :func:`unpack_header`.
    payload : ndarray, shape (header.nbytes,), uint8
        The pieces of the block are views of it.

    Returns
    -------
    Block

    Raises
    ------
    ProtocolError
        The payload's size, the CRC-32 of a piece or its kind is wrong.
    """
    if payload.size != header.nbytes:
        raise ProtocolError(f"window {header.window}: {payload.size} bytes, not {header.nbytes}")
    data = payload.data
    ends = np.cumsum(header.table["nbytes"], dtype=np.int64)
    pieces = []
    for entry, end in zip(header.table, ends, strict=True):
        if entry["kind"] not in Kind.__members__.values():
            raise ProtocolError(f"window {header.window}: no piece is of kind {entry['kind']}")
        place = (int(entry[name]) for name in ("level", "row", "col", "product"))
        piece = data[int(end) - int(entry["nbytes"]) : int(end)]
        if zlib.crc32(piece) != entry["crc32"]:
            raise ProtocolError(f"window {header.window} was damaged on its way: CRC-32 differs")
        pieces.append(Piece(Kind(entry["kind"]), piece, int(entry["crc32"]), *place))
    return Block(header.window, pieces, header.histogram)
