"""The journal: which blocks are safely in the partial file, and for which job.

The first line is JSON: the format's version, and what decides the bytes of the image, field by
field. A record a block follows, little-endian::

    offset  size    header          crc32
    u8      u4      `size` bytes    u4

The header is that of the block (`image.block`) without the unused end of its table: the window, its
histogram, and kind, place, size and CRC-32 of every piece. The pieces lie in the partial file from
`offset` on. A record is written after its pieces are on the disk, so what it claims is true; one
that was torn off, or whose CRC-32 differs, ends the journal.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import ProtocolError, UsageError, named
from s2rgb_mpi.image.block import Block, Header, Kind, pack_header, unpack, unpack_header
from s2rgb_mpi.output.geotiff.disk import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

VERSION = 3  # of the format

COMMIT_SECONDS = 1.0
COMMIT_NBYTES = 64_000_000
"""The disk is waited for at most this often, and at least after so many bytes."""

LARGEST_HEADER = 2**20
"""Bytes; a record that claims more is damaged."""

_BEGIN = struct.Struct("<QI")
_END = struct.Struct("<I")


class Record(NamedTuple):
    """One block that is in the partial file."""

    offset: int
    header: Header
    raw: bytes
    """As it stands in the journal."""


class Journal:
    """The journal of a run under way, written to its end.

    Parameters
    ----------
    path : Path
        Begun, or mended, by rank 0.
    flush : callable
        Returns once the partial file's bytes are on the disk.

    Raises
    ------
    OutputError
        The journal cannot be written, here and in every method.
    """

    def __init__(self, path: Path, flush: Callable[[], None]) -> None:
        self._path = path
        self._flush = flush
        self._waiting: list[bytes] = []
        self._waiting_nbytes = 0
        self._committed = time.monotonic()
        self._disk = ThreadPoolExecutor(1, "journal")
        self._under_way: Future[None] | None = None
        with named(path):
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def add(self, block: Block, offset: int) -> None:
        """Note a block whose pieces were appended to the partial file at an offset."""
        self._waiting.append(_pack(block, offset))
        self._waiting_nbytes += block.nbytes

    @property
    def is_due(self) -> bool:
        """Whether enough has been added since the last commit, or that is long enough ago."""
        late = time.monotonic() - self._committed > COMMIT_SECONDS
        return bool(self._waiting) and (late or self._waiting_nbytes > COMMIT_NBYTES)

    def begin_commit(self) -> None:
        """Begin to bring all that was added to the disk, unless the last time is not over yet.

        The disk is waited for in a thread, so that more can be appended meanwhile.
        """
        if self._under_way is None or self._under_way.done():
            self._settle()
            records, self._waiting, self._waiting_nbytes = self._waiting, [], 0
            self._committed = time.monotonic()
            self._under_way = self._disk.submit(self._bring, records)

    def commit(self) -> None:
        """Bring all that was added to the disk: the pieces first, then their records."""
        self._settle()
        if self._waiting:
            self.begin_commit()
            self._settle()

    def _bring(self, records: list[bytes]) -> None:
        self._flush()
        with named(self._path):
            write_all(self._file, records)
            os.fdatasync(self._file)

    def _settle(self) -> None:
        """Wait for the commit that is running; its error is raised here."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def close(self) -> None:
        """Close the file; what was not committed is not kept."""
        self._disk.shutdown()
        os.close(self._file)


def begin(path: Path, fields: Mapping[str, str]) -> None:
    """Write a journal without a record.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    fields : mapping of str to str
        What decides the bytes of the image.
    """
    _replace(path, fields, ())


def fields_of(path: Path) -> dict[str, str] | None:
    """Return what decided the bytes of the image that was begun.

    Returns
    -------
    dict of str to str, or None
        None if not even the first line was written: then nothing is kept.

    Raises
    ------
    UsageError
        It is no journal, or one of another version of the format.
    """
    with _reading(path) as file:
        line = file.readline(LARGEST_HEADER)
    if not line.endswith(b"\n") and len(line) < LARGEST_HEADER:
        return None
    version, fields = None, None
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        first = json.loads(line)
        version, fields = first["journal"], first["fields"]
    if not isinstance(fields, dict) or version != VERSION:
        raise UsageError(
            f"{path}: not a journal of this version; --overwrite without --resume starts anew"
        )
    return {str(name): str(value) for name, value in fields.items()}


