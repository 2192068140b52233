"""Values that are too high: other units, differences below 0, what is no data; and what is not."""

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from rasters import scene, write_raster
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.checks.boa_offset import Counted, bins, count, judge
from s2rgb_mpi.image.checks.findings import Finding
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.rgb_files import open_bands

ICOR = Path(__file__).parents[3] / "shared" / "data" / "pixels" / "openeo-geotrellis_icor_10m"


def judged(bands, *, offset=0, quantification=10_000.0, **options):
    """The verdict on a product of one window: bands are red, green, blue, uint16."""
    product = Counted("p", [Calibration(offset, quantification)] * 3, **options)
    return judge(count(bands).astype(np.int64), product)


def verdict_on(tmp_path, values, **choice):
    """The verdict on a file of one band that is all three."""
    path = write_raster(tmp_path / "v.tif", values)
    product = open_bands([path] * 3, Choice(**choice))
    (band, *_), grid = product.bands, product.grid
    dn = Source(product).read(Window(0, 0, grid.width, grid.height))
    counted = Counted("p", [band.calibration] * 3, band.stored.dtype, band.stored.gain)
    of_codes = [bins(band.stored.dn_of_codes())] * 3
    return judge(count(dn, of_codes).astype(np.int64), counted)


def share_of(value, hundredths, other=1500, rows=400):
    """A band of 100 x 100 counted pixels, so many hundredths of which have a value."""
    band = np.full((rows, 400), other, np.uint16)
    band[: 4 * hundredths] = value
    return band


def land(height=400, width=400):
    """DN of ordinary land, without "no data"."""
    return np.maximum(scene(height, width)[..., 0], 1).astype(np.float64)


