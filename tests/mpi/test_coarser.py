"""Coarser output: means of whole pixels of the coarsest suitable images, in their own places."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from layouts import write_tile
from rasters import TRANSFORM, copy_jp2, scene, write_item, write_raster
from s2rgb_mpi.report.json_report import schema
from s2rgb_mpi.testing.safe import read_dn, write_safe
from shared import once

BANDS = ("B04", "B03", "B02")


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """A product with all sizes; those of 20 and 60 m are every second and sixth DN, not means."""
    size: dict[str, Any] = {"width": 1510, "height": 1090, "tile": 128}
    write = partial(write_safe, **size, resolutions=(10, 20, 60))
    return once(tmp_path_factory, "sizes", write)


def without(safe, folder, *resolutions):
    """Copy a product without some of its images, though its metadata list them."""
    copy = Path(shutil.copytree(safe, folder / safe.name))
    for resolution in resolutions:
        shutil.rmtree(next(copy.glob(f"GRANULE/*/IMG_DATA/R{resolution}m")))
    return copy


def corner(path):
    return gdal.Open(str(path)).GetGeoTransform()


SERVING = {20: 20, 40: 20, 60: 60, 80: 20, 120: 60, 30: 10}
"""Sizes of the images that serve an output, metres."""


@pytest.mark.parametrize(
    ("resolution", "ranks"),
    [*((resolution, 3) for resolution in SERVING), (80, 1), (80, 6), (30, 1), (30, 6)],
)
def test_the_coarsest_images_that_serve(mpirun, sizes, tmp_path, ranks, resolution):
    size = SERVING[resolution]
    path = tmp_path / "rgb.tif"
    run = mpirun(ranks, sizes, "-o", path, *SMALL, "--resolution", resolution)
    assert run.returncode == 0, run.stderr
    x, dx, _, y, _, dy = corner(path)
    assert (dx, dy) == (resolution, -resolution)
    assert (x % dx, y % dx) == (0, 0)
    # The pixels of 80 m begin 40 m before the product does, which has no corner at such a metre.
    left, top = round((TRANSFORM[0] - x) / size), round((y - TRANSFORM[3]) / size)
    assert (left, top) == ((2, 2) if resolution == 80 else (0, 0))
    dn = reference.block_means(read_dn(sizes, size), resolution // size, left=left, top=top)
    np.testing.assert_array_equal(read_rgb(path), reference.rgb(dn, offset=-1000))


@pytest.mark.parametrize(("missing", "resolution"), [((20, 60), 60), ((20,), 40), ((20, 60), 20)])
def test_of_full_resolution_where_a_product_has_no_other(
    image, sizes, tmp_path, missing, resolution
):
    safe = without(sizes, tmp_path, *missing)
    dn = reference.block_means(read_dn(sizes), resolution // 10)
    found = image(safe, "--resolution", resolution)
    np.testing.assert_array_equal(found, reference.rgb(dn, offset=-1000))


def test_images_of_full_resolution_need_not_be_there(image, sizes, tmp_path):
    safe = without(sizes, tmp_path, 10)
    expected = reference.rgb(read_dn(sizes, 20), offset=-1000)
    np.testing.assert_array_equal(image(safe, "--resolution", 20), expected)


@pytest.mark.parametrize("options", [(), ("--resampling", "average"), ("--resampling", "cubic")])
def test_an_explicit_source_is_read_as_it_is(image, sizes, options):
    """Of it the warper makes what gdalwarp does; or means, if these are asked for."""
    found = image(sizes, "--source-resolution", 20, "--resolution", 40, *options)
    dn = read_dn(sizes, 20)
    mean = reference.rgb(reference.block_means(dn, 2), offset=-1000)
    assert np.array_equal(found, mean) == ("average" in options)
    if not options:
        # The middle of an output pixel is the corner of four: the one in the south-east is taken.
        nearest = reference.rgb(dn[1::2, 1::2], offset=-1000)
        height, width = nearest.shape[:2]
        np.testing.assert_array_equal(found[:height, :width], nearest)


def test_equals_gdal_translate_of_all_pixels(image, tmp_path):
    """From lossless JP2 with reduced levels, which -ovr NONE passes over."""
    dn = scene(384, 606)
    files = []
    for number, name in enumerate(BANDS):
        raw = write_raster(tmp_path / "raw.tif", dn[..., number])
        files.append(copy_jp2(tmp_path / f"{name}.jp2", raw))
    found = image("--rgb", *files, "--resolution", 60)
    layers = []
    for file in files:
        named = gdal.Translate("", file, format="VRT", noData=0)
        line = ["-of", "MEM", "-r", "average", "-tr", "60", "60", "-ovr", "NONE"]
        layers.append(gdal.Translate("", named, options=line).ReadAsArray())
    np.testing.assert_array_equal(found, reference.rgb(np.stack(layers, axis=-1)))
    np.testing.assert_array_equal(np.stack(layers, axis=-1), reference.block_means(dn, 6))


def warped(dn, path, transform, *options):
    """Warp DN (height, width, 3) with gdalwarp onto the grid of an image."""
    x, dx, _, y, _, dy = corner(path)
    dataset = gdal.Open(str(path))
    width, height = dataset.RasterXSize, dataset.RasterYSize
    extent = [x, y + height * dy, x + width * dx, y]
    line = ["-of", "MEM", "-et", "0", "-srcnodata", "0", "-dstnodata", "0", *options]
    line += ["-te", *map(str, extent), "-ts", str(width), str(height)]
    layers = []
    for number in range(3):
        raw = write_raster(Path(f"/vsimem/{path.stem}.tif"), dn[..., number], transform=transform)
        layers.append(gdal.Warp("", raw, options=line).ReadAsArray())
    return np.stack(layers, axis=-1)


@pytest.mark.parametrize(("resampling", "ranks"), [("bilinear", 3), ("average", 1), (None, 6)])
def test_turned_grids_are_those_of_the_means(mpirun, tmp_path, resampling, ranks):
    """Block means on the product's own grid, then the warper at scale 1."""
    dn = scene(773, 611)
    transform = (399_963.7, 10.0, 0.0, 5_290_046.1, 0.0, -10.0)
    path, raw = tmp_path / "rgb.tif", tmp_path / "dn.tif"
    options = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
    write_raster(raw, dn, transform=transform, nodata=0, descriptions=BANDS, options=options)
    grid = ["--crs", "EPSG:2056", "--resolution", 40]
    method = [] if resampling is None else ["--resampling", resampling]
    run = mpirun(ranks, raw, "-o", path, *SMALL, *grid, *method)
    assert run.returncode == 0, run.stderr
    means = reference.block_means(dn, 4).astype(np.uint16)
    coarse = (transform[0], 40.0, 0.0, transform[3], 0.0, -40.0)
    scale = ["-wo", "XSCALE=1", "-wo", "YSCALE=1"]
    area = ["-to", "AREA_OF_INTEREST=7.66,47.68,7.76,47.77"]
    line = ["-t_srs", "EPSG:2056", "-r", "bilinear", *scale, *area]
    expected = warped(means, path, coarse, *line)
    assert np.count_nonzero(expected) > 0.8 * np.count_nonzero(means)
    np.testing.assert_array_equal(read_rgb(path), reference.rgb(expected))


