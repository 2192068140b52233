"""Footprints: all valid pixels lie inside, little else does, and GeoJSON's rules hold."""

import json

import numpy as np
import pytest
from osgeo import gdal, ogr, osr

from rasters import TRANSFORM, write_raster
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.report import footprint as module
from s2rgb_mpi.report.footprint import DECIMALS, MOST_POINTS, footprint

UTM_1 = (300_000.0, 1000.0, 0.0, 7_300_020.0, 0.0, -1000.0)


def wkt(epsg):
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(epsg)
    crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return crs.ExportToWkt()


@pytest.fixture
def outline(tmp_path):
    """The function that returns the footprint of an image with the valid pixels of a mask."""

    def outline(mask, epsg=32632, transform=TRANSFORM):
        values = np.repeat(np.where(mask, 9, 0).astype(np.uint8)[..., None], 3, axis=2)
        path = write_raster(tmp_path / "rgb.tif", values, epsg=epsg, transform=transform, nodata=0)
        height, width = mask.shape
        grid = Grid("" if epsg is None else wkt(epsg), transform, width, height)
        found = footprint(path, grid)
        if found is not None:
            check(found)
        return found

    return outline


def check(found):
    """Check what RFC 7946 says of any geometry."""
    shape = ogr.CreateGeometryFromJson(json.dumps(found.geometry))
    assert shape.IsValid()
    polygons = found.geometry["coordinates"]
    for rings in [polygons] if found.geometry["type"] == "Polygon" else polygons:
        for number, ring in enumerate(rings):
            points = np.array(ring)
            assert ring[0] == ring[-1]
            assert (np.abs(points) <= [180, 90]).all()
            np.testing.assert_array_equal(points, points.round(DECIMALS))
            x, y = (points - points.mean(axis=0)).T
            assert (np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0) == (number == 0)


def drawn(found, shape, epsg=32632, transform=TRANSFORM):
    """Draw a footprint as a mask: the pixels that it touches, and those whose centre it holds."""
    geometry = ogr.CreateGeometryFromJson(json.dumps(found.geometry))
    degrees, crs = osr.SpatialReference(wkt(4326)), osr.SpatialReference(wkt(epsg))
    for each in (degrees, crs):
        each.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    geometry.Transform(osr.CoordinateTransformation(degrees, crs))
    raster = gdal.GetDriverByName("MEM").Create("", shape[1], shape[0], 1)
    raster.SetGeoTransform(transform)
    raster.SetSpatialRef(crs)
    kind = "MEM" if gdal.GetDriverByName("MEM").GetMetadataItem("DCAP_VECTOR") else "Memory"
    source = ogr.GetDriverByName(kind).CreateDataSource("")
    layer = source.CreateLayer("l", crs)
    feature = ogr.Feature(layer.GetLayerDefn())
    feature.SetGeometry(geometry)
    layer.CreateFeature(feature)
    gdal.RasterizeLayer(raster, [1], layer, burn_values=[1])
    return raster.ReadAsArray() > 0


def grown(mask, pixels):
    for _ in range(pixels):
        mask = module._grown(mask)  # noqa: SLF001
    return mask


