"""What is no data in a file: values, masks and alpha bands, each alone and all at once."""

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from rasters import TRANSFORM, add_mask, scene, write_raster
from s2rgb_mpi.grid import Window
from s2rgb_mpi.product import Choice, open_bands, open_multiband, open_safe
from s2rgb_mpi.product.nodata import can_hold, stored_values
from s2rgb_mpi.source import Source

BANDS = ("B04", "B03", "B02")
NAN = float("nan")


def read(product, window=None):
    """Read a product, all of it by default: (height, width, 3), uint16."""
    whole = Window(0, 0, product.grid.width, product.grid.height)
    return np.stack(Source(product).read(window or whole), axis=-1).copy()


@pytest.fixture
def dn():
    """Digital numbers without a 0: whatever is no data, the values do not say it."""
    return np.maximum(scene(60, 50), 1)


@pytest.fixture
def valid():
    """Where there is data: not in a corner, and not in single pixels."""
    valid = np.random.default_rng(3).random((60, 50)) < 0.9
    valid[:20, :30] = False
    return valid


def masked(dn, valid):
    return np.where(valid[..., np.newaxis], dn, 0)


@pytest.fixture(params=["FALSE", "TRUE", "EMPTY_DIR"])
def siblings(request):
    """GDAL's ways to find files beside a raster; the last is the program's."""
    before = gdal.GetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN")
    gdal.SetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", request.param)
    yield
    gdal.SetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", before)


@pytest.mark.usefixtures("siblings")
@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "beside"])
def test_the_mask_of_a_file_is_heeded(tmp_path, dn, valid, dtype, inside):
    values = dn / 10_000 if dtype.startswith("float") else dn
    path = write_raster(tmp_path / "m.tif", values.astype(dtype), descriptions=BANDS)
    add_mask(path, valid, inside=inside)
    product = open_multiband(path)
    np.testing.assert_array_equal(read(product), masked(dn, valid))
    window = Window(13, 7, 25, 40)
    expected = masked(dn, valid)[window.slices]
    np.testing.assert_array_equal(read(product, window), expected)
    # Another mask is another input.
    if not inside:
        Path(f"{path}.msk").write_bytes(Path(f"{path}.msk").read_bytes() + b"\0")
        assert open_multiband(path).bands[0].stamp != product.bands[0].stamp


@pytest.mark.usefixtures("siblings")
def test_each_band_file_has_its_own_mask(tmp_path, dn):
    paths, expected = [], dn.copy()
    for band, inside in enumerate((True, False, True)):
        paths.append(write_raster(tmp_path / f"{band}.tif", dn[..., band]))
        valid = np.random.default_rng(band).random(dn.shape[:2]) < 0.7
        add_mask(paths[-1], valid, inside=inside)
        expected[~valid, band] = 0
    np.testing.assert_array_equal(read(open_bands(paths)), expected)


def write_vrt(path, size, bands):
    """Write a virtual raster: kind, source, number, name, and mask file of each band."""

    def source(file, number):
        name = f"<SourceFilename>{file}</SourceFilename><SourceBand>{number}</SourceBand>"
        return f"<SimpleSource>{name}</SimpleSource>"

    text = f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}"><SRS>EPSG:32632</SRS>'
    for kind, file, number, name, mask in bands:
        text += f'<VRTRasterBand dataType="{kind}"><Description>{name}</Description>'
        if mask:
            text += f'<MaskBand><VRTRasterBand dataType="Byte">{source(mask, 1)}</VRTRasterBand>'
            text += "</MaskBand>"
        text += f"{source(file, number)}</VRTRasterBand>"
    path.write_text(text + "</VRTDataset>")
    return str(path)


def test_the_mask_of_a_band_alone_is_for_it_alone(tmp_path, dn, valid):
    path = write_raster(tmp_path / "m.tif", dn)
    mask = write_raster(tmp_path / "mask.tif", np.where(valid, 255, 0).astype(np.uint8))
    bands = [("UInt16", path, n + 1, BANDS[n], mask if n == 1 else "") for n in range(3)]
    expected = dn.copy()
    expected[~valid, 1] = 0
    vrt = write_vrt(tmp_path / "m.vrt", valid.shape, bands)
    np.testing.assert_array_equal(read(open_multiband(vrt)), expected)