@pytest.mark.parametrize("ranks", [1, 3, 6])
def test_a_mosaic_has_the_means_of_each(mpirun, tmp_path, ranks):
    """Two granules of 100,020 m apart in small: no two of them begin at the same pixel of 80 m."""
    arguments, layers = [], []
    for number, (left, top) in enumerate(((0, 0), (333, 206))):
        dn = scene(389, 611)
        dn[..., 1] //= number + 1
        x, y = TRANSFORM[0] + 10 * left, TRANSFORM[3] - 10 * top
        place = (x, 10.0, 0.0, y, 0.0, -10.0)
        path = tmp_path / f"{number}.tif"
        options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        write_raster(path, dn, transform=place, nodata=0, descriptions=BANDS, options=options)
        arguments.append(path)
        canvas = np.zeros((800, 1200, 3), np.uint16)  # it begins 40 m before the first
        canvas[top + 4 : top + 393, left + 4 : left + 615] = dn
        layers.append(reference.block_means(canvas, 8))
    image = tmp_path / "rgb.tif"
    run = mpirun(ranks, *arguments, "-o", image, *SMALL, "--resolution", 80)
    assert run.returncode == 0, run.stderr
    first, second = (reference.rgb(layer) for layer in layers)
    expected = np.where(first.any(axis=2, keepdims=True), first, second)
    found = read_rgb(image)
    assert found.shape == (75, 119, 3)
    np.testing.assert_array_equal(found, expected[:75, :119])
    assert not expected[75:].any()
    assert not expected[:, 119:].any()


