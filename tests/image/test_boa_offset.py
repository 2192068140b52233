"""The offset check: right offsets pass, wrong ones are found, on synthetic and on real pixels."""

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.image.checks.boa_offset import Counted, OffsetCheck, count, judge
from s2rgb_mpi.image.checks.findings import Finding
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.testing.safe import read_dn, write_safe

DATA = Path(__file__).parents[3] / "shared" / "data"
SHIFT = 1000


def judged(bands, offset, *, quantification=10_000.0, **options):
    """The verdict on a product of one window: bands are red, green, blue, uint16."""
    product = Counted("p", [Calibration(offset, quantification)] * 3, **options)
    return judge(count(bands).astype(np.int64), product)


def shifted(band, by=SHIFT):
    """Add to the DN of valid pixels, as ESA does; below 1 nothing is stored."""
    return np.where(band == 0, 0, np.maximum(band.astype(np.int64) + by, 1)).astype(np.uint16)


def findings(bands):
    """Check DN with and without an offset, stated and not stated: all four cases."""
    new = [shifted(band) for band in bands]
    return {
        "none, none stated": judged(bands, 0).finding,
        "none, but -1000 stated": judged(bands, -SHIFT).finding,
        "+1000, -1000 stated": judged(new, -SHIFT).finding,
        "+1000, but none stated": judged(new, 0).finding,
    }


ALL_FOUR = {
    "none, none stated": Finding.AGREES,
    "none, but -1000 stated": Finding.DOUBLED,
    "+1000, -1000 stated": Finding.AGREES,
    "+1000, but none stated": Finding.MISSING,
}


def scene(*patches, size=200, seed=0):
    """DN with +1000 in them: (share of the rows, red, green, blue, deviation), as reflectance."""
    rng = np.random.default_rng(seed)
    image = np.empty((size, size, 3))
    first = 0
    for share, red, green, blue, deviation in patches:
        rows = slice(first, first + round(share * size))
        image[rows] = rng.normal((red, green, blue), deviation, image[rows].shape)
        first = rows.stop
    assert first == size
    dn = np.clip(np.round(10_000 * image) + SHIFT, 1, 32_767).astype(np.uint16)
    return [dn[..., band] for band in range(3)]


LAND = (0.12, 0.10, 0.08, 0.02)
FOREST = (0.03, 0.05, 0.03, 0.006)
OCEAN = (0.0, 0.008, 0.012, 0.008)
OVERCORRECTED = (-0.015, -0.005, -0.012, 0.01)
SHADED_SNOW = (0.10, 0.08, -0.05, 0.02)
DESERT = (0.32, 0.20, 0.13, 0.01)
CLOUD = (0.6, 0.6, 0.6, 0.1)


@pytest.mark.parametrize(
    "patches",
    [
        [(0.9, *LAND), (0.1, *FOREST)],
        [(0.95, *OCEAN), (0.05, *LAND)],
        [(0.95, *CLOUD), (0.05, *OCEAN)],
    ],
    ids=["forest", "ocean", "cloudy"],
)
def test_right_offsets_agree_and_wrong_ones_are_reported(patches):
    new = scene(*patches)
    assert findings([shifted(band, -SHIFT) for band in new]) == ALL_FOUR


@pytest.mark.parametrize(
    "patches",
    [
        [(1.0, *OCEAN)],
        [(0.9, *OVERCORRECTED), (0.1, *LAND)],
        [(0.5, *SHADED_SNOW), (0.5, *FOREST)],
    ],
    ids=["ocean", "overcorrected", "shaded snow"],
)
def test_negative_reflectance_of_dark_scenes_is_no_contradiction(patches):
    bands = scene(*patches)
    assert max(np.mean(band < SHIFT) for band in bands) > 0.4
    assert judged(bands, -SHIFT).finding is Finding.AGREES


@pytest.mark.parametrize("offset", [0, -SHIFT])
@pytest.mark.parametrize("patch", [DESERT, CLOUD], ids=["desert", "cloud"])
def test_without_dark_pixels_nothing_is_said(patch, offset):
    new = scene((1.0, *patch))
    bands = new if offset else [shifted(band, -SHIFT) for band in new]
    assert judged(bands, offset).finding is Finding.UNKNOWN


@pytest.mark.parametrize(("size", "finding"), [(88, Finding.UNKNOWN), (92, Finding.MISSING)])
def test_too_few_pixels_tell_nothing(size, finding):
    """22² = 484 and 23² = 529 pixels are counted, where 500 are asked for."""
    bands = [np.full((size, size), 1100, np.uint16)] * 3
    assert judged(bands, 0).finding is finding


