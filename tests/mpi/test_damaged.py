"""Windows that cannot be read: the run fails and can go on, or leaves them empty and lists them."""

import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from s2rgb_mpi import report
from safe import read_dn
from web import Web

SCHEMA = json.loads((Path(report.__file__).parent / "schema.json").read_text())


@pytest.fixture
def copied(safe, tmp_path):
    """A product of one's own, to be damaged: its folder and its green band."""
    product = Path(shutil.copytree(safe, tmp_path / "copy" / safe.name))
    return product, next(product.rglob("*_B03_10m.jp2"))


@pytest.fixture
def expected(safe):
    return reference.rgb(read_dn(safe), offset=-1000)


def damaged_windows(output):
    """Read from the file's own tag which windows are empty."""
    words = gdal.Open(str(output)).GetMetadata().get("S2RGB_DAMAGED_WINDOWS", "")
    return [tuple(map(int, window.split(","))) for window in words.split()]


def assert_left_empty(run, folder, expected, words):
    """Exit code 3; the same windows in the tag, the report and on the terminal, and no others."""
    assert run.returncode == 3, run.stderr
    assert "Traceback" not in run.stderr
    output = folder / "rgb.tif"
    windows = damaged_windows(output)
    found = read_rgb(output)
    without = expected.copy()
    for col, row, width, height in windows:
        without[row : row + height, col : col + width] = 0
    np.testing.assert_array_equal(found, without)
    account = json.loads((folder / "report.json").read_text())
    jsonschema.validate(account, SCHEMA)
    listed = account["damaged"]
    assert {tuple(each["window"]) for each in listed} == set(windows)
    assert all(re.search(words, each["cause"]) for each in listed)
    said = [line for line in run.said if "warning: left empty: " in line]
    assert len(said) == len(windows)
    assert all(re.search(words, line) for line in said)
    assert {path.name for path in folder.glob("rgb.tif*")} == {"rgb.tif"}
    return windows


def arguments(folder, product):
    options = ("--on-error", "nodata", "--report", folder / "report.json")
    return (product, "-o", folder / "rgb.tif", *SMALL, *options)


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_truncated_band(mpirun, copied, tmp_path, expected, ranks):
    product, green = copied
    os.truncate(green, green.stat().st_size // 2)
    run = mpirun(ranks, *arguments(tmp_path, product))
    windows = assert_left_empty(run, tmp_path, expected, re.escape(str(green)))
    assert 0 < len(windows) < 20
