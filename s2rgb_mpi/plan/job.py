"""The job: all options that decide the image and the run, as one frozen, validated value."""

from __future__ import annotations

import math
from collections.abc import Iterable  # noqa: TC003  annotations are read at run time
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.fields import check
from s2rgb_mpi.image.clouds import DEFAULT_CLASSES, MOST_BUFFER, Clouds, read_classes
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Curve, Stretch
from s2rgb_mpi.inputs.product import COARSE_LEVELS, RESOLUTIONS
from s2rgb_mpi.inputs.warp.web_tiles import HIGHEST_ZOOM
from s2rgb_mpi.plan.path_fields import (
    AnyPath,
    BandFiles,
    Converted,
    Inputs,
    band_files,
    file,
    inputs,
    optional_file,
)

RESAMPLINGS = ("nearest", "bilinear", "cubic", "average")
AUTO = "auto"
FULL_RESOLUTION = RESOLUTIONS[0]
SOURCE_RESOLUTIONS = (AUTO, *RESOLUTIONS, *COARSE_LEVELS)
COLOURS = ("R", "G", "B")
ON_ERROR = ("fail", "nodata")
CLOUDS = ("keep", "avoid", "drop")
COMPOSITES = ("first", "median")
ORDERS = ("given", "clear", "date")

WEB_TILE = 256
"""Edge of the tiles of web maps, pixels."""

_NOT_GIVEN = Profile()