def test_an_image_without_valid_pixels_is_no_contradiction():
    empty = [np.zeros((200, 200), np.uint16)] * 3
    verdict = judged(empty, -SHIFT)
    assert (verdict.finding, verdict.pixels) == (Finding.UNKNOWN, 0)


def share_of(dark, light, hundredths):
    """A band of 100 x 100 counted pixels, so many hundredths of which are dark."""
    band = np.full((400, 400), light, np.uint16)
    band[: 4 * hundredths] = dark
    return band


@pytest.mark.parametrize(
    ("hundredths", "finding"), [((2, 9, 9), Finding.AGREES), ((3, 3, 3), Finding.DOUBLED)]
)
def test_every_band_must_be_negative_in_more_than_a_fiftieth(hundredths, finding):
    bands = [share_of(599, 900, number) for number in hundredths]
    assert judged(bands, -SHIFT).finding is finding


def test_reflectance_below_the_bound_alone_is_counted():
    verdict = judged([np.full((100, 100), 600, np.uint16)] * 3, -SHIFT)
    assert (verdict.finding, verdict.negative) == (Finding.AGREES, (0, 0, 0))
    verdict = judged([np.full((100, 100), 599, np.uint16)] * 3, -SHIFT)
    assert (verdict.finding, verdict.negative) == (Finding.DOUBLED, (1, 1, 1))


@pytest.mark.parametrize(
    ("floors", "finding"),
    [
        ((890, 890, 890), Finding.AGREES),
        ((890, 1200, 1200), Finding.AGREES),
        ((900, 900, 900), Finding.MISSING),
        ((1250, 1250, 1500), Finding.MISSING),
        ((1260, 1260, 1260), Finding.UNKNOWN),
        ((1000, 1000, 1510), Finding.UNKNOWN),
    ],
)
def test_floors_near_1000_without_an_offset_contradict(floors, finding):
    verdict = judged([share_of(floor, 3000, 2) for floor in floors], 0)
    assert (verdict.finding, verdict.floors) == (finding, floors)


def test_with_an_offset_in_use_a_high_floor_tells_nothing():
    assert judged([share_of(2100, 4000, 2)] * 3, -SHIFT).finding is Finding.UNKNOWN
    assert judged([share_of(1100, 3000, 2)] * 3, 0).finding is Finding.MISSING


def test_every_band_needs_enough_pixels():
    """3600 of the 10,000 pixels are valid in two bands, and 400 in the other."""
    bands = [np.where(np.arange(400)[:, np.newaxis] < rows, 1100, 0) for rows in (144, 16, 144)]
    verdict = judged([band.repeat(400, axis=1).astype(np.uint16) for band in bands], 0)
    assert (verdict.finding, verdict.pixels) == (Finding.UNKNOWN, 400)


def test_the_floor_is_where_a_hundredth_is_passed():
    assert judged([share_of(1008, 3009, 1)] * 3, 0).floors == (3000,) * 3
    assert judged([share_of(1008, 3009, 2)] * 3, 0).floors == (1000,) * 3


def test_thresholds_are_reflectance_whatever_the_quantification():
    bands = [share_of(2016, 6000, 2)] * 3
    verdict = judged(bands, 0, quantification=20_000)
    assert (verdict.finding, verdict.advice) == (Finding.MISSING, -2000)
    assert judged(bands, 0).finding is Finding.UNKNOWN


def test_counts_are_those_of_every_fourth_pixel():
    rng = np.random.default_rng(0)
    bands = [rng.integers(0, 9000, (61, 43)).astype(np.uint16) for _ in range(3)]
    bands[0][0, :16:4] = (32767, 32768, 65534, 65535)
    counts = count(bands)
    edges = [*range(0, 4001, 10), 32768, 65535, 65536]
    for band, found in zip(bands, counts, strict=True):
        sample = band[::4, ::4]
        expected, _ = np.histogram(sample[sample != 0], edges)
        np.testing.assert_array_equal(found, expected)
    assert (counts.shape, counts.nbytes) == (boa_offset.SHAPE, boa_offset.NBYTES)


def test_no_data_alone_is_not_counted():
    numbers = np.array([0, 1, 5, 6, 65534, 65535], np.uint16).repeat(4)[np.newaxis]
    assert count([numbers] * 3)[:, [0, -3, -2, -1]].tolist() == [[3, 0, 1, 1]] * 3


