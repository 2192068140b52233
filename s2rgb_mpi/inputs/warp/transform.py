"""Transforms points between the pixels of two grids, by the transformer of GDAL's warper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid, Window
    from s2rgb_mpi.inputs.product import Operation

    Point = tuple[float, float]


STEPS = 32
"""The number of parts into which :func:`lattice` divides an edge. A straight edge of 110 km,
a curve in another CRS, differs from the chords between such points by less than 0.3 m."""


NOWHERE = (math.nan, math.nan)
"""The result for a point at which the operation is not defined."""


class Transform:
    """Transforms points between the pixels of two grids.

    Parameters
    ----------
    source, target : Grid
        Both with a CRS; their sizes do not matter.
    operation : Operation, optional
        Between the two CRS. Without one GDAL chooses it, point by point: off by up to 200 m where
        datums differ, which is enough for areas and sizes of pixels, but not for pixels.
    """

    def __init__(self, source: Grid, target: Grid, operation: Operation | None = None) -> None:
        options = [] if operation is None else [f"COORDINATE_OPERATION={operation.definition}"]
        self._transformer = gdal.Transformer(_dataset(source), _dataset(target), options)

    def forward(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the source as points of the target.

        Parameters
        ----------
        points : ndarray, shape (..., 2), float64
            Columns and rows; (0, 0) is the outer corner of the first pixel.

        Returns
        -------
        ndarray, shape (..., 2), float64
            NaN where the operation is not defined.
        """
        return self._move(points, backward=False)

    def backward(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the target as points of the source, as :meth:`forward` does."""
        return self._move(points, backward=True)

    def _move(self, points: NDArray[np.float64], *, backward: bool) -> NDArray[np.float64]:
        moved = self._moved(points.reshape(-1, 2).tolist(), backward=backward)
        return np.array(moved, dtype=np.float64).reshape(points.shape)

    def _moved(self, points: list[Point], *, backward: bool) -> list[Point]:
        """Transform points; if GDAL raises an error for one of them, find it by bisection."""
        try:
            moved, good = self._transformer.TransformPoints(backward, points)
        except RuntimeError:
            half = len(points) // 2
            if not half:
                return [NOWHERE]
            return [
                *self._moved(points[:half], backward=backward),
                *self._moved(points[half:], backward=backward),
            ]
        return [
            (x, y) if is_good and math.isfinite(x) and math.isfinite(y) else NOWHERE
            for (x, y, _), is_good in zip(moved, good, strict=True)
        ]


def lattice(window: Window, steps: int = STEPS) -> NDArray[np.float64]:
    """Return points spread evenly over a window, including its edges and corners.

    Parameters
    ----------
    window : Window
        A window of any grid.
    steps : int
        The number of parts of its edges; at most that of their pixels.

    Returns
    -------
    ndarray, shape (rows, cols, 2), float64
        Columns and rows.
    """
    cols, rows = (
        np.linspace(begin, begin + size, min(size, steps) + 1)
        for begin, size in ((window.col_off, window.width), (window.row_off, window.height))
    )
    return np.stack(np.meshgrid(cols, rows), axis=-1)


def suggested_resolution(grid: Grid, crs: str) -> float:
    """Return the edge of a pixel that GDAL's warper suggests for a grid in another CRS.

    Parameters
    ----------
    grid : Grid
        With a CRS.
    crs : str
        Well-known text.

    Raises
    ------
    RuntimeError
        The other CRS is not defined at the grid.
    """
    whole = _dataset(grid)
    whole.AddBand()  # the warper wants one
    return float(gdal.AutoCreateWarpedVRT(whole, None, crs).GetGeoTransform()[1])


def _dataset(grid: Grid) -> gdal.Dataset:
    """Return a dataset with a grid and no bands."""
    dataset = gdal.GetDriverByName("VRT").Create("", max(1, grid.width), max(1, grid.height), 0)
    dataset.SetProjection(grid.crs)
    dataset.SetGeoTransform(grid.transform)
    return dataset
