"""SAFE products are read as their own metadata say; what is not as it must be is refused."""

import re
import shutil
from pathlib import Path

import pytest

from geotiffs import TRANSFORM
from opened import open_safe
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.image.radiometry import Calibration

DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = sorted(DATA.glob("metadata/openeo-opensearch-client_httpsCache/2A/*.SAFE"))
FAKES = sorted(DATA.glob("gdal_fakes/**/*.SAFE"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no real products beside the project")

BILLION_LAUGHS = """<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;">]>
<Level-2A_User_Product>&lol1;</Level-2A_User_Product>"""


@pytest.fixture
def broken(safe, tmp_path):
    """A copy of the product, for a test to break."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def edit(product, pattern, replacement):
    """Change the product's metadata."""
    metadata = product / "MTD_MSIL2A.xml"
    text, count = re.subn(pattern, replacement, metadata.read_text(), flags=re.DOTALL)
    assert count
    metadata.write_text(text)


def refusal(path, *, culprit=None):
    """Return the line with which a product is refused; it is one, and begins with the culprit."""
    with pytest.raises(InputError) as caught:
        open_safe(str(path))
    line = str(caught.value)
    assert line.startswith(f"{culprit or path}: ")
    assert "\n" not in line
    return line


def calibrations(product):
    return {band.name: band.calibration for band in product.bands}


def test_a_product_says_where_it_lies_and_what_it_is(safe):
    product = open_safe(str(safe))
    assert product.name == safe.stem
    assert (product.grid.width, product.grid.height) == (611, 389)
    assert product.grid.transform == TRANSFORM
    assert product.block == (128, 128)
    assert product.baseline == "05.09"
    assert product.sensing_time == "2022-06-13T10:30:41.024Z"


def test_bands_are_red_green_blue_at_10_m(safe):
    bands = open_safe(str(safe)).bands
    assert [(band.name, Path(band.path).name[-11:]) for band in bands] == [
        ("B04", "B04_10m.jp2"),
        ("B03", "B03_10m.jp2"),
        ("B02", "B02_10m.jp2"),
    ]


def test_the_metadata_file_names_its_product(safe):
    assert open_safe(str(safe / "MTD_MSIL2A.xml")) == open_safe(str(safe))


def test_the_letter_case_of_the_metadata_file_does_not_matter(safe, broken):
    (broken / "MTD_MSIL2A.xml").rename(broken / "mtd_msil2a.xml")
    assert open_safe(str(broken)).name == safe.stem


def test_an_offset_list_is_applied_band_by_band(broken):
    edit(broken, r'(BOA_ADD_OFFSET band_id="3">)-1000', r"\g<1>-900")
    offsets = {name: each.offset for name, each in calibrations(open_safe(str(broken))).items()}
    assert offsets == {"B04": -900, "B03": -1000, "B02": -1000}


def test_without_an_offset_list_there_is_no_offset(old_safe):
    assert set(calibrations(open_safe(str(old_safe))).values()) == {Calibration(0, 10_000)}


def test_the_baseline_says_nothing_about_the_offset(broken):
    edit(broken, "<PROCESSING_BASELINE>05.09", "<PROCESSING_BASELINE>99.99")
    edit(broken, "<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "")
    assert {each.offset for each in calibrations(open_safe(str(broken))).values()} == {0}


def test_band_ids_are_those_that_the_product_gives(broken):
    edit(broken, 'bandId="3" physicalBand="B4"', 'bandId="12" physicalBand="B4"')
    edit(broken, r'(BOA_ADD_OFFSET band_id="12">)-1000', r"\g<1>-7")
    assert calibrations(open_safe(str(broken)))["B04"].offset == -7


def test_the_special_value_nodata_is_the_no_data_dn(broken):
    edit(broken, "<SPECIAL_VALUE_INDEX>0<", "<SPECIAL_VALUE_INDEX>65535<")
    assert {band.stored.nodata for band in open_safe(str(broken)).bands} == {(65535, 0)}


@needs_data
@pytest.mark.parametrize("real", REAL, ids=lambda path: path.name[27:32])
def test_real_metadata_are_read_as_they_say(broken, real):
    # They come without images: those of the test product lie where the real ones are named.
    text = (real / "MTD_MSIL2A.xml").read_text()
    for band in ("B02", "B03", "B04"):
        (image,) = re.findall(f"<IMAGE_FILE>([^<]*_{band}_10m)<", text)
        (made,) = broken.glob(f"GRANULE/*/IMG_DATA/R10m/*_{band}_10m.jp2")
        (broken / image).parent.mkdir(parents=True, exist_ok=True)
        made.rename(broken / f"{image}.jp2")
    shutil.copy(real / "MTD_MSIL2A.xml", broken)
    product = open_safe(str(broken))
    offsets = dict(re.findall(r'<BOA_ADD_OFFSET band_id="(\d+)">(-?\d+)<', text))
    (quantification,) = re.findall(r"<BOA_QUANTIFICATION_VALUE[^>]*>([^<]*)<", text)
    assert [band.calibration for band in product.bands] == [
        Calibration(int(offsets.get(band_id, 0)), float(quantification))
        for band_id in ("3", "2", "1")
    ]
    assert product.name == real.stem
    assert product.baseline == f"{real.name[28:30]}.{real.name[30:32]}"


@needs_data
def test_real_metadata_are_of_baselines_with_and_without_offsets():
    texts = [(real / "MTD_MSIL2A.xml").read_text() for real in REAL]
    assert sorted("BOA_ADD_OFFSET " in text for text in texts) == [False, False, False, True, True]


@needs_data
def test_gdals_full_size_test_product_is_read():
    (fake,) = [path for path in FAKES if "N0509" in path.name]
    product = open_safe(str(fake))
    assert (product.grid.width, product.grid.height) == (10980, 10980)
    assert {each.offset for each in calibrations(product).values()} == {-1000}


def test_what_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "absent.SAFE").endswith("no such file or folder")


def test_a_folder_without_metadata_is_refused(tmp_path):
    assert "no MTD_MSIL2A.xml" in refusal(tmp_path)


def test_a_level_1c_product_is_refused(tmp_path):
    (tmp_path / "MTD_MSIL1C.xml").touch()
    assert "Level-1C" in refusal(tmp_path)


def test_another_file_than_the_metadata_is_refused(safe):
    (image,) = safe.glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2")
    assert "not a SAFE folder" in refusal(image)


def test_truncated_metadata_are_refused(broken):
    metadata = broken / "MTD_MSIL2A.xml"
    metadata.write_bytes(metadata.read_bytes()[:3000])
    refusal(metadata)


@pytest.mark.parametrize("text", [BILLION_LAUGHS, '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'])
def test_a_document_type_is_refused(broken, text):
    (broken / "MTD_MSIL2A.xml").write_text(text)
    assert "document type" in refusal(broken / "MTD_MSIL2A.xml")


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        ("<BOA_QUANTIFICATION_VALUE.*</BOA_QUANTIFICATION_VALUE>", "", "BOA_QUANTIFICATION_VALUE"),
        ('(BOA_QUANTIFICATION_VALUE unit="none">)10000', r"\1many", "many"),
        ('(BOA_QUANTIFICATION_VALUE unit="none">)10000', r"\g<1>0", "above 0"),
        ('(BOA_ADD_OFFSET band_id="3">)-1000', r"\1none", "none"),
        ('<BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET>', "", "lacks band B04"),
        ("<SPECIAL_VALUE_INDEX>0<", "<SPECIAL_VALUE_INDEX>70000<", "70000"),
        ("<IMAGE_FILE>[^<]*_B04_10m</IMAGE_FILE>", "", "lists no file of B04"),
        ("(<IMAGE_FILE>)[^<]*(_B04_10m)", r"\1../../x\2", r"\.\./\.\./x_B04_10m leaves"),
        ("(<IMAGE_FILE>)[^<]*(_B04_10m)", r"\1/etc/x\2", "/etc/x_B04_10m leaves"),
    ],
)
def test_metadata_that_cannot_be_are_refused(broken, pattern, replacement, words):
    edit(broken, pattern, replacement)
    assert re.search(words, refusal(broken / "MTD_MSIL2A.xml"))


def test_a_missing_band_file_is_refused_by_name(broken):
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.unlink()
    assert "no such file, though MTD_MSIL2A.xml lists it" in refusal(broken, culprit=image)


def test_a_band_file_that_is_a_link_to_elsewhere_is_read(broken, old_safe):
    """Whoever keeps products as links made them; names in metadata are what may not leave."""
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    (elsewhere,) = old_safe.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.unlink()
    image.symlink_to(elsewhere)
    band = open_safe(str(broken)).bands[1]
    assert band.path == str(image)
    assert Path(band.path).samefile(elsewhere)


def test_a_link_to_nothing_is_refused_by_name(broken):
    """What git-annex leaves of a file whose content has not been fetched."""
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.unlink()
    image.symlink_to("../absent")
    assert refusal(broken, culprit=image).endswith(": a link to ../absent, which is not there")


def test_a_band_file_of_noise_is_refused_by_name(broken):
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.write_bytes(b"noise" * 100)
    refusal(broken, culprit=image)
