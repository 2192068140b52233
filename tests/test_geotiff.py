"""The file: made from tiles in any order, it is what GDAL, rio-cogeo and tifffile expect."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from osgeo import gdal
from osgeo_utils.samples import validate_cloud_optimized_geotiff

import reference
from geotiffs import PROFILES, TAGS, TRANSFORM, extents, picture, profile_id, write
from s2rgb_mpi.image.profile import LAYOUTS, LOSSY, MASKS, Profile

gdal.UseExceptions()

COGS = [profile for profile in PROFILES if profile.layout == "cog"]


def overview(dataset, level):
    """Read one level as (height, width, band)."""
    bands = [dataset.GetRasterBand(number) for number in (1, 2, 3)]
    if level:
        bands = [band.GetOverview(level - 1) for band in bands]
    return np.dstack([band.ReadAsArray() for band in bands])


def check_cog(path):
    """Fail on any message of GDAL's own validation."""
    warnings, errors, _ = validate_cloud_optimized_geotiff.validate(str(path), full_check=True)
    assert (warnings, errors) == ([], [])
    assert gdal.Open(str(path)).GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"


@pytest.mark.parametrize("profile", PROFILES, ids=profile_id)
def test_gdal_reads_the_pixels_of_every_level(tmp_path, profile):
    expected = picture(300, 200)
    dataset = gdal.Open(str(write(tmp_path / "rgb.tif", expected, profile)))
    assert dataset.GetRasterBand(1).GetOverviewCount() == (3 if profile.layout == "cog" else 0)
    for level in range(dataset.GetRasterBand(1).GetOverviewCount() + 1):
        found = overview(dataset, level)
        if profile.compress in LOSSY:
            valid = expected.all(axis=2)
            assert np.abs(found.astype(int) - expected)[valid].mean() < 6
        else:
            np.testing.assert_array_equal(found, expected)
        expected = reference.halve(expected)


@pytest.mark.parametrize("profile", COGS, ids=profile_id)
def test_a_cog_passes_gdal_validation_without_a_warning(tmp_path, profile):
    check_cog(write(tmp_path / "rgb.tif", picture(300, 200), profile))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("width", "height", "tile"), [(1, 1, 512), (511, 513, 512), (1024, 1024, 512), (300, 200, 64)]
)
def test_a_cog_of_any_size_is_valid_and_right(tmp_path, width, height, tile, mask):
    image = picture(width, height)
    path = write(tmp_path / "rgb.tif", image, Profile(tile=tile, mask=mask))
    check_cog(path)
    np.testing.assert_array_equal(overview(gdal.Open(str(path)), 0), image)


@pytest.mark.parametrize(("compress", "mask"), [("deflate", "nodata"), ("jpeg", "internal")])
def test_rio_cogeo_finds_it_valid(tmp_path, compress, mask):
    profile = Profile(compress=compress, mask=mask, tile=64)
    path = write(tmp_path / "rgb.tif", picture(300, 200), profile)
    # In a process of its own: rasterio brings another libgdal along.
    rio = Path(sys.executable).with_name("rio")
    command = [str(rio), "cogeo", "validate", "--strict", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout == f"{path} is a valid cloud optimized GeoTIFF\n", run.stderr


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_tile_overlaps_another_or_leaves_the_file(tmp_path, layout, mask):
    profile = Profile(tile=64, layout=layout, mask=mask)
    path = write(tmp_path / "rgb.tif", picture(300, 200), profile)
    places = extents(path)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(places))
    assert places[-1][1] <= path.stat().st_size


@pytest.mark.parametrize(
    ("sparse", "expected"),
    [
        (False, [(0, 16), (1, 1), (1, 4), (4, 16), (5, 1), (5, 4)]),
        (True, [(0, 8), (1, 1), (1, 2), (4, 8), (5, 1), (5, 2)]),
    ],
)
def test_tiles_without_data_are_in_every_level_unless_sparse(tmp_path, sparse, expected):
    image = picture(256, 256, hole=False)
    image[:, 128:] = 0
    path = write(tmp_path / "rgb.tif", image, Profile(tile=64, mask="internal", sparse=sparse))
    with tifffile.TiffFile(path) as tif:
        present = [
            (int(page.aspage().subfiletype), np.count_nonzero(page.databytecounts))
            for page in tif.pages
        ]
    # NewSubfileType: 1 is a reduced image, 4 a mask.
    assert sorted(present) == expected
    np.testing.assert_array_equal(overview(gdal.Open(str(path)), 0), image)


