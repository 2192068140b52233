"""What a product is: three bands on one grid, and what the user chooses about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.calibration import Stated
from s2rgb_mpi.inputs.decode_memory import Held
from s2rgb_mpi.inputs.stored import Stored

if TYPE_CHECKING:
    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.image.radiometry import Calibration
    from s2rgb_mpi.inputs.classification import Classification
    from s2rgb_mpi.inputs.means import Means
    from s2rgb_mpi.inputs.source_size import Output
    from s2rgb_mpi.inputs.zarr.arrays import Array

RGB_BANDS = ("B04", "B03", "B02")
"""Red, green, blue: the one order of bands everywhere inside."""

RESOLUTIONS = (10, 20, 60)
"""Pixel sizes in which SAFE products hold these bands, metres."""

COARSE_LEVELS = (120, 360, 720)
"""Pixel sizes of the levels that the EOPF Explorer's converter adds to a store, metres."""

GDAL_RESAMPLINGS = {"nearest": "near", "bilinear": "bilinear", "cubic": "cubic"}
"""GDAL's names of the ways to resample."""

TYPICAL_NS_PER_PIXEL = 200
"""What a pixel of a band costs where the file does not say: that of land in JPEG 2000, ns."""


@dataclass(frozen=True)
class Choice:
    """What the user chooses and states about an input.

    Parameters
    ----------
    resolution : int
        Which images of a SAFE or EOPF product, AWS tile or STAC item, metres: one of
        :data:`RESOLUTIONS`, or in a store of :data:`COARSE_LEVELS`.
    output : Output, optional
        The pixels that the image will have, for which the files are chosen; without it they are
        those of `resolution`.
    bidx : tuple of int
        Numbers of the red, green and blue band in a multi-band raster; empty to find them.
    allow_l1c : bool
        Whether top-of-atmosphere products may be read.
    offset, quantification : float, optional
        In place of what metadata state, DN.
    nodata : tuple of float
        Stored values that are no data, beside what files and metadata state.
    granule : str, optional
        Which granule of a SAFE product that has several, by its identifier or its tile, such as
        T32TMT; all of them by default.
    clouds : bool
        Whether the scene classification (SCL) is needed; without it no file of it is looked for.
    shares : bool
        Whether also a coarser one is of use, for the share of clear pixels.
    """

    resolution: int = RESOLUTIONS[0]
    output: Output | None = None
    bidx: tuple[int, ...] = ()
    allow_l1c: bool = False
    offset: float | None = None
    quantification: float | None = None
    nodata: tuple[float, ...] = ()
    granule: str | None = None
    clouds: bool = False
    shares: bool = False

    @property
    def stated(self) -> Stated:
        """What the user states of the values."""
        return Stated("--offset", self.offset, self.quantification)


@dataclass(frozen=True)
class Band:
    """One band of a product.

    Parameters
    ----------
    name : str
        ESA's name, such as B04.
    path : str
        The file, under a name that GDAL opens.
    calibration : Calibration
        From digital numbers to reflectance.
    number : int
        Of the band in the file, from 1.
    stored : Stored
        What lies in the file.
    offset_source : str
        Who states the offset, in words for the user.
    stamp : str
        Fingerprint of the file: its size, and when it was changed.
    internal : bool
        Whether only the file itself is read, not what lies beside it (``.aux.xml``, world files).
    held : Held
        Memory that it takes to read it.
    array : Array, optional
        Of a Zarr store, in place of a file that GDAL opens.
    """

    name: str
    path: str
    calibration: Calibration
    number: int = 1
    stored: Stored = field(default_factory=Stored)
    offset_source: str = ""
    stamp: str = ""
    internal: bool = False
    held: Held = field(default=Held(), repr=False)  # no part of what decides the pixels
    array: Array | None = None


@dataclass(frozen=True)
class Operation:
    """A coordinate operation: how positions in one CRS become positions in another.

    Parameters
    ----------
    name : str
        As PROJ names it.
    definition : str
        A PROJ pipeline, with the axes in the order that the two CRS define.
    accuracy : float, optional
        As PROJ states it, metres; 0 where nothing but the projection differs, None where unknown.
    is_ballpark : bool
        The relation of the two datums is unknown: positions may be off by hundreds of metres.
    """

    name: str
    definition: str
    accuracy: float | None = None
    is_ballpark: bool = False

    def __str__(self) -> str:
        stated = "unknown accuracy" if self.accuracy is None else f"accurate to {self.accuracy:g} m"
        return f"{self.name}, {stated}"


