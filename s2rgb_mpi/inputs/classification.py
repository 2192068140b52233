"""The scene classification (SCL) of a product: where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from osgeo import osr

from s2rgb_mpi.inputs.decode_memory import Held
from s2rgb_mpi.inputs.stored import Stored

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.zarr.arrays import Array

SCL = "SCL"
"""ESA's name of the scene classification."""

SCL_RESOLUTIONS = (20, 60)
"""Pixel sizes in which products hold it, metres; the first is that of the processor."""

SLIVER = 0.05
"""Overlaps below this do not count, parts of the smaller pixel: coordinates may be rounded."""


@dataclass(frozen=True)
class Classification:
    """Where the scene classification of a product lies. It can be opened like a band.

    Parameters
    ----------
    path : str
        The file, under a name that GDAL opens; of an array of a Zarr store its folder.
    grid : Grid
        Where it lies: in the CRS of the product, north up, and covering it.
    block : tuple of int
        ``(width, height)`` of the blocks that it is stored in, pixels.
    number : int
        Of the band in the file, from 1.
    dtype : str
        numpy's name of the integers that it is stored as.
    stamp : str
        Fingerprint of the file: its size, and when it was changed.
    internal : bool
        Whether only the file itself is read, not what lies beside it.
    held : Held
        Memory that it takes to read it.
    array : Array, optional
        Of a Zarr store, in place of a file that GDAL opens.
    coarser : Classification, optional
        The same with larger pixels, as the product has it, for statistics; read only then.
    """

    path: str
    grid: Grid
    block: tuple[int, int]
    number: int = 1
    dtype: str = "uint8"
    stamp: str = ""
    internal: bool = False
    held: Held = field(default=Held(), repr=False)
    array: Array | None = None
    coarser: Classification | None = field(default=None, repr=False)

    @property
    def stored(self) -> Stored:
        """How its classes are stored: as they are."""
        return Stored(self.dtype, nodata=())

    @property
    def metres(self) -> float:
        """The shorter edge of a pixel in the middle of the grid, metres."""
        _, dx, _, y, _, dy = self.grid.transform  # north-up
        dy = -dy
        reference = osr.SpatialReference(self.grid.crs) if self.grid.crs else None
        if reference is None:
            return min(dx, dy)
        if not reference.IsGeographic():
            return float(min(dx, dy) * reference.GetLinearUnits())
        radian = reference.GetAngularUnits()
        latitude = (y - dy * self.grid.height / 2) * radian
        return float(min(dx * math.cos(latitude), dy) * radian * reference.GetSemiMajor())
