"""Random dates, classifications and options of clouds against plain numpy: pixels and levels."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from osgeo import gdal

import composite
from composite import Observation, at_10_m, cloudy
from conftest import launch
from geotiffs import make_grid
from mpi.test_random import check, make_dn, write_bands
from s2rgb_mpi.grid import Window

OFFSET = -1000
CLASSES = ((3, 8, 9, 10), (9,), (1, 3, 7, 8, 9, 10), (4, 5, 6))


class Case(NamedTuple):
    """A mosaic of dates, what is cloudy in it, and how it is cut into windows."""

    places: list[tuple[int, int, int, int]]
    """Column, row, width and height of each product."""
    seed: int
    clouds: str
    classes: tuple[int, ...]
    buffer: int
    composite: str
    window: int
    crop: tuple[float, float, float, float]
    """Shares of the mosaic that are cut off: left, top, right and bottom."""
    ranks: int | None


@st.composite
def cases(draw):
    size, place = st.integers(1, 420), st.integers(-150, 200)
    others = st.lists(st.tuples(place, place, size, size), min_size=1, max_size=4)
    crop = st.sampled_from([0.0, 0.0, 0.2])
    return Case(
        [(0, 0, draw(size), draw(size)), *draw(others)],
        draw(st.integers(0, 2**31)),
        draw(st.sampled_from(["keep", "avoid", "avoid", "drop"])),
        draw(st.sampled_from(CLASSES)),
        draw(st.sampled_from([0, 0, 20, 50, 300])),
        draw(st.sampled_from(["first", "median"])),
        draw(st.sampled_from([64, 128, 256])),
        (draw(crop), draw(crop), draw(crop), draw(crop)),
        draw(st.sampled_from([None, 2, 3, 5])),
    )


def make_scl(rng, width, height):
    """Make classes of 20 m: large patches, some of which one pixel in five does not share."""
    shape = -(-height // 2), -(-width // 2)
    coarse = rng.integers(0, 12, (shape[0] // 20 + 2, shape[1] // 20 + 2), dtype=np.uint8)
    at = rng.integers(0, 20, 2)
    patches = np.kron(coarse, np.ones((20, 20), np.uint8))[at[0] :, at[1] :][: shape[0], : shape[1]]
    noise = rng.integers(0, 12, shape, dtype=np.uint8)
    return np.where(rng.random(shape) < rng.choice([0, 0.2]), noise, patches)


def write_scl(path, scl, place):
    """Write a classification for a product at a place of the common grid."""
    grid = make_grid(1, 1).part(Window(*place))
    height, width = scl.shape
    driver = gdal.GetDriverByName("GTiff")
    options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
    dataset = driver.Create(str(path), width, height, 1, gdal.GDT_Byte, options)
    dataset.SetProjection(grid.crs)
    x, dx, _, y, _, dy = grid.transform
    dataset.SetGeoTransform((x, 2 * dx, 0, y, 0, 2 * dy))
    dataset.WriteArray(scl)
    return path


def whole(parts):
    """Put observations at their places into the grid that all of them cover, and its corner."""
    left, top = (min(place[axis] for _, place in parts) for axis in (0, 1))
    right = max(place[0] + place[2] for _, place in parts)
    bottom = max(place[1] + place[3] for _, place in parts)
    observations = []
    for (dn, mask), (col, row, width, height) in parts:
        inside = slice(row - top, row - top + height), slice(col - left, col - left + width)
        large = np.zeros((bottom - top, right - left, 3), np.uint16)
        large[inside] = dn
        far = np.zeros(large.shape[:2], bool)
        far[inside] = mask
        observations.append(Observation(large, OFFSET, far))
    return observations, (left, top)


def cropped(observations, crop):
    """Cut pixels off all sides; return the rest, and its window in the whole."""
    height, width = observations[0].cloudy.shape
    col, row = int(crop[0] * width), int(crop[1] * height)
    right, bottom = width - int(crop[2] * width), height - int(crop[3] * height)
    part = slice(row, bottom), slice(col, right)
    rest = [Observation(one.dn[part], one.offset, one.cloudy[part]) for one in observations]
    return rest, Window(col, row, right - col, bottom - row)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_dates_are_right_to_the_last_pixel_and_level(case):
    note(str(case))
    rng = np.random.default_rng(case.seed)
    with tempfile.TemporaryDirectory() as name:
        arguments, parts = [], []
        for number, place in enumerate(case.places):
            folder = Path(name) / str(number)
            folder.mkdir()
            dn, scl = make_dn(rng, *place[2:]), make_scl(rng, *place[2:])
            bands = [*write_bands(folder, dn, place), write_scl(folder / "scl.tif", scl, place)]
            arguments += ["--rgb", *bands]
            mask = at_10_m(cloudy(scl, case.classes, case.buffer), dn.shape)
            parts.append(((dn, mask), place))
        observations, (left, top) = whole(parts)
        observations, window = cropped(observations, case.crop)
        output, sources = Path(name) / "rgb.tif", Path(name) / "sources.tif"
        options = ["--offset", OFFSET, "--mask", "internal", "--tile", 64, "--window", case.window]
        options += ["--clouds", case.clouds, "--composite", case.composite]
        if case.clouds != "keep":
            words = ",".join(map(str, case.classes))
            options += ["--cloud-buffer", case.buffer, "--cloud-classes", words]
        if case.composite == "first":
            options += ["--source-map", sources]
        x, dx, _, y, _, dy = make_grid(1, 1).transform
        west, north = x + dx * (left + window.col_off), y + dy * (top + window.row_off)
        bounds = west, north + dy * window.height, west + dx * window.width, north
        options += ["--bounds", *bounds, "--bounds-crs", "EPSG:32632"] if any(case.crop) else []
        run = launch(case.ranks, *arguments, "-o", output, *options)
        assert run.returncode == 0, run.stderr
        drop = case.clouds == "drop"
        if case.clouds == "keep":
            observations = [one._replace(cloudy=np.zeros_like(one.cloudy)) for one in observations]
        if case.composite == "first":
            image, source = composite.first(observations, drop=drop)
            found = gdal.Open(str(sources)).ReadAsArray()
            np.testing.assert_array_equal(found, source)
        else:
            image = composite.median(observations, drop=drop)
        check(output, image, image.any(axis=2), "internal")
