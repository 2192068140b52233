"""Which pixels of a product are clear, by its scene classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.clouds import any_of
from s2rgb_mpi.inputs.class_blocks import MOST_PIXELS, ClassBlocks
from s2rgb_mpi.inputs.classification import SLIVER
from s2rgb_mpi.inputs.warp.bounds import window_of
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.image.clouds import Clouds
    from s2rgb_mpi.inputs.mosaic import Member
    from s2rgb_mpi.inputs.product import Product


class ClearMask:
    """The clear pixels of one product; its classification is opened once and kept open.

    Parameters
    ----------
    product : Product
        With a classification; it is read on its own grid, that of `product.unwarped`.
    clouds : Clouds
        Which pixels are cloudy.

    Raises
    ------
    ReadError
        A file that was there when rank 0 looked cannot be opened any more.

    Notes
    -----
    A classification is always read as it is: reduced levels of JPEG 2000 have classes that none of
    their pixels has.
    """

    def __init__(self, product: Product, clouds: Clouds) -> None:
        classification = product.unwarped.classification
        assert classification is not None  # noqa: S101  rank 0 looked for it
        self._blocks = ClassBlocks(classification, clouds)
        self._grid = product.unwarped.grid

    def read(self, window: Window) -> NDArray[np.bool_]:
        """Read one window.

        Parameters
        ----------
        window : Window
            In pixels of the product's own grid, and inside it.

        Returns
        -------
        ndarray, shape (height, width), bool
            True where a pixel is clear: where no pixel of the classification that it overlaps is
            cloudy, nor within the buffer of one. A pixel of "no data" never is.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        cols, rows = _ranges(window, self._grid, self._blocks.classification.grid)
        clear = np.empty((window.height, window.width), dtype=np.bool_)
        per_row = -(-int(rows[1][-1] - rows[0][0]) // window.height)
        step = max(1, MOST_PIXELS // (per_row * int(cols[1][-1] - cols[0][0])))
        for row in range(0, window.height, step):
            strip = slice(row, row + step)
            begins, ends = rows[0][strip], rows[1][strip]
            needed = _window(cols, (begins, ends))
            cloudy = any_of(
                self._blocks.cloudy(needed), begins - needed.row_off, ends - needed.row_off
            )
            cloudy = any_of(cloudy.T, cols[0] - needed.col_off, cols[1] - needed.col_off).T
            np.logical_not(cloudy, out=clear[strip])
        return clear


def clear_share(member: Member, image: Grid, clouds: Clouds) -> float | None:
    """Return the share of clear pixels among the valid ones of a product inside an image.

    Parameters
    ----------
    member : Member
        The product, with a classification, of which the coarser one is used if there is one.
    image : Grid
        The grid of the image. Of a product that is resampled, the smallest window is looked at that
        contains the image.
    clouds : Clouds
        Which pixels are cloudy.

    Returns
    -------
    float, optional
        0 to 1; None without a valid pixel.

    Raises
    ------
    InputError
        The classification cannot be read.
    """
    own = member.product.unwarped
    found, shown = own.classification, _shown(member, image)
    assert found is not None  # noqa: S101  rank 0 has just opened it
    if shown is None:
        return None
    valid = clear = 0
    try:
        blocks = ClassBlocks(found.coarser or found, clouds)
        for part in blocks.rows(_window(*_ranges(shown, own.grid, blocks.classification.grid))):
            is_valid = blocks.valid(part)
            valid += int(np.count_nonzero(is_valid))
            clear += int(np.count_nonzero(is_valid & ~blocks.cloudy(part)))
    except ReadError as error:
        raise InputError(str(error)) from error
    return clear / valid if valid else None


def _shown(member: Member, image: Grid) -> Window | None:
    """Return the part of a product that an image shows, in pixels of the product's own grid."""
    own, warp = member.product.unwarped.grid, member.product.warp
    shown = Window(0, 0, image.width, image.height)
    if warp is None:
        shown = shown.moved(-member.col_off, -member.row_off)
    else:
        points = Transform(own, image, warp.operation).backward(lattice(shown))
        if not np.isfinite(points).any():
            return None
        shown = window_of(points)
    return shown.overlap(Window(0, 0, own.width, own.height))


Ranges = tuple["NDArray[np.intp]", "NDArray[np.intp]"]


def _ranges(window: Window, grid: Grid, classes: Grid) -> tuple[Ranges, Ranges]:
    """Return the columns and rows of a classification that those of a window overlap.

    Parameters
    ----------
    window : Window
        In pixels of `grid`.
    grid, classes : Grid
        Both north-up, in one CRS.

    Returns
    -------
    tuple of two pairs of ndarray
        The first column of each, and the first after it; likewise rows. At least one each, inside
        the classification; overlaps below :data:`SLIVER` of the smaller pixel do not count.
    """
    found = []
    for begin, count, place, size in (
        (window.col_off, window.width, 0, classes.width),
        (window.row_off, window.height, 3, classes.height),
    ):
        pixel = 1 if place == 0 else 5
        step = classes.transform[pixel]
        origin = (grid.transform[place] - classes.transform[place]) / step
        ratio = grid.transform[pixel] / step
        edges = origin + np.arange(begin, begin + count + 1) * ratio
        sliver = SLIVER * min(1.0, ratio)
        begins = np.clip(np.floor(edges[:-1] + sliver), 0, size - 1).astype(np.intp)
        ends = np.clip(np.ceil(edges[1:] - sliver), begins + 1, size).astype(np.intp)
        found.append((begins, ends))
    cols, rows = found
    return cols, rows


def _window(cols: Ranges, rows: Ranges) -> Window:
    """Return the window that ranges of columns and rows fill, each in ascending order."""
    left, top = int(cols[0][0]), int(rows[0][0])
    return Window(left, top, int(cols[1][-1]) - left, int(rows[1][-1]) - top)
