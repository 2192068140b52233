"""Three band files are a product if they lie on one grid; the error names one that does not."""

import math
from pathlib import Path

import pytest
from osgeo import gdal, osr

from geotiffs import TRANSFORM
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.rgb_files import open_bands

gdal.UseExceptions()

ICOR = Path(__file__).parents[3] / "shared" / "data" / "pixels" / "openeo-geotrellis_icor_10m"


@pytest.fixture
def band_file(tmp_path):
    """The function that writes a small band file, ordinary in all that is not said."""

    def write(
        name,
        *,
        size=(30, 20),
        kind=gdal.GDT_UInt16,
        bands=1,
        epsg=32632,
        transform=TRANSFORM,
        nodata=None,
        options=(),
    ):
        path = str(tmp_path / f"{name}.tif")
        dataset = gdal.GetDriverByName("GTiff").Create(path, *size, bands, kind, list(options))
        dataset.SetGeoTransform(transform)
        if epsg is not None:
            crs = osr.SpatialReference()
            crs.ImportFromEPSG(epsg)
            dataset.SetSpatialRef(crs)
        if nodata is not None:
            dataset.GetRasterBand(1).SetNoDataValue(nodata)
        return path

    return write


def test_three_files_on_one_grid_are_a_product(band_file):
    product = open_bands([band_file("red"), band_file("green"), band_file("blue")])
    assert product.name == "red"
    assert [Path(band.path).stem for band in product.bands] == ["red", "green", "blue"]
    assert (product.grid.width, product.grid.height) == (30, 20)
    assert product.grid.transform == TRANSFORM
    assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}


def test_each_file_has_its_own_no_data(band_file):
    paths = [band_file("red"), band_file("green", nodata=65535), band_file("blue", nodata=0)]
    assert [band.stored.nodata for band in open_bands(paths).bands] == [(0,), (65535, 0), (0,)]


@pytest.mark.parametrize("nodata", [-9999, 70_000, math.nan])
def test_a_no_data_value_that_no_dn_can_have_is_left_aside(band_file, nodata):
    # GDAL writes such a value into the tag of a uint16 file without complaint.
    paths = [band_file(name, nodata=nodata) for name in ("red", "green", "blue")]
    assert {band.stored.nodata for band in open_bands(paths).bands} == {(0,)}


def test_the_block_holds_whole_blocks_of_all_three(band_file):
    def tiled(name, x, y):
        options = ("TILED=YES", f"BLOCKXSIZE={x}", f"BLOCKYSIZE={y}")
        return band_file(name, size=(200, 200), options=options)

    product = open_bands([tiled("red", 32, 64), tiled("green", 48, 16), tiled("blue", 32, 32)])
    assert product.block == (96, 64)


def test_one_crs_in_two_spellings_is_one_crs(band_file, tmp_path):
    red, green = band_file("red"), str(tmp_path / "green.vrt")
    gdal.Translate(green, red, outputSRS="+proj=utm +zone=32 +datum=WGS84").FlushCache()
    assert open_bands([red, green, band_file("blue")]).grid.width == 30


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (31, 20)}, "31 x 20 pixels, not 30 x 20, unlike "),
        ({"transform": (399960.0, 10.0, 0.0, 5300050.0, 0.0, -10.0)}, "geotransform"),
        ({"transform": (399960.0, 20.0, 0.0, 5300040.0, 0.0, -20.0)}, "geotransform"),
        ({"epsg": 32631}, "another coordinate reference system"),
        ({"epsg": None}, "no coordinate reference system"),
        ({"kind": gdal.GDT_Byte}, "pixels are Byte, 8 bit: an image"),
        ({"kind": gdal.GDT_CFloat32}, "pixels are CFloat32, where real numbers are needed"),
        ({"bands": 3}, "3 bands, where one is needed"),
    ],
)
def test_a_band_that_is_not_like_the_others_is_refused_by_name(band_file, change, words):
    odd = band_file("odd", **change)
    with pytest.raises(InputError) as caught:
        open_bands([band_file("red"), odd, band_file("blue")])
    assert str(caught.value).startswith(f"{odd}: ")
    assert words in str(caught.value)


def test_a_shift_by_less_than_a_millionth_of_a_pixel_is_no_shift(band_file):
    shifted = band_file("green", transform=(399960.000001, *TRANSFORM[1:]))
    assert open_bands([band_file("red"), shifted, band_file("blue")]).grid.transform == TRANSFORM


def test_a_file_that_is_not_there_is_refused_in_one_line(band_file, tmp_path):
    with pytest.raises(InputError) as caught:
        open_bands([band_file("red"), str(tmp_path / "absent.tif"), band_file("blue")])
    assert str(caught.value).startswith(f"{tmp_path / 'absent.tif'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not ICOR.is_dir(), reason="no real band files beside the project")
def test_real_band_files_in_strips_with_no_data_65535():
    product = open_bands([str(ICOR / f"ref_input_S2_{name}.tif") for name in ("B04", "B03", "B02")])
    assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}
    assert {band.stored.nodata for band in product.bands} == {(65535, 0)}
    assert (product.grid.width, product.grid.height) == (512, 1024)
    assert product.block[0] == 512