@pytest.mark.parametrize("ranks", [1, 4])
def test_products_of_different_pixels_have_means_of_different_blocks(mpirun, tmp_path, ranks):
    arguments, layers = [], []
    for size, height, width, left in ((20, 213, 305, 0), (10, 389, 611, 240)):
        dn = scene(height, width)
        place = (TRANSFORM[0] + 10 * left, size, 0.0, TRANSFORM[3], 0.0, -size)
        path = tmp_path / f"{size}.tif"
        options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        write_raster(path, dn, transform=place, nodata=0, descriptions=BANDS, options=options)
        arguments.append(path)
        canvas = np.zeros((107, 213, 3), np.uint16)
        means = reference.block_means(dn, 40 // size)
        canvas[: len(means), left // 4 : left // 4 + means.shape[1]] = means
        layers.append(reference.rgb(canvas))
    image = tmp_path / "rgb.tif"
    run = mpirun(ranks, *arguments, "-o", image, *SMALL, "--resolution", 40)
    assert run.returncode == 0, run.stderr
    first, second = layers
    expected = np.where(first.any(axis=2, keepdims=True), first, second)
    np.testing.assert_array_equal(read_rgb(image), expected)


def test_bounds_show_a_part_of_the_same_pixels(mpirun, sizes, tmp_path):
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    bounds = ["--bounds", 403_000, 5_292_000, 409_001, 5_297_000, "--bounds-crs", "EPSG:32632"]
    for path, options in ((whole, []), (part, bounds)):
        run = mpirun(3, sizes, "-o", path, *SMALL, "--resolution", 80, *options)
        assert run.returncode == 0, run.stderr
    (x, *_), (left, _, _, top, _, _) = corner(whole), corner(part)
    assert (left, top) == (402_960, 5_297_040)
    col, row = round((left - x) / 80), round((corner(whole)[3] - top) / 80)
    found = read_rgb(part)
    assert found.shape == (63, 76, 3)
    np.testing.assert_array_equal(found, read_rgb(whole)[row : row + 63, col : col + 76])


def test_the_assets_of_an_item(image, tmp_path):
    assets = {}
    for size in (10, 20):
        for number, band in enumerate(BANDS):
            dn = scene(600 * 10 // size, 480 * 10 // size)[..., number]
            place = (TRANSFORM[0], size, 0, TRANSFORM[3], 0, -size)
            write_raster(tmp_path / f"{band}_{size}m.tif", dn, transform=place, nodata=0)
            assets[f"{band}_{size}m"] = {"href": f"{band}_{size}m.tif"}
    item = write_item(tmp_path, assets)
    coarse = reference.block_means(scene(300, 240), 2)
    np.testing.assert_array_equal(image(item, "--resolution", 40), reference.rgb(coarse))
    shutil.rmtree(tmp_path / "out")
    item = write_item(tmp_path, {key: assets[key] for key in assets if "10m" in key})
    fine = reference.block_means(scene(600, 480), 4)
    np.testing.assert_array_equal(image(item, "--resolution", 40), reference.rgb(fine))


def test_a_tile_of_the_buckets(image, tmp_path):
    folder = write_tile(tmp_path)
    dn = np.stack([gdal.Open(str(folder / "R10m" / f"{b}.jp2")).ReadAsArray() for b in BANDS], -1)
    means = reference.rgb(reference.block_means(dn, 2), offset=-1000)
    np.testing.assert_array_equal(image(folder, "--resolution", 20), means)
    (folder / "R20m").mkdir()
    for number, band in enumerate(BANDS):
        dn = scene(30, 40, darkest=1001)[..., number]
        place = (TRANSFORM[0], 20, 0, TRANSFORM[3], 0, -20)
        copy_jp2(
            folder / "R20m" / f"{band}.jp2", write_raster(tmp_path / "r.tif", dn, transform=place)
        )
    shutil.rmtree(tmp_path / "out")
    expected = reference.rgb(scene(30, 40, darkest=1001), offset=-1000)
    np.testing.assert_array_equal(image(folder, "--resolution", 20), expected)


@pytest.mark.parametrize("resolution", [20, 40, 80])
def test_a_ridge_stays_where_it_is(image, tmp_path, resolution):
    """By reduced levels of JP2 it moves up to 32 m to the east."""
    x = np.arange(1024)
    dn = np.tile((2000 + 4000 * np.exp(-(((x - 511.5) / 30) ** 2))).astype(np.uint16), (512, 1))
    raw = write_raster(tmp_path / "raw.tif", dn)
    file = copy_jp2(tmp_path / "dn.jp2", raw, tile=256)
    rgb = image("--rgb", file, file, file, "--resolution", resolution, "--resampling", "bilinear")
    row = rgb[len(rgb) // 2, :, 0].astype(float)
    weight = np.where(row > row.max() / 2 + row.min() / 2, row - row.min(), 0)
    x0 = corner(tmp_path / "out" / "rgb.tif")[0]
    east = x0 + resolution * np.average(np.arange(len(row)) + 0.5, weights=weight)
    assert east == pytest.approx(TRANSFORM[0] + 5120, abs=3)


def test_what_was_read_is_said(mpirun, sizes, tmp_path):
    path, report = tmp_path / "rgb.tif", tmp_path / "r.json"
    grid = ("--resolution", 80)
    dry = mpirun(None, sizes, "-o", path, *grid, "--dry-run")
    assert "    files of 20 m, means of 4 x 4 pixels\n" in dry.stdout
    dry = mpirun(None, sizes, "-o", path, *grid, "--dry-run", "--json")
    said = {"pixel": 20, "unit": "m", "factor": 4, "block": [640, 545], "resampled": None}
    assert said.items() <= json.loads(dry.stdout)["inputs"][0].items()
    run = mpirun(3, sizes, "-o", path, *SMALL, *grid, "--report", report)
    assert run.returncode == 0, run.stderr
    record = json.loads(report.read_text())
    jsonschema.validate(record, schema())
    assert said.items() <= record["inputs"][0].items()
    assert record["job"]["source_resolution"] == "auto"
    dry = mpirun(None, sizes, "-o", path, "--overwrite", "--dry-run")
    assert "    files of 10 m\n" in dry.stdout


def test_more_than_is_possible_is_refused(refused, sizes):
    line = refused(sizes, "--resolution", 70_000)
    assert "that is as long as 1167 pixels of the input; at most 1000 are possible" in line


@pytest.mark.parametrize("value", ["15", "fine"])
def test_other_source_resolutions_are_refused(refused, sizes, value):
    line = refused(sizes, "--source-resolution", value)
    assert "--source-resolution" in line
    assert value in line
