"""What is asked: one frozen value, validated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.profile import Profile
from s2rgb_mpi.radiometry import Stretch

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = ("R", "G", "B")


@dataclass(frozen=True)
class Job:
    """One run's orders, from the command line.

    Parameters
    ----------
    product : str
        A SAFE folder, its ``MTD_MSIL2A.xml``, a SAFE zip, a STAC item, or a multi-band raster;
        empty if `rgb` is given.
    rgb : tuple of str
        Red, green and blue band files, in place of a product.
    output : Path
        The GeoTIFF.
    bidx : tuple of int
        Numbers of the red, green and blue band in a multi-band raster, from 1; empty to find them.
    source_resolution : int
        Which band files of a SAFE product or STAC item, metres: 10, 20 or 60.
    allow_l1c : bool
        Whether top-of-atmosphere products may be read.
    offset : int, optional
        DN to add in place of what the metadata say.
    quantification : float, optional
        DN per unit of reflectance in place of what the metadata say.
    stretch : Stretch
        Black, white and gamma.
    profile : Profile
        How the pixels are stored.
    window : int
        The least edge of a window, pixels.
    overwrite : bool
        Whether an existing output may be replaced.
    """

    product: str
    rgb: tuple[str, ...]
    output: Path
    bidx: tuple[int, ...] = ()
    source_resolution: int = 10
    allow_l1c: bool = False
    offset: int | None = None
    quantification: float | None = None
    stretch: Stretch = field(default_factory=Stretch)
    profile: Profile = field(default_factory=Profile)
    window: int = 1024
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if bool(self.product) == bool(self.rgb):
            raise UsageError("give either one PRODUCT or --rgb RED GREEN BLUE")
        if self.rgb and (self.bidx or self.source_resolution != Job.source_resolution):
            raise UsageError("--rgb takes its bands as they are: no --bidx, no --source-resolution")
        if self.bidx and (len(self.bidx) != len(COLOURS) or min(self.bidx) < 1):
            numbers = ",".join(map(str, self.bidx))
            raise UsageError(f"--bidx {numbers} must be three band numbers from 1 on: R,G,B")
        if self.window < self.profile.tile or self.window % self.profile.tile:
            raise UsageError(
                f"--window {self.window} must be a multiple of --tile {self.profile.tile}"
            )
