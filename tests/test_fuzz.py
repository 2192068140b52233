"""Any content of a file of the user or of a crashed run leads to a clear error, or none."""

import json
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opened import open_safe
from rasters import scene, write_raster
from s2rgb_mpi.errors import S2RGBError, UsageError
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Product
from s2rgb_mpi.inputs.stac.items import open_stac
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.paths import journal_path, part_path
from s2rgb_mpi.testing.eopf import write_eopf
from stac_items import BANDS, KEYS, make_item, write_bands
from stopped import all_blocks, make_plan, stop

bounded = settings(
    max_examples=int(os.environ.get("S2RGB_FUZZ_EXAMPLES", "60")),
    deadline=timedelta(seconds=30),  # no hang, on a machine that does other things too
    suppress_health_check=list(HealthCheck),  # fixtures are shared by the examples, on purpose
)

texts = st.sampled_from(["", "-", "1e999", "NaN", "-1000", "0", "ü", "\x7f", "B04", "x" * 300])
numbers = st.integers(-(10**30), 10**30) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def cut(data, content):
    """Replace a stretch of bytes by others."""
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, min(len(content), begin + 200)))
    return content[:begin] + data.draw(st.binary(max_size=20)) + content[end:]


def assert_product_or_words(opened, path):
    """The product is opened, or one line says why not."""
    words = "opened"
    try:
        found = opened(str(path))
        for product in found if isinstance(found, list) else [found]:
            assert isinstance(product, Product)
    except S2RGBError as error:
        words = str(error)
    assert words
    assert "\n" not in words


@pytest.fixture(scope="module")
def copied(safe, tmp_path_factory):
    return Path(shutil.copytree(safe, tmp_path_factory.mktemp("fuzz") / safe.name))


@bounded
@given(data=st.data())
def test_metadata_with_other_values(safe, copied, data):
    """Still XML, but any text or attribute of it may be another."""
    content = (safe / "MTD_MSIL2A.xml").read_text()
    places = [match.span(1) for match in re.finditer(r'[>"]([^<>"]+)[<"]', content)]
    for begin, end in sorted(
        data.draw(st.lists(st.sampled_from(places), max_size=3)), reverse=True
    ):
        content = content[:begin] + data.draw(texts) + content[end:]
    (copied / "MTD_MSIL2A.xml").write_text(content)
    assert_product_or_words(open_safe, copied)


@bounded
@given(data=st.data())
def test_metadata_with_other_bytes(safe, copied, data):
    content = (safe / "MTD_MSIL2A.xml").read_bytes()
    (copied / "MTD_MSIL2A.xml").write_bytes(cut(data, content))
    assert_product_or_words(open_safe, copied)


def stac_1_0(folder):
    """An item of three files, as Earth Search has them."""
    write_bands(folder, scene(40, 60))
    assets = {
        key: {
            "href": f"{band}.tif",
            "type": "image/tiff",
            "roles": ["data"],
            "gsd": 10,
            "eo:bands": [{"name": band, "common_name": key}],
            "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}],
        }
        for key, band in zip(KEYS["colours"], BANDS, strict=True)
    }
    return make_item(assets, {"s2:processing_baseline": "05.09"}) | {"collection": "s2-l2a"}


def stac_1_1(folder):
    """A saved search: one item of one file with three bands, which does not say where it lies."""
    write_raster(folder / "all.tif", scene(40, 60), epsg=None)
    asset = {
        "href": "all.tif",
        "raster:offset": -0.1,
        "data_type": "uint16",
        "proj:transform": [10, 0, 399960, 0, -10, 5300040],
        "proj:shape": [40, 60],
        "bands": [
            {"name": name, "eo:common_name": name, "raster:scale": 0.0001}
            for name in ("blue", "green", "red")
        ],
    }
    properties = {"processing:version": "05.11", "proj:code": "EPSG:32632"}
    item = make_item({"data": asset}, properties)
    return {"type": "FeatureCollection", "features": [item], "links": [], "numberMatched": 1}


@pytest.fixture(scope="module", params=[stac_1_0, stac_1_1])
def item(request, tmp_path_factory):
    """A STAC item with its bands beside it."""
    folder = tmp_path_factory.mktemp("stac")
    return folder / "item.json", request.param(folder)


def paths(value, before=()):
    """List the ways to every value inside a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield (*before, key)
        if isinstance(value[key], dict | list):
            yield from paths(value[key], (*before, key))


def test_the_item_as_it_is_opens(item):
    path, content = item
    path.write_text(json.dumps(content))
    (product,) = open_stac(str(path))
    assert isinstance(product, Product)


@bounded
@given(data=st.data())
def test_items_with_other_values(item, data):
    path, whole = item
    content = json.loads(json.dumps(whole))
    *way, last = data.draw(st.sampled_from(list(paths(content))))
    inner = content
    for key in way:
        inner = inner[key]
    if data.draw(st.booleans()):
        del inner[last]
    else:
        inner[last] = data.draw(values)
    path.write_text(json.dumps(content))
    assert_product_or_words(open_stac, path)


@bounded
@given(data=st.data())
def test_items_with_other_bytes(item, data):
    path, whole = item
    path.write_bytes(cut(data, json.dumps(whole).encode()))
    assert_product_or_words(open_stac, path)


@pytest.fixture(scope="module")
def begun(safe, tmp_path_factory):
    """A journal of three windows, and the partial file beside it."""
    plan = make_plan(safe, tmp_path_factory.mktemp("begun") / "rgb.tif")
    stop(plan, all_blocks(plan)[:3])
    return plan, journal_path(plan).read_bytes(), part_path(plan).read_bytes()


@bounded
@given(data=st.data())
def test_journals_with_other_bytes(begun, data):
    plan, records, pieces = begun
    journal_path(plan).write_bytes(cut(data, records))
    part_path(plan).write_bytes(cut(data, pieces))
    try:
        journal.fields_of(journal_path(plan))
        kept = journal.mend(journal_path(plan), part_path(plan), len(plan.windows))
    except UsageError:
        return
    assert kept <= {0, 1, 2}


@bounded
@given(content=st.binary(max_size=200))
def test_noise_is_no_journal(begun, content):
    plan, _, _ = begun
    journal_path(plan).write_bytes(content)
    assert list(journal.records(journal_path(plan))) == []
    try:
        assert journal.fields_of(journal_path(plan)) is None
    except UsageError:
        assert b"\n" in content


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return write_eopf(folder, layout="v3", width=200, height=120, chunk=64, texture="synthetic")


def fields_of(content):
    """List all that a JSON document has a name or a place for."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        yield content, key
        if isinstance(value, dict | list):
            yield from fields_of(value)


@bounded
@given(data=st.data())
def test_a_store_with_other_metadata(store, tmp_path_factory, data):
    """Still JSON, but any field of it may be missing or another."""
    content = json.loads((store / "zarr.json").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        inner, key = data.draw(st.sampled_from(list(fields_of(content))))
        if data.draw(st.booleans()):
            inner[key] = data.draw(values)
        else:
            del inner[key]
    changed = tmp_path_factory.mktemp("changed") / store.name
    shutil.copytree(store, changed, copy_function=os.link)
    (changed / "zarr.json").unlink()
    (changed / "zarr.json").write_text(json.dumps(content))
    assert_product_or_words(open_products, changed)