@dataclass(frozen=True)
class Job:
    """One image to be made: its inputs, output and options.

    Parameters
    ----------
    products : str, Path, or sequence of these
        SAFE folders, their ``MTD_MSIL2A.xml``, SAFE zips or tars, AWS tiles, STAC items, saved STAC
        searches (their items in order), or multi-band rasters, the one on top first; empty if `rgb`
        is given.
    output : str or Path
        The GeoTIFF.
    rgb : sequence of three or four str or Path, or sequence of such sequences
        Red, green and blue band files, in place of products; the fourth is the scene
        classification (SCL), which `clouds` and `order` need.
    bidx : tuple of int
        Numbers of the red, green and blue band in a multi-band raster, from 1; empty to find them
        by their descriptions or colours.
    source_resolution : int or str
        Pixel size of the images of a SAFE or EOPF product, AWS tile or STAC item that are read,
        metres: 10, 20 or 60; in a GeoZarr store also 120, 360 or 720. ``"auto"``: the size that
        suits `resolution` best, read as block means where several of its pixels fit into one of
        the image.
    allow_l1c : bool
        Whether top-of-atmosphere products may be read.
    offset : int, optional
        DN to add, in place of the offset in the metadata.
    quantification : float, optional
        DN per unit of reflectance, in place of that in the metadata.
    nodata : tuple of float
        Stored values that mean "no data", besides those stated in files and metadata.
    granule : str, optional
        The granule to read of a product that has several; all of them by default.
    clouds : str
        One of :data:`CLOUDS`: whether cloudy pixels are kept, yield to clear ones of other
        products, or are "no data". The scene classification (SCL) of each product decides.
    cloud_classes : int, str, or sequence of these
        The classes that are cloudy, by number or by :data:`~s2rgb_mpi.image.clouds.CLASSES`.
    cloud_buffer : float
        Pixels as near to these are cloudy too, metres.
    composite : str
        One of :data:`COMPOSITES`: per pixel the first of the products, or their median.
    order : str
        One of :data:`ORDERS`: the first product is on top. ``"clear"``: that with the largest share
        of clear pixels first; ``"date"``: the newest first.
    max_cloud : float, optional
        Products with more clouds by their metadata are left out, percent.
    source_map : str or Path, optional
        A second GeoTIFF, which says which product each pixel is from.
    stretch : Curve
        From reflectance to colour.
    profile : Profile
        How the pixels are stored; by default as ``Profile()``, or ``Profile(tile=256)`` if
        `web_optimized`.
    bounds : tuple of float, optional
        West, south, east, north of the part to keep; west exceeds east across the antimeridian.
    bounds_crs : str
        The CRS of `bounds`.
    crs : str, optional
        The CRS of the output, where it is not the products' own.
    resolution : float, optional
        Edge of a pixel, units of the CRS, where it is not the products' own.
    resampling : str, optional
        One of :data:`RESAMPLINGS`; only with another CRS or resolution, or `web_optimized`. By
        default average where several pixels of the input are one of the image, else nearest, or
        cubic if `web_optimized`.
    web_optimized : bool
        Whether the image lies on the tiles of web maps, in EPSG:3857: every tile of every level is
        one tile of such a map.
    zoom : int, optional
        The zoom of the tiles of full resolution, 0 to 24; by default that whose pixels are nearest
        in size to the first product's.
    window : int
        The least edge of a window, pixels of the input.
    overwrite : bool
        Whether an existing output may be replaced.
    resume : bool
        Whether to resume a stopped run of the same job.
    on_error : str
        One of :data:`ON_ERROR`: whether a window that cannot be read ends the run, or is left
        without data.
    timeout : float
        The run ends if a rank sends no message for so long, seconds.
    survive : bool
        Whether the run continues without a worker that was lost.
    strict : bool
        Whether it is an error if offsets or positions are doubtful, if pixels contradict them, or
        if the image has no valid pixel.
    """

    products: Converted[Inputs, tuple[str, ...]] = Converted(inputs)
    output: Converted[AnyPath, Path] = Converted(file)
    rgb: Converted[BandFiles, tuple[tuple[str, ...], ...]] = Converted(band_files, ())
    bidx: tuple[int, ...] = ()
    source_resolution: int | str = AUTO
    allow_l1c: bool = False
    offset: int | None = None
    quantification: float | None = None
    nodata: tuple[float, ...] = ()
    granule: str | None = None
    clouds: str = "keep"
    cloud_classes: Converted[int | str | Iterable[int | str], tuple[int, ...]] = Converted(
        read_classes, DEFAULT_CLASSES
    )
    cloud_buffer: float = 0.0
    composite: str = "first"
    order: str = "given"
    max_cloud: float | None = None
    source_map: Converted[AnyPath | None, Path | None] = Converted(optional_file, None)
    stretch: Curve = field(default_factory=Stretch)
    profile: Profile = _NOT_GIVEN
    bounds: tuple[float, float, float, float] | None = None
    bounds_crs: str = "EPSG:4326"
    crs: str | None = None
    resolution: float | None = None
    resampling: str | None = None
    web_optimized: bool = False
    zoom: int | None = None
    window: int = 1024
    overwrite: bool = False
    resume: bool = False
    on_error: str = "fail"
    timeout: float = 600.0
    survive: bool = False
    strict: bool = False

    @property
    def darkest(self) -> int:
        """The lowest value of a valid pixel: 0 if the preset uses it and 0 is not "no data"."""
        return 0 if self.stretch.has_zero and self.profile.mask != "nodata" else 1

    @property
    def averages(self) -> bool:
        """Whether output pixels larger than those of the input are means of these."""
        return self.source_resolution == AUTO or self.resampling == "average"

    @property
    def cloudy(self) -> Clouds:
        """Which pixels are cloudy."""
        return Clouds(self.cloud_classes, self.cloud_buffer)

    @property
    def needs_classes(self) -> bool:
        """Whether the scene classification of the products is needed."""
        return self.clouds != "keep" or self.order == "clear"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The image, and the map of sources if it is wanted."""
        return (self.output,) if self.source_map is None else (self.output, self.source_map)

    def __post_init__(self) -> None:
        """Reject options that contradict each other."""
        if not isinstance(self.stretch, Curve):
            raise UsageError(
                f"stretch = {self.stretch!r}: must be Stretch(...), Tci() or Exopp() of s2rgb_mpi"
            )
        check(
            self,
            source_resolution=SOURCE_RESOLUTIONS,
            clouds=CLOUDS,
            composite=COMPOSITES,
            order=ORDERS,
            resampling=RESAMPLINGS,
            on_error=ON_ERROR,
        )
        if bool(self.products) == bool(self.rgb):
            raise UsageError("give either PRODUCT or --rgb RED GREEN BLUE")
        if self.rgb and (self.bidx or self.source_resolution not in {AUTO, FULL_RESOLUTION}):
            raise UsageError("--rgb takes its bands as they are: no --bidx, no --source-resolution")
        if self.rgb and self.granule is not None:
            raise UsageError("--granule is for SAFE products, not for the files of --rgb")
        if self.bidx and (len(self.bidx) != len(COLOURS) or min(self.bidx) < 1):
            numbers = ",".join(map(str, self.bidx))
            raise UsageError(f"--bidx {numbers} must be three band numbers from 1 on: R,G,B")
        self._check_grid()
        self._check_clouds()
        self._check_source_map()
        self._check_web()
        if not 0 < self.timeout < math.inf:
            raise UsageError(f"--timeout {self.timeout:g} must be above 0")
        if self.window < self.profile.tile or self.window % self.profile.tile:
            raise UsageError(
                f"--window {self.window} must be a multiple of --tile {self.profile.tile}"
            )

    def _check_source_map(self) -> None:
        """Reject a map of sources that cannot be."""
        if self.source_map is None:
            return
        if self.composite == "median":
            raise UsageError("--source-map is for --composite first: a median has no single source")
        if self.source_map.resolve() == self.output.resolve():
            raise UsageError(f"--source-map {self.source_map}: is the file of --output too")

    def _check_grid(self) -> None:
        """Reject invalid options of the output grid."""
        is_own = self.crs is None and self.resolution is None and not self.web_optimized
        if self.resampling and is_own:
            raise UsageError(
                "--resampling means nothing without --crs, --resolution or --web-optimized"
            )
        if self.resolution is not None and not 0 < self.resolution < math.inf:
            raise UsageError(f"--resolution {self.resolution:g} must be above 0")
        if self.bounds is not None:
            west, south, east, north = self.bounds
            # West may exceed east, across the antimeridian; whether it may depends on the CRS.
            if not (all(map(math.isfinite, self.bounds)) and west != east and south < north):
                bounds = " ".join(map(str, self.bounds))
                raise UsageError(f"--bounds {bounds} must be west, south, east, north")

    def _check_clouds(self) -> None:
        """Reject invalid options about clouds."""
        if not 0 <= self.cloud_buffer <= MOST_BUFFER:
            raise UsageError(
                f"--cloud-buffer {self.cloud_buffer:g} must be 0 to {MOST_BUFFER:g} metres"
            )
        if self.max_cloud is not None and not 0 <= self.max_cloud <= 100:  # noqa: PLR2004
            raise UsageError(f"--max-cloud {self.max_cloud:g} must be 0 to 100 percent")
        if not self.needs_classes:
            given = {
                "--cloud-buffer": self.cloud_buffer != 0,
                "--cloud-classes": self.cloud_classes != DEFAULT_CLASSES,
            }
            for name in filter(given.__getitem__, given):
                raise UsageError(
                    f"{name} means nothing without --clouds avoid, --clouds drop or --order clear"
                )

    def _check_web(self) -> None:
        """Reject options that contradict the tiles of web maps, and set the edge of these."""
        if not self.web_optimized:
            if self.zoom is not None:
                raise UsageError("--zoom means nothing without --web-optimized")
            return
        if self.crs is not None:
            raise UsageError(f"--web-optimized is in EPSG:3857: it takes no --crs {self.crs}")
        if self.resolution is not None:
            raise UsageError(
                f"--web-optimized takes no --resolution {self.resolution:g}; its pixels are those"
                " of --zoom"
            )
        if self.profile.layout != "cog":
            raise UsageError(
                f"--web-optimized takes no --layout {self.profile.layout}: its tiles are those of"
                " every level of a COG"
            )
        if self.zoom is not None and not 0 <= self.zoom <= HIGHEST_ZOOM:
            raise UsageError(f"--zoom {self.zoom} must be 0..{HIGHEST_ZOOM}")
        if self.profile is _NOT_GIVEN:
            object.__setattr__(self, "profile", Profile(tile=WEB_TILE))
