"""What an item's fields mean: scale and offset, once and field by field; baselines; the place."""

import json

import numpy as np
import pytest
from osgeo import osr

from opened import pixels
from rasters import TRANSFORM, scene
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.image.checks.boa_offset import Counted, bins, count, judge
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.stac.fields import baseline_of, stated_by
from s2rgb_mpi.inputs.stac.items import open_stac
from stac_items import BANDS, make_item, named, write_bands, write_json

SCALE, OFFSET = {"raster:scale": 0.0001}, {"raster:offset": -0.1}
NEWEST = {"s2:processing_baseline": "05.11"}


@pytest.mark.parametrize(
    ("asset", "source"),
    [
        (
            {"bands": [SCALE], **SCALE, **OFFSET},
            "raster:offset of the asset, bands[0].raster:scale",
        ),
        ({"bands": [{"name": "B04"}], **SCALE, **OFFSET}, "raster:offset of the asset"),
        ({"bands": [{**SCALE, **OFFSET}]}, "bands[0].raster:offset of the asset"),
        ({"bands": [OFFSET], **SCALE}, "bands[0].raster:offset of the asset, raster:scale"),
        ({"bands": [{**OFFSET, "raster:scale": None}], **SCALE}, "bands[0].raster:offset"),
        ({"bands": [OFFSET], **SCALE, "raster:offset": 0}, "bands[0].raster:offset"),
        (
            {"raster:bands": [{"scale": 0.0001, "offset": -0.1}], "raster:offset": 0},
            "raster:bands[0].offset of the asset",
        ),
        (
            {"raster:bands": [{"scale": 0.0001}], **OFFSET},
            "raster:offset of the asset, raster:bands[0].scale of the asset",
        ),
        (
            {"raster:bands": [{"offset": -0.1}], "bands": [SCALE]},
            "raster:bands[0].offset of the asset, bands[0].raster:scale of the asset",
        ),
        ({"raster:bands": [{"nodata": 0}], **SCALE, **OFFSET}, "raster:offset of the asset"),
        ({"raster:scale": "0.0001", "raster:offset": "-0.1"}, "raster:offset of the asset"),
    ],
)
def test_scale_and_offset_are_merged_field_by_field(asset, source):
    stated = stated_by({"processing:version": "02.14"}, asset)
    assert stated.offset == pytest.approx(-1000)
    assert stated.quantification == pytest.approx(10_000)
    assert stated.source.startswith(source)


def test_what_holds_for_all_assets_may_stand_in_the_properties():
    stated = stated_by({**SCALE, **OFFSET, "processing:version": "02.14"}, {})
    assert stated.offset == pytest.approx(-1000)
    assert stated.source == "raster:offset of the STAC item"


def test_bands_of_one_asset_have_their_own_offsets():
    bands = [{"raster:offset": offset} for offset in (-0.1, -0.09, 0)]
    asset = {"bands": bands, **SCALE}
    for index, offset in enumerate((-1000, -900, 0)):
        stated = stated_by(NEWEST, asset, "data", index)
        assert stated.offset == pytest.approx(offset)
        assert stated.source.startswith(f"bands[{index}].raster:offset of the asset")


@pytest.mark.parametrize("value", ["much", [1], {"a": 1}])
def test_what_is_no_number_is_refused(tmp_path, value):
    path = write_json(tmp_path / "i.json", make_item(named(), {}, {"raster:offset": value}))
    with pytest.raises(InputError) as caught:
        open_stac(path)
    words = f"raster:offset of the asset: {value!r} is not a number"
    assert str(caught.value) == f"{path}: {words}"


def test_an_offset_without_a_scale_is_reflectance_or_dn(tmp_path):
    write_bands(tmp_path)
    for offset in (-0.1, -1000):
        item = make_item(named(), NEWEST, {"raster:offset": offset})
        (product,) = open_stac(write_json(tmp_path / "item.json", item))
        assert {band.calibration.offset for band in product.bands} == {-1000}
        assert {band.calibration.quantification for band in product.bands} == {10_000}


