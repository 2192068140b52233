"""Images with windows that could not be read, made with --on-error nodata."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
from osgeo import gdal

from conftest import read_rgb
from s2rgb_mpi import report

SCHEMA = json.loads((Path(report.__file__).parent / "schema.json").read_text())


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
    listed = account["windows"]["damaged"]
    assert [tuple(each["place"]) for each in listed] == windows
    assert all(re.search(words, each["cause"]) for each in listed)
    said = [line for line in run.said if "warning: left empty: " in line]
    assert len(said) == len(windows)
    assert all(re.search(words, line) for line in said)
    assert {path.name for path in folder.glob("rgb.tif*")} == {"rgb.tif"}
    return windows
