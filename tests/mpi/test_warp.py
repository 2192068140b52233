"""Another grid: equal to one gdalwarp of the bands, coloured afterwards; no seams."""

import json
import re
from collections import Counter
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from osgeo import gdal, osr

import reference
from conftest import SMALL, read_rgb
from rasters import scene, write_raster
from s2rgb_mpi.report.json_report import schema
from s2rgb_mpi.testing.safe import read_dn

COUNTING = (str(Path(__file__).parent / "programs" / "counting.py"),)


def bands_of(safe):
    """The red, green and blue band file of a product."""
    return [next(safe.rglob(f"*_{band}_10m.jp2")) for band in ("B04", "B03", "B02")]


def gdalwarp(bands, image, *options):
    """Warp three bands as gdalwarp does onto the grid of an image: DN (height, width, 3)."""
    dataset = gdal.Open(str(image))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    extent = [x, y + height * dy, x + width * dx, y]
    place = ["-te", *map(str, extent), "-ts", str(width), str(height)]
    line = ["-of", "MEM", "-et", "0", "-ovr", "NONE", "-srcnodata", "0", "-dstnodata", "0"]
    if "EPSG:2056" in options:
        line += ["-to", "AREA_OF_INTEREST=7.65,47.80,7.75,47.86"]
    line += [*place, *options]
    return np.stack(
        [gdal.Warp("", str(band), options=line).ReadAsArray() for band in bands], axis=-1
    )


@pytest.mark.parametrize(
    ("resampling", "ranks"),
    [("nearest", 3), ("bilinear", 1), ("bilinear", 4), ("cubic", 2)],
)
def test_swiss_grid_equals_one_gdalwarp(mpirun, safe, tmp_path, resampling, ranks):
    path = tmp_path / "rgb.tif"
    options = ("--crs", "EPSG:2056", "--resolution", "10", "--resampling", resampling)
    run = mpirun(ranks, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    near = {"nearest": "near"}.get(resampling, resampling)
    dn = gdalwarp(bands_of(safe), path, "-t_srs", "EPSG:2056", "-r", near)
    assert np.count_nonzero(dn) > 0.9 * 3 * np.count_nonzero(read_dn(safe).any(axis=2))
    np.testing.assert_array_equal(read_rgb(path), reference.rgb(dn, offset=-1000))


def test_no_source_chunk_is_decoded_twice(mpirun, tmp_path):
    """Windows of other grids need parts of several; at 6 ranks they pass from worker to worker."""
    raster = tmp_path / "dn.tif"
    options = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256", "INTERLEAVE=BAND"]
    write_raster(raster, scene(1500, 1300), descriptions=("B04", "B03", "B02"), options=options)
    swiss = ("--crs", "EPSG:2056", "--resampling", "bilinear")
    size = ("--tile", "64", "--window", "256")
    images = []
    for ranks in (1, 6):
        path = tmp_path / f"rgb{ranks}.tif"
        run = mpirun(ranks, raster, "-o", path, *size, *swiss, program=COUNTING)
        assert run.returncode == 0, run.stderr
        reads = Counter(re.findall(r"^read \d+ (.*)$", run.stdout, re.MULTILINE))
        assert len(reads) == 3 * 3  # of 512 x 512 pixels
        assert set(reads.values()) == {1}
        images.append(read_rgb(path))
    bands = [gdal.Translate("", str(raster), format="MEM", bandList=[n]) for n in (1, 2, 3)]
    expected = reference.rgb(warped(bands, path))
    for image in images:
        np.testing.assert_array_equal(image, expected)


def test_products_that_hide_each_other_on_another_grid(mpirun, tmp_path):
    """The second lies under the first, the third reaches from under it, the fourth is the first."""
    rasters, sources = [], []
    for number, (col, row, width, height) in enumerate(
        [(0, 0, 700, 600), (100, 100, 300, 300), (500, 300, 600, 500), (0, 0, 700, 600)]
    ):
        transform = (399_960 + 10 * col, 10, 0, 5_290_040 - 10 * row, 0, -10)
        rasters.append(tmp_path / f"{number}.tif")
        names = ("B04", "B03", "B02")
        dn = np.maximum(scene(width, height) // (number + 1), 1)
        write_raster(rasters[-1], dn, transform=transform, nodata=0, descriptions=names)
        sources.append(
            [gdal.Translate("", str(rasters[-1]), format="MEM", bandList=[n]) for n in (1, 2, 3)]
        )
    swiss = ("--crs", "EPSG:2056", "--resampling", "bilinear", "--resolution", "10")
    images = []
    for ranks in (1, 4, 6):
        path = tmp_path / f"rgb{ranks}.tif"
        run = mpirun(ranks, *rasters, "-o", path, *SMALL, *swiss)
        assert run.returncode == 0, run.stderr
        images.append(read_rgb(path))
    expected = np.zeros_like(images[0])
    for bands in reversed(sources):
        part = reference.rgb(warped(bands, path))
        expected = np.where(part.any(axis=2, keepdims=True), part, expected)
    for image in images:
        np.testing.assert_array_equal(image, expected)


def warped(bands, image):
    """Warp bands in memory bilinearly onto the Swiss grid of an image: (height, width, 3)."""
    dataset = gdal.Open(str(image))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    width, height = dataset.RasterXSize, dataset.RasterYSize
    options = ["-of", "MEM", "-et", "0", "-srcnodata", "0", "-dstnodata", "0", "-r", "bilinear"]
    options += ["-t_srs", "EPSG:2056", "-te", *map(str, (x, y + height * dy, x + width * dx, y))]
    options += ["-ts", str(width), str(height), "-wo", "XSCALE=1", "-wo", "YSCALE=1"]
    return np.stack([gdal.Warp("", band, options=options).ReadAsArray() for band in bands], axis=-1)


def test_coarser_pixels_have_no_seams(mpirun, safe, tmp_path):
    """Of a given source the kernel is widened, and by the same factor for every window."""
    images = []
    for ranks, window in ((1, 64), (3, 128), (4, 512)):
        path = tmp_path / f"{window}.tif"
        options = ("--source-resolution", 10, "--resolution", 25, "--resampling", "bilinear")
        run = mpirun(ranks, safe, "-o", path, "--tile", 64, "--window", window, *options)
        assert run.returncode == 0, run.stderr
        images.append(read_rgb(path))
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])
    scale = ("-wo", "XSCALE=0.4", "-wo", "YSCALE=0.4")
    dn = gdalwarp(bands_of(safe), tmp_path / "64.tif", "-r", "bilinear", *scale)
    np.testing.assert_array_equal(images[0], reference.rgb(dn, offset=-1000))


