"""Saved searches: of one item that item, of several their products in the order given."""

import json

import pytest

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.stac.items import is_stac
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import make_plan
from stac_items import BANDS, make_item, named, write_bands, write_json


@pytest.fixture
def folder(tmp_path):
    return write_bands(tmp_path)


def search(*items, **fields):
    return {"type": "FeatureCollection", "features": list(items), **fields}


ITEMS = [make_item(named(), name=name) for name in ("third", "first", "second")]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("form", [search, lambda *items: list(items)])
def test_items_become_products_in_the_order_given(folder, count, form):
    products = open_products(write_json(folder / "search.json", form(*ITEMS[:count])))
    assert [product.name for product in products] == ["third", "first", "second"][:count]
    assert {len(product.bands) for product in products} == {3}


@pytest.mark.parametrize(
    "name", ["search.geojson", "ITEMS.JSON", "result", "result.txt", "item.2024-05-01", "$value"]
)
@pytest.mark.parametrize("before", ["", "\ufeff", "\n  "])
def test_the_name_does_not_matter(folder, name, before):
    path = folder / name
    path.write_text(before + json.dumps(search(ITEMS[0])), encoding="utf-8")
    (product,) = open_products(str(path))
    assert product.name == "third"


@pytest.mark.parametrize("content", [b"", b"II*\0", b"<xml/>", b"PK\3\4", b"text {"])
def test_other_files_are_no_json(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not is_stac(str(path))
    assert not is_stac(str(tmp_path))
    assert not is_stac(f"{tmp_path}/absent")
    assert not is_stac("NETCDF:x.nc:B04")


def test_what_a_search_was_not_asked_for_may_be_missing(folder):
    item = {name: ITEMS[0][name] for name in ("type", "id", "assets", "properties")}
    (product,) = open_products(write_json(folder / "search.json", search(item)))
    assert product.sensing_time == "2022-06-13T10:30:41Z"


def test_a_composite_has_the_time_at_which_it_begins(folder):
    begin, end = "2022-06-01T00:00:00Z", "2022-07-01T00:00:00Z"
    times = {"datetime": None, "start_datetime": begin, "end_datetime": end}
    path = write_json(folder / "item.json", make_item(named(), times))
    assert open_products(path)[0].sensing_time == begin


def test_an_error_names_the_item(folder):
    path = write_json(folder / "search.json", search(ITEMS[0], make_item({"SCL": "x.tif"})))
    with pytest.raises(InputError) as caught:
        open_products(path)
    assert str(caught.value) == (
        f"{path}: item 2 (S2A_32TMT): none of the assets red, B04, B04_10m in this item; it has SCL"
    )


NEXT = {"links": [{"rel": "self", "href": "x"}, {"rel": "next", "href": "y"}]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"numberMatched": 57}, "one page of a search: 2 of the 57 items that it found"),
        ({"context": {"matched": 57, "limit": 2}}, "one page of a search: 2 of the 57 items"),
        (NEXT, "one page of a search: 2 and not all items that it found"),
        ({"numberMatched": 2, **NEXT}, ""),
        ({"numberMatched": 2, "numberReturned": 2}, ""),
        ({}, ""),
    ],
)
def test_a_part_of_a_search_is_said_to_be_one(folder, fields, words):
    path = write_json(folder / "search.json", search(*ITEMS[:2], **fields))
    products = open_products(path)
    plan = make_plan(Job((path,), folder / "rgb.tif"), lay_out(products))
    assert len(plan.warnings) == (1 if words else 0)
    assert all(text.startswith(f"{path}: {words}") for text in plan.warnings)


def test_band_numbers_are_for_rasters(folder):
    path = write_json(folder / "search", search(*ITEMS))
    with pytest.raises(UsageError, match="--bidx is for rasters"):
        open_products(path, Choice(bidx=(1, 2, 3)))


@pytest.mark.parametrize(
    ("base", "href", "expected"),
    [
        ("s3://bucket/a/item.json", "../b/B04.tif", "/vsis3/bucket/b/B04.tif"),
        ("file:///data/a/item.json", "./B04.tif", "/data/a/B04.tif"),
        ("/vsizip//data/x.zip/a/item.json", "./B04.tif", "/vsizip//data/x.zip/a/B04.tif"),
        ("/vsizip/x.zip/a/item.json", ".././B04.tif", "/vsizip/x.zip/B04.tif"),
        ("/vsicurl/https://x.org/a/i.json?s=b/c", "../B.tif", "/vsicurl/https://x.org/B.tif"),
        ("https://u:p@x.org/a/i.json?s=b/c", "B.tif?t=1", "/vsicurl/https://u:p@x.org/a/B.tif?t=1"),
        ("item.json", "../B04.tif", "../B04.tif"),
        ("item.json", "HTTPS://x.org/B.tif", "/vsicurl/https://x.org/B.tif"),
    ],
)
def test_references_are_resolved_against_every_kind_of_place(monkeypatch, base, href, expected):
    asked: list[str] = []

    def join(_, listed, __):
        asked.extend(band.path for band in listed)
        raise InputError("seen")

    item = json.dumps(make_item(dict.fromkeys(BANDS, href))).encode()
    monkeypatch.setattr("s2rgb_mpi.inputs.stac.documents.fetch", lambda _: item)
    monkeypatch.setattr("s2rgb_mpi.inputs.stac.items.join", join)
    with pytest.raises(InputError, match="seen"):
        open_products(base)
    assert asked == [expected] * 3