def test_verdicts_on_several_products_are_kept_apart():
    old, new = (
        [shifted(band, -SHIFT) for band in scene((1.0, *FOREST))],
        scene((1.0, *FOREST), seed=1),
    )
    check = OffsetCheck([Counted(name, [Calibration()] * 3) for name in ("old", "new")])
    for number, bands in ((0, old), (1, new), (0, old)):
        check.add(number, count(bands).tobytes())
    verdicts = check.verdicts()
    assert [(name, verdict.finding) for name, verdict in verdicts] == [
        ("old", Finding.AGREES),
        ("new", Finding.MISSING),
    ]
    assert verdicts[0][1].pixels == 2 * verdicts[1][1].pixels
    (line,) = check.warnings()
    assert line.startswith("new: ")
    assert check.tag().startswith("old agrees (")
    assert "; new looks missing (" in check.tag()


def test_the_warning_has_the_numbers_and_the_option_that_overrides():
    missing = judged([share_of(floor, 3000, 2) for floor in (1008, 1024, 1040)], 0)
    assert missing.warning("S2A_X") == (
        "S2A_X: the pixels look as if ESA's +1000 were still in them: their darkest 1 % end at DN"
        " 1000, 1020, 1040 (B04, B03, B02; the offset in use is 0); if so, --offset -1000 puts it"
        " right"
    )
    doubled = judged([share_of(200, 3000, number) for number in (12, 50, 100)], -SHIFT)
    assert doubled.warning("S2A_X") == (
        "S2A_X: the pixels look as if offset -1000 had been applied before: 12, 50, 100 % have a"
        " reflectance below -0.04 (B04, B03, B02; the offset in use is -1000); if so, --offset 0"
        " puts it right"
    )


def test_the_tag_has_the_finding_and_the_numbers():
    assert judged([share_of(200, 3000, 12)] * 3, 0).tag() == (
        "agrees (10000 pixels: their darkest 1 % end at DN 200, 200, 200; 0, 0, 0 % have a"
        " reflectance below -0.04)"
    )


def test_a_product_without_a_pixel_to_count_has_no_numbers():
    """As one that others hide."""
    check = OffsetCheck([Counted("S2A_X", [Calibration()] * 3)])
    assert check.tag() == "undecided (no valid pixel of it is shown)"
    assert check.warnings() == ()


@pytest.mark.parametrize("texture", ["synthetic", "auto"])
def test_products_with_right_and_wrong_offsets(tmp_path, texture):
    options = {"width": 611, "height": 389, "tile": 128, "texture": texture}
    old = write_safe(tmp_path, baseline="02.14", offset=None, **options)
    bands = np.moveaxis(read_dn(old), -1, 0)
    assert findings(bands) == ALL_FOUR
    new = np.moveaxis(read_dn(write_safe(tmp_path, **options)), -1, 0)
    assert judged(new, -SHIFT).finding is Finding.AGREES
    assert judged(new, 0).finding is Finding.MISSING


def real(*names):
    """Read real bands; without them the test is skipped."""
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.is_file():
            pytest.skip(f"{path}: no real pixels beside the project")
    return [gdal.Open(str(path)).ReadAsArray() for path in paths]


TRIPLES = sorted(path.name for path in (DATA / "pixels/bigearthnet_common_tiny_L2A").glob("S2*"))


@pytest.mark.parametrize("patch", TRIPLES or ["none"])
def test_real_patches_of_baseline_02(patch):
    """Eleven patches of 1.2 km: fields, forest, villages, and one of winter shade."""
    folder = f"pixels/bigearthnet_common_tiny_L2A/{patch}"
    bands = real(*(f"{folder}/{patch}_{band}.tif" for band in ("B04", "B03", "B02")))
    assert findings(bands) == ALL_FOUR


def test_a_real_band_of_baseline_04():
    """B01 of Lake Geneva and the Valais, -1000 in its metadata; 0.1 % are below -0.04."""
    folder = "jp2/stactools_T32TLS_Valais_B01_60m"
    name = "S2A_OPER_MSI_L2A_TL_ATOS_20220620T162319_A036527_T32TLS_N04.00_R60m_B01.jp2"
    (band,) = real(f"{folder}/{name}")
    verdict = judged([band] * 3, -SHIFT)
    assert verdict.finding is Finding.AGREES
    assert 0.0005 < verdict.negative[0] < 0.002
    assert judged([band] * 3, 0).finding is Finding.MISSING
    assert judged([shifted(band, -SHIFT)] * 3, -SHIFT).finding is Finding.DOUBLED


def test_real_reflectance_above_the_atmosphere_is_never_accused():
    """Haze lifts its blue to 800 DN, so less can be told than at the surface."""
    folder = "pixels/openeo-geotrellis_icor_10m"
    bands = real(*(f"{folder}/ref_input_S2_{band}.tif" for band in ("B04", "B03", "B02")))
    bands = [np.where(band == 65535, 0, band) for band in bands]
    assert judged(bands, 0).finding is Finding.AGREES
    assert judged([shifted(band) for band in bands], -SHIFT).finding is Finding.AGREES
