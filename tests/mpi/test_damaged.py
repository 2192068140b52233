"""Windows that cannot be read: a run fails and is resumed, or leaves them empty and lists them."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import reference
from conftest import SMALL, read_rgb
from left_empty import assert_left_empty, damaged_windows
from s2rgb_mpi.testing.safe import read_dn
from web import Web

FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)


@pytest.fixture
def copied(safe, tmp_path):
    """A product of one's own, to be damaged: its folder and its green band."""
    product = Path(shutil.copytree(safe, tmp_path / "copy" / safe.name))
    return product, next(product.rglob("*_B03_10m.jp2"))


@pytest.fixture
def expected(safe):
    return reference.rgb(read_dn(safe), offset=-1000)


def arguments(folder, product):
    options = ("--on-error", "nodata", "--report", folder / "report.json")
    return (product, "-o", folder / "rgb.tif", *SMALL, *options)


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_truncated_band(mpirun, copied, tmp_path, expected, ranks):
    product, green = copied
    os.truncate(green, green.stat().st_size // 2)
    run = mpirun(ranks, *arguments(tmp_path, product))
    words = rf"{re.escape(str(green))}: .*; the file may be damaged or cut off: download it again$"
    windows = assert_left_empty(run, tmp_path, expected, words)
    assert 0 < len(windows) < 20


def test_a_band_whose_tile_header_is_damaged(mpirun, copied, tmp_path, expected):
    product, green = copied
    content = bytearray(green.read_bytes())
    markers = [match.start() for match in re.finditer(rb"\xff\x90\x00\x0a", content)]
    assert len(markers) == 20  # a tile each, as many as windows
    content[markers[12] + 1] ^= 0x04  # no start of a tile any more
    green.write_bytes(content)
    run = mpirun(None, *arguments(tmp_path, product))
    assert assert_left_empty(run, tmp_path, expected, re.escape(str(green)))


@pytest.mark.parametrize("ranks", [None, 3])
def test_bands_that_go_while_the_run_lasts(mpirun, copied, tmp_path, expected, ranks):
    product, _ = copied
    options = ("worker", "empty-files", *arguments(tmp_path, product))
    run = mpirun(ranks, *options, program=FAILING)
    windows = assert_left_empty(run, tmp_path, expected, r"_B0[234]_10m\.jp2")
    assert len(windows) == 15  # from the sixth on


def test_damaged_windows_are_tried_again(mpirun, copied, tmp_path, expected):
    """A stopped run that has found some does not leave them empty for ever."""
    product, green = copied
    whole = green.read_bytes()
    times = green.stat().st_atime_ns, green.stat().st_mtime_ns
    green.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    os.utime(green, ns=times)
    run = mpirun(
        None, "writer at its end", "SIGTERM", *arguments(tmp_path, product), program=FAILING
    )
    assert run.returncode == 75, run.stderr
    assert "20 of 20 windows are kept" in run.stderr
    green.write_bytes(whole)
    os.utime(green, ns=times)
    run = mpirun(None, *arguments(tmp_path, product), "--resume")
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
    assert damaged_windows(tmp_path / "rgb.tif") == []


class Faltering(Web):
    """A web server that does not find a file any more, for some requests of it."""

    faltering = range(0)
    """Which requests of the green band, counted from 0."""

    def __init__(self, folder, green):
        super().__init__(folder)
        self._green = green
        self.seen = 0

    def answer(self, request):
        if request.path == self._green:
            self.faults[self._green] = [404] if self.seen in self.faltering else []
            self.seen += 1
        super().answer(request)


@pytest.fixture
def web(copied):
    product, green = copied
    with Faltering(product, f"/{green.relative_to(product)}").running() as web:
        yield web


def bands(web, green):
    names = (green.name.replace("B03", band) for band in ("B04", "B03", "B02"))
    folder = green.parent.relative_to(web.folder)
    return ("--rgb", *(f"{web.url}/{folder}/{name}" for name in names), "--offset", "-1000")


@pytest.fixture
def middle(mpirun, web, copied, tmp_path):
    """The number of the request in the middle of an undisturbed run."""
    options = bands(web, copied[1])
    run = mpirun(None, *options, "-o", tmp_path / "rgb.tif", *SMALL, "-q")
    assert run.returncode == 0, run.stderr
    (tmp_path / "rgb.tif").unlink()
    count, web.seen = web.seen, 0
    return count * 2 // 3


def test_a_server_that_fails_once_is_asked_again(
    mpirun, web, copied, tmp_path, expected, *, middle
):
    web.faltering = range(middle, middle + 1)
    run = mpirun(None, *bands(web, copied[1]), *arguments(tmp_path, "")[1:])
    assert run.returncode == 0, run.stderr
    assert web.seen > middle
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)


def test_a_server_that_fails_for_good(mpirun, web, copied, tmp_path, expected, *, middle):
    web.faltering = range(middle, 10**6)
    run = mpirun(None, *bands(web, copied[1]), *arguments(tmp_path, "")[1:])
    windows = assert_left_empty(run, tmp_path, expected, re.escape(web.url))
    assert 0 < len(windows) < 20


def test_a_server_that_comes_back(mpirun, web, copied, tmp_path, expected, *, middle):
    web.faltering = range(middle, 10**6)
    options = (*bands(web, copied[1]), "-o", tmp_path / "rgb.tif", *SMALL)
    run = mpirun(3, *options)
    assert run.returncode == 5, run.stderr
    assert re.search(rf"error: rank 1: window \d+ .*{re.escape(web.url)}", run.stderr)
    assert "download it again" not in run.stderr
    assert "--on-error nodata leaves such windows empty" in run.stderr
    web.faltering = range(0)
    run = mpirun(None, *options, "--resume")
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
