"""Tiles on their way from the partial file to their places in the image."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import named
from s2rgb_mpi.output.geotiff.disk import FLUSH_NBYTES, begin_to_flush, check, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Copies:
    """Tiles to be copied, by one process or, in parts, by several.

    Parameters
    ----------
    source, target : Path
        Both must exist. The target is written at the places that are named, and nowhere else.
    framed : bool
        Whether a tile has its size (u4) before it, and its last four bytes again after it.
    tiles : ndarray, shape (n, 4), uint64
        Offset in the source, offset in the target, size in bytes and CRC-32 of each tile; in the
        order of the target.
    """

    source: Path
    target: Path
    framed: bool
    tiles: NDArray[np.uint64]

    @property
    def nbytes(self) -> int:
        """Bytes of all tiles."""
        return int(self.tiles[:, 2].sum())

    def split(self, count: int) -> list[Copies]:
        """Cut into so many runs of about as many bytes each; some may be empty."""
        ends = np.cumsum(self.tiles[:, 2])
        marks = [self.nbytes * number // count for number in range(1, count)]
        edges = [0, *np.searchsorted(ends, marks, side="right")]
        return [
            replace(self, tiles=self.tiles[begin:end])
            for begin, end in zip(edges, [*edges[1:], len(self.tiles)], strict=True)
        ]

    def run(self, attend: Callable[[], None] = lambda: None) -> None:
        """Copy the tiles; that they are on the disk is still to be waited for.

        Parameters
        ----------
        attend : callable, optional
            Called before each tile; what it raises ends the work.

        Raises
        ------
        OutputError
            A file cannot be read or written, or a tile is not what it was any more.
        """
        if not len(self.tiles):
            return
        buffer = memoryview(bytearray(int(self.tiles[:, 2].max())))
        begun = int(self.tiles[0, 1])
        with _opened(self.source, os.O_RDONLY) as source, _opened(self.target, os.O_WRONLY) as file:
            for begin, place, size, crc32 in self.tiles.tolist():
                attend()
                with named(self.source):
                    data = buffer[: os.preadv(source, [buffer[:size]], begin)]
                check(self.source, begin, data, nbytes=size, crc32=crc32)
                frame = struct.pack("<I", size) if self.framed else b""
                again = data[-len(frame) :] if frame else b""
                with named(self.target):
                    write_all(file, [frame, data, again], place - len(frame))
                if place + size - begun > FLUSH_NBYTES:
                    begin_to_flush(file, begun, place + size - begun)
                    begun = place + size


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file that must be there."""
    with named(path):
        file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)
