"""Masks and alpha bands of the input: what they hide is no data, whatever lies below."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from opened import open_safe, whole_dn
from rasters import add_mask, scene, write_item, write_raster
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.inputs.stac.items import open_stac
from s2rgb_mpi.plan.describe import as_text, describe
from s2rgb_mpi.plan.identity import digest
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare

BANDS = ("B04", "B03", "B02")
NAN = float("nan")


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
    np.testing.assert_array_equal(whole_dn(product), masked(dn, valid))
    window = Window(13, 7, 25, 40)
    expected = masked(dn, valid)[window.slices]
    np.testing.assert_array_equal(whole_dn(product, window), expected)
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
    np.testing.assert_array_equal(whole_dn(open_bands(paths)), expected)


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
    np.testing.assert_array_equal(whole_dn(open_multiband(vrt)), expected)


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
        np.testing.assert_array_equal(whole_dn(open_multiband(path)), masked(dn, valid))


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
    np.testing.assert_array_equal(whole_dn(product), masked(dn, valid))


def four(tmp_path, dn, valid, **options):
    """Write a raster whose fourth band is 0 where there is no data."""
    fourth = np.where(valid, 65535, 0).astype(np.uint16)
    return write_raster(tmp_path / "four.tif", np.dstack([dn, fourth]), **options)


@pytest.mark.parametrize("name", ["dataMask", "datamask", "data_mask", "DATA_MASK"])
def test_sentinel_hubs_data_mask_is_an_alpha_band(tmp_path, dn, valid, name):
    path = four(tmp_path, dn, valid, descriptions=(*BANDS, name))
    np.testing.assert_array_equal(whole_dn(open_multiband(path)), masked(dn, valid))


def test_the_data_mask_counts_where_gdal_calls_another_band_alpha(tmp_path, dn, valid):
    # So does ALPHA=YES without red, green and blue: the second band is alpha.
    path = four(tmp_path, dn, valid, descriptions=(*BANDS, "dataMask"), options=["ALPHA=YES"])
    dataset = gdal.Open(path)
    assert dataset.GetRasterBand(2).GetColorInterpretation() == gdal.GCI_AlphaBand
    np.testing.assert_array_equal(whole_dn(open_multiband(path)), masked(dn, valid))


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
    np.testing.assert_array_equal(whole_dn(open_multiband(path)), dn)


def test_a_band_that_is_used_is_no_alpha_band(tmp_path, dn, valid):
    colours = ("red", "green", "blue", "alpha")
    path = four(tmp_path, dn, valid, colours=colours)
    product = open_multiband(path, Choice(bidx=(4, 1, 2)))
    fourth = np.where(valid, 65535, 0)
    expected = np.dstack([fourth, dn[..., 0], dn[..., 1]])
    np.testing.assert_array_equal(whole_dn(product), expected)


def test_a_single_band_file_may_have_an_alpha_band(tmp_path, dn, valid):
    paths = []
    for band in range(3):
        values = np.dstack([dn[..., band], np.where(valid, 255, 0)]).astype(np.uint16)
        paths.append(write_raster(tmp_path / f"{band}.tif", values, options=["ALPHA=YES"]))
    np.testing.assert_array_equal(whole_dn(open_bands(paths)), masked(dn, valid))


def test_tag_mask_alpha_and_zero_count_at_once(tmp_path, dn, valid):
    rng = np.random.default_rng(0)
    dn[rng.random(dn.shape) < 0.1] = 0
    dn[rng.random(dn.shape) < 0.1] = 9999
    mask = rng.random(valid.shape) < 0.8
    colours = ("red", "green", "blue", "alpha")
    path = four(tmp_path, dn, valid, colours=colours, nodata=9999)
    add_mask(path, mask)
    expected = masked(np.where(dn == 9999, 0, dn), valid & mask)
    np.testing.assert_array_equal(whole_dn(open_multiband(path)), expected)


def test_the_item_nodata_values_means_all_bands_at_once(tmp_path):
    dn = np.array([[[7, 8, 9], [7, 8, 1], [1, 8, 9], [2, 2, 2]]], np.uint16)
    path = write_raster(tmp_path / "n.tif", dn, descriptions=BANDS)
    dataset = gdal.OpenEx(path, gdal.OF_UPDATE)
    dataset.SetMetadataItem("NODATA_VALUES", "7 8 9")
    dataset = None
    assert whole_dn(open_multiband(path)).tolist() == [[[0, 0, 0], *dn[0, 1:].tolist()]]


def test_a_mask_beside_the_image_of_a_safe_product_says_nothing(safe, tmp_path):
    plain = open_safe(str(safe))
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    mask = write_raster(tmp_path / "m.tif", np.zeros((389, 611), np.uint8), epsg=None)
    for image in copy.glob("GRANULE/*/IMG_DATA/R10m/*.jp2"):
        shutil.copy(mask, f"{image}.msk")
    product = open_safe(str(copy))
    assert [band.stored for band in product.bands] == [band.stored for band in plain.bands]
    np.testing.assert_array_equal(whole_dn(product), whole_dn(plain))


@pytest.mark.parametrize(("add", "name"), [(True, "mask"), (False, "alpha")], ids=["mask", "alpha"])
def test_masks_of_an_items_assets_are_heeded(tmp_path, dn, valid, add, name):
    assets = {}
    for number, band in enumerate(BANDS):
        values = dn[..., number, np.newaxis]
        if not add:
            values = np.dstack([values, np.where(valid, 1, 0)]).astype(np.uint16)
        path = write_raster(tmp_path / f"{band}.tif", values, options=["ALPHA=YES"] * (not add))
        assets[band] = {"href": path}
        if add:
            add_mask(path, valid)
    (product,) = open_stac(write_item(tmp_path, assets))
    assert product.bands[0].stored.masks[0].startswith(name)
    np.testing.assert_array_equal(whole_dn(product), masked(dn, valid))


def test_what_is_no_data_is_part_of_the_job(tmp_path, dn, valid):
    """A run must not resume an image made with other masks or values."""

    def digest_of(**options):
        job = Job((path,), tmp_path / "rgb.tif", **options)
        return digest(prepare(job))

    path = write_raster(tmp_path / "p.tif", dn, descriptions=BANDS)
    digests = {digest_of(), digest_of(nodata=(7,)), digest_of(nodata=(7, 8))}
    assert digest_of(nodata=(8, 7)) in digests
    add_mask(path, valid, inside=False)
    digests.add(digest_of())
    assert len(digests) == 4


def test_a_dry_run_names_what_is_no_data(tmp_path, dn, valid):
    def said(path, **options):
        job = Job((), tmp_path / "rgb.tif", rgb=((path,) * 3,), **options)
        (line, *rest) = [
            line for line in as_text(describe(prepare(job), 3)).split("\n") if "no data" in line
        ]
        assert len(rest) == 2
        return line.partition("no data ")[2]

    values = np.dstack([dn[..., 0], valid]).astype(np.uint16)
    path = write_raster(tmp_path / "1.tif", values, options=["ALPHA=YES"], nodata=9999)
    assert said(path, nodata=(8, 7)) == "9999, 7, 8, 0, alpha band 2"
    add_mask(path, valid)
    assert said(path) == "9999, 0, mask, alpha band 2"
    path = write_raster(tmp_path / "2.tif", dn[..., 0].astype(np.float32))
    assert said(path) == "what is not finite"
    assert said(path, nodata=(0,)) == "0"


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
