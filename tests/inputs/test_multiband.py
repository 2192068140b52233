"""Rasters with several bands: which are red, green and blue, and what their tags state."""

import re
import zipfile

import numpy as np
import pytest
from osgeo import gdal

from opened import open_product
from rasters import scene, write_raster
from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands


def stack(tmp_path, count=3, dtype="uint16", **options):
    """Write a small raster with so many bands."""
    values = np.full((8, 9, count), 200, dtype)
    return write_raster(tmp_path / "stack.tif", values, **options)


def numbers(product):
    return [band.number for band in product.bands]


def refusal(call, *arguments):
    with pytest.raises((InputError, UsageError)) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        (("B02", "B03", "B04", "B08"), [3, 2, 1]),
        (("B4", "B3", "B2"), [1, 2, 3]),
        (("blue", "green", "red", "nir"), [3, 2, 1]),
        (("Red (band 4)", "Green (band 3)", "Blue (band 2)"), [1, 2, 3]),
        (("B04_10m", "B03_10m", "B02_10m"), [1, 2, 3]),
        # As GDAL's own reading of a SAFE product has them.
        (("B4, central wavelength 665 nm", "B3, central wavelength 560 nm", "B2, x"), [1, 2, 3]),
        (("red edge 1", "rededge2", "Red", "GREEN", "Blue"), [3, 4, 5]),
    ],
)
def test_bands_are_found_by_their_descriptions(tmp_path, descriptions, expected):
    path = stack(tmp_path, len(descriptions), descriptions=descriptions)
    assert numbers(open_multiband(path)) == expected


def test_bands_are_found_by_their_colours(tmp_path):
    path = stack(tmp_path, 4, colours=("", "blue", "green", "red"))
    assert numbers(open_multiband(path)) == [4, 3, 2]


def test_descriptions_are_worth_more_than_colours(tmp_path):
    path = stack(tmp_path, descriptions=("B02", "B03", "B04"), colours=("red", "green", "blue"))
    assert numbers(open_multiband(path)) == [3, 2, 1]


def test_the_users_numbers_are_worth_most(tmp_path):
    path = stack(tmp_path, descriptions=("B02", "B03", "B04"))
    assert numbers(open_multiband(path, Choice(bidx=(1, 1, 2)))) == [1, 1, 2]


def test_bands_that_nothing_tells_are_listed(tmp_path):
    path = stack(
        tmp_path, 4, descriptions=("a", "b", "", "B04"), options=["PHOTOMETRIC=MINISBLACK"]
    )
    line = refusal(open_multiband, path)
    assert line.startswith(f"{path}: no band names or colours for red, green and blue")
    assert "--bidx" in line
    assert line.endswith("bands: 1 a, 2 b, 3 Undefined, 4 B04")


def test_the_error_for_a_raster_with_one_band_names_rgb(tmp_path):
    assert "--rgb" in refusal(open_product, stack(tmp_path, 1))


def test_a_number_beyond_the_bands_is_refused(tmp_path):
    path = stack(tmp_path)
    assert refusal(open_multiband, path, Choice(bidx=(1, 2, 4))).startswith(f"{path}: no band 4;")


def test_a_coloured_image_is_refused(tmp_path):
    path = stack(tmp_path, dtype="uint8", colours=("red", "green", "blue"))
    assert "pixels are Byte, 8 bit" in refusal(open_product, path)


def test_a_raster_without_crs_is_refused(tmp_path):
    path = stack(tmp_path, descriptions=("B04", "B03", "B02"), epsg=None)
    assert refusal(open_product, path) == f"{path}: no coordinate reference system"


def test_band_files_without_crs_are_taken_with_a_warning(tmp_path):
    path = stack(tmp_path, 1, epsg=None)
    product = open_bands([path] * 3)
    assert product.grid.crs == ""
    assert product.warnings == (
        f"{path}: no coordinate reference system; the image will have none either",
    )


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.tif"
    path.touch()
    assert refusal(open_product, str(path)).startswith(f"{path}: ")


