"""From DN to 8-bit colour: every table entry against the reference, and what "no data" means."""

import numpy as np
import pytest

import reference
from geotiffs import picture, rgba
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.radiometry import (
    PRESETS,
    Calibration,
    Exopp,
    Stretch,
    Tci,
    colour,
    make_lut,
    valid,
)
from s2rgb_mpi.image.statistics import histogram, statistics

EVERY_DN = np.arange(65536, dtype=np.uint16)


def tables():
    return [make_lut(Calibration(), Stretch())] * 3


def coloured(dn, luts, *, darkest=1):
    """Colour DN of shape (height, width, 3); return the colours, and which pixels are valid."""
    rgba = np.full((*dn.shape[:2], 4), 99, np.uint8)
    colour([dn[..., band] for band in range(3)], luts, rgba, darkest=darkest)
    return rgba[..., :3], valid(rgba)


@pytest.mark.parametrize(
    "stretch",
    [(0.0, 1.0, 2.2), (0.0, 0.3, 1.0), (0.02, 0.4, 1.8), (-0.1, 2.0, 0.5)],
    ids=["default", "linear", "cut", "wide"],
)
@pytest.mark.parametrize(("offset", "quantification"), [(0, 10_000), (-1000, 10_000), (250, 4_095)])
def test_every_entry_is_that_of_the_reference(stretch, offset, quantification):
    black, white, gamma = stretch
    lut = make_lut(Calibration(offset, quantification), Stretch(black, white, gamma))
    dn = EVERY_DN.reshape(256, 256, 1).repeat(3, axis=2)
    expected = reference.rgb(
        dn, offset=offset, quantification=quantification, black=black, white=white, gamma=gamma
    )
    np.testing.assert_array_equal(lut, expected[..., 0].ravel())


CALIBRATIONS = [(0, 10_000), (-1000, 10_000), (-37, 10_000), (250, 10_000), (-100, 1_000)]


@pytest.mark.parametrize(("offset", "quantification"), [*CALIBRATIONS, (-1000, 4_095)])
def test_tci_is_esas_image_but_for_valid_pixels_that_are_0_there(offset, quantification):
    lut = make_lut(Calibration(offset, quantification), Tci())
    esa = reference.tci(EVERY_DN, offset=offset, quantification=quantification)
    dark = np.flatnonzero((EVERY_DN + float(offset) <= 0) & (EVERY_DN != 0))
    np.testing.assert_array_equal(np.flatnonzero(lut[1:] != esa[1:]) + 1, dark)
    assert (lut[dark] == 1).all()
    assert lut[0] == 0


def test_tci_by_hand():
    """1 + floor(254 r / 2500): 1 up to r = 9, 2 from r = 10 on, 255 from r = 2500 on."""
    lut = make_lut(Calibration(-1000), Tci())
    assert lut[[1, 1000, 1001, 1009, 1010, 2250, 3499, 3500, 32767]].tolist() == [
        *(1, 1, 1, 1, 2),
        *(1 + 127, 254, 255, 255),
    ]
    assert Tci().values(np.array([-1.0, 0.0, 1.0]), 10_000).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("offset", "quantification"), CALIBRATIONS)
def test_exopp_is_the_exercises_recipe_but_for_valid_pixels_that_are_0_there(
    offset, quantification
):
    lut = make_lut(Calibration(offset, quantification), Exopp())
    recipe = reference.exopp(EVERY_DN, offset=offset, quantification=quantification)
    np.testing.assert_array_equal(lut[1:], np.maximum(recipe, 1)[1:])
    assert lut[0] == 0


def test_exopp_by_hand():
    """255 * ((DN - 200) / 9600) ** 0.6, truncated: 168.2 at half way."""
    lut = make_lut(Calibration(), Exopp())
    assert lut[[1, 200, 5000, 9799, 9800, 65535]].tolist() == [1, 1, 168, 254, 255, 255]


def test_presets_are_known_by_their_names():
    assert {name: curve() for name, curve in PRESETS.items()} == {
        "boa": Stretch(),
        "tci": Tci(),
        "exopp": Exopp(),
    }


@pytest.mark.parametrize("curve", [Stretch(), Tci(), Exopp()])
def test_no_data_alone_becomes_0(curve):
    lut = make_lut(Calibration(offset=-1000), curve)
    assert np.flatnonzero(lut == 0).tolist() == [0]


def test_no_data_is_looked_at_before_the_offset_is_added():
    lut = make_lut(Calibration(offset=1000), Stretch())
    assert (lut[0], lut[1]) == (0, 90)  # 255 * 0.1001 ** (1 / 2.2) = 89.6


def test_black_becomes_1_and_white_255():
    lut = make_lut(Calibration(offset=-1000), Stretch())
    assert (lut[1], lut[1000], lut[11_000], lut[65535]) == (1, 1, 255, 255)


@pytest.mark.parametrize(
    ("dn", "expected"),
    [
        ([0, 0, 0], [0, 0, 0]),
        ([10_000, 10_000, 10_000], [255, 255, 255]),
        ([0, 10_000, 10_000], [1, 255, 255]),
        ([0, 0, 10_000], [1, 1, 255]),
    ],
)
def test_a_pixel_is_valid_if_one_of_its_bands_is(dn, expected):
    rgb, is_valid = coloured(np.array([[dn]], np.uint16), tables())
    assert rgb.tolist() == [[expected]]
    assert is_valid.tolist() == [[any(expected)]]


