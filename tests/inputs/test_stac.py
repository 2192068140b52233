"""STAC items of five catalogues: their bands are found, and their offset is applied once."""

import json
import sys
from pathlib import Path

import pytest

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.stac.items import open_stac
from stac_items import BANDS, KEYS, make_item, named, write_bands, write_json

STAC = Path(__file__).parents[3] / "shared" / "data" / "stac"
needs_data = pytest.mark.skipif(not STAC.is_dir(), reason="no real items beside the project")

MINUS = [{"scale": 0.0001, "offset": -0.1}]
ZERO = [{"scale": 0.0001, "offset": 0}]

CATALOGUES = {
    # name: keys, properties, raster:bands, the offset that is right, who states it
    "earth search v1, applied": (
        "colours",
        {"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"},
        MINUS,
        0,
        "earthsearch:boa_offset_applied",
    ),
    "earth search v1, not applied": (
        "colours",
        {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "05.09"},
        MINUS,
        -1000,
        "raster:bands",
    ),
    "earth search v1, old": (
        "colours",
        {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "02.14"},
        ZERO,
        0,
        "raster:bands",
    ),
    "earth search c1": (
        "colours",
        {"s2:processing_baseline": "05.10"},
        MINUS,
        -1000,
        "raster:bands",
    ),
    "earth search v0, applied": (
        "names",
        {"sentinel:boa_offset_applied": True, "sentinel:processing_baseline": "04.00"},
        None,
        0,
        "sentinel:boa_offset_applied",
    ),
    "earth search v0, not applied": (
        "names",
        {"sentinel:boa_offset_applied": False, "sentinel:processing_baseline": "04.00"},
        None,
        -1000,
        "processing baseline 04.00",
    ),
    "planetary computer": (
        "names",
        {"s2:processing_baseline": "05.10"},
        None,
        -1000,
        "processing baseline 05.10",
    ),
    "planetary computer, old": (
        "names",
        {"s2:processing_baseline": "03.01"},
        None,
        0,
        "processing baseline 03.01",
    ),
    "planetary computer, reprocessing test": (
        "names",
        {"s2:processing_baseline": "99.99"},
        None,
        0,
        "processing baseline 99.99",
    ),
    "cdse": ("sizes", {"processing:version": "05.11"}, MINUS, -1000, "raster:bands"),
}


@pytest.fixture
def bands(tmp_path):
    """Three band files beside an item, with the tags of the newest COGs of Earth Search."""
    return write_bands(tmp_path, scale=0.0001, offset=-0.1)


def write_item(folder, content):
    return write_json(folder / "item.json", content)


def opened(href, choice=None):
    """Open an item."""
    (product,) = open_stac(href, choice)
    return product


def offsets(product):
    return {band.calibration.offset for band in product.bands}


def refusal(href, *arguments):
    with pytest.raises(InputError) as caught:
        open_stac(href, *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("catalogue", CATALOGUES)
def test_the_offset_is_applied_once(bands, catalogue):
    keys, properties, raster_bands, offset, source = CATALOGUES[catalogue]
    hrefs = dict(zip(KEYS[keys], ("B04.tif", "./B03.tif", "B02.tif"), strict=True))
    fields = {} if raster_bands is None else {"raster:bands": raster_bands}
    (product,) = open_products(write_item(bands, make_item(hrefs, properties, fields)))
    assert offsets(product) == {offset}
    assert {band.calibration.quantification for band in product.bands} == {10_000}
    assert source in product.offset_source
    assert [Path(band.path).stem for band in product.bands] == ["B04", "B03", "B02"]
    assert product.name == "S2A_32TMT"
    assert product.sensing_time == "2022-06-13T10:30:41Z"


def test_an_item_that_says_nothing_leaves_it_to_the_tags(bands):
    product = opened(write_item(bands, make_item(named())))
    assert offsets(product) == {-1000}
    assert product.offset_source == "scale and offset tags of the file"


def test_the_users_offset_is_worth_more_than_a_wrong_flag(bands):
    flag = {"earthsearch:boa_offset_applied": True}
    path = write_item(bands, make_item(named(), flag, {"raster:bands": MINUS}))
    product = opened(path, Choice(offset=-1000))
    assert offsets(product) == {-1000}
    assert product.offset_source == "--offset"


def real_items():
    found = {
        "c1": json.loads((STAC / "rustac" / "item-collection.json").read_text())["features"],
        "pc": json.loads((STAC / "stac-geoparquet" / "sentinel-2-l2a-pc.json").read_text()),
        "v1": [json.loads((STAC / "odc-tools" / "S2A_28QCH_20200714_0_L2A.json").read_text())],
    }
    return [(name, each) for name, items in found.items() for each in items]


@needs_data
def test_real_items_are_read_as_their_catalogues_mean_them(bands):
    expected = {"c1": {-1000}, "pc": {-1000}, "v1": {0}}
    seen = set()
    for catalogue, content in real_items():
        for asset in content["assets"].values():
            if asset["href"].endswith((".tif", ".jp2")):
                name = next((n for n in BANDS if n in Path(asset["href"]).name), "other")
                asset["href"] = f"{name}.tif"
        product = opened(write_item(bands, content))
        assert offsets(product) == expected[catalogue]
        assert [Path(band.path).stem for band in product.bands] == ["B04", "B03", "B02"]
        assert product.baseline == content["properties"]["s2:processing_baseline"]
        seen.add(catalogue)
    assert seen == set(expected)


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("B04.tif", "{folder}/B04.tif"),
        ("../B04.tif", "{parent}/B04.tif"),
        ("/data/B04.tif", "/data/B04.tif"),
        ("https://x.org/B04.tif?sig=1", "/vsicurl/https://x.org/B04.tif?sig=1"),
        ("s3://eodata/Sentinel-2/B04_10m.jp2", "/vsis3/eodata/Sentinel-2/B04_10m.jp2"),
        ("/vsizip//data/x.zip/B04.tif", "/vsizip//data/x.zip/B04.tif"),
    ],
)
def test_references_are_resolved_against_the_items_place(tmp_path, monkeypatch, href, expected):
    asked: list[str] = []

    def join(_, listed, __):
        asked.extend(band.path for band in listed)
        raise InputError("seen")

    monkeypatch.setattr("s2rgb_mpi.inputs.stac.items.join", join)
    path = write_item(tmp_path, make_item(dict.fromkeys(BANDS, href)))
    assert refusal(path) == "seen"
    assert asked == [expected.format(folder=tmp_path, parent=tmp_path.parent)] * 3