@pytest.mark.parametrize(
    ("properties", "baseline", "offset"),
    [
        ({"processing:version": "05.11"}, "05.11", -1000),
        ({"processing:version": "03.01"}, "03.01", 0),
        ({"processing:version": "4.10"}, "", None),
        ({"processing:version": "5.9.1"}, "", None),
        ({"processing:version": "05.11.00"}, "", None),
        ({"processing:version": "1.0.0"}, "", None),
        ({"processing:version": 5.11}, "", None),
        ({"processing:version": "v05.11"}, "", None),
        ({"processing:version": "05.11\n"}, "", None),
        ({"processing:version": "4.10", "eopf:baseline": "05.10"}, "05.10", -1000),
        ({"s2:processing_baseline": "", "processing:version": "05.09"}, "05.09", -1000),
        ({"s2:processing_baseline": "04.00", "processing:version": "1.2"}, "04.00", -1000),
        ({"s2:processing_baseline": "99.99"}, "99.99", 0),
        ({"sentinel:processing_baseline": "unknown"}, "", None),
    ],
)
def test_a_baseline_has_esas_form(properties, baseline, offset):
    assert baseline_of(properties) == baseline
    assert stated_by(properties, {}).offset == offset


def test_the_flag_is_about_cogs_and_not_about_esas_own_files():
    flag = {"earthsearch:boa_offset_applied": True}
    asset = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
    assert stated_by(flag, asset, "red").offset == 0
    assert stated_by(flag, asset, "red-jp2").offset == pytest.approx(-1000)
    assert stated_by(flag | NEWEST, {}, "red-jp2").offset == -1000


INTEGERS = {"raster:bands": [{"data_type": "uint16", "scale": 0.0001, "offset": -0.1}]}
FLOATS = {"raster:bands": [{"data_type": "float32", "scale": 0.0001, "offset": -0.1}]}


def read(product):
    """Read a whole product; return reflectance, (height, width, 3), NaN where there is none."""
    grid = product.grid
    (window,) = grid.windows(grid.width, grid.height)
    dn = pixels(product, window)
    offsets = [band.calibration.offset for band in product.bands]
    units = [band.calibration.quantification for band in product.bands]
    return (dn + offsets) / units


@pytest.mark.parametrize(
    ("fields", "properties", "unit", "added"),
    [
        # fields of the assets, properties, what a stored unit is, what has to be subtracted
        ({}, NEWEST, 1, 0),
        ({}, {"processing:version": "04.00"}, 1, 0),
        ({}, NEWEST | {"earthsearch:boa_offset_applied": True}, 1, 0),
        (INTEGERS, NEWEST, 1, 0),  # of other pixels than these
        (INTEGERS, NEWEST | {"earthsearch:boa_offset_applied": True}, 1, 0),
        ({"data_type": "uint16", **SCALE, **OFFSET}, NEWEST, 1, 0),
        (FLOATS, NEWEST, 0.0001, 0.1),  # explicit: floats that are DN
        ({**SCALE, **OFFSET}, NEWEST, 0.0001, 0.1),
        (SCALE, NEWEST, 0.0001, 0),
        (OFFSET, NEWEST, 1, 0.1),
        ({"raster:scale": 1, "raster:offset": 0}, NEWEST, 1, 0),
    ],
)
def test_esas_offset_is_about_integers(tmp_path, fields, properties, unit, added):
    reflectance = np.where(scene() == 0, np.nan, scene() / 10_000)
    stored = ((reflectance + added) / unit).astype(np.float32)
    write_bands(tmp_path, stored, nodata=np.nan)
    path = write_json(tmp_path / "item.json", make_item(named(), properties, fields))
    (product,) = open_stac(path)
    np.testing.assert_allclose(read(product), reflectance, atol=0.000051)


@pytest.mark.parametrize("fields", [{**SCALE, **OFFSET}, SCALE])
def test_a_scale_beside_reflectance_is_reported(tmp_path, fields):
    # Catalogues repeat the scale of DN beside floats; what is stated is applied, and looks wrong.
    reflectance = np.where(scene() == 0, np.nan, scene() / 10_000).astype(np.float32)
    write_bands(tmp_path, reflectance)
    (product,) = open_stac(write_json(tmp_path / "item.json", make_item(named(), NEWEST, fields)))
    grid = product.grid
    dn = Source(product).read(next(iter(grid.windows(grid.width, grid.height))))
    stored = product.bands[0].stored
    calibrations = [band.calibration for band in product.bands]
    counted = Counted(product.name, calibrations, stored.dtype, stored.gain)
    of_codes = [bins(stored.dn_of_codes())] * 3
    verdict = judge(count(dn, of_codes).astype(np.int64), counted)
    assert verdict.finding.contradicts
    assert verdict.warning("S2A") == (
        "S2A: the pixels look like reflectance already, not like DN: at least 99 % of each band are"
        " below DN 10; if so, --quantification 1 --offset 0 puts it right"
    )
    right = Choice(quantification=1, offset=0)
    (product,) = open_stac(str(tmp_path / "item.json"), right)
    np.testing.assert_allclose(read(product), reflectance, atol=0.000051)


