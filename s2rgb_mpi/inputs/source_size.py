"""The images of a product that suit an output: as coarse as possible, but no coarser than it."""

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
"""Relative tolerance of pixel sizes, which may be rounded."""

REMAINDER = 1.25
"""The largest ratio of an output pixel to the block of a coarser source. Beyond it a finer source
is better: the means of the coarser one are too far from the place of the output pixel."""


@dataclass(frozen=True)
class Output:
    """The pixels that the image will have.

    Parameters
    ----------
    resolution : float
        Edge of a pixel, units of the CRS.
    crs : str, optional
        A name that PROJ or GDAL knows; by default the CRS of the product.
    """

    resolution: float
    crs: str | None = None

    def edge(self, grid: Grid) -> float:
        """Return the shorter edge of an output pixel in the middle of a grid, pixels of the grid.

        The scale of a projection varies a little from place to place. If the measured edge differs
        by less than 5 % from the ratio of the nominal pixel sizes, that ratio is returned.

        Returns
        -------
        float
            NaN if the CRS of the output is not defined at the grid.
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
    """Choose the images of a product that are read; levels above 60 m only at the user's request.

    Parameters
    ----------
    choice : Choice
        The requested resolution, or the output.
    has : callable
        Returns whether the product has images of a pixel size, metres.
    grid : callable
        Returns the grid of its images of 10 m. Both are called only if needed.

    Returns
    -------
    int
        Pixel size, metres. The images of 10 m are assumed to exist.
    """
    if choice.output is None:
        return choice.resolution
    if choice.output.crs is None and choice.output.resolution < RESOLUTIONS[1]:
        return RESOLUTIONS[0]
    metres = choice.output.edge(grid()) * RESOLUTIONS[0]
    coarser = [size for size in RESOLUTIONS[1:] if blocks(metres / size) and has(size)]
    return best((RESOLUTIONS[0], *coarser), metres)


def best(sizes: Sequence[int], metres: float) -> int:
    """Return the pixel size of the images that suit an output best.

    Parameters
    ----------
    sizes : sequence of int
        Pixel sizes of images, metres, the finest first.
    metres : float
        Edge of an output pixel; NaN if unknown.

    Returns
    -------
    int
        The coarsest size of which a whole number fits exactly into an output pixel. Without one:
        the coarsest size for which an output pixel is at most 1.25 times as large as the block of
        pixels that fits into it; or, if that holds for none, the one with the smallest such ratio.
    """
    remainders = {
        size: metres / size / blocks(metres / size) for size in sizes if blocks(metres / size)
    }
    if not remainders:
        return sizes[0]
    least = min(remainders.values())
    most = 1.0 if least <= 1 + ROUNDING else max(least, REMAINDER)
    return max(size for size, left in remainders.items() if left <= most * (1 + ROUNDING))


def possible(sizes: Sequence[int]) -> str:
    """Return the pixel sizes that may be given for a product, as the end of a message."""
    if not sizes:
        return ""
    *most, last = map(str, sizes)
    return f"; --source-resolution can be {', '.join(most)}{' or ' if most else ''}{last} here"


def blocks(edge: float) -> int:
    """Return how many whole pixels fit into an edge, except for rounding; 0 if unknown."""
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


def title(crs: str) -> str:
    """Return the name of a CRS (well-known text), with its code where it has one."""
    if not crs:
        return "none"
    reference = osr.SpatialReference(crs)
    authority, code = reference.GetAuthorityName(None), reference.GetAuthorityCode(None)
    name = str(reference.GetName())
    return f"{name} ({authority}:{code})" if authority and code else name