FLOAT_WARNING = (
    "p: the values are too high: 100, 100, 100 % of the pixels have a reflectance above 3.2767"
    " (B04, B03, B02; the quantification in use is 1); to put it right: --quantification 10000 if"
    " they are DN, --quantification 100 if they are percent, --nodata VALUE if they mean no data"
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_are_dn_are_reported(tmp_path, dtype):
    values = (land() + 9.5).astype(dtype)
    verdict = verdict_on(tmp_path, values)
    assert (verdict.finding, verdict.high) == (Finding.HIGH, (1, 1, 1))
    assert verdict.warning("p") == FLOAT_WARNING
    assert verdict.tag() == (
        "values too high (10000 pixels: 100, 100, 100 % of the pixels have a reflectance above"
        " 3.2767)"
    )
    assert verdict_on(tmp_path, values, quantification=10_000.0).finding is not Finding.HIGH


def test_floats_in_percent_are_reported(tmp_path):
    values = (land() / 100).astype(np.float32)
    assert verdict_on(tmp_path, values).finding is Finding.HIGH
    assert verdict_on(tmp_path, values, quantification=100.0).finding is Finding.AGREES
    # The sea alone, of 1 to 3 %, does not give it away, but the clouds over a part of it do.
    sea = np.random.default_rng(0).uniform(1, 3, (400, 400)).astype(np.float32)
    sea[:12] = 60
    verdict = verdict_on(tmp_path, sea)
    assert (verdict.finding, verdict.high[0]) == (Finding.HIGH, 0.03)


@pytest.mark.parametrize("value", [1e20, 9.96921e36, 32767.0, 255.0])
def test_a_value_of_floats_that_should_be_no_data_is_reported(tmp_path, value):
    values = (land() / 10_000).astype(np.float32)
    values[:40] = value
    verdict = verdict_on(tmp_path, values)
    assert (verdict.finding, verdict.high[0]) == (Finding.HIGH, 0.1)
    assert "--nodata VALUE if they mean no data" in verdict.warning("p")
    nodata = (float(np.float32(value)),)
    assert verdict_on(tmp_path, values, nodata=nodata).finding is Finding.AGREES


def test_dn_below_0_that_wrapped_around_are_reported(tmp_path):
    """A lake of 3 %, from which somebody took ESA's 1000 without a look at the type."""
    dn = land().astype(np.uint16) + 1000
    dn[:12] = np.random.default_rng(0).integers(850, 990, (12, 400))
    values = dn - np.uint16(1000)
    verdict = verdict_on(tmp_path, values)
    assert (verdict.finding, verdict.high[0]) == (Finding.HIGH, 0.03)
    assert verdict.warning("p") == (
        "p: the values are too high: 3, 3, 3 % of the pixels have a reflectance above 3.2767 (B04,"
        " B03, B02; the quantification in use is 10000); to put it right: --quantification N if"
        " they are scaled otherwise, --nodata VALUE if they mean no data, a new file if they were"
        " below 0 and wrapped around"
    )
    assert verdict_on(tmp_path, dn).finding is not Finding.HIGH


def test_one_band_that_wrapped_around_is_enough():
    bands = [share_of(65_000, number) for number in (0, 0, 3)]
    assert judged(bands).finding is Finding.HIGH
    bands = [share_of(65_000, number) for number in (0, 0, 2)]
    assert judged(bands).finding is not Finding.HIGH


def test_integers_of_another_scale_are_reported():
    """Reflectance of 0 to 1 as 0 to 65535: clouds give it away."""
    bands = [share_of(45_000, 10, other=8_000)] * 3
    assert judged(bands).finding is Finding.HIGH
    assert judged(bands, quantification=65_535).finding is not Finding.HIGH
    clouds = [share_of(45_000, 100)] * 3
    assert judged(clouds, quantification=65_535).finding is not Finding.HIGH


@pytest.mark.parametrize("quantification", [1, 10, 100])
def test_a_quantification_that_cannot_be_is_reported(quantification):
    verdict = judged([share_of(3000, 50)] * 3, quantification=quantification)
    assert verdict.finding is Finding.HIGH
    assert f"the quantification in use is {quantification}); to put" in verdict.warning("p")
    assert "right: --quantification 10000 if they are DN, --nodata" in verdict.warning("p")


@pytest.mark.parametrize("offset", [0, -1000])
def test_the_bound_is_reflectance_whatever_the_quantification(offset):
    """Of products with 1,000 DN per unit, 3,277 DN are the most."""
    for dn, finding in ((3270, False), (3290, True)):
        bands = [share_of(dn - offset, 60, other=100 - offset)] * 3
        verdict = judged(bands, offset=offset, quantification=1000)
        assert (verdict.finding is Finding.HIGH) == (finding and dn - offset < 4000)


@pytest.mark.parametrize("dn", [12_000, 16_000, 20_000, 28_000, 32_767])
@pytest.mark.parametrize("offset", [0, -1000])
@pytest.mark.parametrize("hundredths", [5, 50, 100])
def test_clouds_snow_and_deserts_are_not_too_high(dn, offset, hundredths):
    bands = [share_of(dn, hundredths, other=6000)] * 3
    assert judged(bands, offset=offset).finding is Finding.UNKNOWN


@pytest.mark.parametrize(
    ("hundredths", "finding"), [(0, Finding.AGREES), (50, Finding.AGREES), (51, Finding.HIGH)]
)
def test_saturated_pixels_are_white_and_right(hundredths, finding):
    bands = [share_of(65_535, hundredths, other=300)] * 3
    assert judged(bands).finding is finding


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32"])
def test_what_is_clipped_is_not_saturated(dtype):
    bands = [share_of(65_535, 3)] * 3
    verdict = judged(bands, dtype=dtype, gain=10_000.0 if dtype == "float32" else 1.0)
    assert verdict.finding is Finding.HIGH
    assert "wrapped" not in verdict.warning("p")
    assert ("percent" in verdict.warning("p")) == (dtype == "float32")
    assert judged([share_of(65_535, 2)] * 3, dtype=dtype).finding is not Finding.HIGH


BLACK_WARNING = (
    "p: the image is all but black: at least 99 % of each band are below DN 10, or below 0;"
    " --nodata VALUE, such as 0 or -9999, puts it right if that means no data"
)


@pytest.mark.parametrize(
    "values",
    [np.float32(0), np.float64(-0.01), np.float32(-9999), np.int16(-10_000), np.int32(-9999)],
)
def test_an_unnamed_no_data_that_is_all_there_is_is_reported(tmp_path, values):
    image = np.full((400, 400), values)
    verdict = verdict_on(tmp_path, image)
    assert (verdict.finding, verdict.warning("p")) == (Finding.BLACK, BLACK_WARNING)
    image[:8] = 1000 if image.dtype.kind == "i" else 0.1
    assert verdict_on(tmp_path, image).finding is not Finding.BLACK


@pytest.mark.parametrize("value", [1, 5, 9])
def test_dn_near_0_are_dark_and_nothing_else(value):
    """In unsigned integers 0 is no data anyhow, and no reflectance of 0 to 1 can be in them."""
    assert judged([share_of(value, 100)] * 3).finding is Finding.AGREES


def test_signed_dn_that_an_offset_lifts_are_not_black():
    bands = [share_of(5, 100)] * 3
    assert judged(bands, dtype="int16", offset=500).finding is Finding.AGREES
    assert judged(bands, dtype="int16").finding is Finding.BLACK


def test_a_few_pixels_tell_enough_if_most_are_too_high():
    few = [share_of(65_535, 3, rows=16)] * 3
    assert (judged(few).finding, judged(few).pixels) == (Finding.HIGH, 400)
    some = [share_of(40_000, 1, rows=16)] * 3
    assert judged(some).finding is Finding.UNKNOWN
    assert judged([np.zeros((20, 20), np.uint16)] * 3).finding is Finding.UNKNOWN


def test_real_clouds_are_not_too_high_but_their_dn_in_floats_are(tmp_path):
    names = [ICOR / f"ref_input_S2_{band}.tif" for band in ("B04", "B03", "B02")]
    if not all(name.is_file() for name in names):
        pytest.skip(f"{ICOR}: no real pixels beside the project")
    bands = [gdal.Open(str(name)).ReadAsArray() for name in names]
    assert max(band[band < 65535].max() for band in bands) > 22_000
    assert judged([np.where(band == 65535, 0, band) for band in bands]).finding is Finding.AGREES
    values = np.where(bands[0] == 65535, np.nan, bands[0]).astype(np.float32)
    assert verdict_on(tmp_path, values).finding is Finding.HIGH
    assert verdict_on(tmp_path, values / 10_000).finding is Finding.AGREES
    assert verdict_on(tmp_path, values, quantification=10_000.0).finding is Finding.AGREES
