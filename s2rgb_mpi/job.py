"""What is asked: one frozen value, validated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.profile import Profile
from s2rgb_mpi.radiometry import Curve, Stretch

if TYPE_CHECKING:
    from pathlib import Path

RESAMPLINGS = ("nearest", "bilinear", "cubic")


@dataclass(frozen=True)
class Job:
    """One run's orders, from the command line.

    Parameters
    ----------
    products : tuple of str
        SAFE folders or their ``MTD_MSIL2A.xml``, the one on top first; empty if `rgb` is given.
    rgb : tuple of tuple of str
        Red, green and blue band files, in place of products.
    output : Path
        The GeoTIFF.
    offset : int, optional
        DN to add in place of what the metadata say.
    quantification : float, optional
        DN per unit of reflectance in place of what the metadata say.
    stretch : Curve
        From reflectance to colour.
    profile : Profile
        How the pixels are stored.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep.
    bounds_crs : str
        The CRS of `bounds`.
    crs : str, optional
        The CRS of the output, where it is not the products' own.
    resolution : float, optional
        Edge of a pixel, units of the CRS, where it is not the products' own.
    resampling : str, optional
        One of :data:`RESAMPLINGS`; only with another CRS or resolution.
    window : int
        The least edge of a window, pixels.
    overwrite : bool
        Whether an existing output may be replaced.
    strict : bool
        Whether pixels that contradict the offset are an error.
    """

    products: tuple[str, ...]
    rgb: tuple[tuple[str, ...], ...]
    output: Path
    offset: int | None = None
    quantification: float | None = None
    stretch: Curve = field(default_factory=Stretch)
    profile: Profile = field(default_factory=Profile)
    bounds: tuple[float, float, float, float] | None = None
    bounds_crs: str = "EPSG:4326"
    crs: str | None = None
    resolution: float | None = None
    resampling: str | None = None
    window: int = 1024
    overwrite: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if bool(self.products) == bool(self.rgb):
            raise UsageError("give either PRODUCT or --rgb RED GREEN BLUE")
        if self.resampling and self.crs is None and self.resolution is None:
            raise UsageError("--resampling means nothing without --crs or --resolution")
        if self.resolution is not None and not 0 < self.resolution < math.inf:
            raise UsageError(f"--resolution {self.resolution:g} must be above 0")
        if self.bounds and not (
            self.bounds[0] < self.bounds[2] and self.bounds[1] < self.bounds[3]
        ):
            raise UsageError(
                f"--bounds {' '.join(map(str, self.bounds))}: not west south east north"
            )
        if self.window < self.profile.tile or self.window % self.profile.tile:
            raise UsageError(
                f"--window {self.window} must be a multiple of --tile {self.profile.tile}"
            )