def test_products_of_two_zones_meet_on_a_third_grid(mpirun, old_safe, tmp_path):
    """One in the metres of zone 33, of which a part is missing, above one in those of zone 32."""
    below, above = bands_of(old_safe), []
    for number, band in enumerate(below):
        above.append(tmp_path / f"zone33_{number}.tif")
        line = ["-t_srs", "EPSG:32633", "-dstnodata", "0", "-tr", "10", "10"]
        line += ["-te", "399960", "5297000", "403000", "5300040", "-te_srs", "EPSG:32632"]
        gdal.Warp(str(above[-1]), str(band), options=line)
    path = tmp_path / "rgb.tif"
    run = mpirun(3, "--rgb", *above, "--rgb", *below, "-o", path, *SMALL, "--crs", "EPSG:32632")
    assert run.returncode == 0, run.stderr
    zone = ("-t_srs", "EPSG:32632")
    top, bottom = (reference.rgb(gdalwarp(bands, path, *zone)) for bands in (above, below))
    assert 0.2 < np.mean(top.any(axis=2)) < 0.8
    expected = np.where(top.any(axis=2, keepdims=True), top, bottom)
    np.testing.assert_array_equal(read_rgb(path), expected)


def write_bands(folder, name, dn, epsg, transform):
    """Write DN (height, width, 3) as three files of one band; return their paths."""
    return [
        write_raster(
            folder / f"{name}_{number}.tif", dn[..., number], epsg=epsg, transform=transform
        )
        for number in range(3)
    ]


def swiss_area():
    """Return the area of use of EPSG:2056 in this release of EPSG: west, east, south, north."""
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(2056)
    use = crs.GetAreaOfUse()
    sides = use.west_lon_degree, use.east_lon_degree, use.south_lat_degree, use.north_lat_degree
    return tuple(float(side) for side in sides)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A straight road from the edge of EPSG:2056's area of use, 47.81 N, across it to the north."""
    folder = tmp_path_factory.mktemp("road")
    arguments = []
    for name, top, height in (("south", 5_296_500, 300), ("north", 5_299_000, 250)):
        dn = np.full((height, 400, 3), 1000, dtype=np.uint16)
        dn[:, 197:203] = 8000
        transform = (402_000, 10, 0, top, 0, -10)
        arguments += ["--rgb", *write_bands(folder, name, dn, 32632, transform)]
    return arguments


