"""SAFE products in other wrappings: zips, folders of other names, old layouts, other levels."""

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from altered import edit, pack
from opened import open_product, refusal, whole_dn
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.files.remote import LARGEST_SMALL_FILE
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.testing.safe import read_dn, write_safe

DATA = Path(__file__).parents[3] / "shared" / "data"
L1C = DATA / "safe_real" / "wagl_L1C_zips"
FAKE = DATA / "gdal_fakes" / "gdal_autotest_sentinel2" / "autotest" / "gdrivers" / "data"
VALAIS = DATA / "jp2" / "stactools_T32TLS_Valais_B01_60m"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real products beside the project")


@pytest.fixture
def copy(safe, tmp_path):
    """A copy of the product, for a test to change."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """A product with all three resolutions, in ESA's own tiles."""
    folder = tmp_path_factory.mktemp("sizes")
    return write_safe(folder, width=1500, height=1300, resolutions=(10, 20, 60))


@pytest.mark.parametrize("top", [None, "no suffix", "."])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_read_in_place(safe, tmp_path, top, compression):
    product = open_product(str(pack(safe, tmp_path / "x.zip", top=top, compression=compression)))
    assert product.name == safe.stem
    assert all(band.path.startswith("/vsizip/") for band in product.bands)
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("name", ["../evil.jp2", "/etc/evil.jp2", "a/../../evil.jp2", "..\\evil"])
def test_a_zip_with_names_that_leave_it_is_refused(safe, tmp_path, name):
    archive = pack(safe, tmp_path / "x.zip")
    with zipfile.ZipFile(archive, "a") as store:
        store.writestr(name, b"")
    line = refusal(archive)
    assert line.startswith(f"{archive}: the name ")
    assert line.endswith("leaves the archive")


def test_metadata_in_a_zip_that_name_files_outside_are_refused(copy, tmp_path):
    edit(copy, ("(<IMAGE_FILE>)[^<]*(_B04_10m)", r"\1../../x\2"))
    archive = pack(copy, tmp_path / "x.zip")
    assert "../../x_B04_10m leaves the product folder" in refusal(archive)


def test_a_band_that_a_zip_lacks_is_named(copy, tmp_path):
    (image,) = copy.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.unlink()
    archive = pack(copy, tmp_path / "x.zip")
    line = refusal(archive)
    assert line.startswith(f"{archive}/{copy.name}/GRANULE/")
    assert line.endswith("no such file, though MTD_MSIL2A.xml lists it")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a/x.txt": b""}, "no MTD_MSIL2A.xml in this zip"),
        ({"a/MTD_MSIL2A.xml": b"", "b/MTD_MSIL2A.xml": b""}, "2 products, where one is needed"),
        ({"a/MTD_MSIL1C.xml": b""}, "Level-1C"),
        ({"a/MTD_MSIL2A.xml": b"<"}, "MTD_MSIL2A.xml: "),
        ({"a/MTD_MSIL2A.xml": b" " * (LARGEST_SMALL_FILE + 1)}, "too many for metadata"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_zip_without_a_product_is_refused(tmp_path, members, words):
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as store:
        for name, content in members.items():
            store.writestr(name, content)
    line = refusal(archive)
    assert line.startswith(str(archive))
    assert words in line


def test_noise_that_is_called_a_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"noise" * 100)
    assert refusal(tmp_path / "x.zip").startswith(f"{tmp_path / 'x.zip'}: not a readable zip: ")


def test_a_folder_needs_no_suffix(safe, copy):
    renamed = copy.rename(copy.with_name("my product"))
    assert open_product(str(renamed)).name == safe.stem


def test_metadata_that_are_too_large_are_refused(copy):
    with (copy / "MTD_MSIL2A.xml").open("ab") as metadata:
        metadata.truncate(LARGEST_SMALL_FILE + 1)
    assert refusal(copy).endswith(f"{LARGEST_SMALL_FILE + 1} bytes are too many for metadata")


@pytest.mark.parametrize(("resolution", "tile"), [(10, 1024), (20, 640), (60, 192)])
def test_other_resolutions_have_their_own_files(sizes, resolution, tile):
    product = open_product(str(sizes), Choice(resolution=resolution))
    expected = read_dn(sizes, resolution)
    assert (product.grid.height, product.grid.width) == expected.shape[:2]
    assert product.grid.transform[1] == resolution
    assert product.block == (min(tile, product.grid.width), min(tile, product.grid.height))
    np.testing.assert_array_equal(whole_dn(product), expected)


def test_a_resolution_that_is_not_there_is_refused(safe):
    line = refusal(safe, Choice(resolution=20))
    assert line == f"{safe}/MTD_MSIL2A.xml: lists no file of B04 at 20 m, where one is needed"


OLD_NAMES = (
    ("Product_Info>", "L2A_Product_Info>"),
    ("Product_Organisation>", "L2A_Product_Organisation>"),
    ("Product_Image_Characteristics>", "L2A_Product_Image_Characteristics>"),
    ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"),
    ("PRODUCT_URI>", "PRODUCT_URI_2A>"),
    ("(<BOA_ADD_OFFSET_VALUES_LIST>).*</BOA_ADD_OFFSET_VALUES_LIST>", ""),
    ("(PROCESSING_LEVEL>)Level-2A<", r"\1Level-2Ap<"),
    ("(PRODUCT_TYPE>)S2MSI2A<", r"\1S2MSI2Ap<"),
)


