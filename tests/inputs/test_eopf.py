"""EOPF stores: what each of their writers states, and one line for what cannot be read."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opened import open_product, refusal, whole_dn
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.inputs.source_size import Output
from s2rgb_mpi.inputs.zarr import codecs
from s2rgb_mpi.testing.eopf import LAYOUTS, write_eopf
from s2rgb_mpi.testing.safe import read_dn, write_safe
from stac_items import make_item, write_json

SCENE: dict[str, Any] = {
    "width": 300,
    "height": 200,
    "nodata_fraction": 0.4,
    "texture": "synthetic",
    "resolutions": (10, 20, 60),
}
BAND = "measurements/reflectance/r10m/b04"
TRANSFORM = (399960.0, 10.0, 0.0, 5300040.0, 0.0, -10.0)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store of each layout."""
    folder = tmp_path_factory.mktemp("stores")
    return {
        layout: write_eopf(folder / layout, layout=layout, chunk=64, **SCENE) for layout in LAYOUTS
    }


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    return write_safe(tmp_path_factory.mktemp("safe"), **SCENE)


@pytest.fixture
def copied(stores, tmp_path):
    """The function that makes a store of one's own."""

    def copy(layout):
        return Path(shutil.copytree(stores[layout], tmp_path / stores[layout].name))

    return copy


def change(store: Path, path: str, **fields: Any) -> None:
    """Change fields of an array or a group everywhere; None takes one away."""

    def put(target: dict[str, Any]) -> None:
        for name, value in fields.items():
            target[name] = value
            if value is None:
                del target[name]

    if (store / ".zmetadata").exists():
        root = json.loads((store / ".zmetadata").read_text())
        where = next(
            each
            for each in (f"{path}/.zarray", f"{path}/.zattrs")
            if set(fields) & set(root["metadata"][each]) or each.endswith(".zattrs")
        )
        put(root["metadata"][where])
        (store / ".zmetadata").write_text(json.dumps(root))
        return
    root = json.loads((store / "zarr.json").read_text())
    node = root["consolidated_metadata"]["metadata"][path] if path else root
    put(node["attributes"] if set(fields) <= set(node["attributes"]) else node)
    (store / "zarr.json").write_text(json.dumps(root))


def attribute(store: Path, path: str, **fields: Any) -> None:
    """Change attributes of an array or a group of version 3."""
    root = json.loads((store / "zarr.json").read_text())
    node = root["consolidated_metadata"]["metadata"][path] if path else root
    node["attributes"] |= fields
    (store / "zarr.json").write_text(json.dumps(root))


