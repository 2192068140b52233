"""What lies over the land on one date: clouds, their shadows, thin cirrus; and the light.

Positions and lengths are fractions of the scene, so that the smallest scene has all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.testing.lattice import bilinear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SHADE = np.float32(0.93)  # the part of the light that a shadow takes
_OVERCORRECTION = np.float32(0.006)  # reflectance that is too low in shadows: some is below 0
_VEIL = np.float32(0.1)  # square of the depth, in radii, at which a cloud hides half of the land
_BILLOWS = 0.11  # by how much of the scene the outline of a cloud leaves its circle
_SHADOW = (-0.07, -0.11)  # from cloud to shadow, rows and columns: the sun is in the south-east
_PROBABLE = 0.5  # opacity from which a cloud is one of high probability

SHADOW, CIRRUS, MEDIUM, HIGH = 1, 2, 3, 4
"""What covers a pixel, the more the higher; 0 is nothing."""


class Cloud(NamedTuple):
    """A cloud; positions and lengths are fractions of the scene."""

    row: float
    col: float
    radius: float
    level: float
    """Reflectance of the thickest parts."""
    contrast: float
    """How much of the land's texture is seen in it."""
    density: float = 1.0
    """Opacity of the thickest parts; below 0.5 it is cirrus, which casts no shadow."""

    @property
    def is_cirrus(self) -> bool:
        """Whether the land is seen through all of it."""
        return self.density < _PROBABLE


CLOUDS = (
    Cloud(0.68, 0.68, 0.14, level=2.0, contrast=2.0),  # a thunderhead, above 1.0
    Cloud(0.22, 0.78, 0.06, level=0.7, contrast=0.8),
    Cloud(0.84, 0.24, 0.05, level=0.5, contrast=0.8),
    Cloud(0.47, 0.90, 0.03, level=0.5, contrast=0.8),
)
"""Those of a single product."""


@dataclass(frozen=True)
class Sky:
    """What one date adds to the land.

    Parameters
    ----------
    clouds : tuple of Cloud
        Where they are.
    light : float
        Factor of the land's reflectance: the season.
    date : int
        Another number, another sensor noise over the same land.
    missed : int
        Width of the rim of clouds and shadows, in pixels of 20 m, that the scene classification
        has as unclassified.
    """

    clouds: tuple[Cloud, ...] = CLOUDS
    light: float = 1.0
    date: int = 0
    missed: int = 0

    def cover(
        self,
        strip: NDArray[np.float32],
        down: NDArray[np.float32],
        across: NDArray[np.float32],
        billows: NDArray[np.float32],
    ) -> NDArray[np.uint8]:
        """Lay clouds and their shadows over a strip of land, in place.

        Parameters
        ----------
        strip : ndarray, shape (3, rows, cols), float32
            Reflectance.
        down, across : ndarray, one-dimensional, float32
            Positions of rows and columns, fractions of the scene.
        billows : ndarray, shape (n + 1, n + 1), float32
            Noise of the outlines, -1 to 1.

        Returns
        -------
        ndarray, shape (rows, cols), uint8
            0, or one of `SHADOW`, `CIRRUS`, `MEDIUM` and `HIGH`: nothing else was changed.
        """
        covered = np.zeros(strip.shape[1:], np.uint8)
        for cloud in self.clouds:
            if cloud.is_cirrus:
                continue
            at = down - _SHADOW[0], across - _SHADOW[1]
            for cols, depth in _depth(cloud, *at, billows):
                shade = np.minimum(3 * depth, 1)
                strip[..., cols] -= shade * (_SHADE * strip[..., cols] + _OVERCORRECTION)
                covered[:, cols][depth > 0] = SHADOW
        for cloud in self.clouds:
            for cols, depth in _depth(cloud, down, across, billows):
                opacity = cloud.density * (depth**2 / (depth**2 + _VEIL))
                strip[..., cols] += opacity * (
                    cloud.level + (cloud.contrast - 1) * strip[..., cols]
                )
                thin = CIRRUS if cloud.is_cirrus else MEDIUM
                kind = np.where(opacity < _PROBABLE, thin, HIGH) * (depth > 0)
                np.maximum(covered[:, cols], kind, out=covered[:, cols], casting="unsafe")
        return covered


SKY = Sky()
"""That of a single product."""


def _depth(
    cloud: Cloud,
    down: NDArray[np.float32],
    across: NDArray[np.float32],
    billows: NDArray[np.float32],
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the columns that a cloud reaches, if any, and its depth there in radii."""
    reach = np.float32(cloud.radius + _BILLOWS)
    if np.abs(down - cloud.row).min() > reach:
        return
    cols = slice(*np.searchsorted(across, (cloud.col - reach, cloud.col + reach)))
    across = across[cols]
    nodes = billows.shape[0] - 1
    outline = bilinear(billows, down % 1 * nodes, across % 1 * nodes)
    square = (down[:, np.newaxis] - cloud.row) ** 2 + (across - cloud.col) ** 2
    inside = cloud.radius + _BILLOWS * outline - np.sqrt(square)
    yield cols, np.maximum(inside / np.float32(cloud.radius), 0)