@pytest.mark.parametrize(("sparse", "tiles"), [(False, 20 + 6 + 2 + 1), (True, 0)])
def test_an_image_without_any_valid_pixel_is_a_valid_cog(tmp_path, sparse, tiles):
    image = np.zeros((200, 300, 3), np.uint8)
    path = write(tmp_path / "rgb.tif", image, Profile(tile=64, sparse=sparse))
    check_cog(path)
    assert len(extents(path)) == tiles
    dataset = gdal.Open(str(path))
    assert dataset.GetRasterBand(1).GetMetadataItem("STATISTICS_VALID_PERCENT") == "0"


@pytest.mark.parametrize(
    ("mask", "flags", "nodata"),
    [
        ("nodata", gdal.GMF_NODATA, 0),
        ("internal", gdal.GMF_PER_DATASET, None),
        ("alpha", gdal.GMF_PER_DATASET | gdal.GMF_ALPHA, None),
        ("none", gdal.GMF_ALL_VALID, None),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_how_no_data_is_marked(tmp_path, layout, mask, flags, nodata):
    image = picture(300, 200)
    path = write(tmp_path / "rgb.tif", image, Profile(tile=64, mask=mask, layout=layout))
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert (band.GetMaskFlags(), band.GetNoDataValue()) == (flags, nodata)
    valid = np.ones((200, 300), bool) if mask == "none" else image.all(axis=2)
    np.testing.assert_array_equal(band.GetMaskBand().ReadAsArray() == 255, valid)


@pytest.mark.parametrize("mask", ["internal", "alpha"])
def test_the_mask_has_its_own_overviews(tmp_path, mask):
    image = picture(300, 200)
    path = write(tmp_path / "rgb.tif", image, Profile(tile=64, mask=mask))
    dataset = gdal.Open(str(path))
    found = dataset.GetRasterBand(1).GetOverview(0).GetMaskBand().ReadAsArray()
    np.testing.assert_array_equal(found == 255, reference.halve(image).all(axis=2))


@pytest.mark.parametrize("mask", ["nodata", "alpha"])
def test_bands_are_red_green_blue_and_alpha(tmp_path, mask):
    path = write(tmp_path / "rgb.tif", picture(30, 20), Profile(mask=mask))
    dataset = gdal.Open(str(path))
    descriptions = [dataset.GetRasterBand(n + 1).GetDescription() for n in range(3)]
    assert descriptions == ["B04 red", "B03 green", "B02 blue"]
    colours = [
        gdal.GetColorInterpretationName(dataset.GetRasterBand(number + 1).GetColorInterpretation())
        for number in range(dataset.RasterCount)
    ]
    assert colours == ["Red", "Green", "Blue", "Alpha"][: 4 if mask == "alpha" else 3]


def test_crs_transform_and_tags_are_in_the_file(tmp_path):
    dataset = gdal.Open(str(write(tmp_path / "rgb.tif", picture(30, 20), Profile())))
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32632"
    assert dataset.GetGeoTransform() == TRANSFORM
    assert TAGS.items() <= dataset.GetMetadata().items()


def test_statistics_are_those_of_the_valid_pixels(tmp_path):
    image = picture(300, 200)
    dataset = gdal.Open(str(write(tmp_path / "rgb.tif", image, Profile(tile=64))))
    for number in range(3):
        values = image[..., number][image.all(axis=2)].astype(float)
        items = dataset.GetRasterBand(number + 1).GetMetadata()
        assert int(items["STATISTICS_MINIMUM"]) == values.min()
        assert int(items["STATISTICS_MAXIMUM"]) == values.max()
        assert float(items["STATISTICS_MEAN"]) == pytest.approx(values.mean(), rel=1e-12)
        assert float(items["STATISTICS_STDDEV"]) == pytest.approx(values.std(), rel=1e-12)
        percent = 100 * values.size / (300 * 200)
        assert float(items["STATISTICS_VALID_PERCENT"]) == pytest.approx(percent, rel=1e-3)
