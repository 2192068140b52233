"""The wire: what ranks say to each other, as bytes. Pure: MPI is not imported.

::

    worker                                   writer                     coordinator
      |  HEADER (fixed size), Issend  ------>  |                             |
      |  BLOCK (payload), Issend      ------>  |  append, then               |
      |                                        |  NEWS (windows, bytes) ---> |
      |  ...                                   |                             |
      |  HEADER with no window        ------>  |                             |
      |  HERE, COPIED (see helpers)   ------>  |                             |
      |  <---------------------- COPY (tiles)  |                             |
      |  BEAT (still there), once a second meanwhile  ------------------->  |
      |  DONE (size), TALLY (times) ------------------------------------->  |
      |                                        |  DONE, TALLY (and file) --> |
      |  FAILED (exit code, words), from any rank  ----------------------->  |
      |  STOP, from any rank that a signal reached  ---------------------->  |
      |  <------------------------------ STOP after the window in hand, to all ranks
      |  CELL (a block: parts of a cell that shows in the next worker's share too), to a worker
      |  <------------------------------ with --survive: SHARE (windows, or that none is left),
      |                                  and END (exit code), to all ranks; START: see survival

A block is one window's pieces. The header is little-endian::

    magic version count window nbytes crc32 | histogram 3 x 256 | table of pieces
    u4    u2      u2    i4     u4     u4    | u4                | kind level row col nbytes crc32

The payload is the pieces' bytes in the order of the table. The header's CRC-32 covers the header
(its own field as 0), that of a piece its bytes. The tag never carries a number: MPI only
guarantees tags up to 32,767. What the writer keeps of a block in its journal is the header too,
without the unused end of its table.
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
VERSION = 3
END_OF_SHARE = -1
STOPPED = -2
"""The window number of the header that follows a worker's last block: of its share, or before a
stop that was asked for."""

LARGEST_PAYLOAD = 2**31 - 1
"""Bytes of one message that every MPI can count."""


class Tag(IntEnum):
    """What a message is; far below 32,767, the largest tag that MPI guarantees."""

    HEADER = 1
    BLOCK = 2
    DONE = 3
    NEWS = 4
    STOP = 5
    FAILED = 6
    TALLY = 7
    CELL = 8
    SHARE = 9
    END = 10
    START = 11
    BEAT = 12
    HERE = 13
    COPY = 14
    COPIED = 15


class Kind(IntEnum):
    """What a piece of a block is."""

    TILE = 0
    """An encoded tile of the image; row and col count tiles of its level."""
    MASK = 1
    """An encoded tile of the internal mask; row and col as for TILE."""
    PART = 2
    """The window's own RGBA pixels of a level whose tiles span windows; row and col in pixels."""
    COUNTS = 3
    """What the offset check counted of one product in the window (offsets); row is its number."""
    SEAM = 4
    """The colours of a product, and of those above it in the same places; row is its number."""
    CAUSE = 5
    """Why the window could not be read and is left empty: words, UTF-8."""


class Piece(NamedTuple):
    """One entry of a block."""

    kind: Kind
    level: int
    row: int
    col: int
    data: bytes | memoryview
    crc32: int

    @classmethod
    def of(cls, kind: Kind, level: int, row: int, col: int, data: bytes | memoryview) -> Piece:
        """Make a piece of new data: its CRC-32 goes with it from here to the finished file."""
        return cls(kind, level, row, col, data, zlib.crc32(data))


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
        ("row", "<u4"),
        ("col", "<u4"),
        ("nbytes", "<u4"),
        ("crc32", "<u4"),
    ]
)


class Header(NamedTuple):
    """A header that was read: the block it announces, still without its payload."""

    window: int
    """The window's number, END_OF_SHARE or STOPPED."""
    nbytes: int
    """Size of the payload that follows; 0: none follows."""
    histogram: NDArray[np.uint32]
    table: NDArray[np.void]


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
        entry["row"], entry["col"] = piece.row, piece.col
        entry["nbytes"], entry["crc32"] = len(piece.data), piece.crc32
    head["crc32"] = zlib.crc32(_used(header, len(block.pieces)))
    return header


def _used(header: NDArray[np.uint8], count: int) -> memoryview:
    """Return a header without the unused end of its table."""
    return header[: header_nbytes(count)].data


def pack_message(block: Block) -> bytes:
    """Turn a block into one message, for the rare ones that go from worker to worker."""
    header, payload = pack(block, len(block.pieces))
    return header.tobytes() + payload.tobytes()


def unpack_message(message: bytes) -> Block:
    """Read what :func:`pack_message` made.

    Raises
    ------
    ProtocolError
        As :func:`unpack_header` and :func:`unpack`.
    """
    data = np.frombuffer(message, dtype=np.uint8)
    if data.size < _HEAD.itemsize:
        raise ProtocolError(f"a message of {data.size} bytes is too short")
    end = header_nbytes(int(data[: _HEAD.itemsize].view(_HEAD)[0]["count"]))
    return unpack(unpack_header(data[:end]), data[end:])


def end_of_share(room: int, *, stopped: bool = False) -> NDArray[np.uint8]:
    """Return the header that tells the writer that this worker has sent its last block."""
    nothing = np.zeros((3, 256), dtype=np.uint32)
    return pack_header(Block(STOPPED if stopped else END_OF_SHARE, (), nothing), room)


def unpack_header(message: NDArray[np.uint8]) -> Header:
    """Read a header, and refuse one that is not ours or contradicts itself.

    Parameters
    ----------
    message : ndarray, uint8
        As received; not changed, not kept.

    Returns
    -------
    Header

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
    return Header(
        window=int(head["window"]),
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
        place = int(entry["level"]), int(entry["row"]), int(entry["col"])
        piece = data[int(end) - int(entry["nbytes"]) : int(end)]
        if zlib.crc32(piece) != entry["crc32"]:
            raise ProtocolError(f"window {header.window} was damaged on its way: CRC-32 differs")
        pieces.append(Piece(Kind(entry["kind"]), *place, piece, int(entry["crc32"])))
    return Block(header.window, pieces, header.histogram)