@pytest.mark.parametrize(
    ("dtype", "opaque"),
    [("uint16", 65535), ("uint16", 1), ("int16", -1), ("float32", 0.25), ("float64", 1e-300)],
)
def test_an_alpha_band_is_heeded_whatever_its_type(tmp_path, dn, valid, dtype, opaque):
    is_real = dtype.startswith("float")
    alpha = np.where(valid, opaque, 0)[..., np.newaxis]
    values = np.concatenate([dn / 10_000 if is_real else dn, alpha], axis=2).astype(dtype)
    for interleave in ("PIXEL", "BAND"):
        path = write_raster(
            tmp_path / f"{interleave}.tif",
            values,
            colours=("red", "green", "blue", "alpha"),
            options=[f"INTERLEAVE={interleave}", "TILED=YES", "PHOTOMETRIC=RGB", "ALPHA=YES"],
        )
        np.testing.assert_array_equal(read(open_multiband(path)), masked(dn, valid))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("kind", "valid_or_not"),
    [("Byte", (200, 0)), ("Float32", (0.3, NAN)), ("Int16", (-1, 0)), ("Float64", (1e-300, 0.0))],
)
def test_alpha_may_be_of_another_type_than_the_bands(tmp_path, dn, kind, valid_or_not, first):
    valid = np.indices(dn.shape[:2]).sum(axis=0) % 7 > 0
    path = write_raster(tmp_path / "m.tif", dn)
    dtype = {"Byte": "uint8"}.get(kind, kind.lower())
    values = np.where(valid, np.array(valid_or_not[0], dtype), np.array(valid_or_not[1], dtype))
    bands = [("UInt16", path, n + 1, BANDS[n], "") for n in range(3)]
    alpha = write_raster(tmp_path / "alpha.tif", values)
    bands.insert(0 if first else 3, (kind, alpha, 1, "dataMask", ""))
    vrt = write_vrt(tmp_path / "m.vrt", valid.shape, bands)
    product = open_multiband(vrt)
    assert product.bands[0].stored.alpha == (1 if first else 4, dtype)
    np.testing.assert_array_equal(read(product), masked(dn, valid))


def four(tmp_path, dn, valid, **options):
    """Write a raster whose fourth band is 0 where there is no data."""
    fourth = np.where(valid, 65535, 0).astype(np.uint16)
    return write_raster(tmp_path / "four.tif", np.dstack([dn, fourth]), **options)


@pytest.mark.parametrize("name", ["dataMask", "datamask", "data_mask", "DATA_MASK"])
def test_sentinel_hubs_data_mask_is_an_alpha_band(tmp_path, dn, valid, name):
    path = four(tmp_path, dn, valid, descriptions=(*BANDS, name))
    np.testing.assert_array_equal(read(open_multiband(path)), masked(dn, valid))


def test_the_data_mask_counts_where_gdal_calls_another_band_alpha(tmp_path, dn, valid):
    # So does ALPHA=YES without red, green and blue: the second band is alpha.
    path = four(tmp_path, dn, valid, descriptions=(*BANDS, "dataMask"), options=["ALPHA=YES"])
    dataset = gdal.Open(path)
    assert dataset.GetRasterBand(2).GetColorInterpretation() == gdal.GCI_AlphaBand
    np.testing.assert_array_equal(read(open_multiband(path)), masked(dn, valid))


@pytest.mark.parametrize(
    "options",
    [
        {"descriptions": (*BANDS, "B08")},
        {"descriptions": (*BANDS, "quality")},
        {"descriptions": (*BANDS, "B08"), "colours": ("red", "green", "blue", "alpha")},
        {"descriptions": (*BANDS, "NIR"), "colours": ("red", "green", "blue", "alpha")},
        {"descriptions": (*BANDS, "B8A_20m"), "colours": ("red", "green", "blue", "alpha")},
    ],
)
def test_a_band_of_another_meaning_is_no_alpha_band(tmp_path, dn, valid, options):
    path = four(tmp_path, dn, valid, **options)
    np.testing.assert_array_equal(read(open_multiband(path)), dn)


