"""The evaluation of the benchmark: the times that are used, and the tables."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from bench import check, contestants, dated, limit, replay, run, table
from conftest import MPI_ENVIRONMENT, finish
from geotiffs import make_grid
from opened import open_product, whole_dn
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.testing.dates import day, sky
from s2rgb_mpi.testing.safe import read_dn, read_scl, write_safe

SCENE: dict[str, Any] = {"width": 300, "height": 300}


@pytest.fixture
def truth(tmp_path):
    """An image of 300 x 200 pixels, as an array file."""
    path = tmp_path / "truth.npy"
    np.save(path, np.random.default_rng(0).integers(0, 250, (200, 300, 3), dtype=np.uint8))
    return path


def image_of(pixels, path):
    height, width, _ = pixels.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, 3, gdal.GDT_Byte)
    dataset.SetProjection(make_grid(width, height).crs)
    dataset.WriteArray(np.moveaxis(pixels, -1, 0))
    return path


def entered(tolerance):
    return contestants.Contestant("one", "One", "JP2 → tiled", lambda _, __: (), tolerance)


def test_an_image_that_is_right_counts(truth, tmp_path):
    image = image_of(np.load(truth), tmp_path / "image.tif")
    assert run.verify(entered(contestants.EXACT), image, truth) == (0, 0)


def test_one_pixel_that_is_off_ends_the_benchmark(truth, tmp_path):
    pixels = np.load(truth)
    pixels[199, 299, 2] += 2
    image = image_of(pixels, tmp_path / "image.tif")
    assert check.compare(image, truth) == (2, 1 / pixels.size)
    with pytest.raises(SystemExit, match="off by 2 of 255, where 1 is allowed"):
        run.verify(entered(contestants.ROUNDED), image, truth)


def test_an_image_of_another_size_ends_the_benchmark(truth, tmp_path):
    image = image_of(np.load(truth)[:100], tmp_path / "image.tif")
    with pytest.raises(ValueError, match="another shape"):
        check.compare(image, truth)


def told(key, kind, *wall):
    off = {"largest": 0, "share": 0.0}
    return {
        "key": key,
        "name": key,
        "kind": kind,
        "wall": wall,
        "cpu": wall,
        "largest": 10**8,
        "nbytes": 10**6,
        "off": off,
    }


def test_ratios_are_those_of_rounds():
    """The second round was disturbed, and both took twice as long."""
    entries = [
        told("ours-4", "JP2 → tiled", 10.0, 20.0, 10.0),
        told("gdal-tiled", "JP2 → tiled", 20.0, 40.0, 15.0),
        {"key": "dask", "name": "dask", "kind": "JP2 → COG", "absent": "no dask"},
    ]
    rows = "\n".join(table.contest(entries))
    assert "| gdal-tiled | 20.0 | 20.0 | 100 | 1.0 | 0 | 0.50 |" in rows
    assert "| JP2 → COG | dask | absent: no dask |" in rows


def test_items_of_dates_are_products_with_their_own_offsets(tmp_path):
    paths = dated.items(tmp_path, 300, 2)
    products = [open_product(str(path), Choice(clouds=True)) for path in paths]
    assert [product.bands[0].calibration.offset for product in products] == [-1000, 0]
    for number, product in enumerate(products):
        scene = SCENE | day(number)
        safe = write_safe(tmp_path / "safe", sky=sky(number), scl=(20,), **scene)
        np.testing.assert_array_equal(whole_dn(product), read_dn(safe))
        assert product.classification is not None
        found = gdal.Open(product.classification.path).ReadAsArray()
        np.testing.assert_array_equal(found, read_scl(safe))
    assert dated.items(tmp_path, 300, 2) == paths


def test_the_second_date_is_needed_where_the_first_is_cloudy(tmp_path):
    pair = dated.pair(tmp_path, 1100)
    cloudy = np.isin(read_scl(pair.cloudy), (3, 8, 9))
    edges = slice(0, 512), slice(512, None)
    parts = [cloudy[rows, cols].any() for rows in edges for cols in edges]
    assert pair.needed() == (sum(parts), 4)
    assert not np.isin(read_scl(pair.clear), (0, 3, 8, 9)).any()
    assert not np.isin(read_scl(pair.second), (0, 3, 8, 9)).any()


def way(**changes):
    row = {"name": "ours", "theirs": "theirs", "wall": [1, 4], "cpu": [2, 8], "ratio": 0.25}
    return row | {"most": 0.5, "peak_worker": 10**8, "peak_theirs": 4 * 10**8, **changes}


def test_the_last_worker_is_compared_with_the_mean():
    """Two of 9 and 11 seconds; what comes after its last block is not a worker's."""
    stages = {
        "0 coordinator": {"read": 0.0, "encode": 0.0, "finalise": 0.0, "idle": 30.0},
        "1 worker": {"read": 8.0, "encode": 1.0, "finalise": 5.0, "idle": 2.0},
        "2 worker": {"read": 9.0, "encode": 2.0, "finalise": 0.0, "idle": 5.0},
        "3 writer": {"read": 0.0, "encode": 0.0, "finalise": 6.0, "idle": 9.0},
    }
    assert table.last_worker(stages) == pytest.approx(1.1)


def test_memory_is_compared_where_it_has_a_target():
    *_, plain, low, high = table.ways(
        [way(most_memory=None), way(most_memory=0.3), way(most_memory=0.2)]
    )
    assert plain.endswith("| 0.25 | ≤ 0.5, met |")
    assert low.endswith("| 0.25 | ≤ 0.5, met, memory ≤ 0.3, met |")
    assert high.endswith("| 0.25 | ≤ 0.5, met, memory ≤ 0.2, **missed** |")


def test_a_second_date_is_compared_with_itself_alone():
    rows = [
        {"windows": count, "most": most, "extra": 5.0, "wall": 0.25, "cpu": 0.3}
        for count, most in ((40, 0.45), (0, 0.05))
    ]
    *_, third, none = table.second({"windows": 121, "alone": 20.0, "rows": rows})
    assert third == "| 40 of 121 windows | 5.0, 20.0 | 0.25 | 0.30 | ≤ 0.45, met |"
    assert none == "| 0 of 121 windows | 5.0, 20.0 | 0.25 | 0.30 | ≤ 0.05, **missed** |"


def test_tables_go_between_their_marks(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- ci/bench -->\nold\n<!-- end -->\nafter\n")
    table.into_page("new", page)
    assert page.read_text() == "before\n<!-- ci/bench -->\n\nnew\n<!-- end -->\nafter\n"
    with pytest.raises(SystemExit, match="no marks"):
        table.into_page("new", Path(__file__))


def test_what_encoding_costs_is_measured_on_images_with_their_validity(tmp_path):
    truth = np.zeros((600, 700, 3), dtype=np.uint8)
    truth[:300] = 7
    np.save(tmp_path / "truth.npy", truth)
    assert limit.encode(str(tmp_path / "truth.npy"), 0, 1, 1) > 0


def test_a_replay_runs_the_program_as_it_is(tmp_path):
    """It takes the place of what makes blocks: a change there is seen here, not in two hours."""
    product = write_safe(tmp_path, width=2048, height=2048, tile=1024)
    folder = Path(replay.__file__).parents[1]
    words = [sys.executable, replay.__file__, product, tmp_path / "replay", "cog", "3", "2"]
    paths = os.pathsep.join(map(str, (folder.parent, folder)))
    environment = os.environ | MPI_ENVIRONMENT | {"PYTHONPATH": paths}
    done = finish([*map(str, words)], environment, 120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["workers"], told["windows"]) == (2, 6)
    assert 0 < told["efficiency"] < 1
