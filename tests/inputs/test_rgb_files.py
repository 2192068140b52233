"""Band files given by --rgb: the metadata of the product around them apply."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from altered import edit, pack
from opened import open_product, refusal, whole_dn
from rasters import scene, write_raster
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.rgb_files import open_bands
from s2rgb_mpi.testing.safe import read_dn, write_safe
from web import Web

BANDS = ("B04", "B03", "B02")
ADVICE = (
    "; so no metadata are used for these three bands: --offset -1000 is right for products of"
    " baseline 04.00 and later, --offset 0 for older ones"
)


@pytest.fixture
def copy(safe, tmp_path):
    """A copy of the product, for a test to change."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def three(product, resolution=10):
    pattern = f"GRANULE/*/IMG_DATA/R{resolution}m/*_{{}}_{resolution}m.jp2"
    return [str(next(product.glob(pattern.format(band)))) for band in BANDS]


def refused(paths, choice=None):
    return refusal(paths, choice, lambda _, choice: open_bands(paths, choice))


def offsets(product):
    return [band.calibration.offset for band in product.bands]


def test_bands_of_a_product_are_the_product(safe):
    assert open_bands(three(safe)) == open_product(str(safe))


def test_each_band_has_the_offset_of_its_own(copy):
    edit(copy, ('(BOA_ADD_OFFSET band_id="3">)-1000', r"\g<1>-900"))
    red, green, blue = three(copy)
    assert offsets(open_bands([blue, green, red])) == [-1000, -1000, -900]


ORDER = "where red, green and blue are needed: B04, B03, B02"


def test_bands_in_the_order_of_a_shell_are_a_warning(safe):
    """``--rgb *_B0[234]_10m.jp2``: red and blue are exchanged, and colours look almost right."""
    (warning,) = open_bands(sorted(three(safe))).warnings
    assert warning == f"--rgb: by their names these files are B02, B03, B04, {ORDER}"


@pytest.mark.parametrize(
    ("names", "warns"),
    [
        (("red.tif", "green.tif", "blue.tif"), False),
        (("blue.tif", "green.tif", "red.tif"), True),
        (("T32TMT_B03.tif", "T32TMT_B04.tif", "T32TMT_B02.tif"), True),
        (("B08.tif", "B04.tif", "B03.tif"), False),  # false colours, which are meant
        (("B04.tif", "B04.tif", "B04.tif"), False),
        (("a.tif", "b.tif", "c.tif"), False),
    ],
)
def test_other_names_in_another_order_are_a_warning_too(tmp_path, names, warns):
    for name in set(names):
        write_raster(tmp_path / name, scene(40, 50)[..., :1])
    product = open_bands([str(tmp_path / name) for name in names])
    assert [ORDER in warning for warning in product.warnings] == [True] * warns


def test_bands_beyond_the_visible_are_described_too(copy):
    (image,) = copy.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2")
    infrared = image.with_name(image.name.replace("B04", "B08"))
    image.rename(infrared)
    edit(copy, ("_B04_10m<", "_B08_10m<"), ('(BOA_ADD_OFFSET band_id="7">)-1000', r"\g<1>-7"))
    product = open_bands([str(infrared), *three_others(copy)])
    assert offsets(product) == [-7, -1000, -1000]
    assert product.warnings == ()


def three_others(copy):
    return [str(next(copy.glob(f"GRANULE/*/IMG_DATA/R10m/*_{band}_10m.jp2"))) for band in BANDS[1:]]


def test_other_resolutions_are_placed_by_their_own(tmp_path):
    safe = write_safe(tmp_path, width=240, height=240, tile=64, resolutions=(10, 20, 60))
    for resolution in (20, 60):
        product = open_bands(three(safe, resolution))
        assert product.warnings == ()
        assert product == open_product(str(safe), Choice(resolution=resolution))


@pytest.mark.parametrize("kind", ["inside", "link", "links", "flat"])
def test_bands_by_other_ways_belong_to_their_product(safe, tmp_path, monkeypatch, kind):
    paths = three(safe)
    if kind == "inside":
        monkeypatch.chdir(Path(paths[0]).parent)
        paths = [Path(path).name for path in paths]
    elif kind == "link":
        (tmp_path / "here").symlink_to(Path(paths[0]).parent)
        paths = [str(tmp_path / "here" / Path(path).name) for path in paths]
    elif kind == "links":
        for name, path in zip(("r_B04.jp2", "g_B03.jp2", "b_B02.jp2"), paths, strict=True):
            (tmp_path / name).symlink_to(path)
        paths = [str(tmp_path / name) for name in ("r_B04.jp2", "g_B03.jp2", "b_B02.jp2")]
    else:  # the metadata beside the images, as downloads by single files are
        for path in [safe / "MTD_MSIL2A.xml", *paths]:
            shutil.copy(path, tmp_path)
        paths = [str(tmp_path / Path(path).name) for path in paths]
    product = open_bands(paths)
    assert offsets(product) == [-1000] * 3
    assert product.warnings == ()
    assert product.name == safe.stem