def made(name, height=300, width=400):
    """Make a mask of some kind."""
    row, col = np.mgrid[:height, :width]
    return {
        "all": row >= 0,
        "slanting": col + 0.3 * row > 150,
        "steep": col * 20 + row > 1500,
        "a corner": (col < 3) & (row < 2),
        "a pixel": (col == 399) & (row == 100),
        "a hole": ~((col > 100) & (col < 200) & (row > 90) & (row < 250)),
        "apart": (col < 100) | ((col > 300) & (row > 120)),
        "a chain": (col // 40 + row // 40) % 2 == 0,
        "a spiral": (np.hypot(col - 200, row - 150) + 8 * np.arctan2(col - 200, row - 150)) % 50
        > 25,
    }[name]


@pytest.mark.parametrize(
    "name",
    ["all", "slanting", "steep", "a corner", "a pixel", "a hole", "apart", "a chain", "a spiral"],
)
def test_it_holds_all_valid_pixels_and_little_else(outline, name):
    mask = made(name)
    found = drawn(outline(mask), mask.shape)
    assert not (mask & ~found).any()
    assert not (found & ~grown(mask, 5)).any()


def test_slanting_edges_are_lines(outline):
    shape = outline(made("slanting")).geometry["coordinates"][0]
    # Four corners, one of them cut, and what bends straight edges.
    assert len(shape) < 5 + 4 * module.PARTS


def test_what_is_apart_is_a_multipolygon_and_the_bbox_spans_it(outline):
    found = outline(made("apart"))
    assert found.geometry["type"] == "MultiPolygon"
    assert len(found.geometry["coordinates"]) == 2
    points = np.concatenate([np.array(rings[0]) for rings in found.geometry["coordinates"]])
    assert found.bbox == [*points.min(axis=0), *points.max(axis=0)]


def test_a_hole_is_a_ring(outline):
    assert len(outline(made("a hole")).geometry["coordinates"]) == 2


def test_edges_follow_the_curves_of_the_other_crs(outline):
    """The parallel through a corner of a granule leaves its straight edge by hundreds of metres."""
    mask = np.ones((110, 110), bool)
    transform = (399960.0, 1000.0, 0.0, 5300040.0, 0.0, -1000.0)
    found = drawn(
        outline(mask, transform=transform),
        (1100, 1100),
        transform=(399960.0, 100.0, 0.0, 5300040.0, 0.0, -100.0),
    )
    assert found.all()


@pytest.mark.parametrize("share", [0.5, 0.01, 0.001, 0.0003])
def test_noise_stays_small(outline, share):
    mask = np.random.default_rng(1).random((1000, 1400)) < share
    found = outline(mask)
    rings = found.geometry["coordinates"]
    rings = rings if found.geometry["type"] == "Polygon" else [r for each in rings for r in each]
    assert sum(map(len, rings)) < MOST_POINTS + 4 * module.PARTS
    assert not (mask & ~drawn(found, mask.shape)).any()


def test_large_images_are_outlined_at_a_reduced_level(outline, monkeypatch):
    monkeypatch.setattr(module, "EDGE", 100)
    mask = made("slanting")
    found = drawn(outline(mask), mask.shape)
    assert not (mask & ~found).any()
    assert not (found & ~grown(mask, 20)).any()


def test_across_the_antimeridian_it_is_cut(outline):
    found = outline(np.ones((110, 110), bool), 32601, UTM_1)
    assert found.geometry["type"] == "MultiPolygon"
    east, west = (np.array(rings[0])[:, 0] for rings in found.geometry["coordinates"])
    assert (east.max(), west.min()) == (180, -180)
    assert (found.bbox[0] > 178, found.bbox[2] < -178) == (True, True)


def test_one_side_of_the_antimeridian_is_not_the_other(outline):
    mask = np.zeros((110, 110), bool)
    mask[:, 90:] = True
    found = outline(mask, 32601, UTM_1)
    assert found.geometry["type"] == "Polygon"
    assert -180 < found.bbox[0] < found.bbox[2] < -178


def test_a_gap_on_the_antimeridian_leaves_both_sides(outline):
    mask = np.ones((110, 110), bool)
    mask[:, 35:80] = False
    found = outline(mask, 32601, UTM_1)
    assert len(found.geometry["coordinates"]) == 2
    assert (found.bbox[0] > 178, found.bbox[2] < -178) == (True, True)


@pytest.mark.parametrize("west", [-180.0, 0.0])
def test_the_whole_globe(outline, west):
    found = outline(np.ones((180, 360), bool), 4326, (west, 1.0, 0.0, 90.0, 0.0, -1.0))
    assert found.geometry["type"] == "Polygon"
    assert found.bbox == [-180, -90, 180, 90]


@pytest.mark.parametrize(("epsg", "south", "north"), [(3413, 64, 90), (3031, -90, -64)])
def test_around_a_pole_it_reaches_the_pole(outline, epsg, south, north):
    transform = (-2e6, 2e4, 0.0, 2e6, 0.0, -2e4)
    bbox = outline(np.ones((200, 200), bool), epsg, transform).bbox
    assert (bbox[0], bbox[2]) == (-180, 180)
    assert bbox[1::2] == pytest.approx([south, north], abs=0.5)


def test_a_hole_at_the_pole_is_left_out(outline):
    mask = np.ones((200, 200), bool)
    mask[80:120, 80:120] = False
    bbox = outline(mask, 3413, (-2e6, 2e4, 0.0, 2e6, 0.0, -2e4)).bbox
    assert 85 < bbox[3] < 88


def test_without_a_valid_pixel_there_is_none(outline):
    assert outline(np.zeros((30, 40), bool)) is None


def test_without_a_place_on_the_globe_there_is_none(outline, tmp_path):
    assert outline(np.ones((30, 40), bool), None) is None
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    assert footprint(str(tmp_path / "rgb.tif"), Grid(local, TRANSFORM, 40, 30)) is None
