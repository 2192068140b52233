"""Stored values that are no data: what files, metadata and the user state of them."""

import math

import numpy as np
import pytest

from opened import open_safe, whole_dn
from rasters import scene, write_item, write_raster
from s2rgb_mpi.inputs.dtypes import can_hold
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.nodata import impossible, stored_values
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.inputs.stac.fields import nodata_of
from s2rgb_mpi.inputs.stac.items import open_stac

BANDS = ("B04", "B03", "B02")
NAN = float("nan")


@pytest.fixture
def dn():
    """Digital numbers without a 0: whatever is no data, the values do not say it."""
    return np.maximum(scene(60, 50), 1)


@pytest.mark.parametrize(
    ("dtype", "nodata", "chosen", "values_and_expected"),
    [
        # 0 of signed integers is as good as any value once another one is stated.
        ("int16", None, (-10_000,), ([-10_000, -5, 0, 3], [0, 1, 1, 3])),
        ("int16", -9999, (-10_000,), ([-10_000, -9999, 0, 3], [0, 0, 1, 3])),
        ("int16", None, (0, -10_000), ([-10_000, -5, 0, 3], [0, 1, 0, 3])),
        ("uint16", None, (65535,), ([0, 3, 65535], [0, 3, 0])),
        ("uint16", 9999, (65535,), ([0, 9999, 65535, 3], [0, 0, 0, 3])),
        ("float32", None, (0,), ([0.0, -0.0, 0.1, 1e-9], [0, 0, 1000, 1])),
        ("float32", -1, (0, 0.3), ([0.0, -1.0, 0.3, 0.2], [0, 0, 0, 2000])),
        ("float64", None, (-3.4028234663852886e38,), ([-3.4028234663852886e38, 0.0], [0, 1])),
        ("int64", None, (-(2**63),), ([-(2**63), 2**62, 7], [0, 65534, 7])),
    ],
)
def test_the_users_values_count_too(tmp_path, dtype, nodata, chosen, values_and_expected):
    values, expected = values_and_expected
    path = write_raster(tmp_path / "v.tif", np.array([values], dtype), nodata=nodata)
    product = open_bands([path] * 3, Choice(nodata=chosen))
    assert whole_dn(product)[0, :, 1].tolist() == expected
    # In whatever order they are given it is the same job.
    turned = open_bands([path] * 3, Choice(nodata=chosen[::-1]))
    assert turned.bands == product.bands


@pytest.mark.parametrize(
    "asset",
    [
        {"raster:bands": [{"nodata": -9999, "scale": 1}], "nodata": -1},
        {"bands": [{"nodata": -9999}], "nodata": -1},
        {"bands": [{"gsd": 10}], "nodata": -9999},
        {"raster:bands": [{"nodata": "-9999"}]},
        {"raster:bands": [], "nodata": -9999.0},
    ],
)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_an_item_states_what_is_no_data(tmp_path, asset, dtype):
    """Where STAC 1.0 and 1.1 have it; beside it counts what the file states."""
    values = np.array([[-9999, -7, 0, 1]], dtype)
    for name in BANDS:
        write_raster(tmp_path / f"{name}.tif", values, nodata=-7)
    assets = {name: {"href": f"./{name}.tif", **asset} for name in BANDS}
    one = 10_000 if dtype == "float32" else 1
    (product,) = open_stac(write_item(tmp_path, assets))
    assert whole_dn(product)[0, :, 0].tolist() == [0, 0, 1, one]


@pytest.mark.parametrize(
    ("asset", "expected"),
    [
        ({}, None),
        ({"raster:bands": [{"nodata": 0}]}, 0),
        ({"raster:bands": [{"nodata": None}], "bands": [{}], "nodata": 255}, 255),
        ({"raster:bands": [{"nodata": "-inf"}]}, float("-inf")),
    ],
)
def test_the_value_that_an_asset_states(asset, expected):
    assert nodata_of({}, asset) == expected
    assert math.isnan(nodata_of({}, {"nodata": "nan"}) or 0)


def test_a_value_that_no_pixel_can_have_is_reported(tmp_path, dn):
    path = write_raster(tmp_path / "v.tif", dn, descriptions=BANDS)
    product = open_multiband(path, Choice(nodata=(-10_000, 7)))
    words = "--nodata -10000: no pixel of uint16 has it"
    assert impossible([product], (-10_000, 7)) == (words,)
    other = open_bands([write_raster(tmp_path / "i.tif", dn[..., 0].astype(np.int16))] * 3)
    assert impossible([product, other], (-10_000, 7)) == ()
    words = "--nodata 0.5: no pixel of uint16 or int16 has it"
    assert impossible([product, other], (0.5,)) == (words,)
    np.testing.assert_array_equal(whole_dn(product), np.where(dn == 7, 0, dn))


def test_the_users_values_count_in_safe_products(safe):
    plain = whole_dn(open_safe(str(safe)))
    dn = int(np.bincount(plain.ravel())[1:].argmax()) + 1
    chosen = whole_dn(open_safe(str(safe), Choice(nodata=(dn,))))
    assert (plain == dn).any()
    np.testing.assert_array_equal(chosen, np.where(plain == dn, 0, plain))


@pytest.mark.parametrize(
    ("dtype", "stated", "chosen", "expected"),
    [
        ("uint16", (None, None), (), (0,)),
        ("uint16", (65535, 0), (), (65535, 0)),
        ("uint16", (-9999, None), (), (0,)),
        ("uint16", (9999.0, None), (7, 5, 7), (9999, 5, 7, 0)),
        ("int16", (None, None), (), (0,)),
        ("int16", (-9999, None), (), (-9999,)),
        ("int16", (None, -9999), (), (-9999,)),
        ("int16", (None, None), (-10_000,), (-10_000,)),
        ("int16", (70_000, None), (), (0,)),
        ("uint32", (4294967295, None), (), (4294967295, 0)),
        ("int64", (-(2**63), None), (), (-(2**63),)),
        ("uint64", (2**64 - 1, None), (), (2**64 - 1, 0)),
        ("float32", (None, None), (), ()),
        ("float32", (NAN, None), (0, NAN, float("inf")), (0,)),
        ("float32", (-9999.0, 0), (0.5,), (-9999, 0, 0.5)),
    ],
)
def test_the_values_that_are_no_data(dtype, stated, chosen, expected):
    found = stored_values(dtype, stated, chosen)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint16", (-1, 0, 0.5, 65535, 65536), [0, 65535]),
        ("int16", (-32769, -32768, 32767, 32768, 1.5), [-32768, 32767]),
        ("float32", (-1, 0.5, 1e300, NAN, float("-inf")), [-1, 0.5, 1e300]),
    ],
)
def test_what_a_pixel_can_have(dtype, values, expected):
    assert [value for value in values if can_hold(dtype, value)] == expected
