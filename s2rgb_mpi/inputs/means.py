"""Products read as block means: coarser pixels, each the mean of k x k pixels of a file."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.image.block_means import BlockMeans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.band_file import Layer
    from s2rgb_mpi.inputs.byte_ranges import Start
    from s2rgb_mpi.inputs.files.read_ahead import ByteRange
    from s2rgb_mpi.inputs.product import Product

MOST_FILE_PIXELS = 2**21
"""The most pixels of a band that are read at once, unless a row of a source block has more."""


@dataclass(frozen=True)
class Means:
    """The relation of a product's pixels to those of its files.

    Parameters
    ----------
    factor : int
        Each pixel is the mean of the valid ones among ``factor`` x ``factor`` pixels of the files.
    grid : Grid
        The grid of the files.
    block : tuple of int
        ``(width, height)`` of the blocks that the files are stored in, pixels.
    offset : tuple of int
        The number of columns and rows by which the product begins before its files: so many are
        missing in its first column and row of means.
    """

    factor: int
    grid: Grid
    block: tuple[int, int]
    offset: tuple[int, int] = (0, 0)

    def source(self, window: Window) -> Window:
        """Return a window of the product in pixels of the files; it may extend beyond them."""
        cols, rows = self.offset
        col, row, width, height = (self.factor * number for number in window)
        return Window(col - cols, row - rows, width, height)

    def pieces(self, window: Window) -> Iterator[Window]:
        """Cut a window into pieces of whole source blocks, which are read one after the other.

        Parameters
        ----------
        window : Window
            In pixels of the files; the part beyond them is left out.

        Yields
        ------
        Window
            In pixels of the files. Blocks larger than :data:`MOST_FILE_PIXELS` are cut into strips
            of rows: GDAL's cache keeps the block meanwhile.
        """
        inside = window.overlap(Window(0, 0, self.grid.width, self.grid.height))
        if inside is None:
            return
        width, height = self.piece_edge(inside.width)
        # Whole blocks; too large ones in strips of rows, block by block.
        across, down = (
            max(edge, block) for edge, block in zip((width, height), self.block, strict=True)
        )
        left, top = (
            begin // edge * edge
            for begin, edge in zip((inside.col_off, inside.row_off), self.block, strict=True)
        )
        for row in range(top, inside.row_off + inside.height, down):
            for col in range(left, inside.col_off + inside.width, across):
                for strip in range(row, row + down, height):
                    whole = Window(col, strip, width, min(height, row + down - strip))
                    piece = whole.overlap(inside)
                    if piece is not None:
                        yield piece

    def piece_edge(self, width: int) -> tuple[int, int]:
        """Return ``(width, height)`` of the pieces of a window of some width, file pixels."""
        block_width, block_height = self.block
        fitting = MOST_FILE_PIXELS // (block_width * block_height)
        if not fitting:
            return block_width, max(1, MOST_FILE_PIXELS // block_width)
        across = min(fitting, -(-width // block_width) + 1)
        return across * block_width, fitting // across * block_height


def averaged(product: Product, factor: int, offset: tuple[int, int] = (0, 0)) -> Product:
    """Return a product as block means of its files.

    Parameters
    ----------
    product : Product
        On the grid of its files.
    factor : int
        Edge of an averaged block, pixels of the files.
    offset : tuple of int
        As in :class:`Means`; below `factor`.

    Returns
    -------
    Product
        Its pixels are `factor` times as large. Blocks at the edges are averaged over their part
        inside the files.
    """
    if factor == 1:
        return product
    grid = product.grid
    x, dx, a, y, b, dy = grid.part(Window(-offset[0], -offset[1], 1, 1)).transform
    transform = (x, dx * factor, a * factor, y, b * factor, dy * factor)
    width, height = (
        -(-(size + before) // factor)
        for size, before in zip((grid.width, grid.height), offset, strict=True)
    )
    means = Means(factor, grid, product.block, offset)
    coarse = replace(
        product,
        grid=Grid(grid.crs, transform, width, height),
        # The smallest blocks whose edges are edges of blocks of the files too.
        block=(
            min(math.lcm(product.block[0], factor) // factor, width),
            min(math.lcm(product.block[1], factor) // factor, height),
        ),
        means=means,
    )
    return replace(coarse, costs=_costs(coarse, product))


def _costs(coarse: Product, fine: Product) -> tuple[int, ...]:
    """Add up the costs of the blocks of the files that begin in each block of the means."""
    if not fine.costs or coarse.means is None:
        return ()
    factor, (cols, rows) = coarse.means.factor, coarse.means.offset
    width, height = coarse.block
    block_width, block_height = fine.block
    across, fine_across = (-(-each.grid.width // each.block[0]) for each in (coarse, fine))
    down = -(-coarse.grid.height // height)
    sums: Counter[int] = Counter()
    for number, cost in enumerate(fine.costs):
        row = (number // fine_across * block_height + rows) // (factor * height)
        col = (number % fine_across * block_width + cols) // (factor * width)
        sums[row * across + col] += cost
    return tuple(sums[number] for number in range(across * down))


class File(Protocol):
    """An open file of which windows are read."""

    bands: Sequence[Layer]

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read a window: shape (bands, height, width), uint16, 0 where there is no data."""

    def locate(self, start: Start) -> None:
        """Begin to locate its blocks, if it is on a server."""

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        """Yield the byte ranges that a window is decoded from."""

    def error(self, window: Window, error: RuntimeError) -> Exception:
        """Return the error that a window cannot be read."""


class Pixels(Protocol):
    """Memory for pixels."""

    def array(self, place: int, use: str, dtype: str, shape: tuple[int, ...]) -> NDArray[np.uint16]:
        """Return an array in memory of its own for each place, use and type."""


class MeanFile:
    """An open file, read as block means.

    Parameters
    ----------
    file : File
        At full resolution.
    means : Means
        The blocks that are averaged.
    memory : Pixels
        Holds the means.
    place : int
        Number of the file in the product: each has memory of its own.
    """

    def __init__(self, file: File, means: Means, memory: Pixels, place: int) -> None:
        self.bands = file.bands
        self._file = file
        self._means = means
        self._memory = memory
        self._place = place

    def read(self, window: Window) -> NDArray[np.uint16]:
        """Read a window of the means: shape (bands, height, width), uint16, 0 where there are none.

        No source block is decoded twice, and only a few are in memory at a time.
        """
        shape = len(self.bands), window.height, window.width
        source = self._means.source(window)
        blocks = BlockMeans(self._means.factor, shape)
        for piece in self._means.pieces(source):
            row, col = piece.row_off - source.row_off, piece.col_off - source.col_off
            blocks.add(self._file.read(piece), row, col)
        out = self._memory.array(self._place, "means", "uint16", shape)
        blocks.means(out)
        return out

    def locate(self, start: Start) -> None:
        """Begin to locate the blocks of the file, if it is on a server."""
        self._file.locate(start)

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        """Yield the byte ranges that a window of the means is decoded from."""
        grid = self._means.grid
        inside = self._means.source(window).overlap(Window(0, 0, grid.width, grid.height))
        if inside is not None:
            yield from self._file.ranges(inside)

    def error(self, window: Window, error: RuntimeError) -> Exception:
        """Return the error that a window of the means cannot be read, with GDAL's message."""
        return self._file.error(self._means.source(window), error)
