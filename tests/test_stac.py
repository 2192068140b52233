"""STAC items of five catalogues: their bands are found, and their offset is applied once."""

import json
import sys
from pathlib import Path

import pytest

from opened import open_product
from rasters import scene, write_raster
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.product import Choice, open_stac, remote
from s2rgb_mpi.product.stac import stated_by
from web import Web

STAC = Path(__file__).parents[2] / "shared" / "data" / "stac"
needs_data = pytest.mark.skipif(not STAC.is_dir(), reason="no real items beside the project")

KEYS = {
    "colours": ("red", "green", "blue"),
    "names": ("B04", "B03", "B02"),
    "sizes": ("B04_10m", "B03_10m", "B02_10m"),
}
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


def item(hrefs, properties=None, raster_bands=None):
    """Make an item with the assets that are given by key."""
    fields = {} if raster_bands is None else {"raster:bands": raster_bands}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_32TMT",
        "geometry": None,
        "properties": {"datetime": "2022-06-13T10:30:41Z", **(properties or {})},
        "links": [{"rel": "self", "href": "https://example.com/elsewhere/item.json"}],
        "assets": {key: {"href": href, **fields} for key, href in hrefs.items()},
    }


def write_item(folder, content):
    path = folder / "item.json"
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture
def bands(tmp_path):
    """Three band files beside an item, with the tags of the newest COGs of Earth Search."""
    for number, name in enumerate(("B04", "B03", "B02")):
        write_raster(tmp_path / f"{name}.tif", scene()[..., number], scale=0.0001, offset=-0.1)
    return tmp_path


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
    product = open_product(write_item(bands, item(hrefs, properties, raster_bands)))
    assert offsets(product) == {offset}
    assert {band.calibration.quantification for band in product.bands} == {10_000}
    assert source in product.offset_source
    assert [Path(band.path).stem for band in product.bands] == ["B04", "B03", "B02"]
    assert product.name == "S2A_32TMT"
    assert product.sensing_time == "2022-06-13T10:30:41Z"


def test_an_item_that_says_nothing_leaves_it_to_the_tags(bands):
    hrefs = {name: f"{name}.tif" for name in KEYS["names"]}
    product = open_stac(write_item(bands, item(hrefs)))
    assert offsets(product) == {-1000}
    assert product.offset_source == "scale and offset tags of the file"


def test_the_users_offset_is_worth_more_than_a_wrong_flag(bands):
    hrefs = {name: f"{name}.tif" for name in KEYS["names"]}
    flag = {"earthsearch:boa_offset_applied": True}
    path = write_item(bands, item(hrefs, flag, MINUS))
    product = open_stac(path, Choice(offset=-1000))
    assert offsets(product) == {-1000}
    assert product.offset_source == "--offset"


@pytest.mark.parametrize(
    "asset",
    [
        {"raster:bands": MINUS},
        {"bands": [{"name": "B04", "raster:scale": 0.0001, "raster:offset": -0.1}]},
        {"bands": [{"name": "B04"}], "raster:scale": 0.0001, "raster:offset": -0.1},
    ],
)
def test_scale_and_offset_are_found_where_stac_1_0_and_1_1_have_them(asset):
    stated = stated_by({"processing:version": "02.14"}, asset)
    assert stated.offset == pytest.approx(-1000)
    assert stated.quantification == 10_000


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
                name = next((n for n in KEYS["names"] if n in Path(asset["href"]).name), "other")
                asset["href"] = f"{name}.tif"
        product = open_stac(write_item(bands, content))
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

    monkeypatch.setattr("s2rgb_mpi.product.stac.join", join)
    path = write_item(tmp_path, item(dict.fromkeys(KEYS["names"], href)))
    assert refusal(path) == "seen"
    assert asked == [expected.format(folder=tmp_path, parent=tmp_path.parent)] * 3


def test_other_resolutions_have_their_own_assets(bands):
    hrefs = {f"{name}_{size}m": f"{name}.tif" for name in KEYS["names"] for size in (10, 20)}
    path = write_item(bands, item(hrefs))
    assert open_stac(path, Choice(resolution=20)).bands
    line = refusal(path, Choice(resolution=60))
    assert line.startswith(f"{path}: none of the assets B04_60m in this item; it has B04_10m, ")


def test_level_1c_is_refused_unless_it_is_asked_for(bands):
    hrefs = {name: f"{name}.tif" for name in KEYS["names"]}
    path = write_item(bands, item(hrefs, {"s2:product_type": "S2MSI1C"}))
    assert "Level-1C" in refusal(path)
    assert open_stac(path, Choice(allow_l1c=True)).bands


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "a STAC item (Feature) is needed, not list"),
        ('{"type": "FeatureCollection", "features": []}', "not FeatureCollection"),
        ('{"type": "Catalog"}', "not Catalog"),
        ('{"type": "Feature"}', "not a STAC item"),
    ],
)
def test_what_is_no_item_is_refused(tmp_path, text, words):
    path = tmp_path / "item.json"
    path.write_text(text)
    line = refusal(str(path))
    assert line.startswith(f"{path}: ")
    assert words in line


def test_a_scale_of_zero_is_refused(bands):
    hrefs = {name: f"{name}.tif" for name in KEYS["names"]}
    path = write_item(bands, item(hrefs, {}, [{"scale": 0, "offset": 0}]))
    assert refusal(path) == f"{path}: scale must be above 0, not 0"


def test_an_item_that_is_not_there_is_refused(tmp_path):
    assert refusal(f"{tmp_path}/absent.json") == f"{tmp_path}/absent.json: no such file"


def test_without_pystac_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pystac", None)
    path = write_item(tmp_path, item({}))
    assert refusal(path) == f"{path}: reading STAC items needs pystac: pip install pystac"


@pytest.fixture
def web(bands):
    with Web(bands).running() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "READ_SECONDS", 0.2)
    monkeypatch.setattr(remote, "RETRY_SECONDS", 0.01)


def served(web):
    """Put an item with relative references into the folder that is served; return its URL."""
    write_item(web.folder, item({name: f"{name}.tif" for name in KEYS["names"]}))
    return f"{web.url}/item.json"


def test_an_item_and_its_bands_may_be_elsewhere(web):
    product = open_product(served(web))
    assert [band.path for band in product.bands] == [
        f"/vsicurl/{web.url}/{name}.tif" for name in KEYS["names"]
    ]
    assert web.ranges("/B04.tif")
    assert not web.ranges("/item.json")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_busy_is_asked_again(web):
    url = served(web)
    web.faults["/item.json"] = [503, 429]
    assert open_product(url).bands


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([403], "HTTP 403 Forbidden"),
        ([404], "HTTP 404 Not Found"),
        ([503] * 4, "HTTP 503 Service Unavailable"),
        ([0.5] * 4, "timed out"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_item_that_cannot_be_had_is_refused(web, faults, words):
    url = served(web)
    web.faults["/item.json"] = list(faults)
    assert refusal(url) == f"{url}: {words}"
    assert web.faults["/item.json"] == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_band_that_cannot_be_had_is_refused(web, status):
    url = served(web)
    web.faults["/B03.tif"] = [status] * 9
    line = refusal(url)
    assert line == f"/vsicurl/{web.url}/B03.tif: HTTP response code: {status}"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_refused():
    assert refusal("http://127.0.0.1:9/item.json").startswith("http://127.0.0.1:9/item.json: ")
