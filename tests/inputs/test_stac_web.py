"""STAC items and searches that a server has."""

import json
import time
from urllib.parse import quote

import pytest

from rasters import scene, write_raster
from s2rgb_mpi import gdalenv
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.files.remote import REFUSED, stamp
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.inputs.stac.items import open_stac
from stac_items import BANDS, make_item, named, write_bands, write_json
from web import Web


@pytest.fixture
def web(tmp_path):
    with Web(write_bands(tmp_path)).running() as server:
        yield server


def refusal(href):
    with pytest.raises(InputError) as caught:
        open_stac(href)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(gdalenv, "READ_SECONDS", 0.2)
    monkeypatch.setattr(gdalenv, "RETRY_SECONDS", 0.01)


def served(web):
    """Put an item with relative references into the folder that is served; return its URL."""
    write_json(web.folder / "item.json", make_item(named()))
    return f"{web.url}/item.json"


def test_an_item_and_its_bands_may_be_elsewhere(web):
    (product,) = open_products(served(web))
    assert [band.path for band in product.bands] == [
        f"/vsicurl/{web.url}/{name}.tif" for name in BANDS
    ]
    assert web.ranges("/B04.tif")
    assert not web.ranges("/item.json")


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_busy_is_asked_again(web):
    url = served(web)
    web.faults["/item.json"] = [503, 429]
    assert open_stac(url)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([403], f"HTTP 403 Forbidden: {REFUSED}"),
        ([401], f"HTTP 401 Unauthorized: {REFUSED}"),
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


@pytest.mark.parametrize(("status", "hint"), [(403, f": {REFUSED}"), (404, "")])
def test_a_band_that_cannot_be_had_is_refused(web, status, hint):
    url = served(web)
    web.faults["/B03.tif"] = [status] * 9
    line = refusal(url)
    assert line == f"/vsicurl/{web.url}/B03.tif: HTTP response code: {status}{hint}"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_refused():
    assert refusal("http://127.0.0.1:9/item.json").startswith("http://127.0.0.1:9/item.json: ")


@pytest.mark.parametrize(
    "path",
    [
        "search?collections=sentinel-2-l2a&limit=2",
        "collections/s2/items?bbox=1,2,3,4",
        "collections/s2/items/",
        "collections/s2/items/S2A.SAFE",
        "stac/S2A_32TMT",
        "saved.json?sig=a/b.tif",
    ],
)
def test_addresses_that_serve_items(web, path):
    absolute = {band: f"{web.url}/{band}.tif?sig=1" for band in BANDS}
    items = [make_item(absolute, name=name) for name in ("second", "first")]
    file = web.folder / path.partition("?")[0]
    if path.endswith("/"):
        file = file.parent / "items"
        web.aliases[f"/{path}"] = "/collections/s2/items"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"type": "FeatureCollection", "features": items})
    products = open_products(f"{web.url}/{path}")
    assert [product.name for product in products] == ["second", "first"]


def test_an_address_without_an_ending_may_be_a_raster(web):
    write_raster(web.folder / "raster", scene(), descriptions=BANDS)
    (product,) = open_products(f"{web.url}/raster?sig=a/b.json")
    assert product.name == "raster"


def test_a_signature_is_used_and_not_printed(web):
    web.signature = "SECRET"
    item = make_item({band: f"{band}.tif?sig=SECRET&se=2026" for band in BANDS})
    write_json(web.folder / "item.json", item)
    (product,) = open_products(f"{web.url}/item.json?sig=SECRET")
    assert all(band.path.endswith("sig=SECRET&se=2026") for band in product.bands)
    assert refusal(f"{web.url}/item.json?sig=OLD") == (
        f"{web.url}/item.json: HTTP 403 Forbidden: {REFUSED}"
    )
    item["assets"]["B03"]["href"] = "B03.tif?sig=OLD"
    write_json(web.folder / "item.json", item)
    assert refusal(f"{web.url}/item.json?sig=SECRET") == (
        f"/vsicurl/{web.url}/B03.tif: HTTP response code: 403: {REFUSED}"
    )


def test_a_product_is_not_called_after_a_signature(web):
    web.signature = "a/b.c"
    write_raster(web.folder / "all.tif", scene(), descriptions=BANDS)
    (product,) = open_products(f"{web.url}/all.tif?sig=a/b.c")
    assert product.name == "all"
    paths = [f"{web.url}/{band}.tif?sig=a/b.c" for band in BANDS]
    assert open_bands(paths).name == "B04"


def test_a_renewed_signature_is_the_same_file(web):
    stamps = set()
    for signature in ("first", "second"):
        web.signature = signature
        stamps.add(stamp(f"/vsicurl/{web.url}/B04.tif?sig={signature}"))
    assert len(stamps) == 1
    size = (web.folder / "B04.tif").stat().st_size
    assert stamps.pop().startswith(f"{size} bytes, ")


def test_user_and_password_are_sent_and_not_printed(web):
    web.user = "me:pa ss"
    url = served(web).replace("://", "://me:pa%20ss@")
    (product,) = open_products(url)
    assert product.name == "S2A_32TMT"
    assert all(":pa%20ss@" in band.path for band in product.bands)
    web.user = "me:changed"
    assert refusal(url) == f"{web.url}/item.json: HTTP 401 Unauthorized: {REFUSED}"


def test_blanks_in_an_address_are_encoded(web):
    folder = web.folder / "my items"
    folder.mkdir()
    write_bands(folder)
    write_json(folder / "item.json", make_item({b: f"{web.url}/my items/{b}.tif" for b in BANDS}))
    assert open_products(f"{web.url}/my items/item.json?sig=a b")
    item = json.loads((folder / "item.json").read_text())
    assert " " in item["assets"]["B04"]["href"]


@pytest.mark.parametrize(
    "form",
    [
        "/vsicurl/{url}/item.json?sig=SECRET/x.tif",
        "/vsicurl?max_retry=1&url={quoted}%2Fitem.json%3Fsig%3DSECRET",
    ],
)
def test_gdals_forms_of_an_address(web, monkeypatch, form):
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")  # as the program has it
    served(web)
    (product,) = open_products(form.format(url=web.url, quoted=quote(web.url, safe="")))
    paths = [f"/vsicurl/{web.url}/{band}.tif" for band in BANDS]
    assert [band.path for band in product.bands] == paths


@pytest.mark.usefixtures("impatient")
def test_what_is_no_address_is_one_line():
    begin = time.monotonic()
    for url in ("http://[bad/item.json", "http://127.0.0.1:port/item.json", "http://"):
        assert refusal(url).startswith(f"{url}: ")
    assert time.monotonic() - begin < 30