@pytest.mark.parametrize(
    ("properties", "fields"),
    [
        ({"s2:product_type": "S2MSI1C"}, {}),
        ({"product:type": "S02MSIL1C"}, {}),
        ({"processing:level": "L1C"}, {}),
        ({}, {"collection": "sentinel-2-l1c"}),
        ({}, {"collection": "sentinel-2-l1c-zarr3"}),
    ],
)
def test_level_1c_is_refused_unless_it_is_asked_for(bands, properties, fields):
    path = write_item(bands, make_item(named(), properties) | fields)
    line = f"{path}: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
    assert refusal(path) == line
    assert opened(path, Choice(allow_l1c=True)).bands


AREA = {"type": "Feature", "geometry": None, "properties": {"name": "my field"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON: "),
        ("", "an empty file; download it again"),
        ([], "a STAC item (Feature) is needed, not list"),
        ({"type": "FeatureCollection", "features": []}, "a search that found nothing: "),
        ({"type": "FeatureCollection"}, "a search that found nothing: "),
        ({"type": "FeatureCollection", "features": [1, 2]}, "item 1 (None): not a STAC item"),
        ({"type": "FeatureCollection", "features": [AREA]}, "it has no assets"),
        ([AREA, AREA], "item 1 (None): not a STAC item with files: it has no assets"),
        ({"type": "Catalog"}, "a STAC item (Feature) is needed, not Catalog"),
        ({"type": "Collection", "links": []}, "not Collection; open one of its items, or a saved"),
        ({"type": ["Feature"]}, "not ['Feature']"),
        ({"type": "Feature"}, "not a STAC item with files: it has no assets"),
        (make_item({"red": {"title": "x"}, "B04": {"href": None}}), "in this item; it has none"),
        ("<html>log in</html>", "a web page or XML, not JSON; a login or another address"),
        ({"description": "no item\nX"}, "not JSON without a type; it says: no item X"),
        ({"detail": "Not authenticated"}, "without a type; it says: Not authenticated"),
        ({"error": {"message": "Expired"}}, "without a type; it says: Expired"),
        ({"a": 1}, "a STAC item (Feature) is needed, not JSON without a type"),
    ],
)
def test_what_is_no_item_is_refused(tmp_path, content, words):
    path = tmp_path / "item.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    line = refusal(str(path))
    assert line.startswith(f"{path}: ")
    assert words in line


def test_a_scale_of_zero_is_refused(bands):
    path = write_item(bands, make_item(named(), {}, {"raster:bands": [{"scale": 0, "offset": 0}]}))
    assert refusal(path) == f"{path}: scale must be above 0, not 0"


def test_an_item_that_is_not_there_is_refused(tmp_path):
    assert refusal(f"{tmp_path}/absent.json") == f"{tmp_path}/absent.json: no such file"


def test_without_pystac_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pystac", None)
    path = write_item(tmp_path, make_item(named()))
    assert refusal(path) == f"{path}: reading STAC items needs pystac: pip install pystac"
