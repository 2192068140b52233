"""Reduced levels: halving an image that has holes, and joining what spans several windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.radiometry import valid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid, Window


def halve(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average every 2 x 2 pixels over those that are valid, rounding half up.

    "No data" never bleeds into an edge, and a valid average is never 0, because valid pixels
    are 1..255. The last row or column of an odd size is averaged over the pixels there are.

    Parameters
    ----------
    rgb : ndarray, shape (height, width, 3), uint8
        0 in all bands means "no data".

    Returns
    -------
    ndarray, shape (ceil(height / 2), ceil(width / 2), 3), uint8
    """
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)))
    total = _sum_of_four(rgb)
    if rgb.all():
        return ((total + 2) >> 2).astype(np.uint8)
    count = _sum_of_four(valid(rgb)[..., np.newaxis])
    return ((2 * total + count) // np.maximum(2 * count, 1)).astype(np.uint8)


def _sum_of_four(image: NDArray[Any]) -> NDArray[np.uint16]:
    """Sum every 2 x 2 pixels of an array of even height and width."""
    rows = np.add(image[0::2], image[1::2], dtype=np.uint16)
    return rows[:, 0::2] + rows[:, 1::2]


class LevelTile(NamedTuple):
    """One tile of a reduced level: its place in tiles, and its pixels."""

    level: int
    row: int
    col: int
    rgb: NDArray[np.uint8]


class _OpenTile:
    """A tile that waits for more parts."""

    def __init__(self, height: int, width: int) -> None:
        self.rgb = np.zeros((height, width, 3), dtype=np.uint8)
        self.missing = height * width


class Assembly:
    """The tiles of reduced levels that span windows, joined from the parts of each window.

    A tile is held only from its first part to its last; since windows are dealt in Z-order,
    few are open at a time.

    Parameters
    ----------
    grid : Grid
        Of the full image.
    tile : int
        Edge of a tile, pixels.
    """

    def __init__(self, grid: Grid, tile: int) -> None:
        self._grid = grid
        self._tile = tile
        self._open: dict[tuple[int, int, int], _OpenTile] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held by the tiles that are open now."""
        return sum(tile.rgb.nbytes for tile in self._open.values())

    def add(
        self, level: int, part: Window, pixels: NDArray[np.uint8] | None
    ) -> Iterator[LevelTile]:
        """Put one window's part of a level into its tiles; give those that are now whole.

        Parameters
        ----------
        level : int
            1 is half resolution.
        part : Window
            Where the part lies, pixels of that level.
        pixels : ndarray, shape (part.height, part.width, 3), uint8, or None
            None where the window has no valid pixel.

        Yields
        ------
        LevelTile
            Edge tiles are as small as the image leaves them; wholly empty ones too are given.
        """
        edge = self._tile
        width, height = self._grid.at_level(level)
        for row in range(part.row_off // edge, -(-(part.row_off + part.height) // edge)):
            for col in range(part.col_off // edge, -(-(part.col_off + part.width) // edge)):
                top, left = row * edge, col * edge
                bottom, right = min(top + edge, height), min(left + edge, width)
                key = (level, row, col)
                tile = self._open.setdefault(key, _OpenTile(bottom - top, right - left))
                y0, y1 = max(top, part.row_off), min(bottom, part.row_off + part.height)
                x0, x1 = max(left, part.col_off), min(right, part.col_off + part.width)
                if pixels is not None:
                    tile.rgb[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[
                        y0 - part.row_off : y1 - part.row_off,
                        x0 - part.col_off : x1 - part.col_off,
                    ]
                tile.missing -= (y1 - y0) * (x1 - x0)
                if not tile.missing:
                    yield LevelTile(level, row, col, self._open.pop(key).rgb)
