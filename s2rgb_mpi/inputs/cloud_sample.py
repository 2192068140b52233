"""Which products a window will probably need, by a sample of their scene classifications.

For predictions only, which may be wrong: of JPEG 2000 reduced levels are read, whose classes are
mixed, and "no data" in the bands is not known.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import InputError, ReadError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.clouds import LAST_CLASS, NODATA_CLASS, dilated
from s2rgb_mpi.inputs.band_file import BandFile, Memory
from s2rgb_mpi.inputs.files.read_ahead import is_cached
from s2rgb_mpi.inputs.opening import open_raster
from s2rgb_mpi.inputs.warp.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.image.clouds import Clouds
    from s2rgb_mpi.inputs.classification import Classification
    from s2rgb_mpi.inputs.mosaic import Member, Scene

STEP = 16
"""One pixel of a classification in so many rows and columns is looked at: each 320 m."""

POINTS = 24
"""In each window so many rows and columns of points are looked at."""

UNKNOWN = 255
"""Stands for values that no class has: the largest that any type of classifications can hold."""


def needed_shares(
    scene: Scene,
    windows: Sequence[Window],
    clouds: Clouds,
    *,
    keeps_cloudy: bool,
    takes_all: bool,
) -> dict[tuple[int, int], float]:
    """Predict which products are decoded for which windows.

    Parameters
    ----------
    scene : Scene
        The products, the one on top first.
    windows : sequence of Window
        Of the image.
    clouds : Clouds
        Which pixels are cloudy.
    keeps_cloudy : bool
        Whether pixels that are cloudy in all products are filled from these.
    takes_all : bool
        Whether all clear pixels count, as for a median; else the first one of each place.

    Returns
    -------
    dict
        The share of the window's pixels for which a product is needed, by the numbers of both;
        nothing where it is 0.
    """
    samples = [_Sample(member, clouds) for member in scene.members]
    found: dict[tuple[int, int], float] = {}
    for number, window in enumerate(windows):
        points = _points(window)
        open_points = np.ones(points.shape[:-1], dtype=np.bool_)
        cloudy: dict[int, NDArray[np.bool_]] = {}
        for member, (each, sample) in enumerate(zip(scene.members, samples, strict=True)):
            if each.visible(window) is None:
                continue
            inside, clear = sample.at(points)
            used = clear & open_points
            cloudy[member] = inside & ~clear
            found[member, number] = float(used.mean())
            if not takes_all:
                open_points &= ~used
        if not keeps_cloudy:
            continue
        for member, hidden in cloudy.items():
            used = hidden & open_points
            found[member, number] += float(used.mean())
            open_points &= ~used
    return {key: share for key, share in found.items() if share}


class _Sample:
    """The cloudy pixels of a product, about."""

    def __init__(self, member: Member, clouds: Clouds) -> None:
        self._member = member
        product = member.product
        self._grid = product.unwarped.grid
        warp = product.warp
        self._transform = (
            None if warp is None else Transform(self._grid, product.grid, warp.operation)
        )
        classification = product.unwarped.classification
        assert classification is not None  # noqa: S101  rank 0 looked for it
        self._cloudy = np.zeros((1, 1), dtype=np.bool_)
        # Where nothing is known all is taken for clear; of damage the worker that needs it tells.
        with suppress(InputError, ReadError, RuntimeError):
            table = np.append(clouds.table(), np.zeros(UNKNOWN - LAST_CLASS, dtype=np.bool_))
            values = table[np.clip(_read(classification), NODATA_CLASS, UNKNOWN)]
            radius = clouds.radius(classification.metres)
            self._cloudy = dilated(values, -(-radius // STEP))

    def at(self, points: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return whether points of the image lie in the product, and whether they are clear."""
        points = points - (self._member.col_off, self._member.row_off)
        if self._transform is not None:
            points = self._transform.backward(points)
        size = np.array(self._grid.size)
        inside = ((points >= 0) & (points < size)).all(axis=-1)  # False where they are NaN
        shape = np.array(self._cloudy.shape[::-1])
        cols, rows = np.moveaxis(np.where(inside[..., None], points, 0) * (shape / size), -1, 0)
        cloudy = self._cloudy[rows.astype(np.intp), cols.astype(np.intp)]
        return inside, inside & ~cloudy


def _points(window: Window) -> NDArray[np.float64]:
    """Spread points over a window: an array of shape (rows, columns, 2), pixels."""
    cols, rows = (
        begin + (np.arange(POINTS) + 0.5) * length / POINTS
        for begin, length in zip(window[:2], window[2:], strict=True)
    )
    return np.stack(np.meshgrid(cols, rows), axis=-1)


def _read(classification: Classification) -> NDArray[np.uint8]:
    """Read one pixel in STEP rows and columns."""
    grid = classification.grid
    if classification.array is None:
        dataset = open_raster(classification.path, internal=classification.internal)
        if is_cached(classification.path) and dataset.GetDriver().ShortName != "GTiff":
            raise ReadError(f"{classification.path}: a sample would take too many requests")
        band = dataset.GetRasterBand(classification.number)
        size = (-(-length // STEP) for length in grid.size)
        return np.asarray(band.ReadAsArray(0, 0, *grid.size, *size))
    file = BandFile([classification], Memory(), 0)
    height = classification.block[1]
    strips = [
        file.read_stored(Window(0, row, grid.width, min(height, grid.height - row)))[0][
            -row % STEP :: STEP, ::STEP
        ].copy()
        for row in range(0, grid.height, height)
    ]
    return np.concatenate(strips)
