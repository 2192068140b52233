"""Clouds by class: names and numbers of classes, and areas widened by a disc."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.clouds import CLASSES, Clouds, any_of, dilated, read_classes


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        (8, (8,)),
        ("8", (8,)),
        ("cloud", (8, 9)),
        (["shadow", "cloud", "cirrus"], (3, 8, 9, 10)),
        ([10, "9", 9, " Cloud "], (8, 9, 10)),
        (["strict"], (1, 3, 7, 8, 9, 10)),
        (["2"], (2,)),
        (range(1, 12), tuple(range(1, 12))),
    ],
)
def test_classes_are_numbers_or_names(given, classes):
    assert read_classes(given) == classes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("0", "--cloud-classes 0: class 0 is no data, which is never cloudy"),
        ([3, 0], "--cloud-classes 0: class 0 is no data, which is never cloudy"),
        ("12", "--cloud-classes 12: not a class; they are 1 to 11, or saturated, shadow, "),
        (["-1"], "--cloud-classes -1: not a class"),
        (["8.0"], "--cloud-classes 8.0: not a class"),
        (["clouds"], "--cloud-classes clouds: not a class"),
        ([""], "--cloud-classes : not a class"),
        ([True], "--cloud-classes True: not a class"),
        ("²", "--cloud-classes ²: not a class"),
        ([], "--cloud-classes: at least one class is needed"),
    ],
)
def test_other_classes_are_refused(given, words):
    with pytest.raises(UsageError) as caught:
        read_classes(given)
    assert str(caught.value).startswith(words)


def test_names_leave_out_the_class_that_changed_its_meaning():
    assert {number for classes in CLASSES.values() for number in classes} == {*range(12)} - {0, 2}


@pytest.mark.parametrize(
    ("buffer", "pixel", "radius"),
    [(0, 20, 0), (1, 20, 1), (20, 20, 1), (20.1, 20, 2), (60, 60, 1), (0.3, 0.1, 3)],
)
def test_a_buffer_is_rounded_up_to_whole_pixels(buffer, pixel, radius):
    assert Clouds(buffer=buffer).radius(pixel) == radius


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 20),
    st.lists(st.integers(0, 143), max_size=5),
)
def test_an_area_is_widened_by_a_disc(height, width, radius, places):
    cloudy = np.zeros((height, width), bool)
    cloudy.flat[[place % cloudy.size for place in places]] = True
    rows, cols = (each[..., np.newaxis] for each in np.indices(cloudy.shape))
    row, col = np.nonzero(cloudy)
    near = ((rows - row) ** 2 + (cols - col) ** 2 <= radius**2).any(axis=-1)
    np.testing.assert_array_equal(dilated(cloudy, radius), near)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5)), min_size=1, max_size=9))
def test_a_range_has_what_any_of_its_rows_has(ranges):
    values = np.random.default_rng(0).random((13, 3)) < 0.2
    begins = np.array([begin for begin, _ in ranges])
    ends = begins + [size for _, size in ranges]
    expected = [values[begin:end].any(axis=0) for begin, end in zip(begins, ends, strict=True)]
    np.testing.assert_array_equal(any_of(values, begins, ends), expected)
