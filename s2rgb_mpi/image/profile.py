"""What the file is made of: codec, level, tile edge and mask, and their names in GDAL."""

from __future__ import annotations

from dataclasses import dataclass

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.fields import check

CODECS = ("deflate", "zstd", "lzw", "jpeg", "webp", "none")
LOSSY = ("jpeg", "webp")
MASKS = ("nodata", "internal", "alpha", "none")
LAYOUTS = ("cog", "tiled")
OVERVIEWS = ("auto", "none")

LEVELS = {"deflate": (1, 12, 1), "zstd": (1, 22, 1)}
"""Lowest, highest and default level of the codecs that have one."""

_LOSSLESS = 100
"""The quality at which WEBP keeps every pixel."""

QUALITIES = {"jpeg": 90, "webp": 90}
"""Default quality (1..100) of the codecs that have one."""

_LEVEL_OPTION = {"deflate": "ZLEVEL", "zstd": "ZSTD_LEVEL"}
_QUALITY_OPTION = {"jpeg": "JPEG_QUALITY", "webp": "WEBP_LEVEL"}

_WORST_RATIO = {"deflate": 1.01, "zstd": 1.01, "lzw": 1.5, "jpeg": 2.0, "webp": 2.0, "none": 1.0}
"""Encoded bytes per raw byte at the worst (LZW: 12-bit codes for single bytes)."""


def _keeps_zero(compress: str, quality: int | None) -> bool:
    """Return whether every pixel is read back as it was written."""
    return compress not in LOSSY or (compress == "webp" and quality == _LOSSLESS)


@dataclass(frozen=True)
class Profile:
    """How the pixels are stored.

    Parameters
    ----------
    compress : str
        One of :data:`CODECS`.
    level : int, optional
        Effort of DEFLATE (1..12, above 9 only with libdeflate) or ZSTD (1..22).
    quality : int, optional
        Of JPEG or WEBP, 1..100; 100 makes WEBP lossless.
    tile : int
        Edge of a TIFF tile, pixels; a multiple of 16 (TIFF 6.0, section 15).
    mask : str, optional
        How "no data" is marked, one of :data:`MASKS`. By default the value 0 where the codec keeps
        it, else an internal mask.
    layout : str
        One of :data:`LAYOUTS`.
    overviews : str
        One of :data:`OVERVIEWS`: a COG has reduced levels, or none.
    sparse : bool
        Whether tiles without data are left out of the file.
    """

    compress: str = "deflate"
    level: int | None = None
    quality: int | None = None
    tile: int = 512
    mask: str | None = None
    layout: str = "cog"
    overviews: str = "auto"
    sparse: bool = False

    def __post_init__(self) -> None:
        """Reject what TIFF or the codec cannot do."""
        check(self, compress=CODECS, mask=MASKS, layout=LAYOUTS, overviews=OVERVIEWS)
        if self.mask is None:
            mask = "nodata" if _keeps_zero(self.compress, self.quality) else "internal"
            object.__setattr__(self, "mask", mask)
        if self.tile <= 0 or self.tile % 16:
            raise UsageError(f"--tile {self.tile} must be a positive multiple of 16")
        if self.layout == "cog" and self.tile not in (64, 128, 256, 512, 1024, 2048, 4096):
            raise UsageError(f"--tile {self.tile} with --layout cog must be a power of 2, 64..4096")
        self._check("--level", self.level, LEVELS.get(self.compress))
        self._check("--quality", self.quality, (1, 100) if self.compress in LOSSY else None)
        if self.mask == "nodata" and not _keeps_zero(self.compress, self.quality):
            raise UsageError(
                f"--compress {self.compress} does not keep the value 0; use --mask internal"
            )
        if self.compress == "jpeg" and self.mask == "alpha":
            raise UsageError("--compress jpeg has no alpha band; use --mask internal")
        if self.compress == "jpeg" and self.sparse:
            raise UsageError(
                "--sparse cannot be used with --compress jpeg: readers show absent tiles in colour"
            )

    def _check(self, option: str, value: int | None, limits: tuple[int, ...] | None) -> None:
        """Reject a number that this codec does not take."""
        if value is None:
            return
        if limits is None:
            raise UsageError(f"{option} means nothing to --compress {self.compress}")
        if not limits[0] <= value <= limits[1]:
            raise UsageError(f"{option} {value} must be {limits[0]}..{limits[1]}")

    @property
    def bands(self) -> int:
        """3, or 4 with an alpha band."""
        return 4 if self.mask == "alpha" else 3

    @property
    def worst_ratio(self) -> float:
        """Encoded bytes per raw byte at the worst."""
        return _WORST_RATIO[self.compress]

    def image_options(self) -> dict[str, str]:
        """Return GDAL's creation options for the image and for every tile of it."""
        options = {
            "TILED": "YES",
            "BLOCKXSIZE": str(self.tile),
            "BLOCKYSIZE": str(self.tile),
            "INTERLEAVE": "PIXEL",
            "COMPRESS": self.compress.upper(),
            "PHOTOMETRIC": "YCBCR" if self.compress == "jpeg" else "RGB",
            "NUM_THREADS": "1",
        }
        if self.compress in ("deflate", "zstd", "lzw"):
            options["PREDICTOR"] = "2"
        if self.mask == "alpha":
            options["ALPHA"] = "YES"
        return options | self._effort()

    def mask_options(self) -> dict[str, str]:
        """Return the options under which GDAL stores an internal mask: one bit, DEFLATE."""
        return {
            "TILED": "YES",
            "BLOCKXSIZE": str(self.tile),
            "BLOCKYSIZE": str(self.tile),
            "COMPRESS": "DEFLATE",
            "NBITS": "1",
            "NUM_THREADS": "1",
        }

    def overview_options(self) -> dict[str, str]:
        """Return GDAL's configuration options that make overviews of the same kind."""
        image = self.image_options()
        kept = {"COMPRESS", "PREDICTOR", "PHOTOMETRIC", "INTERLEAVE"} | set(self._effort())
        options = {f"{name}_OVERVIEW": image[name] for name in kept & image.keys()}
        return options | {"GDAL_TIFF_OVR_BLOCKSIZE": str(self.tile), "SPARSE_OK_OVERVIEW": "ON"}

    def _effort(self) -> dict[str, str]:
        """Return the level or quality, under its name in GDAL."""
        if self.compress in _LEVEL_OPTION:
            return {_LEVEL_OPTION[self.compress]: str(self.level or LEVELS[self.compress][2])}
        if self.compress not in _QUALITY_OPTION:
            return {}
        quality = self.quality or QUALITIES[self.compress]
        if self.compress == "webp" and quality == _LOSSLESS:
            return {"WEBP_LOSSLESS": "YES"}
        return {_QUALITY_OPTION[self.compress]: str(quality)}
