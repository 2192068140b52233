"""The part file: encoded tiles in the order they came, and where each one lies."""

from __future__ import annotations

import itertools
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import OutputError, named
from s2rgb_mpi.grid import reduced

if TYPE_CHECKING:
    from pathlib import Path

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.profile import Profile


class Layer(NamedTuple):
    """One directory of the file: the image or its mask, at one level."""

    level: int
    mask: bool


class TileLog:
    """The part file: encoded tiles in the order they came, and where each one lies.

    Parameters
    ----------
    path : Path
        Must exist; what is in it stays.
    grid : Grid
        Of the full image.
    profile : Profile
        Gives the tile edge, and whether there is a mask.
    levels : int
        How many reduced levels there are.

    Raises
    ------
    OutputError
        The file cannot be created or written, here and in every method.
    """

    def __init__(self, path: Path, grid: Grid, profile: Profile, levels: int) -> None:
        self.path = path
        masks = (False, True) if profile.mask == "internal" else (False,)
        self.index = {
            Layer(level, mask): np.zeros(
                (
                    *(
                        reduced_tiles(edge, level, profile.tile)
                        for edge in (grid.height, grid.width)
                    ),
                    3,
                ),
                dtype=np.uint64,
            )
            for level, mask in itertools.product(range(levels + 1), masks)
        }
        """Offset, size in bytes and CRC-32 of every tile; 0, 0, 0 where there is none."""
        with named(path):
            self._file = os.open(path, os.O_RDWR | os.O_APPEND)
            self.nbytes = os.fstat(self._file).st_size

    def append(self, data: bytes | memoryview) -> int:
        """Write bytes at the end; return where they begin."""
        begin = self.nbytes
        with named(self.path):
            write_all(self._file, data)
        self.nbytes += len(data)
        return begin

    def note(
        self, layer: Layer, row: int, col: int, *, offset: int, nbytes: int, crc32: int
    ) -> None:
        """Remember where a tile lies; refuse one that is already there."""
        if self.index[layer][row, col, 1]:
            raise OutputError(f"{self.path}: tile {row}, {col} of {layer} came twice")
        self.index[layer][row, col] = offset, nbytes, crc32

    def flush(self) -> None:
        """Return only when all that was appended is on the disk."""
        with named(self.path):
            os.fdatasync(self._file)

    def tile(self, layer: Layer, row: int, col: int) -> bytes:
        """Return the bytes of a tile; refuse them if they are not those that were noted."""
        offset, nbytes, crc32 = map(int, self.index[layer][row, col])
        data = self.read(offset, nbytes)
        if zlib.crc32(data) != crc32:
            raise OutputError(
                f"{self.path}: {nbytes} bytes at {offset} are damaged: CRC-32 differs"
            )
        return data

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return bytes that were appended."""
        with named(self.path):
            data = os.pread(self._file, nbytes, offset)
        if len(data) != nbytes:
            raise OutputError(f"{self.path}: {nbytes} bytes at {offset} are not there any more")
        return data

    def close(self) -> None:
        """Close the part file."""
        os.close(self._file)


def reduced_tiles(edge: int, level: int, tile: int) -> int:
    """Count the tiles along an edge of ``edge`` pixels after ``level`` halvings."""
    return -(-reduced(edge, level) // tile)


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write bytes to a file that is open: one call of the system may take only some of them."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