def test_the_layout_of_2017_is_read(copy, safe):
    """PSD 14.2: other element names, band files that begin with L2A_, a granule listed twice."""
    for image in copy.glob("GRANULE/*/IMG_DATA/R10m/*.jp2"):
        image.rename(image.with_name(f"L2A_{image.name}"))
    edit(
        copy,
        *OLD_NAMES,
        ("IMAGE_FILE>", "IMAGE_FILE_2A>"),
        (r"(<IMAGE_FILE_2A>[^<]*/)(\w*<)", r"\1L2A_\2"),
        (
            "(<Granule_List>.*?<Granule [^>]*>)",
            r"\1</Granule></Granule_List>\1",
        ),
    )
    product = open_product(str(copy))
    assert product.name == safe.stem
    assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}
    assert all(Path(band.path).name.startswith("L2A_T32TMT_") for band in product.bands)
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


def test_the_layout_of_2016_is_read(copy, safe):
    """PSD 12: images are bare names in their granule's folder, metadata have another name."""
    text = (copy / "MTD_MSIL2A.xml").read_text()
    (granule,) = re.findall('granuleIdentifier="([^"]*)"', text)
    (folder,) = copy.glob("GRANULE/*")
    folder.rename(folder.with_name(granule))
    edit(
        copy,
        *OLD_NAMES,
        ("<Granule ", "<Granules "),
        ("</Granule>", "</Granules>"),
        ("(L2A_BOA_QUANTIFICATION_VALUE[^>]*>)10000", r"\g<1>1000"),
        ("<IMAGE_FILE>[^<]*/([^<]*)</IMAGE_FILE>", r"<IMAGE_ID_2A>\1</IMAGE_ID_2A>"),
        ("<PRODUCT_URI_2A>[^<]*<", "<PRODUCT_URI_2A><"),
    )
    metadata = copy / "S2A_USER_MTD_SAFL2A_PDMC_20160101T000000.xml"
    (copy / "MTD_MSIL2A.xml").rename(metadata)
    for path in (copy, metadata):
        product = open_product(str(path))
        assert product.name == safe.stem
        assert {band.calibration for band in product.bands} == {Calibration(0, 1_000)}
        np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


@pytest.fixture
def l1c(copy):
    """The product as Level-1C would have it, with an offset list."""
    for image in copy.glob("GRANULE/*/IMG_DATA/R10m/*.jp2"):
        image.rename(image.with_name(image.name.replace("_10m", "")))
    edit(
        copy,
        ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"),
        ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"),
        ('(RADIO_ADD_OFFSET band_id="3">)-1000', r"\g<1>-900"),
        ("_10m</IMAGE_FILE>", "</IMAGE_FILE>"),
    )
    (copy / "MTD_MSIL2A.xml").rename(copy / "MTD_MSIL1C.xml")
    return copy


def test_level_1c_is_refused_by_name(l1c):
    for path in (l1c, l1c / "MTD_MSIL1C.xml"):
        assert refusal(path) == (
            f"{path}: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
        )


def test_level_1c_is_read_if_it_is_asked_for(l1c, safe):
    product = open_product(str(l1c), Choice(allow_l1c=True))
    assert [band.calibration.offset for band in product.bands] == [-900, -1000, -1000]
    assert product.offset_source == "RADIO_ADD_OFFSET of the product's metadata"
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))
    assert "10 m only" in refusal(l1c, Choice(resolution=20, allow_l1c=True))


@needs_data
def test_a_real_level_1c_zip_is_refused_or_read():
    (archive,) = L1C.glob("*.zip")
    assert "Level-1C" in refusal(archive)
    product = open_product(str(archive), Choice(allow_l1c=True))
    assert product.name == archive.stem
    assert product.baseline == "02.06"
    assert {band.calibration for band in product.bands} == {Calibration(0, 10_000)}
    dn = whole_dn(product)
    assert dn.shape == (172, 172, 3)
    assert dn.any()


@needs_data
@pytest.mark.parametrize("baseline", ["N0208", "N0509"])
def test_gdals_test_products_are_read(baseline):
    (fake,) = FAKE.glob(f"sentinel2/*/*_{baseline}_*.SAFE")
    if baseline == "N0208":  # its band files are stubs that lie nowhere
        assert refusal(fake).endswith("_B04_10m.jp2: no coordinate reference system")
        return
    for resolution, size in ((10, 10980), (20, 5490), (60, 1830)):
        product = open_product(str(fake), Choice(resolution=resolution))
        assert (product.grid.width, product.grid.height) == (size, size)
        assert {band.calibration.offset for band in product.bands} == {-1000}


@needs_data
def test_a_real_codestream_at_60_m_is_read_in_its_own_tiles(tmp_path):
    """The real B01 of Valais stands for each of the three bands, which are coded alike."""
    (image,) = VALAIS.glob("*.jp2")
    safe = write_safe(tmp_path, width=120, height=120, resolutions=(60,))
    for band in safe.glob("GRANULE/*/IMG_DATA/R60m/*.jp2"):
        shutil.copyfile(image, band)
    product = open_product(str(safe), Choice(resolution=60))
    assert product.block == (192, 192)
    dn = whole_dn(product)
    assert dn.shape == (1830, 1830, 3)
    assert 0.2 < (dn == 0).mean() < 0.9  # the edge of the swath
