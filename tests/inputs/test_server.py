"""SAFE products on a server: their metadata are read first, and name the other files."""

import shutil
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from osgeo import gdal

from altered import EXPIRED, PAGE, edit, pack, pack_tar
from opened import open_product, refusal, whole_dn
from s2rgb_mpi import gdalenv
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.testing.safe import read_dn
from web import Web


@pytest.fixture
def web(safe, tmp_path, monkeypatch):
    """A server with the product, its zip and its tar."""
    monkeypatch.setattr(gdalenv, "RETRY_SECONDS", 0.01)
    shutil.copytree(safe, tmp_path / safe.name)
    pack(safe, tmp_path / f"{safe.name}.zip")
    gdal.VSICurlClearCache()
    with Web(tmp_path).running() as web:
        yield web


def assert_is(product, safe):
    assert product.name == safe.stem
    assert {band.calibration.offset for band in product.bands} == {-1000}
    assert product.warnings == ()
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


@pytest.mark.parametrize("end", ["", "/", "/MTD_MSIL2A.xml", "/manifest.safe", ".zip"])
@pytest.mark.parametrize("query", ["", "?sig=SECRET&x=/y"])
@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_a_product_on_a_server(safe, web, end, query, prefix):
    assert_is(open_product(f"{prefix}{web.url}/{safe.name}{end}{query}"), safe)


def test_a_folder_is_read_by_its_metadata_alone(safe, web):
    product = open_product(f"{web.url}/{safe.name}")
    asked = {each.path.removeprefix(f"/{safe.name}") for each in web.asked}
    inside = {f"/{path.relative_to(safe)}" for path in safe.rglob("*") if path.is_file()}
    assert asked == inside  # nothing else, no listing, no .aux.xml, no world file
    assert all(band.path.startswith(f"/vsicurl/{web.url}/") for band in product.bands)


def test_a_zip_is_read_in_ranges(safe, web):
    archive = web.folder / f"{safe.name}.zip"
    with zipfile.ZipFile(archive, "a") as store:
        store.writestr("much/else", bytes(30_000_000))
    product = open_product(f"{web.url}/{archive.name}")
    inside = f"/vsizip/{{/vsicurl/{web.url}/{archive.name}}}/{safe.name}/GRANULE/"
    assert all(band.path.startswith(inside) for band in product.bands)
    assert_is(product, safe)
    assert all(asked.range or asked.method == "HEAD" for asked in web.asked)
    spans = [each.removeprefix("bytes=").split("-") for each in web.ranges(f"/{archive.name}")]
    assert sum(int(last) - int(first) for first, last in spans) < 5_000_000


@pytest.mark.parametrize("name", ["x.zip", "$value", "x.SAFE", "download"])
def test_a_zip_is_one_whatever_its_address(safe, web, name):
    (web.folder / f"{safe.name}.zip").rename(web.folder / name)
    assert_is(open_product(f"{web.url}/{name}"), safe)


def test_a_tar_on_a_server(safe, web):
    pack_tar(safe, web.folder / "x.tar")
    assert_is(open_product(f"{web.url}/x.tar"), safe)


def test_a_product_of_2016_is_found_by_the_name_of_its_folder(safe, web):
    name = "S2A_USER_PRD_MSIL2A_PDMC_20160725T190000_R022_V20160725T101559_20160725T101559"
    (web.folder / safe.name).rename(web.folder / f"{name}.SAFE")
    metadata = web.folder / f"{name}.SAFE" / "MTD_MSIL2A.xml"
    metadata.rename(metadata.with_name(name.replace("_PRD_MSIL2A_", "_MTD_SAFL2A_") + ".xml"))
    assert_is(open_product(f"{web.url}/{name}.SAFE"), safe)


def test_level_1c_must_be_asked_for(safe, web):
    metadata = web.folder / safe.name / "MTD_MSIL2A.xml"
    metadata.rename(metadata.with_name("MTD_MSIL1C.xml"))
    assert "--allow-l1c" in refusal(f"{web.url}/{safe.name}")
    edit(
        metadata.parent,
        ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"),
        file="MTD_MSIL1C.xml",
    )
    line = refusal(f"{web.url}/{safe.name}", Choice(allow_l1c=True))
    assert line.endswith("MTD_MSIL1C.xml: lists no file of B04, where one is needed")


@pytest.mark.parametrize("name", ["x", "x.safe", "x/y.SAFE"])
def test_a_folder_of_another_name(safe, web, name):
    """Test products of ESA have no suffix; the letter case of the metadata differs in the wild."""
    name = name.replace("x", safe.stem)
    (web.folder / name).parent.mkdir(exist_ok=True)
    (web.folder / safe.name).rename(web.folder / name)
    metadata = web.folder / name / "MTD_MSIL2A.xml"
    metadata.rename(metadata.with_name("MTD_MSIL2a.xml"))
    assert_is(open_product(f"{web.url}/{name}"), safe)


@pytest.mark.parametrize("name", ["absent.SAFE", "absent.SAFE/", "absent/"])
def test_what_the_server_does_not_have(web, name):
    address = f"{web.url}/{name}"
    line = refusal(f"{address}?sig=SECRET")
    assert line == (
        f"{address.rstrip('/')}: no MTD_MSIL2A.xml there; give the address of the product's folder,"
        " of the MTD_MSIL2A.xml in it, or of a zip of it"
        f" ({address.rstrip('/')}/MTD_MSIL2A.xml: HTTP 404 Not Found)"
    )


@pytest.mark.parametrize("end", ["", "/MTD_MSIL2A.xml", ".zip"])
def test_what_the_server_does_not_give_us(safe, web, end):
    for asked in ("/MTD_MSIL2A.xml", "", ".zip"):
        web.faults[f"/{safe.name}{asked}"] = [403] * 20
    line = refusal(f"{web.url}/{safe.name}{end}?sig=SECRET")
    assert line.startswith(f"{web.url}/{safe.name}{end}: ")
    assert "SECRET" not in line
    assert "HTTP 403 Forbidden: access is refused: " in line