@pytest.mark.parametrize("resolution", [10, 20, 60])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_a_store_says(stores, safe, layout, resolution):
    choice = Choice(resolution=resolution)
    opened, other = open_product(str(stores[layout]), choice), open_product(str(safe), choice)
    assert opened.grid == other.grid
    assert opened.name == other.name
    assert opened.baseline == "05.09"
    assert opened.is_sentinel_2
    assert {band.calibration.quantification for band in opened.bands} == {10_000}
    expected = read_dn(safe, resolution)
    if layout == "geozarr":
        assert {band.calibration.offset for band in opened.bands} == {0}
        expected = np.where(expected, np.maximum(expected.astype(int) - 1000, 1), 0)
        assert {band.stored.shift for band in opened.bands} == {1000}
    else:
        assert {band.calibration.offset for band in opened.bands} == {-1000}
        assert opened.offset_source == "add_offset and scale_factor of the Zarr arrays"
        assert opened.sensing_time == "2022-06-13T10:30:41.024Z"
    np.testing.assert_array_equal(whole_dn(opened), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_consolidated_metadata(copied, safe, layout):
    store = copied(layout)
    if layout == "v2":
        (store / ".zmetadata").unlink()
    else:
        root = json.loads((store / "zarr.json").read_text())
        del root["consolidated_metadata"]
        (store / "zarr.json").write_text(json.dumps(root))
    opened = open_product(str(store))
    assert opened.grid == open_product(str(safe)).grid
    assert (whole_dn(opened) > 0).any()


@pytest.mark.parametrize("name", ["", "/", "/.zmetadata", "/.zgroup", "/.zattrs"])
def test_names_of_a_store(stores, name):
    assert open_product(f"{stores['v2']}{name}").grid.transform == TRANSFORM


def test_a_store_by_another_name(copied, tmp_path):
    store = copied("v3").rename(tmp_path / "data")
    assert open_product(str(store)).grid.transform == TRANSFORM
    assert open_product(f"{store}/zarr.json").grid.transform == TRANSFORM


def test_a_zip_by_another_name_with_a_folder_in_it(stores, tmp_path):
    store = stores["v3"]
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", store.parent, store.name)
    opened = open_product(archive)
    assert opened.name == store.stem
    np.testing.assert_array_equal(whole_dn(opened), whole_dn(open_product(str(store))))


def test_the_coarsest_arrays_that_serve(stores):
    opened = open_product(str(stores["v3"]), Choice(output=Output(60)))
    assert opened.grid.transform[1] == 60


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_by_their_own_names(stores, safe, layout):
    names = [f"{stores[layout]}/{BAND[:-1]}{number}" for number in (4, 3, 2)]
    opened = open_bands(names)
    assert opened.grid == open_product(str(safe)).grid
    assert {band.calibration.offset for band in opened.bands} == {
        0 if layout == "geozarr" else -1000
    }


def test_chunks_that_all_bands_lack_are_no_data(stores, safe):
    band = stores["v3"] / BAND
    assert not (band / "c/0/0").exists()  # as ESA's converter has it, which writes by zarr-python 3
    assert (band / "c/0/4").exists()
    np.testing.assert_array_equal(whole_dn(open_product(str(stores["v3"]))), read_dn(safe))


STATED = {"raster:scale": 0.0001, "raster:offset": -0.1}


def item_of(store, **fields):
    """Make an item as the sample service of EOPF has them."""
    assets = {
        f"B0{number}_{size}m": {"href": f"{store.name}/{BAND[:-7]}{size}m/b0{number}"} | fields
        for number in (4, 3, 2)
        for size in (10, 20)
        if size == 10 or not fields
    }
    return make_item(assets, {"constellation": "sentinel-2"})


@pytest.mark.parametrize("layout", ["v2", "v3"])
def test_a_stac_item_whose_assets_are_arrays(stores, safe, layout):
    store = stores[layout]
    path = write_json(store.parent / "item.json", item_of(store, **STATED))
    opened = open_product(path)
    assert opened.offset_source == "raster:offset of the asset"
    np.testing.assert_array_equal(whole_dn(opened), read_dn(safe))
    plain = write_json(store.parent / "plain.json", item_of(store))
    opened = open_product(plain, Choice(resolution=20))
    assert {band.calibration.offset for band in opened.bands} == {-1000}
    np.testing.assert_array_equal(whole_dn(opened), read_dn(safe, 20))


def test_a_stac_item_whose_asset_is_a_group_of_resolutions(stores, safe):
    store = stores["geozarr"]
    bands = [{"name": f"b0{number}"} for number in (2, 3, 4)]
    asset = {
        "href": f"{store.name}/measurements/reflectance",
        "type": "application/vnd+zarr; version=3",
        "bands": bands,
        "gsd": 10,
    }
    path = write_json(store.parent / "item.json", make_item({"reflectance": asset}))
    assert open_product(path).grid == open_product(str(safe)).grid


def test_a_stac_item_that_has_the_store_alone(stores, safe):
    store = stores["v3"]
    item = make_item({"product": {"href": store.name, "type": "application/vnd+zarr"}})
    path = write_json(store.parent / "product.json", item)
    opened = open_product(path, Choice(resolution=20))
    assert opened.name == "S2A_32TMT"
    np.testing.assert_array_equal(whole_dn(opened), read_dn(safe, 20))


def test_a_product_without_arrays_of_10_m(copied):
    store = copied("v2")
    root = json.loads((store / ".zmetadata").read_text())
    root["metadata"] = {name: it for name, it in root["metadata"].items() if "r10m" not in name}
    (store / ".zmetadata").write_text(json.dumps(root))
    assert refusal(store) == (
        f"{store}: no b04, b03, b02 in measurements/reflectance/r10m; --source-resolution can be 20"
        " or 60 here"
    )


def test_level_1c(copied):
    store = copied("v3")
    item = json.loads((store / "zarr.json").read_text())["attributes"]["stac_discovery"]
    item["properties"]["processing:level"] = "L1C"
    attribute(store, "", stac_discovery=item)
    assert "Level-1C (top of atmosphere)" in refusal(store)
    assert open_product(str(store), Choice(allow_l1c=True)).bands


@pytest.mark.parametrize(
    ("layout", "path", "fields", "words"),
    [
        ("v2", BAND, {"dtype": "|u1"}, "values of uint8"),
        ("v2", BAND, {"shape": [100, 300]}, "100 rows and 300 columns, but proj:shape"),
        ("v2", BAND, {"chunks": [0, 64]}, "chunks of (0, 64) in an array of (200, 300)"),
        ("v2", BAND, {"chunks": "x"}, "no readable metadata of an array"),
        ("v2", BAND, {"compressor": {"id": "jpegxs"}}, "codec 'jpegxs' is not known"),
        ("v2", BAND, {"proj:transform": [10, 0, 399970, 0, -10, 5300040]}, "but x and y of"),
        ("v2", BAND, {"proj:transform": "x"}, "is no transform: x"),
        ("v2", BAND, {"proj:epsg": 32633}, "are different CRS"),
        ("v2", BAND, {"proj:epsg": 1}, "is no known CRS: EPSG:1"),
        ("v2", BAND, {"scale_factor": 0}, "scale must be above 0, not 0"),
        ("v2", BAND, {"add_offset": "x"}, "scale_factor or add_offset: "),
        ("v3", BAND, {"data_type": "complex64"}, "values of complex64"),
        ("v3", BAND, {"data_type": "r16"}, "no readable metadata of an array"),
        ("v3", BAND, {"shape": [100, 300]}, "y: 200 coordinates, where the bands have 100 pixels"),
        ("v3", BAND, {"codecs": [{"name": "zstd"}]}, "0 codecs 'bytes'"),
        ("v3", BAND, {"codecs": []}, "no readable metadata of an array"),
        ("v3", BAND, {"chunk_grid": {"name": "rectilinear"}}, "chunk_grid 'rectilinear'"),
        ("v3", BAND, {"chunk_key_encoding": {"name": "fanout"}}, "chunk_key_encoding 'fanout'"),
        ("v3", BAND, {"dimension_names": ["x", "y"]}, "dimensions x, y, where y, x are needed"),
        ("v3", BAND, {"shape": [1, 200, 300]}, "chunks of (64, 64) in an array of (1, 200, 300)"),
        ("v3", BAND, {"node_type": "group"}, "no b04 in measurements/reflectance/r10m"),
        ("v3", BAND, {"zarr_format": 4}, "neither an array nor a group of Zarr v3: zarr_format 4"),
        ("v3", BAND, {"shape": [200, 290]}, "x: 300 coordinates, where the bands have 290"),
        ("geozarr", BAND, {"shape": [200, 290]}, "200 rows and 290 columns, but proj:shape of"),
    ],
)
def test_what_cannot_be_is_one_line(copied, layout, path, fields, words):
    store = copied(layout)
    change(store, path, **fields)
    said = refusal(store)
    assert said.startswith(str(store))
    assert words in said


def test_the_crs_is_that_of_all_who_state_it(copied):
    store = copied("geozarr")
    attribute(store, "measurements/reflectance", **{"proj:code": "EPSG:32633"})
    said = refusal(store)
    assert "proj:code of" in said
    assert "are different CRS" in said
    for group in ("measurements/reflectance", "measurements/reflectance/r10m"):
        attribute(store, group, **{"proj:code": None})
    # The name has the tile, and the tile has the zone.
    assert open_product(str(store)).grid.crs == open_product(str(copied_v3(store))).grid.crs


def copied_v3(store):
    """Write a store that states its CRS beside another one."""
    return write_eopf(store.parent / "other", layout="v3", **SCENE)


def test_a_store_that_says_nothing_of_its_place(copied, tmp_path):
    store = copied("geozarr").rename(tmp_path / "nameless.zarr")
    for group in ("measurements/reflectance", "measurements/reflectance/r10m"):
        attribute(store, group, **{"proj:code": None})
    assert "nothing tells its coordinate reference system" in refusal(store)


def test_coordinates_that_cannot_be(copied):
    store = copied("v3")
    line = store / "measurements/reflectance/r10m/x"
    whole = (line / "c/0").read_bytes()
    (line / "c/0").write_bytes(whole[:20])
    assert "x: c/0: damaged: zstd cannot decode it" in refusal(store)
    (line / "c/0").unlink()
    assert "x: c/0: this chunk is missing" in refusal(store)


@pytest.mark.parametrize(("layout", "chunks"), [("v2", "[0-9].*"), ("v3", "c/*/*")])
def test_a_store_that_has_only_been_begun(copied, layout, chunks):
    store = copied(layout)
    for chunk in (store / BAND).glob(chunks):
        chunk.unlink()
    words = "none of its chunks is there: the store is incomplete"
    assert refusal(store) == f"{store}/{BAND}: {words}"


def test_no_store(tmp_path, stores):
    empty = tmp_path / "empty.zarr"
    empty.mkdir()
    assert "no Zarr store: neither zarr.json nor" in refusal(empty)
    for text, words in (("{", "not JSON"), ("[]", "not a JSON object"), ("{}", "the root is")):
        (empty / "zarr.json").write_text(text)
        assert f"{empty}/zarr.json: {words}" in refusal(empty)
    archive = tmp_path / "x.zarr.zip"
    archive.write_bytes(b"PK")
    assert "no readable zip" in refusal(archive)
    part = stores["v2"] / "measurements/reflectance"
    assert refusal(part) == f"{part}: a part of a Zarr store; give the store, {stores['v2']}"
    for choice in (Choice(bidx=(1, 2, 3)), Choice(granule="T32TMT")):
        with pytest.raises(UsageError, match=r"--(bidx|granule) is for"):
            open_product(str(stores["v2"]), choice)


def test_codecs_that_are_not_installed(monkeypatch, copied):
    store = copied("v2")
    codecs.made.cache_clear()
    monkeypatch.setitem(sys.modules, "numcodecs", None)
    said = refusal(store)
    assert said.endswith("pip install 's2rgb-mpi[zarr]', or both by these names")
    codecs.made.cache_clear()
