"""Resamples pieces of a product in memory by GDAL's warper, with the result of one call for all."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from osgeo import gdal, gdal_array

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.opening import cause
from s2rgb_mpi.inputs.product import GDAL_RESAMPLINGS
from s2rgb_mpi.inputs.warp.polynomial import horner
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.product import Product

MOST_SOURCE_PIXELS = 2 * 2**20
"""The most source pixels of a band for one piece, unless a single output pixel needs more."""

RADII = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""Radius of the kernels at scale 1, pixels of the source."""

PIECE_STEPS = 16
"""The number of parts into which the lattice over a window divides its edges. Over 100 km a
straight edge, a curve in another CRS, differs from the chords by less than 2 m, which the margins
cover."""

_PLAIN_STEPS = {"pipeline", "noop", "axisswap", "unitconvert", "push", "pop"}
"""Steps of PROJ that are exact and fast: with these, edges of pixels remain edges of pixels."""


class Piece(NamedTuple):
    """A part of a window, and the source pixels that it needs."""

    target: Window
    """The part, in pixels of the other grid."""
    source: Window
    """The source pixels, in pixels of the product's own grid."""


class Warper:
    """Resamples a product onto another grid, piece by piece.

    The value of a pixel does not depend on the piece that contains it: all pieces use the same
    coordinate operation, scale and exact transformation, and each has all source pixels under the
    kernel. So the result equals that of one call of ``gdalwarp -et 0 -ovr NONE`` with the same
    ``-ct``, ``-wo XSCALE`` and ``-wo YSCALE``. A polynomial replaces the operation where it is as
    exact (`polynomial`).

    Parameters
    ----------
    product : Product
        On the other grid; its `warp` has the source and the method.

    Raises
    ------
    ReadError
        PROJ does not find a datum shift grid on this machine.
    """

    def __init__(self, product: Product) -> None:
        assert product.warp is not None  # noqa: S101  the caller has checked
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
            Neighbours follow each other. Parts outside the source are left out.
        """
        points = self._transform.backward(lattice(window, PIECE_STEPS))
        inside = np.isfinite(points).all(axis=-1)
        is_pixel = window.width * window.height == 1
        if not inside.all() and is_pixel:  # then its centre decides, as in the warper
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
            The source pixels of the piece; 0 is "no data".
        piece : Piece
            From :meth:`pieces`.
        out : ndarray, shape (bands, height, width), uint16
            The target pixels of the piece, C-contiguous, 0 everywhere; filled here where the source
            has data.

        Raises
        ------
        ReadError
            With GDAL's message.
        """
        # In one call a pixel without data in one band would have none in the others; and GDAL 3.13
        # would turn cubic values below 0 into "no data", which become 1 in a call for one band.
        together = self._warp.resampling != "cubic" and dn.all()
        bands: Sequence[Any] = [slice(None)] if together else range(len(dn))
        for band in bands:
            if dn[band].any():
                self._run(dn[band], piece, out[band], self._warp.gdal_resampling)

    def nearest(self, mask: NDArray[np.bool_], piece: Piece) -> NDArray[np.bool_]:
        """Return for each pixel of a piece the value of the source pixel that its centre lies in.

        Parameters
        ----------
        mask : ndarray, shape (height, width), bool
            Of the source pixels of the piece.
        piece : Piece
            From :meth:`pieces`.

        Returns
        -------
        ndarray, shape (height, width), bool
            False outside the source.

        Raises
        ------
        ReadError
            With GDAL's message.
        """
        out = np.zeros((piece.target.height, piece.target.width), dtype=np.uint8)
        if mask.any():
            self._run(mask.view(np.uint8), piece, out, GDAL_RESAMPLINGS["nearest"])
        return out.view(np.bool_)

    def _run(self, values: NDArray[Any], piece: Piece, out: NDArray[Any], resampling: str) -> None:
        """Resample one array by GDAL's warper into another; 0 is "no data" in both."""
        source, target, definition = self._places(piece)
        options = gdal.WarpOptions(
            srcNodata=0,
            dstNodata=0,
            resampleAlg=resampling,
            errorThreshold=0,
            coordinateOperation=definition,
            # By default the warper estimates the scale from the source pixels of a piece.
            warpOptions=[
                f"{axis}SCALE={scale:.17g}"
                for axis, scale in zip("XY", self._warp.scale, strict=True)
            ],
        )
        try:
            gdal.Warp(_dataset(out, target), _dataset(values, source), options=options)
        except RuntimeError as error:
            raise ReadError(f"{tuple(piece.source)} of {self._name}: {cause(error, '')}") from error

    def _places(self, piece: Piece) -> tuple[Grid, Grid, str | None]:
        """Return the grids of a piece's source and target, and the operation between them."""
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
        """Return the source pixels under the kernels at these points; None if there are none."""
        radius = RADII[self._warp.resampling]
        margins = [math.ceil(radius / scale) + 2 for scale in self._warp.scale]
        grid = self._warp.source.grid
        left, top = np.floor(points.min(axis=(0, 1))).astype(int) - margins
        right, bottom = np.ceil(points.max(axis=(0, 1))).astype(int) + margins
        reached = Window(int(left), int(top), int(right - left), int(bottom - top))
        return reached.overlap(Window(0, 0, grid.width, grid.height))


def most_source_pixels(product: Product) -> int:
    """Return the most source pixels of a band that a piece can need.

    This is :data:`MOST_SOURCE_PIXELS`, or more if a single output pixel needs more.
    """
    warp = product.warp
    assert warp is not None  # noqa: S101
    radius = RADII[warp.resampling]
    edges = [1 / scale + 2 * (math.ceil(radius / scale) + 3) for scale in warp.scale]
    grid = warp.source.grid
    # A rotated pixel needs up to twice as many.
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
    """Return a grid without CRS, with pixels of another size, and its origin in the middle."""
    corner = (-grid.width / 2 * dx, dx, 0.0, -grid.height / 2 * dy, 0.0, dy)
    return Grid("", corner, grid.width, grid.height)


def _dataset(values: NDArray[Any], grid: Grid) -> gdal.Dataset:
    """Return a dataset with a grid whose pixels are those of an array, without a copy."""
    dataset = gdal_array.OpenArray(values)
    dataset.SetProjection(grid.crs)
    dataset.SetGeoTransform(grid.transform)
    return dataset
