"""Reduced levels: halve an image with nodata areas, and join tiles that span several windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.radiometry import ALPHA, RGBA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid

    Key = tuple[int, int, int]
    """A tile: level, row, col."""

    Pixels = NDArray[np.uint8] | Callable[[], NDArray[np.uint8]]


def halve(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average every 2 x 2 pixels over those that are valid, rounding half up.

    "No data" never bleeds into an edge. The last row or column of an odd size is averaged over
    the pixels there are.

    Parameters
    ----------
    rgba : ndarray, shape (height, width, 4), uint8
        As :func:`~s2rgb_mpi.image.radiometry.colour` fills it.

    Returns
    -------
    ndarray, shape (ceil(height / 2), ceil(width / 2), 4), uint8
        Valid where any of the pixels is.
    """
    height, width = rgba.shape[:2]
    if height % 2 or width % 2:
        rgba = np.pad(rgba, ((0, height % 2), (0, width % 2), (0, 0)))
    total = _sum_of_four(rgba)
    if rgba[..., ALPHA].all():
        return ((total + 2) >> 2).astype(np.uint8)
    count = total[..., ALPHA:] // 255  # alpha is 255 or 0, and its own average by the same formula
    return ((2 * total + count) // np.maximum(2 * count, 1)).astype(np.uint8)


def _sum_of_four(image: NDArray[Any]) -> NDArray[np.uint16]:
    """Sum every 2 x 2 pixels of an array of even height and width."""
    rows = np.add(image[0::2], image[1::2], dtype=np.uint16)
    return rows[:, 0::2] + rows[:, 1::2]


class LevelTile(NamedTuple):
    """One tile of a reduced level: its place in tiles, and the parts that it is joined from."""

    level: int
    row: int
    col: int
    place: Window
    """Its pixels in the level."""
    parts: list[tuple[Window, Pixels]]
    """What is in it, and where that lies in the level; the rest is empty."""

    @property
    def rgba(self) -> NDArray[np.uint8]:
        """Its pixels, joined anew; shape (place.height, place.width, 4), uint8."""
        rgba = np.zeros((self.place.height, self.place.width, RGBA), dtype=np.uint8)
        for part, pixels in self.parts:
            shown = part.overlap(self.place)
            assert shown is not None  # noqa: S101  only such parts were added
            inside = shown.moved(-self.place.col_off, -self.place.row_off).slices
            source = shown.moved(-part.col_off, -part.row_off).slices
            rgba[inside] = (pixels() if callable(pixels) else pixels)[source]
        return rgba


class _OpenTile:
    """A tile that waits for more parts."""

    def __init__(self, place: Window) -> None:
        self.parts: list[tuple[Window, Pixels]] = []
        self.missing = place.width * place.height


class Assembly:
    """The tiles of reduced levels that span windows, joined from the parts of each window.

    What is known of a tile is held only from its first part to its last; since windows are dealt in
    Z-order, few are open at a time.

    Parameters
    ----------
    grid : Grid
        Of the full image.
    tile : int
        Edge of a tile, pixels.
    only : set of (level, row, col), optional
        The tiles to join; all of them by default.
    """

    def __init__(self, grid: Grid, tile: int, only: set[Key] | None = None) -> None:
        self._grid = grid
        self._tile = tile
        self._only = only
        self._open: dict[Key, _OpenTile] = {}

    @property
    def open_tiles(self) -> int:
        """How many tiles wait for more parts."""
        return len(self._open)

    def add(self, level: int, part: Window, pixels: Pixels | None) -> Iterator[LevelTile]:
        """Put one window's part of a level into its tiles; return those that are now whole.

        Parameters
        ----------
        level : int
            1 is half resolution.
        part : Window
            Where the part lies, pixels of that level.
        pixels : ndarray, shape (part.height, part.width, 4), uint8, or what gives it when called
            Kept until the tile is whole, and not copied. None where the window has no valid pixel.

        Yields
        ------
        LevelTile
            Edge tiles are as small as the image leaves them; wholly empty ones too are given.
        """
        for key, place, shown in _tiles(self._grid, self._tile, level, part):
            if self._only is not None and key not in self._only:
                continue
            if key not in self._open:
                self._open[key] = _OpenTile(place)
            tile = self._open[key]
            if pixels is not None:
                tile.parts.append((part, pixels))
            tile.missing -= shown.width * shown.height
            if not tile.missing:
                yield LevelTile(*key, place, self._open.pop(key).parts)

    def leave(self, level: int, part: Window) -> None:
        """Join no tile that a part lies in: its pixels are not known."""
        for key, _, _ in _tiles(self._grid, self._tile, level, part):
            self._open.pop(key, None)
            if self._only is not None:
                self._only.discard(key)


def whole_tiles(grid: Grid, tile: int, level: int, parts: Iterable[Window]) -> set[Key]:
    """Find the tiles of a level that some parts, which do not overlap, cover wholly."""
    missing: dict[Key, int] = {}
    for part in parts:
        for key, place, shown in _tiles(grid, tile, level, part):
            before = missing.get(key, place.width * place.height)
            missing[key] = before - shown.width * shown.height
    return {key for key, pixels in missing.items() if not pixels}


def _tiles(grid: Grid, edge: int, level: int, part: Window) -> Iterator[tuple[Key, Window, Window]]:
    """List the tiles of a level that a part lies in: level, row, col; place; what it covers."""
    width, height = grid.at_level(level)
    for row in range(part.row_off // edge, -(-(part.row_off + part.height) // edge)):
        for col in range(part.col_off // edge, -(-(part.col_off + part.width) // edge)):
            left, top = col * edge, row * edge
            place = Window(left, top, min(edge, width - left), min(edge, height - top))
            shown = part.overlap(place)
            assert shown is not None  # noqa: S101  the ranges above list no other
            yield (level, row, col), place, shown
