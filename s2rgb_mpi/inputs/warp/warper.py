"""A product on another grid: GDAL's warper on pieces in memory, as on the whole at once."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from osgeo import gdal, gdal_array

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.opening import cause
from s2rgb_mpi.inputs.warp.polynomial import horner
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.product import Product

MOST_SOURCE_PIXELS = 2 * 2**20
"""Pixels of a band that are warped at once, unless a single pixel of the output needs more."""

RADII = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""How far the kernels reach at scale 1, pixels of the source."""

PIECE_STEPS = 16
"""Into how many parts the lattice over a window divides its edges. At 100 km a straight edge that
another CRS bends leaves the chords by less than 2 m, which the margins allow for."""

_PLAIN_STEPS = {"pipeline", "noop", "axisswap", "unitconvert", "push", "pop"}
"""Steps of PROJ that are exact, and cheap: an edge between two pixels stays one."""


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
    same ``-ct``, ``-wo XSCALE`` and ``-wo YSCALE``. A polynomial stands for the operation where it
    is as exact (`polynomial`).

    Parameters
    ----------
    product : Product
        On the other grid; its `warp` says from where, and how.

    Raises
    ------
    ReadError
        PROJ has no such grid of a datum shift on this machine.
    """

    def __init__(self, product: Product) -> None:
        assert product.warp is not None  # noqa: S101  nobody warps what lies on its own grid
        self._warp = product.warp
        self._name = product.name
        self._grid = product.grid
        operation = self._warp.operation
        try:
            self._transform = Transform(self._warp.source.grid, self._grid, operation)
        except RuntimeError as error:
            raise ReadError(f"{product.name}: {cause(error, '')}") from error
        self._definition = None if operation is None else operation.definition
        steps = set(re.findall(r"\bproj=(\w+)", self._definition or "proj=noop"))
        self._is_plain = steps <= _PLAIN_STEPS

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
        points = self._transform.backward(lattice(window, PIECE_STEPS))
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
        """Resample all bands of a piece.

        Parameters
        ----------
        dn : ndarray, shape (bands, height, width), uint16
            Of the piece's source; 0 is "no data".
        piece : Piece
            From :meth:`pieces`.
        out : ndarray, shape (bands, height, width), uint16
            Of the piece's target, C-contiguous, 0 everywhere; filled here where the source has
            data.

        Raises
        ------
        ReadError
            With GDAL's words.
        """
        source, target, definition = self._places(piece)
        options = gdal.WarpOptions(
            srcNodata=0,
            dstNodata=0,
            resampleAlg=self._warp.gdal_resampling,
            errorThreshold=0,
            coordinateOperation=definition,
            # By itself the warper guesses the scale from what a piece happens to show.
            warpOptions=[
                f"{axis}SCALE={scale:.17g}"
                for axis, scale in zip("XY", self._warp.scale, strict=True)
            ],
        )
        # Together, a pixel without data in one band would be none in the others; and cubic values
        # below 0 would become "no data" in GDAL 3.13, which makes them 1 in a band by itself.
        together = self._warp.resampling != "cubic" and dn.all()
        bands: Sequence[Any] = [slice(None)] if together else range(len(dn))
        try:
            for band in bands:
                if dn[band].any():
                    gdal.Warp(
                        _dataset(out[band], target), _dataset(dn[band], source), options=options
                    )
        except RuntimeError as error:
            raise ReadError(f"{tuple(piece.source)} of {self._name}: {cause(error, '')}") from error

    def _places(self, piece: Piece) -> tuple[Grid, Grid, str | None]:
        """Return the grids of a piece's source and target, and the operation between both."""
        source, target = self._warp.source.grid.part(piece.source), self._grid.part(piece.target)
        if self._is_plain:
            return source, target, self._definition
        middle = np.array(piece.source[:2]) + np.array(piece.source[2:]) / 2
        points = self._transform.backward(lattice(piece.target, PIECE_STEPS)) - middle
        polynomial = horner(points)
        if polynomial is None:
            return source, target, self._definition
        return (
            _around_middle(source, 1.0, 1.0),
            _around_middle(target, 2 / target.width, 2 / target.height),
            polynomial,
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


def most_source_pixels(product: Product) -> int:
    """Return how many pixels of a band a piece can need at most.

    Where one pixel of the output needs more than :data:`MOST_SOURCE_PIXELS`, it is those.
    """
    warp = product.warp
    assert warp is not None  # noqa: S101
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


def _around_middle(grid: Grid, dx: float, dy: float) -> Grid:
    """Return a grid without CRS, with pixels of another size, whose origin lies in its middle."""
    corner = (-grid.width / 2 * dx, dx, 0.0, -grid.height / 2 * dy, 0.0, dy)
    return Grid("", corner, grid.width, grid.height)


def _dataset(values: NDArray[np.uint16], grid: Grid) -> gdal.Dataset:
    """Show an array as a dataset that lies on a grid; the pixels are the array's own."""
    dataset = gdal_array.OpenArray(values)
    dataset.SetProjection(grid.crs)
    dataset.SetGeoTransform(grid.transform)
    return dataset
