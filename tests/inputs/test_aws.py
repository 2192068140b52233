"""Tiles in the layout of the AWS buckets: the baseline decides, unless the product has a list."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from layouts import (
    BANDS,
    PRODUCT,
    TILE,
    TILE_XML,
    name_of,
    offset_list,
    tile_dn,
    write_product,
    write_tile,
)
from opened import open_product, refusal, whole_dn
from rasters import TRANSFORM, write_jp2
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.baseline import baseline_of, has_offset
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from web import Web


def calibrations(product):
    return {band.calibration for band in product.bands}


def three(folder):
    return [str(folder / "R10m" / f"{band}.jp2") for band in BANDS]


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("04.00", -1000), ("05.09", -1000), ("03.01", 0), ("02.06", 0), ("99.99", 0)],
)
def test_the_baseline_decides(tmp_path, baseline, offset):
    folder = write_tile(tmp_path, baseline)
    for product in (open_product(str(folder)), open_bands(three(folder))):
        assert product.name == name_of(baseline)
        assert product.baseline == baseline
        assert product.sensing_time == "2022-07-18T10:36:32.000Z"
        assert product.warnings == ()
        assert calibrations(product) == {Calibration(offset, 10_000)}
        assert product.offset_source == (
            f"processing baseline {baseline} of the AWS tile, which has no offset list"
        )
        assert product.grid.transform == TRANSFORM
        np.testing.assert_array_equal(whole_dn(product), tile_dn())


@pytest.mark.parametrize("name", ["metadata.xml", "productInfo.json", "tileInfo.json"])
@pytest.mark.parametrize("folder", [TILE, "copied/tile"])
def test_a_file_of_its_metadata_stands_for_the_tile(tmp_path, name, folder):
    write_tile(tmp_path)
    (tmp_path / "copied").mkdir()
    shutil.copytree(tmp_path / TILE, tmp_path / "copied" / "tile")
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        for place in (f"{tmp_path}/{folder}/{name}", f"{web.url}/{folder}/{name}?sig=SECRET"):
            product = open_product(place)
            assert calibrations(product) == {Calibration(-1000, 10_000)}
            np.testing.assert_array_equal(whole_dn(product), tile_dn())


@pytest.mark.parametrize("missing", ["metadata.xml", "productInfo.json", "tileInfo.json"])
def test_two_of_the_three_files_of_metadata_are_enough(tmp_path, missing):
    folder = write_tile(tmp_path)
    (folder / missing).unlink()
    assert calibrations(open_product(str(folder))) == {Calibration(-1000, 10_000)}


@pytest.mark.parametrize("name", ["0/metadata.xml", ".", ".."])
def test_its_metadata_and_folders_above_stand_for_the_tile(tmp_path, name):
    folder = write_tile(tmp_path)
    product = open_product(str(folder.parent / name))
    np.testing.assert_array_equal(whole_dn(product), tile_dn())
    assert calibrations(product) == {Calibration(-1000, 10_000)}


def test_no_baseline_is_refused_unless_the_user_states_the_offset(tmp_path):
    folder = write_tile(tmp_path, product=False)
    (folder / "metadata.xml").unlink()
    assert refusal(folder) == f"{folder}: neither metadata.xml nor the product's name is there"
    (folder / "tileInfo.json").write_text('{"productName": "S2A_MSIL2A_20220718"}')
    assert refusal(folder) == (
        f"{folder}: no processing baseline in metadata.xml or productInfo.json, so the"
        " offset is unknown; give --offset -1000 (from baseline 04.00 on) or --offset 0"
    )
    product = open_product(str(folder), Choice(offset=-7))
    assert calibrations(product) == {Calibration(-7, 10_000)}


def test_baselines_that_contradict_each_other_are_refused(tmp_path):
    folder = write_tile(tmp_path)
    (folder / "metadata.xml").write_text(
        TILE_XML.format(level="2A", baseline="03.01", geocoding="")
    )
    assert refusal(folder).startswith(
        f"{folder}: processing baseline 04.00 by one name, 03.01 by another; give --offset"
    )
    assert calibrations(open_product(str(folder), Choice(offset=0))) == {Calibration(0, 10_000)}


@pytest.mark.parametrize("beside", [True, False])
def test_the_products_own_list_wins(tmp_path, beside):
    folder = write_tile(tmp_path)
    write_product(tmp_path, "04.00", offset_list(-900))
    if beside:
        (metadata,) = tmp_path.glob("products/*/*/*/*/metadata.xml")
        metadata.rename(folder / "MTD_MSIL2A.xml")
    for product in (open_product(str(folder)), open_bands(three(folder))):
        assert calibrations(product) == {Calibration(-900, 10_000)}
        assert product.offset_source == "BOA_ADD_OFFSET of the product's metadata"


def test_a_product_that_has_lost_its_list_is_a_warning(tmp_path):
    folder = write_tile(tmp_path)
    write_product(tmp_path, "04.00", "")
    product = open_product(str(folder))
    assert calibrations(product) == {Calibration(0, 10_000)}
    (warning,) = product.warnings
    assert warning.startswith(f"{tmp_path / PRODUCT.format(name_of('04.00'))}/metadata.xml: no BOA")


def test_a_product_path_that_leaves_the_bucket_is_refused(tmp_path):
    folder = write_tile(tmp_path)
    (folder / "productInfo.json").write_text('{"name": "x_N0400_", "path": "../../etc"}')
    assert refusal(folder) == "../../etc/metadata.xml leaves the product folder"


@pytest.mark.parametrize("resolution", [20, 60])
def test_other_resolutions_have_their_own_folders(tmp_path, resolution):
    folder = write_tile(tmp_path, resolution=resolution)
    product = open_product(str(folder), Choice(resolution=resolution))
    assert product.grid.transform[1] == resolution
    np.testing.assert_array_equal(whole_dn(product), tile_dn())
    assert refusal(folder) == f"{folder}/R10m/B04.jp2: no such file in this tile of the AWS layout"


def test_the_tiles_metadata_place_it_whatever_lies_beside(tmp_path):
    geocoding = """<Tile_Geocoding><HORIZONTAL_CS_CODE>EPSG:32632</HORIZONTAL_CS_CODE>
    <Size resolution="10"><NROWS>150</NROWS><NCOLS>200</NCOLS></Size><Geoposition resolution="10">
    <ULX>399960</ULX><ULY>5300040</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>
    </Tile_Geocoding>"""
    folder = write_tile(tmp_path, geocoding=geocoding)
    for number, path in enumerate(three(folder)):
        write_jp2(Path(path), tile_dn()[..., number], epsg=None)
        Path(f"{path}.aux.xml").write_text(
            "<PAMDataset><PAMRasterBand band='1'><NoDataValue>1234</NoDataValue></PAMRasterBand>"
            "</PAMDataset>"
        )
    for product in (open_product(str(folder)), open_bands(three(folder))):
        assert product.grid.transform == TRANSFORM
        assert calibrations(product) == {Calibration(-1000, 10_000)}


def test_level_1c_lies_beside_its_metadata_and_must_be_asked_for(tmp_path):
    folder = write_tile(tmp_path, "05.09", "1C")
    words = "Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
    bands = [str(folder / f"{band}.jp2") for band in BANDS]
    assert refusal(folder) == f"{folder}: {words}"
    assert refusal(bands, None, lambda _, choice: open_bands(bands, choice)) == f"{folder}: {words}"
    allowed = Choice(allow_l1c=True)
    for product in (open_product(str(folder), allowed), open_bands(bands, allowed)):
        assert calibrations(product) == {Calibration(-1000, 10_000)}
        np.testing.assert_array_equal(whole_dn(product), tile_dn())
    assert "10 m only, not 20 m" in refusal(folder, Choice(allow_l1c=True, resolution=20))
    write_product(tmp_path, "05.09", offset_list(-800, "RADIO_ADD_OFFSET"), "1C")
    assert calibrations(open_product(str(folder), allowed)) == {Calibration(-800, 10_000)}


def test_a_tile_takes_no_granule_and_no_band_numbers(tmp_path):
    folder = write_tile(tmp_path)
    for choice, option in (
        (Choice(granule="T32TMT"), "--granule"),
        (Choice(bidx=(1, 2, 3)), "--bidx"),
    ):
        with pytest.raises(UsageError, match=option):
            open_products(str(folder), choice)


@pytest.fixture
def web(tmp_path):
    """The bucket behind a web server."""
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        yield web


@pytest.mark.parametrize("end", ["", "/", "?sig=SECRET", "/metadata.xml"])
def test_a_tile_on_a_server(tmp_path, web, end):
    folder = write_tile(tmp_path)
    product = open_product(f"{web.url}/{TILE}{end}")
    assert (product.name, product.grid) == (name_of("04.00"), open_product(str(folder)).grid)
    assert calibrations(product) == {Calibration(-1000, 10_000)}
    np.testing.assert_array_equal(whole_dn(product), tile_dn())
    gdal.VSICurlClearCache()
    write_product(tmp_path, "04.00", offset_list(-900))
    assert calibrations(open_product(f"{web.url}/{TILE}{end}")) == {Calibration(-900, 10_000)}


def test_bands_of_a_tile_on_a_server(tmp_path, web):
    write_tile(tmp_path)
    product = open_bands([f"{web.url}/{TILE}/R10m/{band}.jp2" for band in BANDS])
    assert calibrations(product) == {Calibration(-1000, 10_000)}


def test_a_tile_that_the_server_does_not_have(tmp_path, web):
    write_tile(tmp_path)
    address = f"{web.url}/tiles/32/T/MT/2022/7/18/1"
    assert refusal(address) == f"{address}: neither metadata.xml nor the product's name is there"


def test_a_tile_in_an_object_store(tmp_path, web, monkeypatch):
    """As at AWS, but for the address: names of buckets and keys, and no list of them."""
    settings = {
        "AWS_S3_ENDPOINT": web.url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    shutil.move(write_tile(tmp_path), tmp_path / "moved")
    (tmp_path / "sentinel-s2-l2a" / TILE).parent.mkdir(parents=True)
    (tmp_path / "moved").rename(tmp_path / "sentinel-s2-l2a" / TILE)
    for address in (f"s3://sentinel-s2-l2a/{TILE}/", f"/vsis3/sentinel-s2-l2a/{TILE}"):
        product = open_product(address)
        assert calibrations(product) == {Calibration(-1000, 10_000)}
        np.testing.assert_array_equal(whole_dn(product), tile_dn())


@pytest.mark.parametrize(
    ("name", "baseline"),
    [
        (name_of("04.00"), "04.00"),
        (f"{name_of('05.09')}.SAFE", "05.09"),
        ("S2A_OPER_MSI_L2A_TL_2APS_20220718T162000_A036930_T32TMT_N04.00", "04.00"),
        ("S2A_OPER_PRD_MSIL1C_PDMC_20160725T190000_R022_V20160725T101559", ""),
        ("", ""),
    ],
)
def test_names_have_the_baseline(name, baseline):
    assert baseline_of(name) == baseline


def test_baselines_are_those_in_esas_form():
    assert [has_offset(each) for each in ("03.99", "04.00", "10.00", "99.99")] == [
        *(False, True),
        *(True, False),
    ]
    assert {has_offset(each) for each in ("", "4.0", "0400", "N0400", "05.09.1")} == {None}