@dataclass(frozen=True)
class Warp:
    """How a product is resampled onto another grid.

    Parameters
    ----------
    source : Product
        The product on its own grid.
    resampling : str
        nearest, bilinear or cubic.
    scale : tuple of float
        Pixels of the other grid per pixel of the source, along its rows and its columns; at most
        1. GDAL's warper widens its kernel by the inverse (XSCALE, YSCALE).
    operation : Operation, optional
        Between the two CRS; None where they are the same.
    """

    source: Product
    resampling: str
    scale: tuple[float, float] = (1.0, 1.0)
    operation: Operation | None = None

    @property
    def gdal_resampling(self) -> str:
        """GDAL's name of the resampling."""
        return GDAL_RESAMPLINGS[self.resampling]


@dataclass(frozen=True)
class Product:
    """Three bands on one grid.

    Parameters
    ----------
    name : str
        ESA's product identifier, or the name of the red band file.
    bands : tuple of Band
        Red, green, blue.
    grid : Grid
        Where all three lie.
    block : tuple of int
        ``(width, height)`` of the blocks that the files are stored in, pixels.
    sensing_time : str
        UTC, ISO 8601; empty where unknown.
    baseline : str
        Processing baseline, such as 05.09; empty where unknown.
    is_sentinel_2 : bool
        Whether the metadata say that it comes from Sentinel-2.
    warnings : tuple of str
        What the user should look at; each begins with a path.
    warp : Warp, optional
        How the files are resampled onto `grid`; None where that is their own.
    means : Means, optional
        How the pixels of `grid` are means of those of the files; None where they are these.
    costs : tuple of int
        How long each block of a band should take to decode, ns, row by row; empty where unknown.
    classification : Classification, optional
        Where its scene classification lies; None unless it is needed.
    cloud_cover : float, optional
        Share of clouds that its metadata state, percent.
    clear_share : float, optional
        Share of clear pixels among the valid ones in the extent of the image, 0 to 1; None unless
        products are ordered by it, and where it has no valid pixel.
    """

    name: str
    bands: tuple[Band, ...]
    grid: Grid
    block: tuple[int, int]
    sensing_time: str = ""
    baseline: str = ""
    is_sentinel_2: bool = False
    warnings: tuple[str, ...] = ()
    warp: Warp | None = None
    means: Means | None = None
    costs: tuple[int, ...] = field(default=(), repr=False)  # no part of what decides the pixels
    classification: Classification | None = None
    cloud_cover: float | None = None
    clear_share: float | None = None

    @property
    def unwarped(self) -> Product:
        """The product on its own grid."""
        return self if self.warp is None else self.warp.source

    @property
    def files(self) -> tuple[Grid, tuple[int, int]]:
        """The grid of the files, and ``(width, height)`` of the blocks that they are stored in."""
        own = self.unwarped
        return (own.grid, own.block) if own.means is None else (own.means.grid, own.means.block)

    @property
    def factor(self) -> int:
        """Edge of the blocks whose means the product's own pixels are, pixels of the files."""
        means = self.unwarped.means
        return 1 if means is None else means.factor

    @property
    def classifications(self) -> tuple[Classification, ...]:
        """Its scene classification, and the coarser one: as many as were looked for and found."""
        first = self.classification
        return tuple(each for each in (first, first and first.coarser) if each is not None)

    def cost(self, window: Window) -> float:
        """Predict how long a window of one band takes to decode, ns.

        Parameters
        ----------
        window : Window
            In pixels of the product; of blocks that it cuts, their part counts.
        """
        if not self.costs:
            pixels = window.width * window.height * (self.means.factor**2 if self.means else 1)
            return pixels * TYPICAL_NS_PER_PIXEL
        width, height = self.block
        rows = range(window.row_off // height, -(-(window.row_off + window.height) // height))
        cols = range(window.col_off // width, -(-(window.col_off + window.width) // width))
        return sum(self._cost(row, col, window) for row in rows for col in cols)

    def _cost(self, row: int, col: int, window: Window) -> float:
        """Return the cost of the part of a block that lies in a window."""
        width, height = self.block
        grid = self.grid
        block = Window(
            col * width,
            row * height,
            min(width, grid.width - col * width),
            min(height, grid.height - row * height),
        )
        part = block.overlap(window)
        if part is None:
            return 0.0
        cost = self.costs[row * -(-grid.width // width) + col]
        return cost * (part.width * part.height) / (block.width * block.height)

    @property
    def offset_source(self) -> str:
        """Who states the offsets; one name if it is the same for all bands."""
        return ", ".join(dict.fromkeys(band.offset_source for band in self.bands))
