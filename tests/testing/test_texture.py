"""The scene of test products: real pixels as they are, and what continues them."""

import numpy as np
import pytest

from s2rgb_mpi.testing.lattice import octaves
from s2rgb_mpi.testing.quilt import OVERLAP, PATCH, STEP, Quilt
from s2rgb_mpi.testing.texture import Scene

EDGE = PATCH + STEP
WIDTH = 2000
SLOPE = 120
"""Of the image below: the most by which neighbours in it differ."""


@pytest.fixture(scope="module")
def source():
    """A smooth image with far more than `SLOPE` between its darkest and its brightest place."""
    rng = np.random.default_rng(3)
    image = np.stack([octaves(rng, 1024, slope=1.5) for _ in range(3)])[:, : EDGE + 5, : EDGE + 9]
    image = np.rint(image * 4000).astype(np.int16)
    assert max(np.abs(np.diff(image, axis=axis)).max() for axis in (1, 2)) <= SLOPE
    assert np.ptp(image) > 20 * SLOPE
    return image


def quilt(source, seed=0):
    bands = Quilt(source, WIDTH, np.random.default_rng(seed)).bands()
    return np.concatenate([next(bands).copy() for _ in range(5)], axis=1)


@pytest.fixture(scope="module")
def image(source):
    return quilt(source)


def test_the_source_is_the_corner_of_the_image_as_it_is(source, image):
    assert image.shape == (3, 5 * STEP, WIDTH)
    real = EDGE - OVERLAP
    assert np.array_equal(image[:, :real, :real], source[:, :real, :real])


def test_what_continues_it_has_its_values(source, image):
    beyond = image[:, EDGE:, EDGE:]
    assert source.min() <= beyond.min() < beyond.max() <= source.max()
    assert abs(beyond.mean() - source.mean()) < 0.3 * source.std()
    assert abs(beyond.std() / source.std() - 1) < 0.3


@pytest.mark.parametrize("axis", [1, 2])
def test_no_patch_ends_in_an_edge(source, image, axis):
    """Behind its seam it fades in over 16 pixels, and two may do so in one place."""
    steepest = 2 * np.ptp(source) / 16 + SLOPE
    assert np.abs(np.diff(image, axis=axis)).max() <= steepest
    assert steepest < np.ptp(source) / 4


@pytest.mark.parametrize("axis", [1, 2])
def test_it_has_no_mirror_axis_and_does_not_repeat(image, axis):
    lines = np.moveaxis(image, axis, 0)[::4]  # it is smooth: one of four is enough
    lines = lines.reshape(len(lines), -1)[:, ::32].astype(int)
    least = 0.1 * image.std()
    for number in range(16, len(lines)):  # neighbours are alike
        difference = np.abs(lines[: number - 15] - lines[number]).mean(axis=1)
        assert difference.min() > least, number


def test_same_state_same_pixels(source, image):
    assert np.array_equal(quilt(source), image)
    other = quilt(source, seed=1)
    assert not np.array_equal(other[:, EDGE:], image[:, EDGE:])


@pytest.mark.parametrize("texture", ["auto", "synthetic"])
def test_a_scene_can_be_made_twice(texture):
    scene = Scene(300, 200, nodata_fraction=0.1, texture=texture, seed=4)
    for (row, first), (again, second) in zip(scene.strips(), scene.strips(), strict=True):
        assert row == again
        assert np.array_equal(first, second, equal_nan=True)


@pytest.mark.parametrize(("width", "height"), [(1933, 100), (1934, 100), (97, 1948), (50, 96)])
def test_strips_have_the_size_of_the_scene(width, height):
    scene = Scene(width, height, nodata_fraction=0.0, texture="auto", seed=0)
    rows = 0
    for first, strip in scene.strips():
        assert first == rows
        assert strip.shape == (3, min(96, height - first), width)
        assert not np.isnan(strip).any()
        rows += strip.shape[1]
    assert rows == height