def test_a_server_that_does_not_answer(web):
    web.faults = {"/x.SAFE/MTD_MSIL2A.xml": [500] * 20}
    line = refusal(f"{web.url}/x.SAFE")
    assert line == f"{web.url}/x.SAFE/MTD_MSIL2A.xml: HTTP 500 Internal Server Error"


def test_a_server_that_fails_once_is_asked_again(safe, web):
    web.faults = {f"/{safe.name}/MTD_MSIL2A.xml": [503]}
    assert open_product(f"{web.url}/{safe.name}").name == safe.stem


def test_a_page_in_place_of_what_is_not_there_is_quoted(safe, web):
    (web.folder / safe.name / "MTD_MSIL2A.xml").write_text(PAGE)
    line = refusal(f"{web.url}/{safe.name}")
    assert line.startswith(f"{web.url}/{safe.name}/MTD_MSIL2A.xml: not a product but a server's")


@pytest.mark.parametrize("name", ["x.zip", "$value", "x.tif"])
def test_an_answer_in_place_of_a_file_is_quoted(web, name):
    (web.folder / name).write_text(EXPIRED)
    line = refusal(f"{web.url}/{name}?sig=SECRET")
    assert line.startswith(f"{web.url}/{name}: not a product but a server's answer, \"Expired")


def test_a_zip_that_was_cut_off_before_it_came_there(safe, web):
    archive = web.folder / f"{safe.name}.zip"
    archive.write_bytes(archive.read_bytes()[:-5000])
    assert refusal(f"{web.url}/{archive.name}").startswith(
        f"{web.url}/{archive.name}: incomplete, download it again: "
    )


def test_an_archive_on_a_server_without_ranges(safe, web, monkeypatch):
    pack_tar(safe, web.folder / "x.tar")
    before = web.answer

    def answer(request):
        del request.headers["Range"]
        with suppress(BrokenPipeError):  # GDAL hangs up when it sees that
            before(request)

    monkeypatch.setattr(web, "answer", answer)
    for name in (f"{safe.name}.zip", "x.tar"):
        line = refusal(f"{web.url}/{name}?sig=SECRET")
        assert line.startswith(f"{web.url}/{name}: cannot be read there (")
        assert line.endswith("); download it, and give the copy")
        assert "SECRET" not in line


def test_a_missing_band_is_named(safe, web):
    (image,) = (web.folder / safe.name).glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.unlink()
    where = image.relative_to(web.folder)
    assert refusal(f"{web.url}/{safe.name}?sig=SECRET") == (
        f"{web.url}/{where}: no such file, though MTD_MSIL2A.xml lists it"
    )


def test_names_in_metadata_do_not_leave_the_product(safe, web):
    edit(web.folder / safe.name, ("(<IMAGE_FILE>)[^<]*(_B04_10m)", r"\1../../x\2"))
    assert "../../x_B04_10m leaves the product folder" in refusal(f"{web.url}/{safe.name}")


def test_a_granules_metadata_that_are_not_there_are_not_needed(safe, web):
    (metadata,) = (web.folder / safe.name).glob("GRANULE/*/MTD_TL.xml")
    metadata.unlink()
    assert_is(open_product(f"{web.url}/{safe.name}"), safe)


@pytest.mark.parametrize("name", ["/vsizip/{}/{}", "/vsizip/{{{}}}/{}/MTD_MSIL2A.xml"])
def test_a_product_in_a_zip_by_gdals_name(safe, web, name):
    archive = web.folder / f"{safe.name}.zip"
    with zipfile.ZipFile(archive, "a") as store:  # a second one, that the zip's name cannot mean
        store.write(safe / "MTD_MSIL2A.xml", "other.SAFE/MTD_MSIL2A.xml")
    assert "2 products" in refusal(archive)
    assert_is(open_product(name.format(archive, safe.name)), safe)


def test_a_product_by_a_file_url(safe):
    assert_is(open_product(f"file://{safe}"), safe)


def test_an_object_store_that_lists_nothing(safe, web, monkeypatch):
    settings = {
        "AWS_S3_ENDPOINT": web.url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (web.folder / "bucket").mkdir()
    for path in (web.folder / safe.name, web.folder / f"{safe.name}.zip"):
        path.rename(web.folder / "bucket" / path.name)
    for end in ("", ".zip"):
        assert_is(open_product(f"s3://bucket/{safe.name}{end}"), safe)


def test_gdals_credentials_open_what_is_not_for_everybody(safe, web):
    before = web.answer

    def answer(request):
        if request.headers.get("Authorization") == "Bearer TOKEN":
            before(request)
        else:
            request.send_error(401)

    web.answer = answer
    assert "HTTP 401" in refusal(f"{web.url}/{safe.name}")
    gdal.VSICurlClearCache()
    gdal.SetConfigOption("GDAL_HTTP_HEADERS", "Authorization: Bearer TOKEN")
    try:
        assert_is(open_product(f"{web.url}/{safe.name}"), safe)
    finally:
        gdal.SetConfigOption("GDAL_HTTP_HEADERS", None)


def test_what_is_in_an_archive_is_asked_anew_too(safe, web):
    path = open_product(f"{web.url}/{safe.name}.zip").bands[0].path
    web.asked.clear()
    assert gdal.VSIStatL(f"/vsicurl/{web.url}/{safe.name}.zip").size
    assert not web.asked
    forget([path])
    assert gdal.VSIStatL(f"/vsicurl/{web.url}/{safe.name}.zip").size
    assert web.asked
