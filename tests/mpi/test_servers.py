"""Products on a server: the same image as from local files, with few requests, several at once."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import reference
from conftest import MPI_ENVIRONMENT, MPIRUN, SMALL, read_rgb
from rasters import TRANSFORM, copy_jp2, scene, write_raster
from running import marked, processes
from stac_items import BANDS, write_bands
from web import Web

DN = scene(700, 650, darkest=1001)
TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
OFFSET = ("--offset", "-1000")
WINDOWS = 36

SMALL_CACHE = {"CPL_VSIL_CURL_CACHE_SIZE": "1000000", "GDAL_HTTP_RETRY_DELAY": "0.01"}
"""Or the whole product would be read ahead before the first window is done."""


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    write_bands(folder, DN, options=TILED)
    with Web(folder).running() as server:
        yield server


def rgb(where, kind="tif", query=""):
    """Name three band files, in a folder or on a server."""
    return ["--rgb", *(f"{where}/{band}.{kind}{query}" for band in BANDS)]


def ranges(web):
    """List the ranges beyond the beginnings that were asked of all files."""
    return [each for each in web.asked if each.range and not each.range.startswith("bytes=0-")]


@pytest.mark.parametrize("ranks", [1, 4])
@pytest.mark.parametrize("query", ["", "?sig=SECRET"])
def test_the_image_is_that_of_local_files(mpirun, web, tmp_path, ranks, query):
    web.signature = query.removeprefix("?sig=") or None
    web.together = 3
    outputs = [tmp_path / "local.tif", tmp_path / "served.tif"]
    sources = (None, rgb(web.folder)), (ranks, rgb(web.url, query=query))
    for output, (number, source) in zip(outputs, sources, strict=True):
        run = mpirun(number, *source, "-o", output, *SMALL, *OFFSET)
        assert run.returncode == 0, run.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    np.testing.assert_array_equal(read_rgb(outputs[1]), reference.rgb(DN, offset=-1000))
    assert web.met  # requests for several bands were open at once
    assert 3 <= len(ranges(web)) <= WINDOWS  # not one for each window and band


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_cache_too_small_for_the_product(mpirun, web, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, *rgb(web.url), "-o", output, *SMALL, *OFFSET, env=SMALL_CACHE)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(output), reference.rgb(DN, offset=-1000))
    assert 9 < len(ranges(web)) < 3 * WINDOWS
    for band in BANDS:
        spans = [each.removeprefix("bytes=").split("-") for each in web.ranges(f"/{band}.tif")]
        fetched = sum(int(last) - int(first) + 1 for first, last in spans)
        size = (web.folder / f"{band}.tif").stat().st_size
        # Requests end on whole units of 16 kB, and each rank reads the beginning.
        assert fetched < size + len(spans) * 2**15 + 4 * 2**15


@pytest.mark.parametrize("ranks", [1, 4])
def test_another_grid(mpirun, web, tmp_path, ranks):
    options = ("--crs", "EPSG:2056", "--resampling", "bilinear", *SMALL, *OFFSET)
    outputs = [tmp_path / "local.tif", tmp_path / "served.tif"]
    sources = (None, rgb(web.folder)), (ranks, rgb(web.url))
    for output, (number, source) in zip(outputs, sources, strict=True):
        run = mpirun(number, *source, "-o", output, *options)
        assert run.returncode == 0, run.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert len(ranges(web)) < WINDOWS


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_mosaic(mpirun, web, tmp_path, ranks):
    """Source chunks of the second product span windows, and one worker reads them for others."""
    left, dx, _, top, _, dy = TRANSFORM
    (web.folder / "east").mkdir()
    for number, band in enumerate(BANDS):
        path = web.folder / "east" / f"{band}.tif"
        place = left + 300 * dx, dx, 0, top + 200 * dy, 0, dy
        write_raster(path, DN[::-1, :, number], transform=place, options=TILED)
    outputs = [tmp_path / "local.tif", tmp_path / "served.tif"]
    places = (None, web.folder), (ranks, web.url)
    for output, (number, where) in zip(outputs, places, strict=True):
        both = [*rgb(where), *rgb(f"{where}/east")]
        run = mpirun(number, *both, "-o", output, *SMALL, *OFFSET)
        assert run.returncode == 0, run.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert 0 < len(ranges(web)) < 2 * WINDOWS


@pytest.mark.parametrize("ranks", [1, 4])
def test_jpeg_2000(mpirun, web, tmp_path, ranks):
    for band in BANDS:
        copy_jp2(web.folder / f"{band}.jp2", str(web.folder / f"{band}.tif"))
    web.together = 3
    outputs = [tmp_path / "local.tif", tmp_path / "served.tif"]
    places = (None, web.folder), (ranks, web.url)
    for output, (number, where) in zip(outputs, places, strict=True):
        run = mpirun(number, *rgb(where, "jp2"), "-o", output, *SMALL, *OFFSET)
        assert run.returncode == 0, run.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert web.met


def broken(web):
    """Let a server fail for the middle of a file; return how many windows need it."""
    size = (web.folder / "B03.tif").stat().st_size
    web.broken["/B03.tif"] = range(size // 2, size // 2 + 1000)


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_server_that_fails_in_the_middle(mpirun, web, tmp_path, ranks):
    broken(web)
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, *rgb(web.url), "-o", output, *SMALL, *OFFSET, env=SMALL_CACHE)
    assert run.returncode == 5, run.stderr
    (line,) = (line for line in run.said if "error: " in line)
    assert f"/vsicurl/{web.url}/B03.tif: " in line
    assert "window " in line
    assert run.left == []


def test_windows_that_a_server_does_not_give_are_left_empty(mpirun, web, tmp_path):
    broken(web)
    output, report = tmp_path / "rgb.tif", tmp_path / "report.json"
    options = ("--on-error", "nodata", "--report", report)
    run = mpirun(3, *rgb(web.url), "-o", output, *SMALL, *OFFSET, *options, env=SMALL_CACHE)
    assert run.returncode == 3, run.stderr
    damaged = json.loads(report.read_text())["windows"]["damaged"]
    assert 0 < len(damaged) < 5
    assert all(f"/vsicurl/{web.url}/B03.tif: " in each["cause"] for each in damaged)
    image, expected = read_rgb(output), reference.rgb(DN, offset=-1000)
    left = (image != expected).any(axis=2)
    assert not image[left].any()
    assert left.sum() <= len(damaged) * 128 * 128


def test_a_server_that_is_busy_for_a_moment(mpirun, web, tmp_path):
    output = tmp_path / "rgb.tif"
    for band in BANDS:
        web.faults[f"/{band}.tif"] = [503, 503]
    run = mpirun(3, *rgb(web.url), "-o", output, *SMALL, *OFFSET, env=SMALL_CACHE)
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(output), reference.rgb(DN, offset=-1000))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("ranks", [None, 3])
def test_a_stop_while_a_server_keeps_silent(web, tmp_path, ranks, number):
    web.together, web.patience = 99, 5.0
    words = [*rgb(web.url), "-o", tmp_path / "rgb.tif", *SMALL, *OFFSET]
    launcher = [MPIRUN, "-n", ranks] if ranks else []
    command = list(map(str, [*launcher, sys.executable, "-m", "s2rgb_mpi", *words]))
    environment = marked(os.environ | MPI_ENVIRONMENT)
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not ranges(web):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode != 0
    if ranks is None or number == signal.SIGUSR1:  # else mpirun may kill before a word is said
        assert f"stopped by {number.name}" in said
        assert process.returncode == 75
    assert not (tmp_path / "rgb.tif").exists()
    assert processes(environment) == []


def test_the_time_spent_waiting_is_in_the_report(mpirun, web, tmp_path):
    seconds = []
    for source in (rgb(web.folder), rgb(web.url)):
        report = tmp_path / "report.json"
        options = ("-o", tmp_path / "rgb.tif", "--report", report, "--overwrite")
        run = mpirun(3, *source, *SMALL, *OFFSET, *options)
        assert run.returncode == 0, run.stderr
        ranks = json.loads(report.read_text())["ranks"]
        seconds.append([rank["seconds"]["network"] for rank in ranks])
    assert seconds[0] == [0, 0, 0]
    coordinator, worker, writer = seconds[1]
    assert (coordinator, writer) == (0, 0)
    assert worker > 0
