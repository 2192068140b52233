"""Runs that make one image of several dates: stopped, damaged, with deaths; what they decode."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import composite
from composite import observe
from conftest import DATE_OFFSETS, DATES, SMALL, read_rgb
from left_empty import assert_left_empty
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.safe import read_dn, read_scl, write_safe
from s2rgb_mpi.testing.sky import Cloud, Sky
from ulfm import ULFM, with_ulfm

PROGRAMS = Path(__file__).parent / "programs"
COUNTING = (str(PROGRAMS / "counting.py"),)
DYING = (str(PROGRAMS / "dying.py"),)
FAILING = (str(PROGRAMS / "failing.py"),)
CLEAR, OVERCAST = Sky(clouds=()), Sky(clouds=(Cloud(0.5, 0.5, 3.0, level=0.6, contrast=0.5),))


@pytest.fixture(scope="module")
def expected(dates):
    """The observations, without a buffer."""
    return [
        observe(read_dn(product), offset, read_scl(product))
        for product, offset in zip(dates, DATE_OFFSETS, strict=True)
    ]


@pytest.mark.parametrize("composite_of", ["first", "median"])
def test_a_stopped_run_is_resumed(mpirun, dates, tmp_path, composite_of):
    """To the same bytes, those of the map of sources too."""
    options = ["--clouds", "avoid", "--cloud-buffer", 40, "--composite", composite_of]
    files = {}
    for name in ("whole", "stopped"):
        folder = tmp_path / name
        folder.mkdir()
        extra = ["--source-map", folder / "sources.tif"] if composite_of == "first" else []
        line = (*dates, "-o", folder / "rgb.tif", *SMALL, *options, *extra)
        if name == "stopped":
            run = mpirun(3, "writer", "SIGTERM", *line, program=FAILING)
            assert run.returncode == 75, run.stderr
            assert re.search(r"stopped by SIGTERM: [1-9]\d* of 20 windows are kept", run.stderr)
            line = (*line, "--resume")
        run = mpirun(3, *line)
        assert run.returncode == 0, run.stderr
        files[name] = {path.name: path.read_bytes() for path in folder.iterdir()}
    maps = {"sources.tif", "sources.tif.aux.xml"} if composite_of == "first" else set()
    assert set(files["whole"]) == {"rgb.tif"} | maps
    assert files["stopped"] == files["whole"]


def test_other_clouds_are_not_resumed(mpirun, dates, tmp_path):
    line = (*dates[:2], "-o", tmp_path / "rgb.tif", *SMALL, "--clouds", "avoid")
    run = mpirun(1, "writer", "SIGTERM", *line, program=FAILING)
    assert run.returncode == 75, run.stderr
    run = mpirun(1, *line, "--resume", "--cloud-buffer", 20)
    assert run.returncode == 2, run.stderr
    assert "clouds" in run.said[0]


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("options", [["avoid"], ["avoid", "--composite", "median"]], ids=str)
def test_a_damaged_classification(mpirun, *, dates, expected, tmp_path, ranks, options):
    """Its windows are left empty, as those of any file that cannot be read."""
    large = DATES | {"scl_tile": 256}  # of two tiles, the second is cut off
    _, product = write_dates(tmp_path / "copy", 2, missed=2, **large).products
    scl = next(product.rglob("*_SCL_20m.jp2"))
    os.truncate(scl, scl.stat().st_size - 300)
    account = ("--on-error", "nodata", "--report", tmp_path / "report.json")
    line = (dates[0], product, "-o", tmp_path / "rgb.tif", *SMALL, *account, "--clouds", *options)
    run = mpirun(ranks, *line)
    if "median" in options:
        image = composite.median(expected[:2])
    else:
        image, _ = composite.first(expected[:2])
    windows = assert_left_empty(run, tmp_path, image, re.escape(str(scl)))
    assert 0 < len(windows) < 20


def test_a_classification_that_is_not_needed_may_be_damaged(mpirun, dates, expected, tmp_path):
    product = Path(shutil.copytree(dates[1], tmp_path / "copy" / dates[1].name))
    scl = next(product.rglob("*_SCL_20m.jp2"))
    os.truncate(scl, scl.stat().st_size // 2)
    run = mpirun(2, dates[0], product, "-o", tmp_path / "rgb.tif", *SMALL, "--composite", "median")
    assert run.returncode == 0, run.stderr
    found = read_rgb(tmp_path / "rgb.tif")
    np.testing.assert_array_equal(found, composite.median(expected[:2], keep=True))


def chunks_read(run):
    """Return how often each chunk of bands was decoded, by product and place."""
    assert run.returncode == 0, run.stderr
    lines = re.findall(r"^read \d+ (\S+) (\d+) (\d+) \d+ \d+$", run.stdout, re.MULTILINE)
    return Counter(
        (Path(path).name.split("_")[1], int(row) // 128, int(col) // 128)
        for path, col, row in lines
    )


@pytest.mark.parametrize("ranks", [1, 3, 6])
@pytest.mark.parametrize("composite_of", ["first", "median"])
def test_no_chunk_is_decoded_twice(mpirun, *, dates, tmp_path, ranks, composite_of):
    options = ("--clouds", "avoid", "--composite", composite_of)
    run = mpirun(ranks, *dates, "-o", tmp_path / "rgb.tif", *SMALL, *options, program=COUNTING)
    assert set(chunks_read(run).values()) == {1}


def tiles(mask):
    """Return which tiles of 128 pixels have any pixel of a mask, as (row, col)."""
    rows, cols = np.nonzero(mask)
    return set(zip((rows // 128).tolist(), (cols // 128).tolist(), strict=True))


@pytest.mark.parametrize("clouds", ["avoid", "drop"])
@pytest.mark.parametrize("ranks", [1, 4])
def test_only_chunks_that_are_seen_are_decoded(mpirun, *, dates, expected, tmp_path, ranks, clouds):
    """Of the second date those with a pixel that the first lacks, by clouds and no data."""
    options = ("--clouds", clouds, "--source-map", tmp_path / "sources.tif")
    line = (*dates[:2], "-o", tmp_path / "rgb.tif", *SMALL, *options)
    run = mpirun(ranks, *line, program=COUNTING)
    found: dict[str, set[tuple[int, ...]]] = {
        name: set() for name in ("20220613T103041", "20200618T103041")
    }
    for name, *place in chunks_read(run):
        found[name].add(tuple(place))
    first, second = expected[:2]
    source = gdal.Open(str(tmp_path / "sources.tif")).ReadAsArray()
    lacking = ~first.clear & ~second.cloudy
    if clouds == "avoid":
        lacking |= ~first.valid
    seen = tiles(source == 2)
    assert seen <= found["20200618T103041"] <= tiles(lacking)
    assert 0 < len(found["20200618T103041"]) < 20
    assert tiles(source == 1) <= found["20220613T103041"]


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("skies", "read"), [((CLEAR, Sky()), {"20220613"}), ((OVERCAST, CLEAR), {"20220618"})], ids=str
)
def test_a_date_that_is_not_seen_is_not_decoded(mpirun, tmp_path, ranks, skies, read):
    products = [
        write_safe(tmp_path, sky=sky, date=day, nodata_fraction=0.0, scl=(20,), **DATES)
        for sky, day in zip(skies, ("2022-06-13", "2022-06-18"), strict=True)
    ]
    line = (*products, "-o", tmp_path / "rgb.tif", *SMALL, "--clouds", "avoid")
    run = mpirun(ranks, *line, program=COUNTING)
    assert {name[:8] for name, _, _ in chunks_read(run)} == read


@with_ulfm
@pytest.mark.parametrize("composite_of", ["first", "median"])
def test_a_worker_dies(mpirun, dates, tmp_path, composite_of):
    """The others make its windows, to the same bytes."""
    options = ["--clouds", "avoid", "--cloud-buffer", 40, "--composite", composite_of]
    whole, survived = tmp_path / "whole.tif", tmp_path / "survived.tif"
    run = mpirun(3, *dates, "-o", whole, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    line = ("2:3:0.002", *dates, "-o", survived, *SMALL, *options, "--survive")
    run = mpirun(5, *line, program=DYING, launcher=ULFM)
    assert run.returncode == 0, run.stderr
    assert "rank 2 was lost" in run.stderr
    assert survived.read_bytes() == whole.read_bytes()
