"""Which assets are red, green and blue: by their keys, or by the bands that they list."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from rasters import scene, write_raster
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.stac.assets import find_assets
from s2rgb_mpi.inputs.stac.items import open_stac
from stac_items import BANDS, make_item, write_json

COLOURS = ("red", "green", "blue")
EDGES = ("rededge", "rededge1", "rededge071", "red_edge_1", "nbart_red_edge_1", "B05", "B06", "b07")
OTHERS = (
    *EDGES,
    "nir",
    "B08",
    "B8A",
    "SCL",
    "infrared",
    "blueness",
    "B040",
    "B044",
    "oa_red",
    "B4a",
)


def keys(assets, resolution=10):
    """Find the assets, whatever their order; return their keys."""
    shuffled = sorted(assets.items(), key=lambda item: item[0][::-1])
    orders = ([*assets.items()], [*reversed(assets.items())], shuffled)
    found = [[each.key for each in find_assets(dict(order), resolution)] for order in orders]
    assert found[0] == found[1] == found[2]
    return found[0]


def files(*names, **fields):
    """Return an asset for each key."""
    return {name: {"href": f"{name}.tif", **fields} for name in names}


@pytest.mark.parametrize(
    "names",
    [
        COLOURS,
        BANDS,
        ("B4", "B3", "B2"),
        ("b04", "b03", "b02"),
        ("Red", "Green", "Blue"),
        ("B04_10m", "B03_10m", "B02_10m"),
        ("b04-10m", "b03-10m", "b02-10m"),
        ("red_10m", "green_10m", "blue_10m"),
        ("red-jp2", "green-jp2", "blue-jp2"),
        ("B04_jp2", "B03_jp2", "B02_jp2"),
        ("nbart_red", "nbart_green", "nbart_blue"),
        ("NBAR_B04", "NBAR_B03", "NBAR_B02"),
        ("red", "B03", "b2"),
    ],
)
def test_keys_name_bands_and_red_edges_are_not_red(names):
    assert keys(files(*OTHERS, *names)) == list(names)


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_band_is_taken_for_red(name):
    with pytest.raises(InputError, match="none of the assets red, B04, B04_10m in this item"):
        keys(files(name, "green", "blue"))


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (COLOURS, BANDS),
        (BANDS, ("B04_10m", "B03_10m", "B02_10m")),
        (COLOURS, ("red-jp2", "green-jp2", "blue-jp2")),
        (BANDS, ("b04", "b03", "b02")),
        (BANDS, ("nbart_red", "nbart_green", "nbart_blue")),
        (("nbart_red", "nbart_green", "nbart_blue"), ("nbar_red", "nbar_green", "nbar_blue")),
        (("B04_10m", "B03_10m", "B02_10m"), ("red_20m", "green_20m", "blue_20m")),
    ],
)
def test_of_several_names_one_is_preferred(better, worse):
    assert keys(files(*better, *worse)) == list(better)


def test_corrections_are_not_mixed():
    assets = files("nbart_red", "nbart_green", "nbar_red", "nbar_green", "nbar_blue", "blue")
    assert keys(assets) == ["nbar_red", "nbar_green", "nbar_blue"]


def sized(size, *names):
    return [f"{name}_{size}m" for name in names]


@pytest.mark.parametrize("names", [COLOURS, BANDS])
def test_names_with_a_resolution(names):
    # As stactools has them: the finest without a resolution.
    assets = files(*names, *sized(20, *names), *sized(60, *names))
    assert keys(assets) == list(names)
    assert keys(assets, 20) == sized(20, *names)
    assert keys(assets, 60) == sized(60, *names)


def test_a_name_with_another_resolution_is_never_taken():
    for size in (20, 60, 120, 360):
        with pytest.raises(InputError, match="none of the assets red, B04, B04_10m"):
            keys(files(*sized(size, *BANDS)))


def test_the_resolutions_that_are_there_are_named():
    with pytest.raises(InputError) as caught:
        keys(files(*sized(10, *BANDS), *sized(20, *BANDS)), 60)
    assert str(caught.value) == (
        "none of the assets B04_60m, red_60m in this item; it has B04_10m, B03_10m, B02_10m,"
        " B04_20m, B03_20m, B02_20m; --source-resolution can be 10 or 20 here"
    )


SIZES = {
    "gsd": lambda size: {"gsd": size},
    "spatial resolution": lambda size: {"raster:spatial_resolution": size},
    "raster:bands": lambda size: {"raster:bands": [{"spatial_resolution": float(size)}]},
    "transform": lambda size: {"proj:transform": [size, 0, 399960, 0, -size, 5300040], "gsd": 10},
    "band": lambda size: {"bands": [{"gsd": size}]},
    "path": lambda size: {"href": f"GRANULE/L2A_T32TMT/IMG_DATA/R{size}m/T32TMT_x_{size}m.jp2"},
}


@pytest.mark.parametrize("said", SIZES)
def test_where_the_name_does_not_tell_the_resolution(said):
    assets = {
        f"asset{size}-{colour}": {
            "href": "x.jp2",
            "eo:bands": [{"common_name": colour}],
            **SIZES[said](size),
        }
        for size in (60, 10, 20)
        for colour in COLOURS
    }
    if said == "band":
        for asset, colour in zip(assets.values(), itertools.cycle(COLOURS)):
            asset["bands"][0]["eo:common_name"] = colour
    for size in (10, 20, 60):
        assert keys(assets, size) == [f"asset{size}-{colour}" for colour in COLOURS]


def test_another_resolution_is_taken_where_it_is_all_there_is():
    assert keys(files(*BANDS, gsd=30)) == list(BANDS)  # such as HLS
    degrees = {"proj:transform": [8.9e-05, 0, 7, 0, -8.9e-05, 47]}
    assert keys(files(*BANDS, **degrees)) == list(BANDS)


class Wanted(NamedTuple):
    """A band by both of its names."""

    band: str
    colour: str


STYLES: dict[str, Callable[[Wanted], dict[str, Any]]] = {
    "common name, 1.1": lambda it: {"bands": [{"eo:common_name": it.colour}]},
    "common name, 1.0": lambda it: {"eo:bands": [{"common_name": it.colour.upper()}]},
    "name, 1.1": lambda it: {"bands": [{"name": it.band.lower()}]},
    "name, 1.0": lambda it: {"eo:bands": [{"name": it.colour}]},
    "name alone": lambda it: {"eo:bands": [f"nbart_{it.colour}"]},
    "rio-stac": lambda it: {"eo:bands": [{"name": "b1", "description": it.colour}]},
    "description": lambda it: {
        "bands": [{"name": "x", "description": f"{it.colour.title()} (band {it.band[2]})"}]
    },
}


@pytest.mark.parametrize("style", STYLES)
def test_bands_that_assets_list(style):
    assets = {
        f"file{number}": {"href": "x.tif", **STYLES[style](Wanted(*names))}
        for number, names in enumerate(zip(BANDS, COLOURS, strict=True))
    }
    edges = {
        f"edge{number}": {"href": "x.tif", "bands": [{"eo:common_name": name, "name": "red edge"}]}
        for number, name in enumerate(("rededge", "rededge071", "red_edge"))
    }
    assert keys(edges | assets) == ["file0", "file1", "file2"]


PICTURES: list[tuple[str, dict[str, Any]]] = [
    ("visual", {}),
    ("visual-jp2", {}),
    ("TCI_10m", {}),
    ("preview", {}),
    ("thumbnail", {"type": "image/jpeg"}),
    ("x", {"roles": ["visual"]}),
    ("x", {"roles": ["overview"]}),
    ("x", {"title": "True color image"}),
    ("x", {"raster:bands": [{"data_type": "uint8"}] * 3}),
    ("x", {"data_type": "uint8"}),
    ("x", {"type": "image/png"}),
]


@pytest.mark.parametrize(("key", "fields"), PICTURES)
def test_pictures_are_no_bands(key, fields):
    listed = [{"name": band, "common_name": c} for band, c in zip(BANDS, COLOURS, strict=True)]
    picture = {key: {"href": "TCI.tif", "eo:bands": listed, **fields}}
    data = {"all": {"href": "all.tif", "eo:bands": listed}}
    assert keys(picture | data) == ["all"] * 3
    with pytest.raises(InputError, match="none of the assets"):
        keys(picture)


def test_what_may_be_one_of_two_is_refused():
    assets = files("a", "b", **{"eo:bands": [{"common_name": "red"}]}) | files("green", "blue")
    with pytest.raises(InputError) as caught:
        find_assets(assets, 10)
    assert str(caught.value) == (
        "which asset is red (B04)? It may be each of a, b; --rgb takes the files themselves"
    )


@pytest.mark.parametrize(
    "listed", [{"name": "B05", "common_name": "rededge"}, {"name": "B05"}, {"name": "green"}]
)
def test_a_key_that_its_bands_contradict_is_refused(listed):
    assets = files(*BANDS)
    assets["B04"]["eo:bands"] = [listed]
    with pytest.raises(InputError) as caught:
        find_assets(assets, 10)
    words = ", ".join(listed.values())
    assert str(caught.value) == f"asset B04: by its key it is B04, by its list of bands {words}"


def test_the_resolution_that_was_asked_for_is_opened(tmp_path):
    assets = {}
    for size in (10, 20):
        for number, band in enumerate(BANDS):
            write_raster(tmp_path / f"{band}_{size}m.tif", scene(300 // size, 400)[..., number])
            assets[f"{band}_{size}m"] = f"{band}_{size}m.tif"
    path = write_json(tmp_path / "item.json", make_item(assets))
    for size in (10, 20):
        (product,) = open_stac(path, Choice(resolution=size))
        assert product.grid.height == 300 // size
    with pytest.raises(InputError) as caught:
        open_stac(path, Choice(resolution=60))
    assert str(caught.value).startswith(f"{path}: none of the assets B04_60m, red_60m in this item")
