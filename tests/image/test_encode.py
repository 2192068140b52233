"""Encoded tiles are, byte for byte, what GDAL writes into a file of its own."""

import numpy as np
import pytest
from osgeo import gdal

from geotiffs import PROFILES, picture, profile_id, rgba
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.profile import Profile

gdal.UseExceptions()

WIDTH, HEIGHT = 300, 200
UNMASKED = [p for p in PROFILES if p.layout == "tiled" and p.mask in ("nodata", "alpha")]


def write_with_gdal(path, bands, options):
    """Write bands (band, height, width) in one go; return the raw bytes of every tile there."""
    count, height, width = bands.shape
    creation = [f"{name}={value}" for name, value in options.items()]
    driver = gdal.GetDriverByName("GTiff")
    dataset = driver.Create(str(path), width, height, count, gdal.GDT_Byte, creation)
    dataset.WriteArray(bands)
    dataset = None
    return raw_tiles(path, int(options["BLOCKXSIZE"]))


def raw_tiles(path, edge):
    dataset, data = gdal.Open(str(path)), path.read_bytes()
    band = dataset.GetRasterBand(1)
    tiles = {}
    for row in range(-(-band.YSize // edge)):
        for col in range(-(-band.XSize // edge)):
            offset = band.GetMetadataItem(f"BLOCK_OFFSET_{col}_{row}", "TIFF")
            if offset is not None:
                size = int(band.GetMetadataItem(f"BLOCK_SIZE_{col}_{row}", "TIFF"))
                tiles[row, col] = data[int(offset) : int(offset) + size]
    return tiles


def encode(profile, image, *, mask=False):
    """Return the bytes of the image's tiles, or of its mask's, by row and column."""
    tiles = Encoder(profile).encode(rgba(image))
    return {(tile.row, tile.col): bytes(tile.data) for tile in tiles if tile.mask == mask}


@pytest.mark.parametrize("profile", UNMASKED, ids=profile_id)
def test_tiles_are_those_that_gdal_writes_itself(tmp_path, profile):
    image = picture(WIDTH, HEIGHT)
    bands = image
    if profile.mask == "alpha":
        bands = np.dstack([image, np.uint8(255) * image.all(axis=2)])
    bands = np.moveaxis(bands, -1, 0)
    expected = write_with_gdal(tmp_path / "gdal.tif", bands, profile.image_options())
    assert encode(profile, image) == expected
    assert len(expected) > 12  # edge tiles too


def test_mask_tiles_are_those_that_gdal_writes_itself(tmp_path):
    profile = Profile(tile=64, mask="internal")
    image = picture(WIDTH, HEIGHT)
    mask = image.all(axis=2)[np.newaxis].astype(np.uint8)
    expected = write_with_gdal(tmp_path / "gdal.tif", mask, profile.mask_options())
    assert encode(profile, image, mask=True) == expected


def test_a_window_of_a_large_image_gives_the_same_tiles_as_the_whole():
    profile = Profile(tile=64)
    image = picture(WIDTH, HEIGHT)
    whole = encode(profile, image)
    window = encode(profile, image[64:, 128:])
    assert window == {
        (row - 1, col - 2): data for (row, col), data in whole.items() if row >= 1 and col >= 2
    }


@pytest.mark.parametrize("profile", PROFILES, ids=profile_id)
def test_every_tile_is_encoded_with_or_without_data(profile):
    image = picture(128, 128, hole=False)
    image[:, 64:] = 0
    tiles = list(Encoder(profile).encode(rgba(image)))
    layers = (False, True) if profile.mask == "internal" else (False,)
    every = [(mask, row, col) for mask in layers for row in (0, 1) for col in (0, 1)]
    assert [(tile.mask, tile.row, tile.col) for tile in tiles] == every
    assert all(tile.data for tile in tiles)


@pytest.mark.parametrize("compress", ["deflate", "none", "webp"])
@pytest.mark.parametrize("mask", ["internal", "alpha", "none"])
def test_sparse_leaves_out_the_tiles_without_a_valid_pixel(compress, mask):
    profile = Profile(tile=64, compress=compress, mask=mask, sparse=True)
    image = rgba(picture(128, 128, hole=False))
    image[:, 64:] = 0
    image[64:, :64, :3] = 0  # black, but valid
    tiles = list(Encoder(profile).encode(image))
    layers = (False, True) if mask == "internal" else (False,)
    assert [(tile.mask, tile.row, tile.col) for tile in tiles] == [
        (mask, row, 0) for mask in layers for row in (0, 1)
    ]


@pytest.mark.parametrize("profile", PROFILES, ids=profile_id)
def test_tiles_without_data_are_those_beside_data(profile):
    """They are encoded once, and copied."""
    image = np.zeros((128, 128, 3), np.uint8)
    image[:64] = picture(128, 64, hole=False)
    beside = [tile for tile in Encoder(profile).encode(rgba(image)) if tile.row]
    alone = list(Encoder(profile).encode(rgba(np.zeros((51, 128, 3), np.uint8))))
    assert [tile._replace(row=1) for tile in alone] == beside
    assert len(alone) == (4 if profile.mask == "internal" else 2)


def test_one_valid_pixel_keeps_a_sparse_tile():
    image = np.zeros((128, 128, 3), np.uint8)
    image[127, 127] = 1
    assert list(encode(Profile(tile=64, sparse=True), image)) == [(1, 1)]
    assert encode(Profile(tile=64, sparse=True), np.zeros_like(image)) == {}


def test_nothing_is_left_in_memory():
    list(Encoder(Profile(tile=64, mask="internal")).encode(rgba(picture(100, 100))))
    assert not gdal.ReadDir("/vsimem/")


def test_pixels_need_not_be_contiguous():
    image = picture(200, 100)[::2, ::2]
    assert encode(Profile(tile=64), image) == encode(Profile(tile=64), image.copy())
