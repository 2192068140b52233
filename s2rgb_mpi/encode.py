"""RGB pixels to encoded TIFF tiles, by GDAL itself: a small GeoTIFF in memory, taken apart."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import gdal

from s2rgb_mpi.protocol import Kind, Piece
from s2rgb_mpi.radiometry import valid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.profile import Profile

gdal.UseExceptions()


class EncodedTile(NamedTuple):
    """One compressed tile: whether it is of the mask, its place in tiles, and its bytes."""

    mask: bool
    row: int
    col: int
    data: bytes


class Encoder:
    """Encodes images tile by tile, exactly as GDAL would write them into a large file.

    Tiles without a valid pixel are left out: they stay sparse in the file. Tiles at the right
    and lower edge are padded by GDAL, as in a file of its own.

    Parameters
    ----------
    profile : Profile
        Codec, level, tile edge and mask.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._path = f"/vsimem/s2rgb_mpi-{os.getpid()}-{id(self):x}.tif"

    def encode(self, rgb: NDArray[np.uint8]) -> Iterator[EncodedTile]:
        """Encode an image, and its mask where the profile has one.

        Parameters
        ----------
        rgb : ndarray, shape (height, width, 3), uint8
            0 in all bands means "no data". The corner lies on the corner of a tile.

        Yields
        ------
        EncodedTile
            Rows and columns are counted from the corner of this image.
        """
        pixels = rgb
        if self._profile.mask == "alpha":
            pixels = np.dstack([rgb, valid(rgb) * np.uint8(255)])
        yield from self._tiles(pixels, self._profile.image_options(), mask=False)
        if self._profile.mask == "internal":
            bits = valid(rgb).view(np.uint8)[..., np.newaxis]
            yield from self._tiles(bits, self._profile.mask_options(), mask=True)

    def pieces(self, rgb: NDArray[np.uint8], level: int, row: int, col: int) -> Iterator[Piece]:
        """Encode an image that lies somewhere on a level, as pieces of a block.

        Parameters
        ----------
        rgb : ndarray, shape (height, width, 3), uint8
            As for :meth:`encode`.
        level, row, col : int
            Where its corner lies: the level, row and column of the tile there.
        """
        for tile in self.encode(rgb):
            kind = Kind.MASK if tile.mask else Kind.TILE
            yield Piece.of(kind, level, row + tile.row, col + tile.col, tile.data)

    def _tiles(
        self, pixels: NDArray[np.uint8], options: dict[str, str], *, mask: bool
    ) -> Iterator[EncodedTile]:
        """Write a GeoTIFF in memory, and take the bytes of its tiles out of it."""
        height, width, bands = pixels.shape
        dataset = gdal.GetDriverByName("GTiff").Create(
            self._path,
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
            buf_pixel_space=bands,
            buf_line_space=bands * width,
            buf_band_space=1,
        )
        dataset.FlushCache()
        file = gdal.VSIFOpenL(self._path, "rb")
        try:
            edge = self._profile.tile
            band = dataset.GetRasterBand(1)
            for row, col in itertools.product(range(-(-height // edge)), range(-(-width // edge))):
                offset = band.GetMetadataItem(f"BLOCK_OFFSET_{col}_{row}", "TIFF")
                if offset is None:
                    continue
                size = int(band.GetMetadataItem(f"BLOCK_SIZE_{col}_{row}", "TIFF"))
                gdal.VSIFSeekL(file, int(offset), os.SEEK_SET)
                yield EncodedTile(mask, row, col, gdal.VSIFReadL(1, size, file))
        finally:
            gdal.VSIFCloseL(file)
            dataset = None
            gdal.Unlink(self._path)
