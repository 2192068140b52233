"""RGB pixels to encoded TIFF tiles, by GDAL itself: a small GeoTIFF in memory, taken apart."""

from __future__ import annotations

import itertools
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
from osgeo import gdal

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.gdalenv import memory_file
from s2rgb_mpi.image.block import Kind, Piece
from s2rgb_mpi.image.radiometry import RGBA, valid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.image.profile import Profile


def made_by() -> str:
    """Return the library that encodes tiles: another release of it gives other bytes."""
    return f"GDAL {gdal.VersionInfo('RELEASE_NAME')}"


def check_codec(profile: Profile) -> None:
    """Reject what the libraries at hand cannot write.

    Raises
    ------
    UsageError
        A codec or level that GDAL does not have, with the list of what it has; or tifffile, which
        is needed only at the end, is not installed.
    """
    if find_spec("tifffile") is None:
        raise UsageError("tifffile is not installed, and no GeoTIFF can be written without it")
    options = ET.fromstring(  # noqa: S314  GDAL wrote it
        gdal.GetDriverByName("GTiff").GetMetadataItem("DMD_CREATIONOPTIONLIST")
    )
    has = [value.text for value in options.iterfind("Option[@name='COMPRESS']/Value")]
    if profile.compress.upper() not in has:
        names = ", ".join(str(name).lower() for name in has)
        raise UsageError(f"this GDAL has no --compress {profile.compress}; it has {names}")
    effort = profile.image_options().get("ZLEVEL")
    highest = next(option.get("max", "9") for option in options.iterfind("Option[@name='ZLEVEL']"))
    if effort and int(effort) > int(highest):
        raise UsageError(f"this GDAL has no --level {effort} for deflate; its highest is {highest}")


class EncodedTile(NamedTuple):
    """One compressed tile: whether it is of the mask, its place in tiles, and its bytes."""

    mask: bool
    row: int
    col: int
    data: bytes


class Encoder:
    """Encodes images tile by tile, exactly as GDAL would write them into a large file.

    With a sparse profile, tiles without a valid pixel are left out. Tiles at the right and lower
    edge are padded by GDAL, as in a file of its own.

    Parameters
    ----------
    profile : Profile
        Codec, level, tile edge and mask.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._empty: list[EncodedTile] = []

    def encode(self, rgba: NDArray[np.uint8]) -> Iterator[EncodedTile]:
        """Encode an image, and its mask where the profile has one.

        Parameters
        ----------
        rgba : ndarray, shape (height, width, 4), uint8
            Colours, and 255 where they are valid; "no data" is 0 in all bands. The corner lies on
            the corner of a tile.

        Yields
        ------
        EncodedTile
            Rows and columns are counted from the corner of this image.
        """
        profile = self._profile
        bits = valid(rgba).view(np.uint8)
        if not bits.any():
            yield from self._without_data(*rgba.shape[:2])
            return
        for tile in self._layers(rgba):
            top, left = tile.row * profile.tile, tile.col * profile.tile
            # Whether it is left out does not depend on its bytes: black pixels may be valid.
            part = bits[top : top + profile.tile, left : left + profile.tile]
            if not profile.sparse or part.any():
                yield tile

    def _without_data(self, height: int, width: int) -> Iterator[EncodedTile]:
        """Encode an image without data: one tile, once for all images."""
        if self._profile.sparse:
            return
        edge = self._profile.tile
        if not self._empty:
            self._empty = list(self._layers(np.zeros((edge, edge, RGBA), dtype=np.uint8)))
        places = list(itertools.product(range(-(-height // edge)), range(-(-width // edge))))
        for tile in self._empty:
            yield from (tile._replace(row=row, col=col) for row, col in places)

    def pieces(self, rgba: NDArray[np.uint8], level: int, row: int, col: int) -> Iterator[Piece]:
        """Encode an image that lies somewhere on a level, as pieces of a block.

        Parameters
        ----------
        rgba : ndarray, shape (height, width, 4), uint8
            As for :meth:`encode`.
        level, row, col : int
            Where its corner lies: the level, row and column of the tile there.
        """
        for tile in self.encode(rgba):
            kind = Kind.MASK if tile.mask else Kind.TILE
            yield Piece.of(kind, tile.data, level=level, row=row + tile.row, col=col + tile.col)

    def _layers(self, rgba: NDArray[np.uint8]) -> Iterator[EncodedTile]:
        """Encode all tiles of an image, and then those of its mask."""
        profile = self._profile
        yield from self._tiles(rgba, profile.bands, profile.image_options(), mask=False)
        if profile.mask == "internal":
            mask = valid(rgba).view(np.uint8)[..., np.newaxis]
            yield from self._tiles(mask, 1, profile.mask_options(), mask=True)

    def _tiles(
        self, pixels: NDArray[np.uint8], bands: int, options: dict[str, str], *, mask: bool
    ) -> Iterator[EncodedTile]:
        """Write the first bands to a GeoTIFF in memory, and take its tiles' bytes out of it."""
        height, width, depth = pixels.shape
        edge = self._profile.tile
        with memory_file(".tif") as path:
            dataset = gdal.GetDriverByName("GTiff").Create(
                path,
                width,
                height,
                bands,
                gdal.GDT_Byte,
                [f"{name}={value}" for name, value in options.items()],
            )
            dataset.WriteRaster(
                0,
                0,
                width,
                height,
                np.ascontiguousarray(pixels).data,
                buf_pixel_space=depth,
                buf_line_space=depth * width,
                buf_band_space=1,
            )
            dataset.FlushCache()
            file = gdal.VSIFOpenL(path, "rb")
            try:
                band = dataset.GetRasterBand(1)
                tiles = itertools.product(range(-(-height // edge)), range(-(-width // edge)))
                for row, col in tiles:
                    offset = band.GetMetadataItem(f"BLOCK_OFFSET_{col}_{row}", "TIFF")
                    if offset is None and self._profile.compress == "none":
                        # Zeros alone, which GDAL writes only when it closes the file.
                        yield EncodedTile(mask, row, col, bytes(edge * edge * bands))
                        continue
                    size = int(band.GetMetadataItem(f"BLOCK_SIZE_{col}_{row}", "TIFF"))
                    gdal.VSIFSeekL(file, int(offset), os.SEEK_SET)
                    yield EncodedTile(mask, row, col, gdal.VSIFReadL(1, size, file))
            finally:
                gdal.VSIFCloseL(file)
                dataset = band = None  # closed, before its file is removed