@pytest.mark.parametrize("curve", [Stretch(), Tci(), Exopp()])
@pytest.mark.parametrize("offset", [0, -1000])
def test_a_band_without_data_is_the_darkest_in_a_valid_pixel_whatever_the_preset(curve, offset):
    dn = np.array([[[0, 12_000, 0], [0, 0, 0], [1, 1, 1]]], np.uint16)
    rgb, _ = coloured(dn, [make_lut(Calibration(offset), curve)] * 3)
    dark = make_lut(Calibration(offset), curve)[1]
    assert rgb.tolist() == [[[1, 255, 1], [0, 0, 0], [dark] * 3]]
    assert dark >= 1


def test_pixels_are_judged_one_by_one():
    dn = np.array([[[0, 0, 0], [10_000, 0, 0], [10_000, 10_000, 10_000]]], np.uint16)
    rgb, is_valid = coloured(dn, tables())
    assert rgb.tolist() == [[[0, 0, 0], [255, 1, 1], [255, 255, 255]]]
    assert is_valid.tolist() == [[False, True, True]]


@pytest.mark.parametrize("curve", [Tci(), Exopp()])
def test_where_0_is_a_colour_a_preset_is_exact(curve):
    """DN 1000 becomes 0 in both, and stays valid; a band without data is 0 too."""
    luts = [make_lut(Calibration(-1000), curve, darkest=0)] * 3
    dn = np.array([[[1000] * 3, [0, 0, 0], [0, 9000, 1000], [12_000] * 3]], np.uint16)
    rgb, is_valid = coloured(dn, luts, darkest=0)
    bright = {"tci": 255, "exopp": 255 * (7800 / 9600) ** 0.6 // 1}[curve.preset]
    assert rgb.tolist() == [[[0] * 3, [0] * 3, [0, bright, 0], [255] * 3]]
    assert is_valid.tolist() == [[True, False, True, True]]


@pytest.mark.parametrize(("offset", "quantification"), CALIBRATIONS)
def test_tci_is_esas_image_to_the_last_value_where_0_is_a_colour(offset, quantification):
    lut = make_lut(Calibration(offset, quantification), Tci(), darkest=0)
    esa = reference.tci(EVERY_DN, offset=offset, quantification=quantification)
    np.testing.assert_array_equal(lut[1:], esa[1:])


def test_each_band_has_its_own_table():
    luts = [make_lut(Calibration(offset), Stretch(gamma=1)) for offset in (0, -1000, -2000)]
    rgb, _ = coloured(np.full((1, 1, 3), 3000, np.uint16), luts)
    assert rgb.tolist() == [[[77, 51, 26]]]  # 255 * (0.3, 0.2, 0.1), halves up


def test_an_image_is_coloured_as_the_reference_says():
    dn = np.random.default_rng(0).integers(0, 4, (40, 30, 3)).astype(np.uint16) * 3000
    rgb, _ = coloured(dn, tables())
    np.testing.assert_array_equal(rgb, reference.rgb(dn))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (3, 3), (64, 64), (31, 17)])
def test_the_histogram_counts_every_pixel_once(width, height):
    image = picture(width, height)
    pixels = image[image.any(axis=2)]
    expected = [np.bincount(pixels[..., band].ravel(), minlength=256) for band in range(3)]
    np.testing.assert_array_equal(histogram(rgba(image)), expected)


def test_the_histogram_of_both_ends():
    image = np.array([[[0, 255, 0], [255, 255, 0], [255, 0, 0]]], np.uint8)
    counts = histogram(rgba(image))
    assert counts[:, [0, 255]].tolist() == [[1, 2], [1, 2], [3, 0]]
    assert counts.sum() == 9


def test_the_histogram_counts_black_pixels_only_where_they_are_valid():
    image = np.zeros((3, 5, 4), np.uint8)
    image[:2, :, 3] = 255
    counts = histogram(image)
    assert counts[:, 0].tolist() == [10] * 3
    assert counts.sum() == 30


def test_statistics_include_black_pixels():
    counts = np.zeros(256, np.int64)
    counts[[0, 30]] = 2, 1
    found = statistics(counts, 4)
    assert found is not None
    assert found._asdict() == {
        "minimum": 0,
        "maximum": 30,
        "mean": 10,
        "stddev": pytest.approx(200**0.5),
        "valid_percent": 75,
    }
    assert statistics(np.zeros(256, np.int64), 4) is None


@pytest.mark.parametrize(
    ("black", "white", "gamma", "words"),
    [
        (0.5, 0.5, 1.0, "--white 0.5 must be above --black 0.5"),
        (0.5, 0.4, 1.0, "--white 0.4 must be above --black 0.5"),
        (0.0, float("nan"), 1.0, "--white nan"),
        (float("-inf"), 1.0, 1.0, "--black -inf"),
        (0.0, float("inf"), 1.0, "--white inf"),
        (0.0, 1.0, 0.0, "--gamma must be above 0, not 0"),
        (0.0, 1.0, float("inf"), "--gamma"),
    ],
)
def test_a_stretch_without_a_curve_is_refused(black, white, gamma, words):
    with pytest.raises(UsageError, match=words):
        Stretch(black, white, gamma)


@pytest.mark.parametrize("quantification", [0.0, -10_000.0, float("nan"), float("inf")])
def test_a_quantification_that_cannot_divide_is_refused(quantification):
    with pytest.raises(UsageError, match="quantification must be"):
        Calibration(0, quantification)