def test_a_road_goes_straight_on_from_product_to_product(mpirun, road, tmp_path):
    """By itself GDAL places the northern one 78 m further west and 157 m further south."""
    path, report = tmp_path / "rgb.tif", tmp_path / "r.json"
    run = mpirun(
        3,
        *road,
        "-o",
        path,
        "--offset",
        0,
        "--crs",
        "EPSG:2056",
        "--window",
        512,
        "--report",
        report,
    )
    assert run.returncode == 0, run.stderr
    red = read_rgb(path)[..., 0]
    valid = np.flatnonzero((red > 200).any(axis=1))
    assert valid.size > 540  # no gap between the two
    middles = [np.mean(np.flatnonzero(red[row] > 200)) for row in valid]
    slope, begin = np.polyfit(valid, middles, 1)
    assert slope == pytest.approx(0.0186, abs=0.002)  # grid north turns by about a degree
    assert np.abs(middles - (begin + slope * valid)).max() < 1
    (warning,) = [line for line in run.said if "area of use" in line]
    area = swiss_area()
    assert area == pytest.approx((5.96, 10.49, 45.82, 47.81), abs=0.011)  # EPSG has moved corners
    west, east, south, north = area
    use = f"{west:.2f} to {east:.2f} E, {south:.2f} to {north:.2f} N"
    assert f"leaves the area of use of --crs EPSG:2056 ({use})" in warning
    record = json.loads(report.read_text())
    jsonschema.validate(record, schema())
    for product in record["inputs"]:
        assert product["resampled"]["operation"]["accuracy"] == 1
        name = product["resampled"]["operation"]["name"]
        assert name in warning
        assert "CH1903+ to WGS 84 (1)" in name
    assert any("area of use" in text for text in record["warnings"])
    dry = mpirun(None, *road, "-o", path, "--overwrite", "--crs", "EPSG:2056", "--dry-run")
    assert "-r near -wo XSCALE=1 -wo YSCALE=1" in dry.stdout
    assert record["inputs"][0]["resampled"]["operation"]["definition"] in dry.stdout


def test_doubtful_places_are_an_error_where_it_is_strict(mpirun, road, tmp_path):
    run = mpirun(2, *road, "-o", tmp_path / "rgb.tif", "--crs", "EPSG:2056", "--strict")
    assert run.returncode == 2
    assert len(run.said) == 1
    assert "leaves the area of use" in run.said[0]
    # In another zone positions are as exact as in their own.
    run = mpirun(2, *road, "-o", tmp_path / "rgb.tif", "--crs", "EPSG:32633", "--strict", *ZERO)
    assert run.returncode == 0, run.stderr


ZERO = ("--offset", "-1000")  # the road's ground is of 1000 DN


@pytest.fixture(scope="module")
def fiji(tmp_path_factory):
    """Two granules, each on both sides of the antimeridian: their files, and the arguments."""
    folder = tmp_path_factory.mktemp("fiji")
    files = []
    for name, epsg, east in (("T60KYF", 32760, 816_000), ("T01KAB", 32701, 178_900)):
        dn = scene(512, 512)
        files.append(write_bands(folder, name, dn, epsg, (east, 10, 0, 8_120_000, 0, -10)))
    return files, [each for bands in files for each in ("--rgb", *bands)]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_the_antimeridian_is_named_where_a_crs_breaks_there(mpirun, fiji, tmp_path, crs):
    run = mpirun(2, *fiji[1], "-o", tmp_path / "rgb.tif", "--crs", crs)
    assert run.returncode == 2
    assert len(run.said) == 1
    for words in (
        "antimeridian",
        "EPSG:3832 or EPSG:32760",
        "one image of each side: --bounds 179.9",
    ):
        assert words in run.said[0]


@pytest.mark.parametrize(
    ("crs", "resolution"), [("EPSG:4326", 0.0001), ("EPSG:3857", 10), ("EPSG:3832", 10)]
)
def test_bounds_across_the_antimeridian_show_both_sides(mpirun, fiji, tmp_path, crs, resolution):
    path = tmp_path / "rgb.tif"
    options = ["--crs", crs, "--resolution", resolution, "--resampling", "bilinear"]
    options += ["--bounds", 179.98, -17.02, -179.99, -17.0]
    run = mpirun(3, *fiji[1], "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    scale = ("-wo", "XSCALE=1", "-wo", "YSCALE=1") if crs != "EPSG:4326" else ()
    scale = scale or ("-wo", "XSCALE=0.5", "-wo", "YSCALE=0.5")
    zone = ("-t_srs", crs, "-r", "bilinear", *scale)
    top, bottom = (reference.rgb(gdalwarp(bands, path, *zone)) for bands in fiji[0])
    expected = np.where(top.any(axis=2, keepdims=True), top, bottom)
    np.testing.assert_array_equal(read_rgb(path), expected)
    assert np.mean(expected.any(axis=2)) > 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--crs", "EPSG:0"), "--crs EPSG:0"),
        (("--crs", "EPSG:4326"), "give --resolution"),
        (("--resampling", "cubic"), "--resampling means nothing without"),
        (("--resolution", "0"), "--resolution 0 must be above 0"),
    ],
)
def test_grids_that_cannot_be_are_refused(mpirun, safe, tmp_path, options, words):
    run = mpirun(2, safe, "-o", tmp_path / "rgb.tif", *options)
    assert run.returncode == 2
    assert len(run.said) == 1
    assert words in run.said[0]


def test_products_of_two_zones_need_a_crs(mpirun, safe, tmp_path):
    moved = tmp_path / "zone33.tif"
    band = bands_of(safe)[0]
    gdal.Translate(str(moved), str(band), outputSRS="EPSG:32633")
    run = mpirun(
        2, "--rgb", band, band, band, "--rgb", moved, moved, moved, "-o", tmp_path / "rgb.tif"
    )
    assert run.returncode == 2
    assert "zone33: not in the coordinate reference system of" in run.said[0]
