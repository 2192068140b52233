"""Only the first statement is used; offsets are never added up."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.calibration import NOBODY, Stated, from_scale, settle

USER = Stated("--offset", -7, 5_000.0)
METADATA = Stated("the item", 0, 20_000.0)
TAGS = Stated("the tags", -1000, 10_000.0)
NOTHING = Stated()
ESA = Stated("the list", -1000, 10_000.0, floats=NOTHING)
WITHOUT_SCALE = from_scale("t", scale=None, offset=-0.1)


def settled(user, metadata, tags, *, holds_reflectance=False):
    return settle(user, metadata, tags, holds_reflectance=holds_reflectance)


@pytest.mark.parametrize(
    ("said", "offset", "quantification", "source"),
    [
        ((USER, METADATA, TAGS), -7, 5_000, "--offset"),
        ((NOTHING, METADATA, TAGS), 0, 20_000, "the item"),
        ((NOTHING, NOTHING, TAGS), -1000, 10_000, "the tags"),
        ((NOTHING, NOTHING, NOTHING), 0, 10_000, NOBODY),
        ((Stated("--offset", 0), METADATA, TAGS), 0, 20_000, "--offset"),
        ((Stated("--offset", None, 1.0), NOTHING, TAGS), -1000, 1, "the tags"),
        ((NOTHING, Stated("the item", 0), TAGS), 0, 10_000, "the item"),
        ((NOTHING, ESA, TAGS), -1000, 10_000, "the list"),
        ((NOTHING, WITHOUT_SCALE, NOTHING), -1000, 10_000, "t"),
        ((Stated("--offset", None, 1_000.0), WITHOUT_SCALE, NOTHING), -100, 1_000, "t"),
        ((NOTHING, from_scale("t", scale=None, offset=-900), NOTHING), -900, 10_000, "t"),
    ],
)
def test_the_first_statement_counts(said, offset, quantification, source):
    result = settled(*said)
    assert result == (Calibration(offset, quantification), 1.0, source)


offsets = st.none() | st.integers(-5000, 5000)


@given(st.tuples(offsets, offsets, offsets))
def test_the_offset_is_one_of_those_stated_never_a_sum(stated):
    names = ("user", "metadata", "tags")
    said = [Stated(name, offset) for name, offset in zip(names, stated, strict=True)]
    result = settled(*said)
    expected = next((offset for offset in stated if offset is not None), 0)
    assert result.calibration.offset == expected


@pytest.mark.parametrize(
    ("said", "offset", "gain"),
    [
        ((NOTHING, NOTHING, NOTHING), 0, 10_000),  # reflectance as it is
        ((NOTHING, NOTHING, from_scale("t", scale=0.0001, offset=-0.1)), -1000, 1),  # DN in floats
        ((NOTHING, NOTHING, from_scale("t", scale=None, offset=-0.1)), -1000, 10_000),
        ((Stated("--offset", -1000), NOTHING, NOTHING), -1000, 10_000),  # DN, not units
        ((Stated("--offset", -100, 1_000.0), NOTHING, TAGS), -1000, 10),
        # ESA's offset is for integers, unless the user says that the floats are DN.
        ((NOTHING, ESA, NOTHING), 0, 10_000),
        ((NOTHING, ESA, TAGS), -1000, 1),
        ((Stated("--offset", None, 1.0), ESA, NOTHING), 0, 10_000),
        ((Stated("--offset", None, 10_000.0), ESA, NOTHING), -1000, 1),
        ((Stated("--offset", -1000), ESA, NOTHING), -1000, 10_000),
    ],
)
def test_floats_become_dn_of_a_ten_thousandth(said, offset, gain):
    result = settled(*said, holds_reflectance=True)
    assert result.calibration == Calibration(offset, 10_000)
    assert result.gain == pytest.approx(gain)


def test_scale_and_offset_are_turned_into_dn():
    # -0.1 / 0.0001 is not -1000 in float64.
    stated = from_scale("tags", scale=0.0001, offset=-0.1)
    assert settled(NOTHING, stated, NOTHING).calibration == Calibration(-1000, 10_000)


@pytest.mark.parametrize(
    "broken", list(itertools.product((0, -1, math.nan, math.inf), ("scale", "quantification")))
)
def test_what_cannot_be_divided_by_is_refused(broken):
    value, what = broken
    with pytest.raises(UsageError, match=f"{what} must be above 0"):
        _ = (
            from_scale("tags", scale=value, offset=0)
            if what == "scale"
            else Stated("tags", 0, value)
        )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_offset_that_is_no_number_is_refused(value):
    with pytest.raises(UsageError, match="offset must be a number"):
        Stated("tags", value)
