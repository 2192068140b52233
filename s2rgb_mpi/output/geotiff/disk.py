"""Bytes to an open file, by the system's own calls."""

from __future__ import annotations

import itertools
import os
import zlib
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FLUSH_NBYTES = 16_000_000
"""After so many bytes the disk may begin to write, so that there is less to wait for at the end."""

_MOST_PARTS = 1024
"""Buffers that one call of the system takes (IOV_MAX of Linux)."""


def write_all(file: int, parts: Sequence[bytes | memoryview], place: int | None = None) -> None:
    """Write buffers one after the other: one call of the system may take only some of the bytes.

    Parameters
    ----------
    file : int
        Open for writing.
    parts : sequence of bytes-like
        Joined nowhere.
    place : int, optional
        Offset in the file; without, where it stands, or at its end.
    """
    for first in range(0, len(parts), _MOST_PARTS):
        some = [memoryview(part).cast("B") for part in parts[first : first + _MOST_PARTS]]
        some = [part for part in some if part]
        while some:
            done = os.writev(file, some) if place is None else os.pwritev(file, some, place)
            place = None if place is None else place + done
            ends = itertools.accumulate(map(len, some))
            whole = sum(end <= done for end in ends)
            done -= sum(map(len, some[:whole]))
            some = some[whole:]
            if some:
                some[0] = some[0][done:]


def check(
    path: Path, offset: int, data: bytes | memoryview, *, nbytes: int, crc32: int | None
) -> None:
    """Reject bytes that were read back if they are not what was written.

    Parameters
    ----------
    path, offset
        Where they were read.
    data : bytes-like
        What was found.
    nbytes : int
        How many they were.
    crc32 : int, optional
        Theirs, where it is known.

    Raises
    ------
    OutputError
        Names the place.
    """
    if len(data) != nbytes:
        raise OutputError(f"{path}: {nbytes} bytes at {offset} are not there any more")
    if crc32 is not None and zlib.crc32(data) != crc32:
        raise OutputError(f"{path}: {nbytes} bytes at {offset} are damaged: CRC-32 differs")


def begin_to_flush(file: int, begin: int, nbytes: int) -> None:
    """Start writing back bytes to the disk, without waiting for it."""
    # What is not there yet stays in memory, and is read from there (posix_fadvise(2), Linux).
    os.posix_fadvise(file, begin, nbytes, os.POSIX_FADV_DONTNEED)
