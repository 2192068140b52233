"""The reference of composites itself, by cases that can be worked by hand."""

import numpy as np
import pytest

import composite
import reference
from composite import Observation

DISC_2 = ["..#..", ".###.", "#####", ".###.", "..#.."]
DISC_3 = ["...#...", ".#####.", ".#####.", "#######", ".#####.", ".#####.", "...#..."]


def colour(shifted):
    """Colour one DN with its offset added."""
    return reference.rgb(np.full((1, 1, 3), shifted))[0, 0, 0]


def line(values, cloudy, offset=0):
    """One row of pixels that are the same in all bands."""
    dn = np.repeat(np.array(values, np.uint16), 3).reshape(1, -1, 3)
    return Observation(dn, offset, np.array([cloudy], bool))


@pytest.mark.parametrize(
    ("buffer", "disc"), [(0, ["#"]), (40, DISC_2), (21, DISC_2), (60, DISC_3), (41, DISC_3)]
)
def test_buffers_are_discs_of_whole_pixels(buffer, disc):
    scl = np.full((9, 9), 4, np.uint8)
    scl[4, 4] = 9
    expected = np.array([[char == "#" for char in row] for row in disc])
    found = composite.cloudy(scl, buffer=buffer)
    margin = (9 - len(disc)) // 2
    assert np.array_equal(found, np.pad(expected, margin))


def test_no_buffer_reaches_a_pixel_without_a_class():
    scl = np.array([[8, 0, 4], [4, 4, 4]], np.uint8)
    assert composite.cloudy(scl, buffer=20).tolist() == [[True, False, False], [True, False, False]]
    assert composite.cloudy(scl).tolist() == [[True, False, False], [False, False, False]]


def test_classes_are_those_that_are_named():
    scl = np.arange(12, dtype=np.uint8)[np.newaxis]
    assert np.nonzero(composite.cloudy(scl)[0])[0].tolist() == [3, 8, 9, 10]
    assert np.nonzero(composite.cloudy(scl, (2, 7))[0])[0].tolist() == [2, 7]


FIRST = line([100, 200, 0, 0, 500, 600], [0, 1, 0, 0, 1, 1])
SECOND = line([1700, 1800, 1900, 0, 2000, 2100], [0, 0, 0, 1, 1, 0], offset=-1000)


def test_first():
    image, source = composite.first([FIRST, SECOND])
    assert source.tolist() == [[1, 2, 2, 0, 1, 2]]
    values = [100, 800, 900, None, 500, 1100]
    assert image[0, :, 0].tolist() == [0 if value is None else colour(value) for value in values]
    image, source = composite.first([FIRST, SECOND], drop=True)
    assert source.tolist() == [[1, 2, 2, 0, 0, 2]]
    assert not image[source == 0].any()


def test_median():
    third = line([50, 5000, 5000, 0, 900, 1000], [0, 0, 0, 0, 1, 0])
    dates = [FIRST, SECOND, third]
    clear = [100, 800, 900, 0, None, 1000]
    valid = [100, 800, 900, 0, 900, 1000]
    for expected, options in ((clear, {"drop": True}), (valid, {})):
        found = composite.median(dates, **options)[0, :, 0].tolist()
        assert found == [0 if not value else colour(value) for value in expected]
    kept = composite.median(dates, keep=True)[0, :, 0].tolist()
    assert kept == [0 if not value else colour(value) for value in [100, 800, 900, 0, 900, 1000]]


def test_median_is_that_of_reflectance_and_of_each_band():
    dn = np.array([[[1, 3000, 20]], [[2, 1, 30]], [[0, 2, 10]]], np.uint16)
    none = np.zeros((1, 1), bool)
    dates = [Observation(values[np.newaxis], 0, none) for values in dn]
    expected = [colour(1), colour(2), colour(20)]
    assert composite.median(dates)[0, 0].tolist() == expected


def test_a_band_without_data_of_a_valid_pixel_is_the_darkest():
    dark = Observation(np.array([[[0, 5, 5]]], np.uint16), 0, np.zeros((1, 1), bool))
    image, source = composite.first([dark])
    assert image[0, 0].tolist() == [1, colour(5), colour(5)]
    assert source[0, 0] == 1
