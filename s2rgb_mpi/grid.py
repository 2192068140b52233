"""Where pixels lie: the grid of an image, its windows, and its reduced levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Window(NamedTuple):
    """A rectangle of pixels of a grid, in rasterio's order.

    Parameters
    ----------
    col_off, row_off : int
        First column and row, pixels.
    width, height : int
        Size, pixels.
    """

    col_off: int
    row_off: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for an array that begins at pixel 0, 0."""
        return (
            slice(self.row_off, self.row_off + self.height),
            slice(self.col_off, self.col_off + self.width),
        )

    def moved(self, cols: int, rows: int) -> Window:
        """Return the window shifted by ``cols`` and ``rows`` pixels."""
        return Window(self.col_off + cols, self.row_off + rows, self.width, self.height)

    def overlap(self, other: Window) -> Window | None:
        """Return the intersection of both windows; None if it is empty."""
        left, top = max(self.col_off, other.col_off), max(self.row_off, other.row_off)
        right = min(self.col_off + self.width, other.col_off + other.width)
        bottom = min(self.row_off + self.height, other.row_off + other.height)
        return (
            Window(left, top, right - left, bottom - top) if left < right and top < bottom else None
        )

    def union(self, other: Window) -> Window:
        """Return the smallest window that contains both."""
        left, top = min(self.col_off, other.col_off), min(self.row_off, other.row_off)
        right = max(self.col_off + self.width, other.col_off + other.width)
        bottom = max(self.row_off + self.height, other.row_off + other.height)
        return Window(left, top, right - left, bottom - top)

    def at_level(self, level: int) -> Window:
        """Return this window in the image reduced ``level`` times by two.

        Parameters
        ----------
        level : int
            0 is full resolution. The offsets must be multiples of ``2**level``.

        Returns
        -------
        Window
            In pixels of that level; sizes are rounded up, as GDAL rounds overview sizes.
        """
        return Window(
            self.col_off >> level,
            self.row_off >> level,
            reduced(self.width, level),
            reduced(self.height, level),
        )


@dataclass(frozen=True)
class Grid:
    """A coordinate reference system, an affine transform and a size.

    Parameters
    ----------
    crs : str
        Well-known text; empty where the source has none.
    transform : tuple of float
        GDAL's geotransform: ``(x0, dx, 0, y0, 0, dy)``, in units of the CRS (metres in UTM).
    width, height : int
        Size, pixels.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def size(self) -> tuple[int, int]:
        """Its ``(width, height)``, pixels."""
        return self.width, self.height

    def windows(self, width: int, height: int) -> list[Window]:
        """Cut the grid into windows of at most ``width`` x ``height`` pixels, row by row."""
        return [
            Window(col, row, min(width, self.width - col), min(height, self.height - row))
            for row in range(0, self.height, height)
            for col in range(0, self.width, width)
        ]

    def part(self, window: Window) -> Grid:
        """Return the grid of a window, which may extend beyond this one."""
        x, dx, a, y, b, dy = self.transform
        col, row = window.col_off, window.row_off
        corner = (x + col * dx + row * a, dx, a, y + col * b + row * dy, b, dy)
        return Grid(self.crs, corner, window.width, window.height)

    def at_level(self, level: int) -> tuple[int, int]:
        """Return ``(width, height)`` of the image reduced ``level`` times by two."""
        return reduced(self.width, level), reduced(self.height, level)

    def overview_levels(self, tile: int) -> int:
        """Count the halvings until the whole image fits in one tile of edge ``tile``."""
        tiles = -(-max(self.width, self.height) // tile)
        return (tiles - 1).bit_length()


def reduced(size: int, level: int) -> int:
    """Return ``ceil(size / 2**level)``: an edge of ``size`` pixels after ``level`` halvings."""
    return -(-size >> level)


def interleave(col: int, row: int) -> int:
    """Return the position of a column and row on the Z-order curve, which keeps neighbours close.

    Parameters
    ----------
    col, row : int
        Non-negative, below 2**32.

    Returns
    -------
    int
        The bits of ``row`` and ``col`` interleaved, that of ``col`` lowest.

    Notes
    -----
    G. M. Morton, "A computer oriented geodetic data base", IBM, 1966.
    """
    return sum(
        ((col >> bit & 1) << 2 * bit) | ((row >> bit & 1) << 2 * bit + 1)
        for bit in range(max(col.bit_length(), row.bit_length()))
    )
