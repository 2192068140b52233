"""The partial file: encoded tiles in the order they came, and where each one lies."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import OutputError, named
from s2rgb_mpi.grid import reduced
from s2rgb_mpi.output.geotiff.disk import FLUSH_NBYTES, begin_to_flush, check, write_all

if TYPE_CHECKING:
    from pathlib import Path

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.image.profile import Profile


class Layer(NamedTuple):
    """One directory of the file: the image or its mask, at one level."""

    level: int
    mask: bool


class TileLog:
    """The partial file: encoded tiles in the order they came, and where each one lies.

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
        import tifffile  # noqa: F401, PLC0415  here, not only when all pixels have been made

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
            self.nbytes = self._begun = os.fstat(self._file).st_size

    def append(self, *parts: bytes | memoryview) -> int:
        """Write bytes at the end, one part after the other; return where they begin."""
        begin = self.nbytes
        with named(self.path):
            write_all(self._file, parts)
        self.nbytes += sum(map(len, parts))
        if self.nbytes - self._begun > FLUSH_NBYTES:
            begin_to_flush(self._file, self._begun, self.nbytes - self._begun)
            self._begun = self.nbytes
        return begin

    def note(
        self, layer: Layer, row: int, col: int, *, offset: int, nbytes: int, crc32: int
    ) -> None:
        """Remember where a tile lies; reject one that is already there."""
        if self.has(layer, row, col):
            raise OutputError(f"{self.path}: tile {row}, {col} of {layer} came twice")
        self.index[layer][row, col] = offset, nbytes, crc32

    def has(self, layer: Layer, row: int, col: int) -> bool:
        """Return whether a tile is there."""
        return bool(self.index[layer][row, col, 1])

    def has_any(self, level: int, row: int, col: int) -> bool:
        """Return whether a tile of the image, or its mask, is there."""
        return any(self.has(layer, row, col) for layer in self.index if layer.level == level)

    def flush(self) -> None:
        """Return only when all that was appended is on the disk.

        Raises
        ------
        OutputError
            It cannot be written, or was removed: what is appended to it then is lost.
        """
        with named(self.path):
            os.fdatasync(self._file)
            if not _is_at(self.path, self._file):
                raise OutputError(f"{self.path}: was removed or replaced while it was written")

    def read(self, offset: int, nbytes: int, crc32: int | None = None) -> bytes:
        """Return bytes that were appended; refuse them if they do not have the CRC-32 they had."""
        with named(self.path):
            data = os.pread(self._file, nbytes, offset)
        check(self.path, offset, data, nbytes=nbytes, crc32=crc32)
        return data

    def close(self) -> None:
        """Close the partial file."""
        os.close(self._file)


def _is_at(path: Path, file: int) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def reduced_tiles(edge: int, level: int, tile: int) -> int:
    """Count the tiles along an edge of ``edge`` pixels after ``level`` halvings."""
    return -(-reduced(edge, level) // tile)