def test_a_band_that_is_used_is_no_alpha_band(tmp_path, dn, valid):
    colours = ("red", "green", "blue", "alpha")
    path = four(tmp_path, dn, valid, colours=colours)
    product = open_multiband(path, Choice(bidx=(4, 1, 2)))
    fourth = np.where(valid, 65535, 0)
    expected = np.dstack([fourth, dn[..., 0], dn[..., 1]])
    np.testing.assert_array_equal(read(product), expected)


def test_a_single_band_file_may_have_an_alpha_band(tmp_path, dn, valid):
    paths = []
    for band in range(3):
        values = np.dstack([dn[..., band], np.where(valid, 255, 0)]).astype(np.uint16)
        paths.append(write_raster(tmp_path / f"{band}.tif", values, options=["ALPHA=YES"]))
    np.testing.assert_array_equal(read(open_bands(paths)), masked(dn, valid))


def test_tag_mask_alpha_and_zero_count_at_once(tmp_path, dn, valid):
    rng = np.random.default_rng(0)
    dn[rng.random(dn.shape) < 0.1] = 0
    dn[rng.random(dn.shape) < 0.1] = 9999
    mask = rng.random(valid.shape) < 0.8
    colours = ("red", "green", "blue", "alpha")
    path = four(tmp_path, dn, valid, colours=colours, nodata=9999)
    add_mask(path, mask)
    expected = masked(np.where(dn == 9999, 0, dn), valid & mask)
    np.testing.assert_array_equal(read(open_multiband(path)), expected)


def test_the_item_nodata_values_means_all_bands_at_once(tmp_path):
    dn = np.array([[[7, 8, 9], [7, 8, 1], [1, 8, 9], [2, 2, 2]]], np.uint16)
    path = write_raster(tmp_path / "n.tif", dn, descriptions=BANDS)
    dataset = gdal.OpenEx(path, gdal.OF_UPDATE)
    dataset.SetMetadataItem("NODATA_VALUES", "7 8 9")
    dataset = None
    assert read(open_multiband(path)).tolist() == [[[0, 0, 0], *dn[0, 1:].tolist()]]


def test_a_mask_beside_the_image_of_a_safe_product_says_nothing(safe, tmp_path):
    plain = open_safe(str(safe))
    image = Path(plain.bands[0].path)
    try:
        shape = plain.grid.height, plain.grid.width
        mask = write_raster(tmp_path / "m.tif", np.zeros(shape, np.uint8), epsg=None)
        Path(f"{image}.msk").write_bytes(Path(mask).read_bytes())
        product = open_safe(str(safe))
        assert not any(band.stored.masks for band in product.bands)
        np.testing.assert_array_equal(read(product), read(plain))
    finally:
        Path(f"{image}.msk").unlink()


@pytest.mark.parametrize(
    ("dtype", "nodata", "chosen", "values_and_expected"),
    [
        # 0 of signed integers is as good as any value once another one is stated.
        ("int16", None, (-10_000,), ([-10_000, -5, 0, 3], [0, 1, 1, 3])),
        ("int16", -9999, (-10_000,), ([-10_000, -9999, 0, 3], [0, 0, 1, 3])),
        ("int16", None, (0, -10_000), ([-10_000, -5, 0, 3], [0, 1, 0, 3])),
        ("uint16", None, (65535,), ([0, 3, 65535], [0, 3, 0])),
        ("uint16", 9999, (65535,), ([0, 9999, 65535, 3], [0, 0, 0, 3])),
        ("float32", None, (0,), ([0.0, -0.0, 0.1, 1e-9], [0, 0, 1000, 1])),
        ("float32", -1, (0, 0.3), ([0.0, -1.0, 0.3, 0.2], [0, 0, 0, 2000])),
        ("float64", None, (-3.4028234663852886e38,), ([-3.4028234663852886e38, 0.0], [0, 1])),
        ("int64", None, (-(2**63),), ([-(2**63), 2**62, 7], [0, 65535, 7])),
    ],
)
def test_the_users_values_count_too(tmp_path, dtype, nodata, chosen, values_and_expected):
    values, expected = values_and_expected
    path = write_raster(tmp_path / "v.tif", np.array([values], dtype), nodata=nodata)
    product = open_bands([path] * 3, Choice(nodata=chosen))
    assert read(product)[0, :, 1].tolist() == expected
    # In whatever order they are given it is the same job.
    turned = open_bands([path] * 3, Choice(nodata=chosen[::-1]))
    assert turned.bands == product.bands