def records(path: Path) -> Iterator[Record]:
    """Yield the records of a journal, up to the first that is not whole."""
    with _reading(path) as file:
        file.readline(LARGEST_HEADER)
        while (record := _record(file)) is not None:
            yield record


def blocks(path: Path, read: Callable[[int, int], bytes]) -> Iterator[tuple[Block, int]]:
    """Yield the blocks of a journal, and the offset of each one's pieces.

    Parameters
    ----------
    path : Path
        The journal.
    read : callable
        ``read(offset, nbytes)`` gives bytes of the partial file.

    Raises
    ------
    ProtocolError
        A piece is not what its record says.
    """
    for offset, header, _ in records(path):
        payload = np.frombuffer(read(offset, header.nbytes), dtype=np.uint8)
        yield unpack(header, payload), offset


def mend(
    path: Path, part_path: Path, windows: int, attend: Callable[[], None] = lambda: None
) -> frozenset[int]:
    """Repair a journal and its partial file after a crash or a kill.

    Blocks are dropped whose bytes are not in the partial file any more, and those of windows that
    could not be read: they are tried again. A torn tail is cut off both files.

    Parameters
    ----------
    path, part_path : Path
        Both must exist.
    windows : int
        How many the plan has.
    attend : callable, optional
        What else to look after between two blocks: all of them are read.

    Returns
    -------
    frozenset of int
        The windows that are kept.

    Raises
    ------
    OutputError
        A file cannot be read or written.
    """
    ends: dict[int, int] = {}

    def whole(part: BinaryIO) -> Iterator[bytes]:
        for offset, header, raw in records(path):
            attend()
            number = header.window
            if 0 <= number < windows and number not in ends and _holds(part, offset, header):
                ends[number] = offset + header.nbytes
                yield raw

    with _reading(part_path) as part:
        _replace(path, fields_of(path) or {}, whole(part))
    with named(part_path):
        os.truncate(part_path, max(ends.values(), default=0))
    return frozenset(ends)


def _pack(block: Block, offset: int) -> bytes:
    header = pack_header(block, len(block.pieces)).tobytes()
    record = _BEGIN.pack(offset, len(header)) + header
    return record + _END.pack(zlib.crc32(record))


def _record(file: BinaryIO) -> Record | None:
    """Return the next record; None at the end, or where one is not whole."""
    begin = file.read(_BEGIN.size)
    if len(begin) < _BEGIN.size:
        return None
    offset, nbytes = _BEGIN.unpack(begin)
    if nbytes > LARGEST_HEADER:
        return None
    header, end = file.read(nbytes), file.read(_END.size)
    if end != _END.pack(zlib.crc32(begin + header)):
        return None
    try:
        found = unpack_header(np.frombuffer(header, dtype=np.uint8))
    except ProtocolError:
        return None
    return Record(offset, found, begin + header + end) if isinstance(found, Header) else None


def _holds(part: BinaryIO, offset: int, header: Header) -> bool:
    """Return whether the partial file has a block's pieces, and they are pixels."""
    try:
        part.seek(offset)
        payload = np.frombuffer(part.read(header.nbytes), dtype=np.uint8)
        pieces = unpack(header, payload).pieces
    except (ProtocolError, OSError, OverflowError):  # the last: an offset that no file reaches
        return False
    return all(piece.kind is not Kind.CAUSE for piece in pieces)


def _replace(path: Path, fields: Mapping[str, str], records: Iterable[bytes]) -> None:
    """Write a whole journal beside its place, and put it there once it is on the disk."""
    new = path.with_name(f"{path.name}-new")
    with named(path):
        try:
            with new.open("wb") as file:
                first = {"journal": VERSION, "fields": dict(fields)}
                file.write(json.dumps(first).encode() + b"\n")
                file.writelines(records)
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    with named(path), path.open("rb") as file:
        yield file
