"""The part file: encoded tiles in the order they came, and where each one lies."""

from __future__ import annotations

import itertools
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import OutputError
from s2rgb_mpi.grid import reduced

if TYPE_CHECKING:
    from collections.abc import Iterator
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
        Must exist, and be empty.
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
        self.nbytes = 0
        masks = (False, True) if profile.mask == "internal" else (False,)
        self.index = {
            Layer(level, mask): np.zeros(
                (
                    *(
                        reduced_tiles(edge, level, profile.tile)
                        for edge in (grid.height, grid.width)
                    ),
                    2,
                ),
                dtype=np.uint64,
            )
            for level, mask in itertools.product(range(levels + 1), masks)
        }
        with named(path):
            self._file = os.open(path, os.O_RDWR)

    def append(self, data: bytes | memoryview) -> int:
        """Write bytes at the end; return where they begin."""
        begin = self.nbytes
        view = memoryview(data)
        with named(self.path):
            while view:
                view = view[os.write(self._file, view) :]
        self.nbytes += len(data)
        return begin

    def note(self, layer: Layer, row: int, col: int, *, offset: int, nbytes: int) -> None:
        """Remember where a tile lies; refuse one that is already there."""
        if self.index[layer][row, col, 1]:
            raise OutputError(f"{self.path}: tile {row}, {col} of {layer} came twice")
        self.index[layer][row, col] = offset, nbytes

    def read(self, offset: int, nbytes: int) -> bytes:
        """Return bytes that were appended."""
        with named(self.path):
            data = os.pread(self._file, nbytes, offset)
        if len(data) != nbytes:
            raise OutputError(f"{self.path}: {nbytes} bytes at {offset} are not there any more")
        return data

    def remove(self) -> None:
        """Close the part file and delete it."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)


def reduced_tiles(edge: int, level: int, tile: int) -> int:
    """Count the tiles along an edge of ``edge`` pixels after ``level`` halvings."""
    return -(-reduced(edge, level) // tile)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn the system's words on a file into ours, with its path."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