def test_floats_that_the_user_calls_dn_have_esas_offset(tmp_path):
    dn = np.where(scene() == 0, np.nan, scene() + 1000.0)
    write_bands(tmp_path, dn.astype(np.float32), nodata=np.nan)
    path = write_json(tmp_path / "item.json", make_item(named(), NEWEST))
    (product,) = open_stac(path, Choice(quantification=10_000))
    np.testing.assert_allclose(read(product), (dn - 1000) / 10_000)
    (product,) = open_stac(path, Choice(quantification=1))
    assert {band.calibration.offset for band in product.bands} == {0}


UTM = osr.SpatialReference()
UTM.ImportFromEPSG(32632)
PLACES: dict[str, dict[str, object]] = {
    "code": {"proj:code": "EPSG:32632"},
    "epsg": {"proj:epsg": 32632},
    "wkt2": {"proj:wkt2": UTM.ExportToWkt(["FORMAT=WKT2_2019"])},
    "projjson": {"proj:projjson": json.loads(UTM.ExportToPROJJSON())},
    "no code": {"proj:code": None, "proj:epsg": 32632},
}
AFFINE = [TRANSFORM[n] for n in (1, 2, 0, 4, 5, 3)]
WHERE: dict[str, object] = {"proj:transform": [*AFFINE, 0, 0, 1], "proj:shape": [150, 200]}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("at", ["item", "asset"])
def test_a_file_without_crs_has_that_of_the_item(tmp_path, place, at):
    write_bands(tmp_path, epsg=None)
    stated = PLACES[place] | WHERE
    other = {"proj:code": "EPSG:3857"}
    item = make_item(named(), stated) if at == "item" else make_item(named(), other, stated)
    (product,) = open_stac(write_json(tmp_path / "item.json", item))
    assert osr.SpatialReference(product.grid.crs).IsSame(UTM)
    assert product.grid.transform == TRANSFORM
    np.testing.assert_array_equal(np.nan_to_num(read(product)), scene() / 10_000)


def test_what_the_file_says_counts_before_the_item(tmp_path):
    write_bands(tmp_path)
    item = make_item(named(), {"proj:code": "EPSG:3857", "proj:transform": [1, 0, 0, 0, 1, 0]})
    (product,) = open_stac(write_json(tmp_path / "item.json", item))
    assert osr.SpatialReference(product.grid.crs).IsSame(UTM)
    assert product.grid.transform == TRANSFORM


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({}, "no coordinate reference system"),
        ({"proj:code": "EPSG:32632"}, "no geotransform, neither in the file nor as proj:transform"),
        ({"proj:epsg": 32632, "proj:transform": AFFINE}, "no geotransform, neither in the file"),
        (
            {"proj:epsg": 32632, **WHERE, "proj:shape": [100, 200]},
            "200 x 150 pixels, but proj:shape says 200 x 100",
        ),
        ({"proj:epsg": 999_999}, "proj:epsg of the STAC item is no known CRS: EPSG:999999"),
        ({"proj:code": "https://x.org/crs"}, "proj:code of the STAC item is no known CRS: https"),
        ({"proj:wkt2": "/etc/passwd"}, "proj:wkt2 of the STAC item is no known CRS: /etc/passwd"),
        ({"proj:projjson": {"a": 1}}, "proj:projjson of the STAC item is no known CRS: {"),
    ],
)
def test_a_place_that_means_nothing_is_refused(tmp_path, properties, words):
    write_bands(tmp_path, epsg=None)
    path = write_json(tmp_path / "item.json", make_item(named(), properties))
    with pytest.raises(InputError) as caught:
        open_stac(path)
    assert str(caught.value).startswith(f"{tmp_path / BANDS[0]}.tif: {words}")
    assert "\n" not in str(caught.value)
