"""The tiles of web maps, GoogleMapsCompatible: a zoom for an image, and a grid of whole tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Window

NAME = "GoogleMapsCompatible"
"""The tile matrix set, by its name in GDAL and in OGC 17-083r2, annex D."""

CRS = "EPSG:3857"

HIGHEST_ZOOM = 24
"""The last level of the tile matrix set."""

MOST_LEVELS = 10
"""The most aligned levels, that of full resolution included, as in GDAL."""

MOST_PADDED = 4
"""The most tiles of full resolution, per tile that the image needs without its reduced levels."""

CUT = 0.499
"""The part of a pixel that may lie beyond the edge of a tile, as in GDAL: its centre does not."""

_RADIUS = 6_378_137.0
"""Of the sphere of EPSG:3857, metres."""


@dataclass(frozen=True)
class Tiling:
    """How an image lies on the tiles of web maps.

    Parameters
    ----------
    zoom : int
        The zoom whose tiles are those of full resolution.
    levels : int
        Number of reduced levels: their tiles are those of the zooms below.
    ground : float
        Edge of a pixel on the ground in the middle of the image, metres.
    latitude : float
        Of that middle, degrees north.
    """

    zoom: int
    levels: int
    ground: float
    latitude: float

    def __str__(self) -> str:
        lowest = self.zoom - self.levels
        zooms = f"zoom {self.zoom}" if not self.levels else f"zooms {lowest} to {self.zoom}"
        return (
            f"{NAME}, {zooms}; a pixel is {self.ground:.1f} m on the ground at"
            f" {abs(self.latitude):.1f} {'N' if self.latitude >= 0 else 'S'}"
        )


@dataclass(frozen=True)
class WebTiles:
    """The tiles of one zoom: 2^zoom x 2^zoom of them are the world.

    Parameters
    ----------
    zoom : int
        0 to :data:`HIGHEST_ZOOM`.
    edge : int
        Edge of a tile, pixels; even.
    has_levels : bool
        Whether images on them have reduced levels.
    """

    zoom: int
    edge: int
    has_levels: bool = True

    @property
    def resolution(self) -> float:
        """Edge of a pixel, metres at the equator."""
        return 2 * math.pi * _RADIUS / self.edge / 2**self.zoom

    def around(self, shown: Window) -> tuple[Window, int]:
        """Return the smallest window whose reduced levels are whole tiles too.

        Parameters
        ----------
        shown : Window
            All that is shown, in pixels from the origin of the CRS.

        Returns
        -------
        Window
            In the same pixels.
        levels : int
            Number of reduced levels: down to the first at which what is shown would fit in one
            tile; fewer where that needs more than :data:`MOST_PADDED` times the tiles.

        Raises
        ------
        UsageError
            What is shown lies beyond the edge of the world.
        """
        across = 2**self.zoom
        middle = self.edge * across // 2
        left, top = ((at + middle) // self.edge for at in shown[:2])
        right, bottom = (
            -(-(at + middle + size) // self.edge)
            for at, size in zip(shown[:2], shown[2:], strict=True)
        )
        top, bottom = max(0, top), min(across, bottom)
        if left < 0 or right > across or top >= bottom:
            raise UsageError(
                "--web-optimized: the image lies beyond the edge of web maps: 180 degrees,"
                " or 85.06 degrees north or south"
            )
        least = (right - left) * (bottom - top)
        halvings = (max(right - left, bottom - top) - 1).bit_length()
        levels = min(halvings, self.zoom, MOST_LEVELS - 1) if self.has_levels else 0
        for level in range(levels, -1, -1):
            step = 2**level
            west, north = left // step * step, top // step * step
            width, height = -(-right // step) * step - west, -(-bottom // step) * step - north
            if width * height <= MOST_PADDED * least:
                break
        corner = (west * self.edge - middle, north * self.edge - middle)
        return Window(*corner, width * self.edge, height * self.edge), level

    def tiling(self, levels: int, shown: Window) -> Tiling:
        """Describe an image on these tiles; the parameters are what :meth:`around` has."""
        north = -(shown.row_off + shown.height / 2) * self.resolution
        latitude = math.atan(math.sinh(north / _RADIUS))
        ground = self.resolution * math.cos(latitude)
        return Tiling(self.zoom, levels, ground, math.degrees(latitude))


def natural_zoom(resolution: float, edge: int) -> int:
    """Return the zoom whose pixels are nearest to a size, by their ratio, as GDAL's COG driver.

    Parameters
    ----------
    resolution : float
        Edge of a pixel, metres of EPSG:3857.
    edge : int
        Edge of a tile, pixels.
    """
    zoom = round(math.log2(WebTiles(0, edge).resolution / resolution))
    return min(max(zoom, 0), HIGHEST_ZOOM)
