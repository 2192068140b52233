"""What is asked: one frozen value, validated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.profile import Profile
from s2rgb_mpi.radiometry import Curve, Stretch

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One run's orders, from the command line.

    Parameters
    ----------
    product : str
        A SAFE folder or its ``MTD_MSIL2A.xml``; empty if `rgb` is given.
    rgb : tuple of str
        Red, green and blue band files, in place of a product.
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
    window : int
        The least edge of a window, pixels.
    overwrite : bool
        Whether an existing output may be replaced.
    strict : bool
        Whether pixels that contradict the offset are an error.
    """

    product: str
    rgb: tuple[str, ...]
    output: Path
    offset: int | None = None
    quantification: float | None = None
    stretch: Curve = field(default_factory=Stretch)
    profile: Profile = field(default_factory=Profile)
    window: int = 1024
    overwrite: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if bool(self.product) == bool(self.rgb):
            raise UsageError("give either one PRODUCT or --rgb RED GREEN BLUE")
        if self.window < self.profile.tile or self.window % self.profile.tile:
            raise UsageError(
                f"--window {self.window} must be a multiple of --tile {self.profile.tile}"
            )
