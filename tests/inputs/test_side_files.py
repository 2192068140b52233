"""A product's own metadata decide, whatever lies beside its images or is tagged in them."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, osr

from altered import add_side_files, edit, images, pack
from geotiffs import TRANSFORM
from opened import open_product, refusal, resample, whole_dn
from rasters import write_jp2, write_raster
from s2rgb_mpi import gdalenv
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.warp.onto_grid import lay_out_resampled
from s2rgb_mpi.testing.safe import read_dn


@pytest.fixture
def copy(safe, tmp_path):
    """A copy of the product, for a test to put files beside its images."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def assert_untouched(product, safe):
    assert product.grid.transform == TRANSFORM
    assert osr.SpatialReference(product.grid.crs).GetAuthorityCode(None) == "32632"
    assert {band.calibration for band in product.bands} == {Calibration(-1000, 10_000)}
    assert product.warnings == ()
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


def test_gdal_would_read_what_lies_there(copy):
    """GDAL reads the side files by default; otherwise the tests below could not fail."""
    assert add_side_files(copy) == 3 * 6
    with gdalenv.settings({"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE"}):  # its default
        dataset = gdal.Open(str(images(copy)[0]))
    assert dataset.GetGeoTransform() == (1, 2, 0, 3, 0, -2)
    assert dataset.GetRasterBand(1).GetNoDataValue() > 0
    assert dataset.GetRasterBand(1).GetScale() == 0.5


def test_side_files_of_a_folder_change_nothing(safe, copy):
    add_side_files(copy)
    assert_untouched(open_product(str(copy)), safe)
    assert_untouched(open_product(str(copy / "MTD_MSIL2A.xml")), safe)


def test_side_files_in_a_zip_change_nothing(safe, copy, tmp_path):
    add_side_files(copy)
    archive = pack(copy, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED)
    assert_untouched(open_product(str(archive)), safe)


def test_side_files_change_nothing_of_what_workers_resample(copy):
    def warped(path):
        product = open_product(str(path))
        (member,) = lay_out_resampled(
            [product],
            crs="EPSG:2056",
            resolution=None,
            resampling="nearest",
            bounds=(402_000, 5_297_000, 403_000, 5_298_000),
            bounds_crs="EPSG:32632",
            step=64,
        ).members
        return whole_dn(member.product)

    plain = warped(copy)
    assert plain.any()
    add_side_files(copy)
    np.testing.assert_array_equal(warped(copy), plain)


def test_tags_in_the_images_themselves_change_nothing(safe, copy):
    """GDAL opens by content: an image that is a TIFF may have tags."""
    for image in images(copy):
        values = gdal.Open(str(image)).ReadAsArray()
        write_raster(image, values, nodata=int(values.max()), scale=0.5, offset=-7.0)
    assert_untouched(open_product(str(copy)), safe)


def test_the_setting_that_keeps_side_files_out_is_put_back(safe):
    gdal.SetThreadLocalConfigOption("GDAL_PAM_ENABLED", "YES")
    try:
        open_product(str(safe))
        assert gdal.GetThreadLocalConfigOption("GDAL_PAM_ENABLED") == "YES"
    finally:
        gdal.SetThreadLocalConfigOption("GDAL_PAM_ENABLED", None)


def rewrite(product, *, epsg=None, transform=TRANSFORM):
    """Write the images again, with a georeference of their own or with none."""
    for image in images(product):
        values = gdal.Open(str(image)).ReadAsArray()
        write_jp2(image, values, epsg=epsg, transform=transform)


def test_images_without_georeference_lie_where_their_granule_does(safe, copy):
    rewrite(copy)
    assert gdal.Open(str(images(copy)[0])).GetSpatialRef() is None
    assert_untouched(open_product(str(copy)), safe)


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (32632, (399970.0, 10.0, 0.0, 5300040.0, 0.0, -10.0)),
        (32632, (399960.0, 20.0, 0.0, 5300040.0, 0.0, -20.0)),
        (32633, TRANSFORM),
    ],
)
def test_the_granules_place_wins_over_that_of_its_images(safe, copy, epsg, transform):
    rewrite(copy, epsg=epsg, transform=transform)
    product = open_product(str(copy))
    assert product.grid.transform == TRANSFORM
    assert osr.SpatialReference(product.grid.crs).GetAuthorityCode(None) == "32632"
    (warning,) = product.warnings
    assert warning.startswith(f"{product.bands[0].path}: its own georeference, ")
    assert f"contradicts {next(copy.glob('GRANULE/*/MTD_TL.xml'))}, " in warning
    assert warning.endswith("which is used")
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


def test_resampled_images_come_from_where_their_granule_is(safe, copy):
    """The worker puts the image there too, before it resamples."""

    def doubled(path):
        product = open_product(str(path))
        (member,) = lay_out_resampled(
            [product],
            crs=None,
            resolution=5.0,
            resampling="nearest",
            bounds=None,
            bounds_crs="EPSG:4326",
            step=128,
        ).members
        return resample(member.product, Window(0, 0, 1222, 778))

    rewrite(copy, epsg=32633, transform=(0.0, 30.0, 0.0, 0.0, 0.0, -30.0))
    expected = read_dn(safe).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(doubled(copy), expected)


def test_a_granule_of_another_size_does_not_place_an_image(copy):
    edit(copy, ("<NCOLS>611<", "<NCOLS>10980<"), file="GRANULE/*/MTD_TL.xml")
    product = open_product(str(copy))
    assert product.grid.transform == TRANSFORM
    (warning,) = product.warnings
    assert warning.startswith(f"{product.bands[0].path}: 611 x 389 pixels, where ")
    assert "10980 x 389; the georeference of the image itself is used" in warning
    rewrite(copy)
    assert refusal(copy) == f"{product.bands[0].path}: no coordinate reference system"


def test_a_reduced_copy_of_the_granule_is_no_contradiction(copy):
    """Test data of other projects are so: the metadata of a full product, images of few pixels."""
    for image in images(copy):
        values = gdal.Open(str(image)).ReadAsArray()[::6, ::6]
        transform = (399960.0, 60.0, 0.0, 5300040.0, 0.0, -60.0)
        write_jp2(image, values, transform=transform)
    product = open_product(str(copy))
    assert product.grid.transform[1] == 60
    assert product.warnings == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((r"<HORIZONTAL_CS_CODE>[^<]*<", "<HORIZONTAL_CS_CODE>/etc/passwd<"), "is not an EPSG"),
        ((r"<HORIZONTAL_CS_CODE>[^<]*<", "<HORIZONTAL_CS_CODE>EPSG:999999<"), "999999"),
        (("<ULX>399960<", "<ULX>west<"), "'west' is not a number"),
        (("<NCOLS>611<", "<NCOLS>611.5<"), "611.5 is not a whole number"),
        (("</n1:Level-2A_Tile_ID>", ""), "no element found"),
    ],
)
def test_granule_metadata_that_cannot_be_read_are_a_warning(copy, change, words):
    edit(copy, change, file="GRANULE/*/MTD_TL.xml")
    product = open_product(str(copy))
    assert product.grid.transform == TRANSFORM
    (warning,) = product.warnings
    assert warning.startswith(f"{next(copy.glob('GRANULE/*/MTD_TL.xml'))}: ")
    assert words in warning
    assert warning.endswith("; the georeference of the images themselves is used")


def test_granule_metadata_that_are_not_there_are_not_needed(safe, copy):
    next(copy.glob("GRANULE/*/MTD_TL.xml")).unlink()
    assert_untouched(open_product(str(copy)), safe)
