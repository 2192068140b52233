"""The overlap check: medians of two products in their common area."""

import numpy as np
import pytest

from s2rgb_mpi.image.checks.overlap import OverlapCheck, count
from s2rgb_mpi.image.radiometry import Calibration, Exopp, Stretch, Tci, colour, make_lut, valid


def image(dn, curve, offset=0):
    rgba = np.empty((*dn.shape, 4), dtype=np.uint8)
    colour([dn] * 3, [make_lut(Calibration(offset=offset), curve)] * 3, rgba)
    return rgba


@pytest.fixture
def dn():
    """Dark ground with nodata areas, uint16."""
    rng = np.random.default_rng(0)
    return np.where(rng.random((200, 200)) < 0.2, 0, rng.integers(300, 1_300, (200, 200))).astype(
        np.uint16
    )


def check(above, below, curve):
    made = OverlapCheck(["top", "under"], curve)
    made.add(1, count(above, below, valid(above) & valid(below)).tobytes())
    return made


def test_only_common_pixels_are_counted(dn):
    above = image(dn, Stretch())
    common = valid(above)
    common[:, :100] = False
    counts = count(above, image(dn, Stretch()), common)
    sample = dn[::4, ::4]
    assert counts.sum(axis=2).tolist() == [[np.count_nonzero(sample[:, 25:])] * 3] * 2


@pytest.mark.parametrize("curve", [Stretch(), Tci(), Exopp()], ids=lambda curve: curve.preset)
def test_the_offset_that_one_lacks_is_the_difference(dn, curve):
    made = check(image(dn, curve), image(dn + np.uint16(1000) * (dn > 0), curve), curve)
    assert made.differences()["under"] == pytest.approx(0.1, abs=0.015)
    (line,) = made.warnings()
    assert line.startswith("under: where it overlaps the products above it")
    assert made.tag().startswith("under 0.")


def test_products_that_agree_say_nothing(dn):
    below = image(dn + np.uint16(1000) * (dn > 0), Stretch(), offset=-1000)
    made = check(image(dn, Stretch()), below, Stretch())
    assert made.differences()["under"].tolist() == [0, 0, 0]
    assert made.warnings() == ()


def test_one_band_alone_is_no_offset(dn):
    below = image(dn, Stretch())
    below[..., 0] = image(dn + np.uint16(1000) * (dn > 0), Stretch())[..., 0]
    assert check(image(dn, Stretch()), below, Stretch()).warnings() == ()


def test_few_common_pixels_tell_nothing(dn):
    above = image(dn, Stretch())
    above[40:] = 0
    made = check(above[:40], image(dn + np.uint16(1000), Stretch())[:40], Stretch())
    assert made.differences() == {}
    assert made.tag() == ""
