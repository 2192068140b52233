"""Images of the levels that GeoZarr stores have above 60 m, pixel by pixel."""

from typing import Any

import numcodecs
import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.levels import LEVELS

WIDTH, CHUNK = 1656, 46
"""Pixels of 10 m: 23 of 720 m. At 120 m they are 3 x 3 chunks and 2 x 2 windows."""

SCENE: dict[str, Any] = {
    "layout": "geozarr",
    "width": WIDTH,
    "height": WIDTH,
    "nodata_fraction": 0.4,
    "texture": "synthetic",
    "resolutions": (10, 20, 60, *LEVELS),
    "chunk": CHUNK,
}
SHIFT = 4000
"""Added to reflectance in half DN, so that 0 is free for "no data"."""


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same store with a file for each chunk, and with one for each band."""
    folder = tmp_path_factory.mktemp("stores")
    return {
        sharded: write_eopf(folder / str(sharded), sharded=sharded, **SCENE)
        for sharded in (False, True)
    }


def half_dn(store, size):
    """Read a level as it is stored, rounded to half DN: shape (height, width, 3), 0 for "no data".

    Many means of four DN lie in the middle of two halves, and float32 decides: the lower ones and
    the higher ones are returned.
    """
    edge = WIDTH * 10 // size
    image = np.full((edge + -edge % CHUNK, edge + -edge % CHUNK, 3), np.nan)
    for number, band in enumerate(("b04", "b03", "b02")):
        for file in (store / f"measurements/reflectance/r{size}m/{band}/c").glob("*/*"):
            row, col = (CHUNK * int(index) for index in file.parts[-2:])
            chunk = np.frombuffer(numcodecs.Blosc().decode(file.read_bytes()), np.float32)
            image[row : row + CHUNK, col : col + CHUNK, number] = chunk.reshape(CHUNK, CHUNK)
    exact = 20_000 * image[:edge, :edge]
    assert 0 < np.isnan(exact).mean() < 1
    return [
        np.where(np.isnan(exact), 0, np.rint(exact + nudge) + SHIFT).astype(np.int64)
        for nudge in (-0.01, 0.01)
    ]


def assert_is(path, bounds):
    """Compare an image with the lowest and the highest that it may be, nearly the same."""
    low, high = (reference.coloured((dn - SHIFT) / 20_000, (dn != 0).any(axis=2)) for dn in bounds)
    assert (low == high).mean() > 0.99
    found = read_rgb(path)
    assert found.shape == low.shape
    assert ((low <= found) & (found <= high)).all()


@pytest.mark.parametrize(("sharded", "ranks"), [(False, 1), (True, 3), (False, 6)])
@pytest.mark.parametrize("size", LEVELS)
def test_a_level(mpirun, stores, tmp_path, *, size, sharded, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, stores[sharded], "-o", output, *SMALL, "--source-resolution", size)
    assert run.returncode == 0, run.stderr
    assert_is(output, half_dn(stores[False], size))


@pytest.mark.parametrize(("size", "metres"), [(120, 240), (360, 1080)])
def test_means_of_a_level(mpirun, stores, tmp_path, size, metres):
    output = tmp_path / "rgb.tif"
    words = ("--source-resolution", size, "--resolution", metres, "--resampling", "average")
    dry = mpirun(None, stores[False], "-o", output, *SMALL, *words, "--dry-run")
    factor = metres // size
    assert f"    files of {size} m, means of {factor} x {factor} pixels" in dry.stdout
    if size == 360:  # 5,300,040 m is no multiple of 360: the means are resampled
        assert "resampled" in dry.stdout
        return
    run = mpirun(3, stores[False], "-o", output, *SMALL, *words)
    assert run.returncode == 0, run.stderr
    place = gdal.Open(str(output)).GetGeoTransform()
    left, top = round(399_960 - place[0]) // size, round(place[3] - 5_300_040) // size
    levels = half_dn(stores[False], size)
    assert_is(
        output, [reference.block_means(level, factor, left=left, top=top) for level in levels]
    )


def test_auto_reads_the_images_of_60_m(mpirun, stores, tmp_path):
    words = ("-o", tmp_path / "rgb.tif", *SMALL, "--resolution", 360)
    dry = mpirun(None, stores[False], *words, "--dry-run")
    assert "    files of 60 m, means of 6 x 6 pixels\n" in dry.stdout


def test_a_store_that_lacks_the_level(refused, tmp_path):
    store = write_eopf(tmp_path / "store", width=64, height=64, texture="synthetic")
    assert refused(store, "--source-resolution", 120) == (
        f"{store}: no b04, b03, b02 in measurements/reflectance/r120m; --source-resolution can be"
        " 10 here"
    )
