"""Names and places of a Sentinel-2 L2A product: what folders, files and metadata have in common."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date

from s2rgb_mpi.testing.texture import BANDS

EPSG = 32632
ORIGINS = {
    f"32T{column}{row}": (easting, northing)
    for column, easting in (("L", 300_000), ("M", 399_960), ("N", 499_980))
    for row, northing in (("T", 5_300_040), ("S", 5_200_020))
}
"""Upper left corners (easting, northing) in metres: 100 km squares, grown to multiples of 60 m."""

RESOLUTIONS = (10, 20, 60)
"""Pixel sizes of the images of a product, in metres."""

SCL_RESOLUTIONS = (20, 60)
"""Pixel sizes of its scene classification, in metres."""

# Every product is of the same orbit over Switzerland, and so of the same time of day.
_SENSED_TIME = "T103041"
_GENERATED_TIME = "T180404"
ORBIT = "A036427"
RELATIVE_ORBIT = "R108"


@dataclass(frozen=True)
class Product:
    """What names and metadata of a product say.

    Parameters
    ----------
    granule : str
        A key of `ORIGINS`.
    width, height : int
        Size in 10 m pixels.
    baseline : str
        Processing baseline, such as ``"05.09"``.
    offset : int or None
        BOA_ADD_OFFSET of all bands in DN; None for no list of offsets.
    quantification : int
        DN per unit of reflectance.
    resolutions : tuple of int
        Of the images, among `RESOLUTIONS`.
    date : str
        Of sensing and processing, such as ``"2022-06-13"``.
    scl : tuple of int
        Resolutions of the scene classification, among `SCL_RESOLUTIONS`.

    Raises
    ------
    ValueError
        No product can have these.
    """

    granule: str
    width: int
    height: int
    baseline: str
    offset: int | None
    quantification: int
    resolutions: tuple[int, ...]
    date: str
    scl: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Reject what no product can have."""
        if self.granule not in ORIGINS:
            raise ValueError(f"granule {self.granule!r} is not one of {', '.join(ORIGINS)}")
        if not re.fullmatch(r"\d\d\.\d\d", self.baseline):
            raise ValueError(f"baseline {self.baseline!r} is not like 05.09")
        if min(self.width, self.height) < 1:
            raise ValueError(f"{self.width} x {self.height} pixels are no image")
        if self.quantification < 1:
            raise ValueError(f"quantification {self.quantification} is not above 0")
        if not self.resolutions or not set(self.resolutions) <= set(RESOLUTIONS):
            raise ValueError(f"resolutions {self.resolutions} are not among {RESOLUTIONS}")
        if len(set(self.resolutions)) < len(self.resolutions):
            raise ValueError(f"resolutions {self.resolutions} are not distinct")
        if not set(self.scl) <= set(SCL_RESOLUTIONS) or len(set(self.scl)) < len(self.scl):
            raise ValueError(f"scl {self.scl} are not distinct ones among {SCL_RESOLUTIONS}")
        try:
            date.fromisoformat(self.date)
        except ValueError:
            raise ValueError(f"date {self.date!r} is not like 2022-06-13") from None

    @property
    def sensed(self) -> str:
        """Sensing time, as names have it."""
        return f"{date.fromisoformat(self.date):%Y%m%d}{_SENSED_TIME}"

    @property
    def generated(self) -> str:
        """Processing time, as names have it."""
        return f"{date.fromisoformat(self.date):%Y%m%d}{_GENERATED_TIME}"

    @property
    def name(self) -> str:
        """Name of the product folder."""
        processed = f"N{self.baseline.replace('.', '')}_{RELATIVE_ORBIT}_T{self.granule}"
        return f"S2A_MSIL2A_{self.sensed}_{processed}_{self.generated}.SAFE"

    @property
    def granule_folder(self) -> str:
        """Folder of the granule, relative to the product folder."""
        return f"GRANULE/L2A_T{self.granule}_{ORBIT}_{self.sensed}"

    def image(self, band: str, resolution: int) -> str:
        """Name a band file, relative to the product folder, without extension as in the metadata.

        Parameters
        ----------
        band : str
            Such as B04, or SCL.
        resolution : {10, 20, 60}
            In metres.
        """
        name = f"T{self.granule}_{self.sensed}_{band}_{resolution}m"
        return f"{self.granule_folder}/IMG_DATA/R{resolution}m/{name}"

    def images(self, resolution: int) -> list[str]:
        """List the names of the images of a resolution, in the order of the metadata."""
        bands = sorted(BANDS) if resolution in self.resolutions else []
        return bands + ["SCL"] * (resolution in self.scl)

    def size(self, resolution: int) -> tuple[int, int]:
        """Return width and height in pixels at a resolution in metres."""
        return math.ceil(self.width * 10 / resolution), math.ceil(self.height * 10 / resolution)

    def identifier(self, kind: str, what: str) -> str:
        """Return the identifier of a data strip (DS) or granule (TL) of the product."""
        return f"S2A_OPER_MSI_L2A_{kind}_VGS2_{self.generated}_{what}_N{self.baseline}"


def iso(time: str) -> str:
    """Write ``20220613T103041`` as ``2022-06-13T10:30:41.024Z``."""
    return re.sub(r"(....)(..)(..)T(..)(..)(..)", r"\1-\2-\3T\4:\5:\6.024Z", time)
