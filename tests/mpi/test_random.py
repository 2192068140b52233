"""Random products, masks and layouts against plain numpy: pixels, masks and every level."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from osgeo import gdal

import reference
from conftest import launch
from geotiffs import AVAILABLE, make_grid
from s2rgb_mpi.grid import Window

CODECS = [
    codec for codec in ("deflate", "zstd", "lzw", "none") if f">{codec.upper()}<" in AVAILABLE
]


class Case(NamedTuple):
    """A mosaic, and the options of its file."""

    places: list[tuple[int, int, int, int]]
    """Column, row, width and height of each product."""
    seed: int
    options: list[str]
    mask: str
    ranks: int | None


@st.composite
def cases(draw):
    tile = draw(st.sampled_from([64, 128]))
    size = st.integers(1, 420)
    offset = st.integers(-200, 300)
    others = st.lists(st.tuples(offset, offset, size, size), max_size=2)
    places = [(0, 0, draw(size), draw(size)), *draw(others)]
    mask = draw(st.sampled_from(["nodata", "internal", "alpha", "none"]))
    options = ["--mask", mask, "--tile", str(tile)]
    options += ["--window", str(tile * draw(st.sampled_from([1, 2, 4])))]
    options += ["--layout", draw(st.sampled_from(["cog", "cog", "tiled"]))]
    options += ["--compress", draw(st.sampled_from(CODECS))]
    options += ["--sparse"] * draw(st.booleans())
    return Case(
        places,
        draw(st.integers(0, 2**31)),
        options,
        mask,
        draw(st.sampled_from([None, 2, 3, 5])),
    )


def make_dn(rng, width, height):
    """Make DN, (height, width, 3), with a swath edge, a nodata area and single pixels without."""
    dn = rng.integers(1, 12_000, (height, width, 3)).astype(np.uint16)
    rows, cols = np.mgrid[:height, :width]
    slope = rng.uniform(-1, 1, 2)
    dn[cols * slope[0] + rows * slope[1] > rng.uniform(-0.5, 0.8) * (width + height) / 2] = 0
    top, left = rng.integers(0, height), rng.integers(0, width)
    dn[top : top + height // 2, left : left + width // 2] = 0
    dn[rng.random((height, width)) < 0.02] = 0
    return dn


def write_bands(folder, dn, place):
    """Write three GeoTIFFs at a place of the common grid; return their paths."""
    grid = make_grid(1, 1).part(Window(*place))
    paths = []
    for band in range(3):
        paths.append(str(folder / f"{'rgb'[band]}.tif"))
        options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        driver = gdal.GetDriverByName("GTiff")
        dataset = driver.Create(paths[-1], *place[2:], 1, gdal.GDT_UInt16, options)
        dataset.SetProjection(grid.crs)
        dataset.SetGeoTransform(grid.transform)
        dataset.WriteArray(dn[..., band])
        dataset = None
    return paths


def mosaic(parts):
    """Put DN at their places, the first on top; return what all of them cover."""
    left, top = (min(place[axis] for _, place in parts) for axis in (0, 1))
    right = max(place[0] + place[2] for _, place in parts)
    bottom = max(place[1] + place[3] for _, place in parts)
    whole = np.zeros((bottom - top, right - left, 3), np.uint16)
    for dn, (col, row, width, height) in reversed(parts):
        target = whole[row - top :, col - left :][:height, :width]
        np.copyto(target, dn, where=(dn != 0).any(axis=2, keepdims=True))
    return whole


def check(path, expected, valid, mask):
    """Compare pixels and mask of every level."""
    dataset = gdal.Open(str(path))
    for level in range(dataset.GetRasterBand(1).GetOverviewCount() + 1):
        bands = [dataset.GetRasterBand(number) for number in (1, 2, 3)]
        bands = [band.GetOverview(level - 1) if level else band for band in bands]
        found = np.dstack([band.ReadAsArray() for band in bands])
        np.testing.assert_array_equal(found, expected, err_msg=f"level {level}")
        if mask != "none":
            seen = bands[0].GetMaskBand().ReadAsArray() != 0
            np.testing.assert_array_equal(seen, valid, err_msg=f"mask of level {level}")
        expected, valid = reference.halve(expected, valid), reference.halve_valid(valid)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_mosaics_are_right_to_the_last_pixel_and_level(case):
    note(str(case))
    rng = np.random.default_rng(case.seed)
    with tempfile.TemporaryDirectory() as name:
        arguments, parts = [], []
        for number, place in enumerate(case.places):
            folder = Path(name) / str(number)
            folder.mkdir()
            dn = make_dn(rng, *place[2:])
            parts.append((dn, place))
            arguments += ["--rgb", *write_bands(folder, dn, place)]
        output = Path(name) / "rgb.tif"
        run = launch(case.ranks, *arguments, "-o", output, *case.options)
        assert run.returncode == 0, run.stderr
        dn = mosaic(parts)
        check(output, reference.rgb(dn), (dn != 0).any(axis=2), case.mask)
