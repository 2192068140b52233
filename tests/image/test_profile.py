"""The profile of the file: errors, and the creation options for GDAL."""

import pytest

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.profile import Profile


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 0}, "--tile 0 must be a positive multiple of 16"),
        ({"tile": -512}, "--tile -512 must be"),
        ({"tile": 500, "layout": "tiled"}, "--tile 500 must be a positive multiple of 16"),
        (
            {"compress": "jpeg", "mask": "nodata"},
            "--compress jpeg does not keep the value 0; use --mask internal",
        ),
        (
            {"compress": "webp", "quality": 99, "mask": "nodata"},
            "--compress webp does not keep the value 0",
        ),
        ({"compress": "jpeg", "mask": "alpha"}, "jpeg has no alpha band; use --mask internal"),
        ({"compress": "deflate", "level": 0}, "--level 0 must be 1..12"),
        ({"compress": "deflate", "level": 13}, "--level 13 must be 1..12"),
        ({"compress": "zstd", "level": 23}, "--level 23 must be 1..22"),
        ({"compress": "lzw", "level": 6}, "--level means nothing to --compress lzw"),
        ({"compress": "jpeg", "quality": 101}, "--quality 101 must be 1..100"),
        ({"compress": "webp", "quality": 0}, "--quality 0 must be 1..100"),
        ({"compress": "zstd", "quality": 90}, "--quality means nothing to --compress zstd"),
    ],
)
def test_what_tiff_or_the_codec_cannot_do_is_refused(options, words):
    with pytest.raises(UsageError) as caught:
        Profile(**options)
    assert words in str(caught.value)


@pytest.mark.parametrize("tile", [16, 48, 192, 8192])
def test_tiles_that_gdal_gives_no_overview_are_refused_in_a_cog(tile):
    # GDAL_TIFF_OVR_BLOCKSIZE takes powers of 2 from 64 to 4096, and 128 in place of others.
    with pytest.raises(UsageError, match=f"--tile {tile} "):
        Profile(tile=tile, layout="cog")


@pytest.mark.parametrize("tile", [16, 48, 192, 8192])
def test_a_plain_tiled_file_has_tiles_of_any_multiple_of_16(tile):
    assert Profile(tile=tile, layout="tiled").image_options()["BLOCKXSIZE"] == str(tile)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"compress": "deflate", "level": 9}, {"ZLEVEL": "9", "PREDICTOR": "2"}),
        ({"compress": "zstd", "level": 22}, {"ZSTD_LEVEL": "22", "PREDICTOR": "2"}),
        ({"compress": "lzw"}, {"COMPRESS": "LZW", "PREDICTOR": "2"}),
        (
            {"compress": "jpeg", "quality": 75, "mask": "none"},
            {"JPEG_QUALITY": "75", "PHOTOMETRIC": "YCBCR"},
        ),
        (
            {"compress": "webp", "quality": 75, "mask": "none"},
            {"WEBP_LEVEL": "75", "PHOTOMETRIC": "RGB"},
        ),
        ({"compress": "webp", "quality": 100}, {"WEBP_LOSSLESS": "YES"}),
        ({"mask": "alpha"}, {"ALPHA": "YES"}),
    ],
)
def test_gdal_is_asked_for_what_the_user_asks_for(options, expected):
    assert expected.items() <= Profile(**options).image_options().items()


@pytest.mark.parametrize("compress", ["jpeg", "webp", "none"])
def test_only_lossless_codecs_have_a_predictor(compress):
    assert "PREDICTOR" not in Profile(compress=compress, mask="none").image_options()