def test_links_of_other_names_belong_to_the_product_of_what_they_lead_to(copy, tmp_path):
    edit(copy, ('(<BOA_ADD_OFFSET band_id="3">)-1000', r"\1-900"))
    links = [tmp_path / f"{colour}.jp2" for colour in ("red", "green", "blue")]
    for link, path in zip(links, three(copy), strict=True):
        (tmp_path / f"to_{link.name}").symlink_to(path)
        link.symlink_to(f"to_{link.name}")
    product = open_bands([str(link) for link in links])
    assert offsets(product) == [-900, -1000, -1000]
    assert product.warnings == ()
    np.testing.assert_array_equal(whole_dn(product), read_dn(copy))


def test_bands_in_a_zip_by_gdals_names(safe, tmp_path):
    archive = pack(safe, tmp_path / "x.zip", compression=zipfile.ZIP_DEFLATED)
    inside = [f"/vsizip/{archive}/{os.path.relpath(path, safe.parent)}" for path in three(safe)]
    product = open_bands(inside)
    assert offsets(product) == [-1000] * 3
    assert product.warnings == ()


def test_bands_on_a_server(safe):
    gdal.VSICurlClearCache()
    with Web(safe.parent).running() as web:
        paths = [f"{web.url}/{os.path.relpath(path, safe.parent)}?x=y" for path in three(safe)]
        product = open_bands(paths)
        assert offsets(product) == [-1000] * 3
        assert product.warnings == ()
        np.testing.assert_array_equal(whole_dn(product), read_dn(safe))
        assert [each.path for each in web.asked if each.path.endswith(".xml")] == [
            f"/{safe.name}/MTD_MSIL2A.xml",
            f"/{safe.name}/{next(safe.glob('GRANULE/*/MTD_TL.xml')).relative_to(safe)}",
        ]


def test_the_user_wins(safe):
    assert offsets(open_bands(three(safe), Choice(offset=-7))) == [-7] * 3


def test_a_lost_offset_list_is_a_warning_here_too(copy):
    edit(copy, ("<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", ""))
    assert open_bands(three(copy)).warnings == open_product(str(copy)).warnings != ()


def test_bands_of_different_products_count_by_their_own_with_a_warning(safe, old_safe):
    product = open_bands([*three(safe)[:2], three(old_safe)[2]])
    assert offsets(product) == [-1000, -1000, 0]
    (warning,) = product.warnings
    assert warning.startswith(f"{safe}/MTD_MSIL2A.xml, {old_safe}/MTD_MSIL2A.xml: ")
    assert warning.endswith(": bands of different products, each by its own metadata")


def test_bands_without_their_product_are_a_warning(safe, tmp_path):
    for path in three(safe):
        shutil.copy(path, tmp_path)
    paths = [str(tmp_path / Path(path).name) for path in three(safe)]
    product = open_bands(paths)
    assert offsets(product) == [0] * 3
    assert product.warnings == (f"{paths[0]}: no MTD_MSIL2A.xml of its product above it{ADVICE}",)
    assert open_bands(paths, Choice(offset=-1000)).warnings == ()


def test_a_band_beside_a_product_takes_the_others_from_it_with_a_warning(safe, tmp_path):
    blue = write_raster(tmp_path / "blue.tif", read_dn(safe)[..., 2])
    product = open_bands([*three(safe)[:2], blue])
    assert offsets(product) == [0] * 3
    assert product.warnings == (f"{blue}: no MTD_MSIL2A.xml of its product above it{ADVICE}",)


@pytest.mark.parametrize("name", ["work/B04.tif", "GRANULE/T32TMT_20220613T103041_B04_10m.tif"])
def test_what_was_made_of_a_product_in_its_folder_is_not_described_by_it(copy, name):
    (copy / "work").mkdir()
    path = write_raster(copy / name, scene()[..., 0])
    product = open_bands([path] * 3)
    assert offsets(product) == [0] * 3
    assert product.warnings == (
        f"{path}: not one of the images that {copy}/MTD_MSIL2A.xml describes{ADVICE}",
    )


def test_metadata_that_cannot_be_read_are_a_warning(copy):
    (copy / "MTD_MSIL2A.xml").write_text("<")
    product = open_bands(three(copy))
    assert offsets(product) == [0] * 3
    (warning,) = product.warnings
    assert warning.startswith(f"{copy}/MTD_MSIL2A.xml: ")
    assert warning.endswith(ADVICE)


def test_files_of_anybody_are_taken_as_they_are(tmp_path):
    for name in ("B04.tif", "red.tif", "S2A_MSIL2A_20170613T101032_87_48_B04.tif"):
        path = write_raster(tmp_path / name, scene()[..., 0])
        product = open_bands([path] * 3)
        assert product.warnings == ()
        assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}


def test_level_1c_must_be_asked_for(copy):
    for path in three(copy):
        Path(path).rename(path.replace("_10m.jp2", ".jp2"))
    edit(
        copy,
        ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"),
        ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"),
        ("_10m</IMAGE_FILE>", "</IMAGE_FILE>"),
    )
    (copy / "MTD_MSIL2A.xml").rename(copy / "MTD_MSIL1C.xml")
    paths = [str(next(copy.glob(f"GRANULE/*/IMG_DATA/R10m/*_{band}.jp2"))) for band in BANDS]
    assert refused(paths) == (
        f"{copy}/MTD_MSIL1C.xml: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
    )
    allowed = Choice(allow_l1c=True)
    assert open_bands(paths, allowed) == open_product(str(copy), allowed)
