"""The STAC item of the image: valid without a network, and every field what the file is."""

import hashlib
import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pystac
import pytest
from osgeo import gdal, osr
from pystac.validation import validate_dict
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from accounts import make_account
from altered import edit
from conftest import SMALL
from s2rgb_mpi import __version__
from s2rgb_mpi.cli.parse import parse
from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.report import footprint as footprint_module
from s2rgb_mpi.report.stac_item import EXTENSIONS, sensing_times, stac_item
from s2rgb_mpi.testing.safe import write_safe
from stac_items import make_item, named, write_bands, write_json

SCHEMAS = Path(__file__).parents[1] / "data" / "stac_schemas"
PROJJSON = "https://proj.org/schemas/v0.7/projjson.schema.json"
SENSED = "2022-06-13T10:30:41.024000Z"


class Offline(JsonSchemaSTACValidator):
    """pystac's own validator, with the schemas that lie here: any other one is an error."""

    def __init__(self):
        super().__init__()
        # The projection extension refers to it; no item has a CRS in that form.
        draft = "http://json-schema.org/draft-07/schema#"
        self.schema_cache[PROJJSON] = {"$schema": draft, "$id": PROJJSON, "not": {}}
        for path in SCHEMAS.glob("*.json"):
            uri = f"https://stac-extensions.github.io/{path.stem.replace('-', '/')}/schema.json"
            self.schema_cache[uri] = json.loads(path.read_text())

    def _get_schema(self, schema_uri):
        return self.schema_cache[schema_uri]


def check(document):
    """Check that pystac accepts an item, and all of its extensions are looked at."""
    assert len(validate_dict(document, validator=Offline())) == 1 + len(EXTENSIONS)
    item = pystac.Item.from_dict(document)
    assert item.get_stac_objects("item")
    return document


@pytest.fixture(scope="module")
def make(mpirun, safe, tmp_path_factory):
    """The function that makes an image and its item: ``make(*options, products=...)``."""

    @cache
    def make(*options, products=(safe,)):
        folder = tmp_path_factory.mktemp("stac")
        output, path = folder / "rgb.tif", folder / "item.json"
        run = mpirun(None, *products, "-o", output, *SMALL, *options, "--stac", path)
        assert run.returncode == 0, run.stderr
        assert sorted(folder.iterdir()) == [path, output]
        return check(json.loads(path.read_text())), output

    return make