def test_a_value_that_no_pixel_can_have_is_told(tmp_path, dn):
    path = write_raster(tmp_path / "v.tif", dn, descriptions=BANDS)
    product = open_multiband(path, Choice(nodata=(-10_000, 7)))
    assert product.warnings == (f"{path}: --nodata -10000: no pixel of uint16 has it",)
    np.testing.assert_array_equal(read(product), np.where(dn == 7, 0, dn))


def test_the_users_values_count_in_safe_products(safe):
    plain = read(open_safe(str(safe)))
    dn = int(np.bincount(plain.ravel())[1:].argmax()) + 1
    chosen = read(open_safe(str(safe), Choice(nodata=(dn,))))
    assert (plain == dn).any()
    np.testing.assert_array_equal(chosen, np.where(plain == dn, 0, plain))


@pytest.mark.parametrize(
    ("dtype", "stated", "chosen", "expected"),
    [
        ("uint16", (None, None), (), (0,)),
        ("uint16", (65535, 0), (), (65535, 0)),
        ("uint16", (-9999, None), (), (0,)),
        ("uint16", (9999.0, None), (7, 5, 7), (9999, 5, 7, 0)),
        ("int16", (None, None), (), (0,)),
        ("int16", (-9999, None), (), (-9999,)),
        ("int16", (None, -9999), (), (-9999,)),
        ("int16", (None, None), (-10_000,), (-10_000,)),
        ("int16", (70_000, None), (), (0,)),
        ("uint32", (4294967295, None), (), (4294967295, 0)),
        ("int64", (-(2**63), None), (), (-(2**63),)),
        ("uint64", (2**64 - 1, None), (), (2**64 - 1, 0)),
        ("float32", (None, None), (), ()),
        ("float32", (NAN, None), (0, NAN, float("inf")), (0,)),
        ("float32", (-9999.0, 0), (0.5,), (-9999, 0, 0.5)),
    ],
)
def test_the_values_that_are_no_data(dtype, stated, chosen, expected):
    found = stored_values(dtype, stated, chosen)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("uint16", (-1, 0, 0.5, 65535, 65536), [0, 65535]),
        ("int16", (-32769, -32768, 32767, 32768, 1.5), [-32768, 32767]),
        ("float32", (-1, 0.5, 1e300, NAN, float("-inf")), [-1, 0.5, 1e300]),
    ],
)
def test_what_a_pixel_can_have(dtype, values, expected):
    assert [value for value in values if can_hold(dtype, value)] == expected


def test_memory_counts_what_marks_no_data(tmp_path, dn, valid):
    def nbytes(**options):
        colours = ("red", "green", "blue", "alpha")
        path = four(tmp_path, dn, valid, **({"colours": colours} | options))
        return open_multiband(path).bands[0].stored.nbytes_per_pixel

    plain = nbytes(colours=("red", "green", "blue", ""))
    assert plain == 2
    assert nbytes(colours=("red", "green", "blue", ""), nodata=7) == plain + 2
    assert nbytes() == plain + 2 + 2
    path = four(tmp_path, dn, valid, colours=("red", "green", "blue", ""))
    add_mask(path, valid)
    assert open_multiband(path).bands[0].stored.nbytes_per_pixel == plain + 2 + 1


def test_masks_need_no_crs_and_stay_on_their_grid(tmp_path, dn, valid):
    path = write_raster(tmp_path / "m.tif", dn, descriptions=BANDS)
    add_mask(path, valid)
    assert open_multiband(path).grid.transform == TRANSFORM
