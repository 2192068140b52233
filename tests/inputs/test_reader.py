"""Pixels become DN, whatever type they lie in; valid ones never become "no data"."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from opened import open_safe, pixels
from rasters import scene, write_raster
from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.redact import redact
from s2rgb_mpi.testing.safe import read_dn
from web import Web

NAN = float("nan")


def read(product, window=None):
    """Read a product, all of it by default: (height, width, 3), DN; NaN is no data."""
    dn = pixels(product, window)
    assert {array.dtype for array in Source(product).read(Window(0, 0, 1, 1))} == {np.dtype("u2")}
    return dn


def three(tmp_path, values, **options):
    """Open one row of values as all three bands of a product."""
    path = write_raster(tmp_path / "band.tif", np.atleast_2d(values), **options)
    return open_bands([path] * 3)


def test_windows_are_those_of_the_product(safe):
    window = Window(100, 200, 300, 150)
    expected = read_dn(safe)[200:350, 100:400]
    np.testing.assert_array_equal(np.nan_to_num(read(open_safe(str(safe)), window)), expected)


def test_windows_of_all_sizes_come_from_the_same_memory(safe):
    source = Source(open_safe(str(safe)))
    first = source.read(Window(0, 0, 300, 200))[0]
    second = source.read(Window(300, 100, 64, 64))[0]
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(second, read_dn(safe)[100:164, 300:364, 0])
    larger = source.read(Window(0, 0, 611, 389))[0]
    np.testing.assert_array_equal(larger, read_dn(safe)[..., 0])


def test_dn_that_need_nothing_go_straight_into_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "s2rgb_mpi.inputs.band_file.to_dn", None
    )  # what is not called may be anything
    product = three(tmp_path, np.array([0, 1, 65535], np.uint16), nodata=0)
    np.testing.assert_array_equal(read(product)[0, :, 0], [NAN, 1, 65535])


@pytest.mark.parametrize(
    ("dtype", "nodata", "values", "expected"),
    [
        # As in ESA's products: 0 is no data, besides other values.
        ("uint16", None, [0, 1, 65535], [NAN, 1, 65535]),
        ("uint16", 65535, [0, 1, 65535], [NAN, 1, NAN]),
        ("uint16", 9999, [0, 9999, 10_000], [NAN, NAN, 10_000]),
        # Of signed integers only where the file says nothing else.
        ("int16", None, [-5, 0, 1, 32767], [0, NAN, 1, 32767]),
        ("int16", -9999, [-9999, -5, 0, 1, 2000], [NAN, 0, 0, 1, 2000]),
        ("int16", 0, [-9999, 0, 1], [0, NAN, 1]),
        ("int32", -9999, [-9999, 0, 65534, 65536, 10**9], [NAN, 0, 65534, 65534, 65534]),
        ("uint32", 4294967295, [4294967295, 0, 70_000], [NAN, NAN, 65534]),
        ("uint32", None, [0, 1, 70_000], [NAN, 1, 65534]),
        # A no-data value that no pixel can have is ignored.
        ("int16", 70_000, [0, 1], [NAN, 1]),
        # Floats are reflectance; one DN is 1/10,000, and medians of two are exact.
        ("float32", None, [0.0, 0.0001, 0.12345, 1.0, 9.0], [0, 1, 1234.5, 10_000, 32767]),
        ("float32", None, [NAN, np.inf, -np.inf, -0.2], [NAN, NAN, NAN, 0]),
        ("float32", 0, [0.0, 0.00001, 0.5], [NAN, 0, 5000]),
        ("float32", -9999, [-9999.0, NAN, -0.01, 0.0], [NAN, NAN, 0, 0]),
        ("float32", -3.4028234663852886e38, [-3.4028234663852886e38, 0.2], [NAN, 2000]),
        ("float64", NAN, [NAN, 0.00012, 0.00016], [NAN, 1, 1.5]),
        ("float32", 1e300, [0.2, NAN], [2000, NAN]),
    ],
)
def test_values_become_dn(tmp_path, dtype, nodata, values, expected):
    product = three(tmp_path, np.array(values, dtype), nodata=nodata)
    np.testing.assert_array_equal(read(product)[0, :, 2], expected)


def test_floats_that_are_dn_are_read_by_the_users_quantification(tmp_path):
    path = write_raster(tmp_path / "f.tif", np.array([[0.0, 1500.0, NAN]], np.float32))
    product = open_bands([path] * 3, Choice(offset=-1000, quantification=10_000.0))
    np.testing.assert_array_equal(read(product)[0, :, 0], [0, 1500, NAN])
    assert {band.calibration.offset for band in product.bands} == {-1000}


def test_floats_scaled_by_tags_become_dn_once(tmp_path):
    path = write_raster(
        tmp_path / "f.tif", np.array([[1500.0]], np.float32), scale=0.0001, offset=-0.1
    )
    product = open_bands([path] * 3)
    assert read(product)[0, 0].tolist() == [1500] * 3
    assert {band.calibration.offset for band in product.bands} == {-1000}


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "nodata"),
    [
        ("int16", 2e-5, 0.5, -32768),  # packed around the middle, as netCDF's tools do it
        ("int16", 2e-5, 0.5, None),  # then 0 is the middle, and not "no data"
        ("int16", 2.5e-5, 0.81, -32768),
        ("int32", 1e-4, 3.0, -(2**31)),
        ("float32", 1.0, 0.5, NAN),
        ("float64", 0.01, 1.0, -9999),
    ],
)
def test_an_offset_above_0_lifts_values_below_0(tmp_path, dtype, scale, offset, nodata):
    reflectance = np.linspace(0.0002, 1.1, 300)
    stored = (reflectance - offset) / scale
    values = (np.rint(stored) if "int" in dtype else stored).astype(dtype)
    values[7] = values[7] if nodata is None else nodata
    product = three(tmp_path, values, nodata=nodata, scale=scale, offset=offset)
    dn, band = read(product)[0, :, 1], product.bands[1]
    assert np.isnan(dn[7]) == (nodata is not None)
    again = (dn + float(band.calibration.offset)) / band.calibration.quantification
    is_valid = np.arange(300) != 7
    assert not np.isnan(dn[is_valid]).any()
    np.testing.assert_allclose(again[is_valid], reflectance[is_valid], atol=0.51e-4)
    assert band.calibration.offset == round(offset / scale if "int" in dtype else 10_000 * offset)


@pytest.mark.parametrize("offset", [10, 2**15, 2**15 + 5, 10**6])
@pytest.mark.parametrize("dtype", ["int16", "int32", "int64"])
def test_values_at_the_ends_of_a_type_stay_at_the_ends_of_dn(tmp_path, dtype, offset):
    ends = np.iinfo(dtype)
    values = np.array([ends.min, -offset - 7, 5 - offset, 0, 3, ends.max]).clip(ends.min, ends.max)
    path = write_raster(tmp_path / "v.tif", values[np.newaxis].astype(dtype))
    band = open_bands([path] * 3, Choice(offset=offset)).bands[0]
    dn = read(open_bands([path] * 3, Choice(offset=offset)))[0, :, 0]
    lowest, highest = -band.stored.shift, 65534 - band.stored.shift
    assert 0 < band.stored.shift <= offset
    assert dn.tolist() == [min(max(int(value), lowest), highest) for value in values]


def test_floats_of_16_bits_are_read_as_exactly_as_they_are(tmp_path):
    values = np.array([0.5, 0.5005, 0.0712, 3.0], np.float16).astype(np.float32)
    product = three(tmp_path, values, options=["NBITS=16"])
    assert {band.stored.dtype for band in product.bands} == {"float32"}
    np.testing.assert_array_equal(read(product)[0, :, 0], np.rint(20_000.0 * values) / 2)


@pytest.mark.parametrize("interleave", ["PIXEL", "BAND"])
def test_bands_of_one_file_are_read_by_their_numbers(tmp_path, interleave):
    dn = scene()
    path = write_raster(
        tmp_path / "stack.tif", dn, options=[f"INTERLEAVE={interleave}", "TILED=YES"]
    )
    product = open_multiband(path, Choice(bidx=(3, 1, 2)))
    np.testing.assert_array_equal(np.nan_to_num(read(product)), dn[..., [2, 0, 1]])
    assert len(Source(product)._files) == 1  # noqa: SLF001  opened once, read in one call


@pytest.fixture
def one_thread():
    """As in the program: with threads GDAL 3.6 returns wrong pixels where it should fail."""
    before = gdal.GetConfigOption("GDAL_NUM_THREADS")
    gdal.SetConfigOption("GDAL_NUM_THREADS", "1")
    yield
    gdal.SetConfigOption("GDAL_NUM_THREADS", before)


@pytest.mark.usefixtures("one_thread")
def test_a_window_that_cannot_be_read_is_named_with_its_file(safe, tmp_path):
    broken = Path(shutil.copytree(safe, tmp_path / safe.name))
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    source = Source(open_safe(str(broken)))
    with pytest.raises(ReadError) as caught:
        source.read(Window(384, 256, 227, 133))
    assert str(caught.value).startswith(f"(384, 256, 227, 133) of {image}: ")
    assert "\n" not in str(caught.value)


@pytest.fixture
def web(tmp_path):
    """Three COG bands behind a URL, without overviews."""
    for number in range(3):
        raw = write_raster(tmp_path / "raw.tif", scene(900, 1000)[..., number])
        options = ["BLOCKSIZE=128", "OVERVIEWS=NONE"]
        target = str(tmp_path / f"{number}.tif")
        gdal.Translate(target, raw, format="COG", creationOptions=options)
    with Web(tmp_path).running() as server:
        yield server


def opened(web, query=""):
    return open_bands([f"{web.url}/{number}.tif{query}" for number in range(3)])


def test_remote_bands_are_fetched_in_ranges_once(web):
    product = opened(web)
    source = Source(product)
    for window in product.grid.windows(256, 256):
        arrays = source.read(window)
        part = scene(900, 1000)[window.row_off :, window.col_off :]
        expected = part[: window.height, : window.width]
        np.testing.assert_array_equal(np.stack(arrays, axis=-1), expected)
    for number in range(3):
        ranges = [range_[6:].split("-") for range_ in web.ranges(f"/{number}.tif")]
        assert len(ranges) > 2
        fetched = sum(int(last) - int(first) + 1 for first, last in ranges)
        # The head may be fetched twice: to look at the file, and to open it for its pixels.
        assert fetched < (web.folder / f"{number}.tif").stat().st_size + 2 * 65536


@pytest.fixture
def impatient():
    """GDAL asks a server once, and not for long."""
    settings = {"GDAL_HTTP_MAX_RETRY": "0", "GDAL_HTTP_LOW_SPEED_TIME": "1"}
    before = {name: gdal.GetConfigOption(name) for name in settings}
    for name, value in settings.items():
        gdal.SetConfigOption(name, value)
    yield
    for name, value in before.items():
        gdal.SetConfigOption(name, value)


def read_error(web, source, fault):
    """Read a window while a server fails; return what is said."""
    gdal.VSICurlClearCache()
    web.faults["/1.tif"] = [fault] * 20
    with pytest.raises(ReadError) as caught:
        source.read(Window(640, 640, 256, 256))
    return str(caught.value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [404, 500, 3.0])
def test_a_server_that_fails_meanwhile_is_a_read_error(web, fault):
    said = read_error(web, Source(opened(web)), fault)
    assert said.startswith(f"(640, 640, 256, 256) of /vsicurl/{web.url}/1.tif: ")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("query", ["key=SECRET", "key=a/SECRET", "key=(SECRET"])
def test_gdals_words_about_a_url_have_no_query(web, query):
    """GDAL 3.13 names a file by all that follows the last slash."""
    said = redact(read_error(web, Source(opened(web, query=f"?{query}")), 500))
    assert said.startswith(f"(640, 640, 256, 256) of /vsicurl/{web.url}/1.tif: ")
    assert "IReadBlock failed" in said
    causes = said.split(" May be caused by: ")
    assert len(causes) == len(set(causes))
    assert "key" not in said
    assert "SECRET" not in said


def test_a_file_that_has_gone_is_a_read_error(safe, tmp_path):
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    product = open_safe(str(copy))
    shutil.rmtree(copy)
    with pytest.raises(ReadError, match=product.bands[0].path):
        Source(product)