def test_tags_are_a_statement(tmp_path):
    path = stack(tmp_path, descriptions=("B04", "B03", "B02"), scale=0.0001, offset=-0.1)
    product = open_multiband(path)
    assert {band.calibration for band in product.bands} == {Calibration(-1000, 10_000)}
    assert product.offset_source == "scale and offset tags of the file"


def test_the_users_statement_is_worth_more_than_tags(tmp_path):
    path = stack(tmp_path, 1, scale=0.0001, offset=-0.1)
    product = open_bands([path] * 3, Choice(offset=0))
    assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}
    assert product.offset_source == "--offset"


def test_gdals_reading_of_esas_offset_is_a_statement(tmp_path):
    path = stack(tmp_path, 1, metadata={"BOA_ADD_OFFSET": "-1000"})
    product = open_bands([path] * 3)
    assert {band.calibration.offset for band in product.bands} == {-1000}


def test_a_scale_of_zero_is_refused(tmp_path):
    path = stack(tmp_path, 1, scale=0.0, offset=-0.1)
    assert refusal(open_bands, [path] * 3) == f"{path}: scale must be above 0, not 0"


def test_gdals_names_are_taken(tmp_path):
    path = write_raster(tmp_path / "x.tif", scene(), descriptions=("B04", "B03", "B02"))
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as store:
        store.write(path, "in/x.tif")
    product = open_product(f"/vsizip/{archive}/in/x.tif")
    assert (product.grid.width, product.grid.height) == (200, 150)


def test_gdals_own_reading_of_a_product_is_refused(safe):
    # GDAL 3.6 would give the bands there, and not their offset.
    name = f"SENTINEL2_L2A:{safe / 'MTD_MSIL2A.xml'}:10m:EPSG_32632"
    assert "give the SAFE folder" in refusal(open_product, name)


@pytest.mark.skipif(gdal.GetDriverByName("netCDF") is None, reason="this GDAL has no netCDF")
def test_parts_of_a_file_are_listed(tmp_path):
    path = str(tmp_path / "x.nc")
    gdal.Translate(path, stack(tmp_path, 2), format="netCDF")
    line = refusal(open_product, path)
    assert line.startswith(f"{path}: no bands of its own; parts: NETCDF:")
    assert line.endswith(":Band2")


def test_the_resolution_of_a_raster_cannot_be_chosen(tmp_path):
    line = refusal(open_product, stack(tmp_path), Choice(resolution=20))
    assert "--source-resolution" in line


def test_band_numbers_of_a_product_cannot_be_chosen(safe):
    assert "--bidx" in refusal(open_product, str(safe), Choice(bidx=(1, 2, 3)))


def test_warnings_of_gdal_are_not_said(capfd):
    """They have URLs in them, with signatures; here one that every GDAL has."""
    output = "/vsimem/warned.tif"
    gdal.GetDriverByName("GTiff").Create(output, 1, 1, options=["NO_SUCH_OPTION=1"])
    gdal.Unlink(output)
    assert capfd.readouterr().err == ""


def test_what_is_no_raster_is_named_once_with_what_a_product_may_be(tmp_path):
    path = str(tmp_path / "text.tif")
    (tmp_path / "text.tif").write_text("no raster")
    line = refusal(open_product, path)
    assert re.match(rf"{re.escape(path)}: not recognized as (being in )?a supported file ", line)
    assert line.endswith(
        "; PRODUCT is a SAFE folder, its MTD_MSIL2A.xml, a zip or tar of it, an EOPF store (Zarr),"
        " a tile folder of the AWS buckets, a STAC item (JSON), or a raster with several bands"
    )
    assert line.count("text.tif") == 1
    band = refusal(open_bands, (path, path, path))
    assert re.match(rf"{re.escape(path)}: not recognized as ", band)
    assert (band.count("text.tif"), "PRODUCT" in band) == (1, False)
