"""STAC items as users have them, from the command line to pixels that equal the reference."""

import json

import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from rasters import scene, write_raster
from stac_items import BANDS, make_item, named, write_bands, write_json
from web import Web

RANKS = 2
NEWEST = {"s2:processing_baseline": "05.11"}
SCALE, OFFSET = {"raster:scale": 0.0001}, {"raster:offset": -0.1}


@pytest.fixture
def image(mpirun, tmp_path):
    """The function that runs the program on an input and returns the image, (height, width, 3)."""

    def run(*arguments, ranks=RANKS):
        output = tmp_path / "rgb.tif"
        result = mpirun(ranks, *arguments, "-o", output, *SMALL, "--overwrite")
        assert result.returncode == 0, result.stderr
        assert [line for line in result.said if "warning" in line] == []
        return read_rgb(output)

    return run


def test_float_reflectance_of_a_new_baseline(image, tmp_path):
    dn = scene(300, 260)
    dn[40:120, 60:200] = 500
    values = np.where(dn == 0, np.nan, dn / 10_000).astype(np.float32)
    write_bands(tmp_path, values, nodata=np.nan)
    made = image(write_json(tmp_path / "item.json", make_item(named(), NEWEST)))
    assert (made[80, 100] == 65).all()  # 0.05 of reflectance
    np.testing.assert_array_equal(made, reference.rgb(dn))


def test_a_band_that_repeats_the_scale_alone(image, mpirun, tmp_path):
    dn = scene(300, 260, darkest=1001)
    dn[40:120, 60:200] = 1500
    write_bands(tmp_path, dn)
    item = make_item(named(), {}, {"bands": [SCALE], **SCALE, **OFFSET})
    path = write_json(tmp_path / "item.json", item)
    made = image(path)
    assert (made[80, 100] == 65).all()
    np.testing.assert_array_equal(made, reference.rgb(dn, offset=-1000))
    plan = mpirun(None, path, "-o", tmp_path / "new.tif", "--dry-run")
    assert "offset stated by raster:offset of the asset, bands[0].raster:scale" in plan.stdout


def move(path, cols):
    """Move a file by so many pixels to the east."""
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetGeoTransform((399960 + 10 * cols, 10, 0, 5300040, 0, -10))


def test_a_search_is_a_mosaic_in_the_order_given(image, tmp_path):
    whole = scene(200, 340)
    above = whole[:, :220].copy()
    above[60:90, 150:200] = 0
    below = np.where(whole == 0, 0, whole + 1100)[:, 120:].astype(np.uint16)  # a little brighter
    items = []
    for name, east, dn, properties in (("top", 0, above, {}), ("below", 120, below, NEWEST)):
        folder = tmp_path / name
        folder.mkdir()
        write_bands(folder, dn)
        for band in BANDS:
            move(folder / f"{band}.tif", east)
        hrefs = {band: f"{name}/{band}.tif" for band in BANDS}
        items.append(make_item(hrefs, properties, name=name))
    upper, lower = reference.rgb(above), reference.rgb(below, offset=-1000)
    assert (upper[:, 120:] != lower[:, :100]).any()  # or the order would not show
    expected = np.zeros((200, 340, 3), np.uint8)
    expected[:, 120:] = lower
    expected[:, :220] = np.where(upper == 0, expected[:, :220], upper)
    search = {"type": "FeatureCollection", "features": items}
    path = write_json(tmp_path / "search.geojson", search)
    np.testing.assert_array_equal(image(path, ranks=4), expected)
    assert gdal.Open(str(tmp_path / "rgb.tif")).GetMetadataItem("S2RGB_PRODUCT_2") == "below"


def test_one_file_of_several_bands_without_a_place(image, tmp_path):
    dn = scene(300, 260)
    stack = np.dstack([dn[..., 0] // 2, dn[..., 2], dn[..., 1], dn[..., 0]])
    write_raster(tmp_path / "all.tif", stack, epsg=None)
    asset = {
        "href": "all.tif",
        "bands": [{"name": name} for name in ("B08", "B02", "B03", "B04")],
        "proj:transform": [10, 0, 399960, 0, -10, 5300040],
        "proj:shape": [300, 260],
    }
    path = write_json(tmp_path / "item.json", make_item({"data": asset}, {"proj:epsg": 32632}))
    np.testing.assert_array_equal(image(path), reference.rgb(dn))
    dataset = gdal.Open(str(tmp_path / "rgb.tif"))
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32632"
    assert dataset.GetGeoTransform() == (399960, 10, 0, 5300040, 0, -10)
    assert list(tmp_path.glob("*.aux.xml")) == []


def test_a_place_from_the_item_on_another_grid(image, tmp_path):
    dn = scene(300, 260)
    asset = {"proj:transform": [10, 0, 399960, 0, -10, 5300040], "proj:shape": [300, 260]}
    images = []
    for name, epsg in (("file", 32632), ("item", None)):
        folder = tmp_path / name
        folder.mkdir()
        write_bands(folder, dn, epsg=epsg, options=["TILED=YES"])
        item = make_item(named(), {"proj:code": "EPSG:32632"}, asset)
        path = write_json(folder / "item.json", item)
        images.append(image(path, "--crs", "EPSG:3035", "--resolution", "10"))
        assert list(folder.glob("*.aux.xml")) == []
    assert (images[0] > 0).mean() > 0.5
    np.testing.assert_array_equal(images[1], images[0])


def test_a_search_that_a_server_answers(image, tmp_path):
    dn = scene(300, 260, darkest=1001)
    write_bands(tmp_path, dn)
    with Web(tmp_path).running() as web:
        hrefs = {f"red_{size}m": f"{web.url}/none_{size}.tif" for size in (20, 60)}
        for name, band in zip(("red", "green", "blue"), BANDS, strict=True):
            hrefs[name] = f"{web.url}/{band}.tif"
        content = {"type": "FeatureCollection", "features": [make_item(hrefs, NEWEST)]}
        (tmp_path / "search").write_text(json.dumps(content))
        made = image(f"{web.url}/search?ids=S2A_32TMT")
    np.testing.assert_array_equal(made, reference.rgb(dn, offset=-1000))


def test_catalogues_mistakes_are_one_line(mpirun, tmp_path):
    contents = {
        "empty": {"type": "FeatureCollection", "features": []},
        "collection": {"type": "Collection", "id": "s2", "links": []},
        "ambiguous": make_item(
            {name: {"href": "x.tif", "eo:bands": [{"common_name": "red"}]} for name in "ab"}
            | {"green": "x.tif", "blue": "x.tif"}
        ),
    }
    words = {"empty": "found nothing", "collection": "not Collection", "ambiguous": "each of a, b"}
    for name, content in contents.items():
        path = write_json(tmp_path / f"{name}.json", content)
        run = mpirun(RANKS, path, "-o", tmp_path / "rgb.tif")
        assert run.returncode == 2
        (line,) = run.said
        assert line.startswith(f"s2rgb_mpi: error: {path}: ")
        assert words[name] in line
