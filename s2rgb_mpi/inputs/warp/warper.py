"""A product on another grid: GDAL's warper on pieces in memory, as on the whole at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import gdal, gdal_array

from s2rgb_mpi.gdalenv import WARP_CACHE_NBYTES, enlarge_cache
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.product import Warp


MOST_SOURCE_PIXELS = 4 * 2**20
"""Pixels of a band that are warped at once, unless a single pixel of the output needs more."""

RADII = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""How far the kernels reach at scale 1, pixels of the source."""


class Piece(NamedTuple):
    """A part of a window, and what of the source its pixels need."""

    target: Window
    """In pixels of the other grid."""
    source: Window
    """In pixels of the product's own grid."""


class Warper:
    """Resamples a product onto another grid, piece by piece.

    A pixel does not depend on the piece that it is part of: one coordinate operation, one scale
    and an exact transformation hold for all of them, and a piece has all source pixels that the
    kernel reaches. So the result equals that of one call of ``gdalwarp -et 0 -ovr NONE`` with the
    same ``-ct``, ``-wo XSCALE`` and ``-wo YSCALE``.

    Parameters
    ----------
    warp : Warp
        From where, and how.
    grid : Grid
        The other grid.
    """

    def __init__(self, warp: Warp, grid: Grid) -> None:
        enlarge_cache(WARP_CACHE_NBYTES)
        self._warp = warp
        self._grid = grid
        self._transform = Transform(warp.source.grid, grid, warp.operation)
        self._options = gdal.WarpOptions(
            srcNodata=0,
            dstNodata=0,
            resampleAlg=warp.gdal_resampling,
            errorThreshold=0,
            coordinateOperation=warp.operation and warp.operation.definition,
            # By itself the warper guesses the scale from what a piece happens to show.
            warpOptions=[
                f"{axis}SCALE={scale:.17g}" for axis, scale in zip("XY", warp.scale, strict=True)
            ],
        )

    def pieces(self, window: Window) -> Iterator[Piece]:
        """Cut a window into pieces whose source pixels fit in memory.

        Parameters
        ----------
        window : Window
            In pixels of the other grid.

        Yields
        ------
        Piece
            Neighbours follow each other. Parts that the source does not reach are left out.
        """
        points = self._transform.backward(lattice(window))
        inside = np.isfinite(points).all(axis=-1)
        is_pixel = window.width * window.height == 1
        if not inside.all() and is_pixel:  # then its middle counts, as for the warper
            points = self._transform.backward(np.array([[window[:2]]]) + 0.5)
            inside = np.isfinite(points).all(axis=-1)
        if not inside.any():
            return
        if inside.all():
            source = self._reached(points)
            if source is None:
                return
            if is_pixel or source.width * source.height <= MOST_SOURCE_PIXELS:
                yield Piece(window, source)
                return
        for half in _halves(window):
            yield from self.pieces(half)

    def warp(self, dn: NDArray[np.uint16], piece: Piece, out: NDArray[np.uint16]) -> None:
        """Resample one band of a piece.

        Parameters
        ----------
        dn : ndarray, shape (height, width), uint16
            Of the piece's source; 0 is "no data".
        piece : Piece
            From :meth:`pieces`.
        out : ndarray, shape (height, width), uint16
            0 where the piece's target begins; filled here where the source has data.

        Raises
        ------
        RuntimeError
            With GDAL's words.
        """
        if not dn.any():
            return
        # One band at a time: together, a pixel without data in one would be none in the others.
        gdal.Warp(
            _dataset(out, self._grid.part(piece.target)),
            _dataset(dn, self._warp.source.grid.part(piece.source)),
            options=self._options,
        )

    def _reached(self, points: NDArray[np.float64]) -> Window | None:
        """Return the source pixels that kernels at these points reach; None if there are none."""
        radius = RADII[self._warp.resampling]
        margins = [math.ceil(radius / scale) + 2 for scale in self._warp.scale]
        grid = self._warp.source.grid
        left, top = np.floor(points.min(axis=(0, 1))).astype(int) - margins
        right, bottom = np.ceil(points.max(axis=(0, 1))).astype(int) + margins
        reached = Window(int(left), int(top), int(right - left), int(bottom - top))
        return reached.overlap(Window(0, 0, grid.width, grid.height))


def most_source_pixels(warp: Warp) -> int:
    """Return how many pixels of a band a piece can need at most.

    Where one pixel of the output needs more than :data:`MOST_SOURCE_PIXELS`, it is those.
    """
    radius = RADII[warp.resampling]
    edges = [1 / scale + 2 * (math.ceil(radius / scale) + 3) for scale in warp.scale]
    grid = warp.source.grid
    # A pixel may be turned: then what it needs is up to twice as much.
    most = max(MOST_SOURCE_PIXELS, math.ceil(2 * math.prod(edges)))
    return min(most, grid.pixels)


def _halves(window: Window) -> tuple[Window, Window]:
    """Cut a window in two, across its longer edge."""
    left, top, width, height = window
    if width >= height:
        half = width // 2
        return Window(left, top, half, height), Window(left + half, top, width - half, height)
    half = height // 2
    return Window(left, top, width, half), Window(left, top + half, width, height - half)


def _dataset(values: NDArray[np.uint16], grid: Grid) -> gdal.Dataset:
    """Show an array as a dataset that lies on a grid; the pixels are the array's own."""
    dataset = gdal_array.OpenArray(values)
    dataset.SetProjection(grid.crs)
    dataset.SetGeoTransform(grid.transform)
    return dataset