def test_an_item_says_what_the_file_is(make, safe):
    item, output = make()
    dataset = gdal.Open(str(output))
    assert (item["type"], item["stac_version"], item["id"]) == ("Feature", "1.1.0", "rgb")
    assert item["stac_extensions"] == EXTENSIONS
    properties = item["properties"]
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    assert properties == {
        "datetime": SENSED,
        "gsd": 10.0,
        "proj:code": "EPSG:32632",
        "proj:shape": [389, 611],
        "proj:transform": [dx, 0, x, 0, dy, y],
        "proj:bbox": [x, y + 389 * dy, x + 611 * dx, y],
        "processing:software": {
            "s2rgb_mpi": __version__,
            "GDAL": gdal.VersionInfo("RELEASE_NAME"),
        },
    }
    assert item["links"] == [{"rel": "derived_from", "href": str(safe)}]
    (asset,) = item["assets"].values()
    assert list(item["assets"]) == ["visual"]
    content = output.read_bytes()
    assert asset["href"] == "./rgb.tif"
    assert asset["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert asset["roles"] == ["visual", "data"]
    assert asset["file:size"] == len(content)
    assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    assert (asset["data_type"], asset["nodata"]) == ("uint8", 0)
    names = [(band["name"], band["eo:common_name"]) for band in asset["bands"]]
    assert names == [("B04", "red"), ("B03", "green"), ("B02", "blue")]
    for number, band in enumerate(asset["bands"], start=1):
        values = dataset.GetRasterBand(number).ReadAsArray()
        valid = dataset.GetRasterBand(number).GetMaskBand().ReadAsArray() > 0
        assert band["statistics"] == {
            "minimum": values[valid].min(),
            "maximum": values[valid].max(),
            "mean": pytest.approx(values[valid].mean()),
            "stddev": pytest.approx(values[valid].std()),
            "valid_percent": pytest.approx(100 * valid.mean()),
        }


def to_pixels(item, output):
    """Return the outer rings of an item's geometry in pixels of its file."""
    dataset = gdal.Open(str(output))
    crs, degrees = dataset.GetSpatialRef(), osr.SpatialReference()
    degrees.ImportFromEPSG(4326)
    for each in (crs, degrees):
        each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    transform = osr.CoordinateTransformation(degrees, crs)
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    polygons = item["geometry"]["coordinates"]
    return [
        [
            ((east - x) / dx, (north - y) / dy)
            for east, north, _ in transform.TransformPoints(rings[0])
        ]
        for rings in (polygons if item["geometry"]["type"] == "MultiPolygon" else [polygons])
    ]


def extent(item, output):
    """Return the columns and rows that an item's geometry spans, to a tenth of a pixel."""
    points = np.array([point for ring in to_pixels(item, output) for point in ring])
    return [*points.min(axis=0).round(1).tolist(), *points.max(axis=0).round(1).tolist()]


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A product whose left part lies outside the swath."""
    folder = tmp_path_factory.mktemp("half")
    return write_safe(folder, width=611, height=389, tile=128, nodata_fraction=0.5)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--layout", "tiled"),
        ("--overviews", "none"),
        ("--mask", "alpha"),
        ("--compress", "jpeg"),
    ],
    ids=" ".join,
)
def test_the_footprint_leaves_out_what_has_no_data(make, half, options):
    item, output = make(*options, products=(half,))
    dataset = gdal.Open(str(output))
    valid = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray() > 0
    cols = np.flatnonzero(valid.any(axis=0))
    assert 100 < cols.min() < cols.max() == 610
    west, north, east, south = extent(item, output)
    assert (north, south, east) == (0, 389, 611)
    assert cols.min() - 5 < west <= cols.min()
    (ring,) = to_pixels(item, output)
    xs, ys = np.array(ring).T
    area = abs(np.sum(xs[:-1] * ys[1:] - xs[1:] * ys[:-1])) / 2
    assert valid.sum() < area < 1.05 * valid.sum()
    bounds = np.array(item["geometry"]["coordinates"][0])
    assert item["bbox"] == [*bounds.min(axis=0), *bounds.max(axis=0)]


@pytest.mark.parametrize("edge", [400, 200, 25])
def test_of_a_large_image_an_overview_is_outlined(make, half, monkeypatch, edge):
    _, output = make(products=(half,))
    dataset = gdal.Open(str(output))
    grid = Grid(dataset.GetProjection(), dataset.GetGeoTransform(), 611, 389)
    monkeypatch.setattr(footprint_module, "EDGE", edge)
    found = footprint_module.footprint(str(output), grid)
    assert found is not None
    west, north, east, south = extent({"geometry": found.geometry}, output)
    assert (north, south, east) == (0, 389, 611)
    valid = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray() > 0
    first = np.flatnonzero(valid.any(axis=0)).min()
    assert first - 5 * 2 * 611 / edge < west <= first


def test_codec_layout_and_mask_are_those_of_the_file(make, half):
    asset = make("--compress", "jpeg", products=(half,))[0]["assets"]["visual"]
    assert "nodata" not in asset
    assert len(asset["bands"]) == 3
    asset = make("--mask", "alpha", products=(half,))[0]["assets"]["visual"]
    assert "nodata" not in asset
    assert [band["name"] for band in asset["bands"]] == ["B04", "B03", "B02", "alpha"]
    asset = make("--layout", "tiled", products=(half,))[0]["assets"]["visual"]
    assert asset["type"] == "image/tiff; application=geotiff"
    asset = make("--mask", "none", products=(half,))[0]["assets"]["visual"]
    assert "nodata" not in asset


def test_another_grid_is_described_as_it_is(make):
    item, output = make("--crs", "EPSG:2056", "--resolution", "25")
    dataset = gdal.Open(str(output))
    assert item["properties"]["proj:code"] == "EPSG:2056"
    assert item["properties"]["proj:shape"] == [dataset.RasterYSize, dataset.RasterXSize]
    assert item["properties"]["proj:transform"][0] == 25
    assert item["properties"]["gsd"] == 10  # of the sensor, whatever the pixels have become
    # The same place on the globe: no valid pixel is farther away than a few of the larger ones.
    assert item["bbox"] == pytest.approx(make()[0]["bbox"], abs=0.003)


def test_a_crs_without_a_code_is_described(make):
    crs = "+proj=laea +lat_0=47 +lon_0=8 +ellps=WGS84 +units=m"
    item, output = make("--crs", crs)
    properties = item["properties"]
    assert properties["proj:code"] is None
    described = osr.SpatialReference(properties["proj:wkt2"])
    assert described.IsSame(gdal.Open(str(output)).GetSpatialRef())


@pytest.fixture(scope="module")
def granules(tmp_path_factory):
    """Two products side by side, far apart, sensed at two times."""
    folder = tmp_path_factory.mktemp("mosaic")
    first, second = (
        write_safe(folder, granule=granule, width=300, height=200, tile=128)
        for granule in ("32TMT", "32TLT")
    )
    pattern = "(<PRODUCT_START_TIME>)[^<]*"
    edit(second, (pattern, r"\g<1>2022-06-11T10:20:31.024Z"))
    return first, second


def test_a_mosaic_has_a_span_of_time_and_all_its_inputs(make, granules):
    item, output = make(products=granules)
    properties = item["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2022-06-11T10:20:31.024000Z"
    assert properties["end_datetime"] == SENSED
    assert [link["href"] for link in item["links"]] == [str(each) for each in granules]
    assert item["geometry"]["type"] == "MultiPolygon"
    assert len(item["geometry"]["coordinates"]) == 2
    assert extent(item, output) == [0, 0, gdal.Open(str(output)).RasterXSize, 200]


def test_products_of_one_time_have_that_time(make, granules, tmp_path):
    other = write_safe(tmp_path, granule="32TLT", width=300, height=200, tile=128)
    properties = make(products=(granules[0], other))[0]["properties"]
    assert properties["datetime"] == SENSED
    assert "start_datetime" not in properties


def test_without_a_valid_pixel_there_is_no_geometry(make, tmp_path):
    write_bands(tmp_path, np.zeros((150, 200, 3), np.uint16))
    source = write_json(tmp_path / "source.json", make_item(named()))
    item, _ = make(products=(source,))
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["links"] == [
        {"rel": "derived_from", "href": source, "type": "application/geo+json"}
    ]
    for band in item["assets"]["visual"]["bands"]:
        assert band["statistics"] == {"valid_percent": 0}


def test_any_number_of_ranks_gives_the_same_item(mpirun, safe, tmp_path):
    items = []
    for ranks in (1, 4):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        path = folder / "item.json"
        run = mpirun(ranks, safe, "-o", folder / "rgb.tif", *SMALL, "--stac", path)
        assert run.returncode == 0, run.stderr
        items.append(path.read_bytes())
    assert items[0] == items[1]


def planned(monkeypatch, folder, *arguments):
    """Make a plan as the program does in a folder."""
    monkeypatch.chdir(folder)
    return prepare(parse([*map(str, arguments), "-o", "rgb.tif"]).job)


def described(plan, path, **changes):
    return json.loads(stac_item(plan, make_account(**changes), Path(path)))


def test_relative_paths_are_relative_to_the_item(safe, tmp_path, monkeypatch):
    (tmp_path / "in").symlink_to(safe.parent)
    (tmp_path / "out").mkdir()
    plan = planned(monkeypatch, tmp_path, Path("in") / safe.name)
    source = gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3)
    source.FlushCache()
    item = described(plan, "out/item.json")
    assert item["assets"]["visual"]["href"] == "../rgb.tif"
    href = item["links"][0]["href"]
    assert href.startswith("..")
    assert (tmp_path / "out" / href).samefile(safe)
    # Where a link leads is where the item will be.
    (tmp_path / "link.json").symlink_to("out/item.json")
    assert described(plan, "link.json") == item
    assert described(plan, "item.json")["assets"]["visual"]["href"] == "./rgb.tif"


@pytest.mark.parametrize(
    ("name", "href"),
    [
        ("https://user:SECRET@a.org/S2A.SAFE.zip?sig=SECRET#SECRET", "https://a.org/S2A.SAFE.zip"),
        ("/vsicurl/https://a.org/i.json?token=SECRET", "https://a.org/i.json"),
        ("/vsicurl?url=https%3A%2F%2Fa.org%2Fr.tif%3Fs%3DSECRET", "https://a.org/r.tif"),
        ("/vsis3/bucket/S2A.SAFE", "s3://bucket/S2A.SAFE"),
        ("s3://bucket/S2A.SAFE", "s3://bucket/S2A.SAFE"),
        ("/vsizip/absent.zip/a b.tif", "/vsizip/absent.zip/a b.tif"),
    ],
)
def test_inputs_are_named_without_secrets(safe, tmp_path, monkeypatch, name, href):
    plan = planned(monkeypatch, tmp_path, safe)
    gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3).FlushCache()
    plan = replace(plan, job=replace(plan.job, products=(name, name)))
    item = check(described(plan, "item.json"))
    assert [link["href"] for link in item["links"]] == [href]
    assert "SECRET" not in json.dumps(item)


def test_names_of_any_bytes_are_json(safe, tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    plan = planned(monkeypatch, folder, safe)
    gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3).FlushCache()
    item = check(described(plan, "../item.json"))
    assert item["assets"]["visual"]["href"] == "./\udcff/rgb.tif"


def test_without_a_crs_there_is_no_geometry(safe, tmp_path, monkeypatch):
    plan = planned(monkeypatch, tmp_path, safe)
    gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3).FlushCache()
    grid = replace(plan.grid, crs="")
    item = check(described(replace(plan, scene=replace(plan.scene, grid=grid)), "item.json"))
    assert item["geometry"] is None
    assert item["properties"]["proj:code"] is None


def test_band_files_are_all_named_and_their_time_is_in_their_names(safe, tmp_path, monkeypatch):
    folder = next(safe.glob("GRANULE/*/IMG_DATA/R10m"))
    for path in folder.iterdir():  # without the product above them
        (tmp_path / path.name).write_bytes(path.read_bytes())
    names = [f"T32TMT_20220613T103041_{band}_10m.jp2" for band in ("B04", "B03", "B02")]
    plan = planned(monkeypatch, tmp_path, "--rgb", *names, "--offset", "-1000")
    gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3).FlushCache()
    item = described(plan, "item.json")
    assert item["properties"]["datetime"] == "2022-06-13T10:30:41Z"
    assert [link["href"] for link in item["links"]] == [f"./{name}" for name in names]


@pytest.mark.parametrize(
    ("stated", "time"),
    [
        ("2022-06-13T10:30:41.024Z", "2022-06-13T10:30:41.024000+00:00"),
        ("2022-06-13T10:30:41", "2022-06-13T10:30:41+00:00"),
        ("2022-06-13T12:30:41+02:00", "2022-06-13T10:30:41+00:00"),
    ],
)
def test_times_are_utc(safe, tmp_path, monkeypatch, stated, time):
    plan = planned(monkeypatch, tmp_path, safe)
    assert sensing_times(timed(plan, "x", stated))[0].isoformat() == time


def timed(plan, name, stated):
    """Return the plan of a product of another name, that states another time."""
    (member,) = plan.scene.members
    product = replace(member.product, name=name, sensing_time=stated)
    members = (replace(member, product=product),)
    return replace(plan, scene=replace(plan.scene, members=members))


@pytest.mark.parametrize("stated", ["", "unknown", "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize(
    "name", ["x.tif", "S2A_32TMT_20220613_0_L2A", "T32TMT_20229913T103041_B04"]
)
def test_a_time_that_nobody_knows_is_refused(safe, tmp_path, monkeypatch, name, stated):
    plan = timed(planned(monkeypatch, tmp_path, safe), name, stated)
    with pytest.raises(UsageError, match=f"^--stac: {name}: no sensing time is known"):
        sensing_times(plan)
    known = timed(plan, "S2B_MSIL2A_20220613T103041_N0400_R108_T32TMT_20220614T000000", stated)
    assert sensing_times(known)[0].isoformat() == "2022-06-13T10:30:41+00:00"


def test_without_a_time_no_work_is_begun(mpirun, tmp_path):
    write_bands(tmp_path)
    bands = [tmp_path / f"{band}.tif" for band in ("B04", "B03", "B02")]
    before = sorted(tmp_path.iterdir())
    path = tmp_path / "item.json"
    run = mpirun(3, "--rgb", *bands, "-o", tmp_path / "rgb.tif", *SMALL, "--stac", path)
    assert run.returncode == 2
    assert run.said[-1].startswith("s2rgb_mpi: error: --stac: B04")
    assert "no sensing time is known" in run.said[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_an_image_that_cannot_be_read_back_is_an_error(safe, tmp_path, monkeypatch):
    plan = planned(monkeypatch, tmp_path, safe)
    with pytest.raises(OutputError, match=r"^rgb.tif: no STAC item: .*; the image is whole$"):
        stac_item(plan, make_account(), Path("item.json"))


def test_an_older_pystac_writes_the_same(safe, tmp_path, monkeypatch):
    monkeypatch.setenv("PYSTAC_STAC_VERSION_OVERRIDE", "1.0.0")
    plan = planned(monkeypatch, tmp_path, safe)
    gdal.GetDriverByName("GTiff").Create("rgb.tif", 611, 389, 3).FlushCache()
    assert described(plan, "item.json")["stac_version"] == "1.1.0"


@pytest.mark.parametrize(
    ("change", "schema"),
    [
        (lambda item: item["properties"].pop("datetime"), "item"),
        (lambda item: item["properties"].update({"proj:shape": [1]}), "projection"),
        (lambda item: item["assets"]["visual"].update({"file:checksum": "?"}), "file"),
        (lambda item: item["assets"]["visual"]["bands"][0].update({"eo:common_name": "r"}), "eo"),
        (lambda item: item["properties"].pop("processing:software"), "processing"),
    ],
)
def test_the_validation_finds_what_is_wrong(make, change, schema):
    item = json.loads(json.dumps(make()[0]))
    change(item)
    with pytest.raises(pystac.STACValidationError, match=f"against schema at .*/{schema}"):
        validate_dict(item, validator=Offline())
