"""Which images of a product serve an output: as coarse as it is, and no coarser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from osgeo import osr

from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.product import RESOLUTIONS
from s2rgb_mpi.inputs.safe_grid import same_crs
from s2rgb_mpi.inputs.warp.bounds import known_crs
from s2rgb_mpi.inputs.warp.globe import period
from s2rgb_mpi.inputs.warp.place import SAME_SIZE, ratios
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from s2rgb_mpi.inputs.product import Choice

ROUNDING = 1e-3
"""By which part of it a pixel may be too small: what pixel sizes are rounded by."""

REMAINDER = 1.25
"""How many times as large as its source pixels an output pixel may be before a finer source is
better: the means of a coarser one are then too far from its own place."""


@dataclass(frozen=True)
class Output:
    """The pixels that the image will have.

    Parameters
    ----------
    resolution : float
        Edge of a pixel, units of the CRS.
    crs : str, optional
        As PROJ or GDAL name it; that of the product by default.
    """

    resolution: float
    crs: str | None = None

    def edge(self, grid: Grid) -> float:
        """Return the shorter edge of an output pixel in the middle of a grid, pixels of the grid.

        Distances in a projection differ a little from place to place, and so from those of the
        grid: where they differ by less than 5 %, the edge is what the numbers say.

        Returns
        -------
        float
            NaN where the grid has no place in the CRS of the output.
        """
        _, dx, a, _, b, dy = grid.transform
        pixel = max(math.hypot(dx, b), math.hypot(a, dy))
        reference = known_crs("--crs", self.crs) if self.crs else osr.SpatialReference(grid.crs)
        wkt = reference.ExportToWkt()
        if same_crs(grid.crs, wkt):
            return self.resolution / pixel
        target = Grid(wkt, (0.0, self.resolution, 0.0, 0.0, 0.0, -self.resolution), 1, 1)
        transform = Transform(grid, target)
        points = lattice(Window(0, 0, grid.width, grid.height))
        inside = points[np.isfinite(transform.forward(points)).all(axis=-1)]
        if not inside.size:
            return math.nan
        most = float(np.max(ratios(transform, inside, period(target))))
        edge = 1 / most if most > 0 else math.nan
        own = osr.SpatialReference(grid.crs)
        if reference.IsProjected() and own.IsProjected():
            stated = self.resolution * reference.GetLinearUnits() / (pixel * own.GetLinearUnits())
            if SAME_SIZE <= edge / stated <= 1 / SAME_SIZE:
                return stated
        return edge


def choose(choice: Choice, has: Callable[[int], bool], grid: Callable[[], Grid]) -> int:
    """Choose which images of a product are read.

    Parameters
    ----------
    choice : Choice
        The resolution that was asked for, or the output.
    has : callable
        Whether the product has images of a size, metres.
    grid : callable
        Where its images of 10 m lie. Neither is called where it does not matter.

    Returns
    -------
    int
        Metres. The images of 10 m are taken to be there.
    """
    if choice.output is None:
        return choice.resolution
    if choice.output.crs is None and choice.output.resolution < RESOLUTIONS[1]:
        return RESOLUTIONS[0]
    metres = choice.output.edge(grid()) * RESOLUTIONS[0]
    coarser = [size for size in RESOLUTIONS[1:] if blocks(metres / size) and has(size)]
    return best((RESOLUTIONS[0], *coarser), metres)


def best(sizes: Sequence[int], metres: float) -> int:
    """Return the images that serve an output best.

    Parameters
    ----------
    sizes : sequence of int
        Of the pixels of images, metres, the finest first.
    metres : float
        Edge of an output pixel; NaN where it is unknown.

    Returns
    -------
    int
        The coarsest of which a whole number make an output pixel. If there are none: the coarsest
        whose blocks are at most a quarter smaller than an output pixel, or else as large as those
        of any.
    """
    remainders = {
        size: metres / size / blocks(metres / size) for size in sizes if blocks(metres / size)
    }
    if not remainders:
        return sizes[0]
    least = min(remainders.values())
    most = 1.0 if least <= 1 + ROUNDING else max(least, REMAINDER)
    return max(size for size, left in remainders.items() if left <= most * (1 + ROUNDING))


def blocks(edge: float) -> int:
    """Return of how many pixels an edge fits into one of so many, rounding apart; 0 if unknown."""
    return 0 if not math.isfinite(edge) else math.floor(edge * (1 + ROUNDING))


def unit(crs: str) -> str:
    """Return the unit of a CRS (well-known text): m, degrees, or its name; empty without a CRS."""
    if not crs:
        return ""
    reference = osr.SpatialReference(crs)
    if reference.IsGeographic():
        return "degrees"
    name = str(reference.GetLinearUnitsName())
    return "m" if name in {"metre", "meter"} else name
