"""Downloaded files: their first bytes decide, whatever their names."""

import bz2
import gzip
import io
import json
import lzma
import os
import shlex
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from altered import EXPIRED, PAGE, pack, pack_tar
from opened import open_product, refusal, whole_dn
from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.testing.safe import read_dn, write_safe

S3_ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"""


@pytest.fixture(scope="module")
def archive(safe, tmp_path_factory):
    """A zip of the product, as it is downloaded."""
    return pack(safe, tmp_path_factory.mktemp("zip") / f"{safe.name}.zip")


def assert_is(product, safe):
    assert product.name == safe.stem
    assert product.baseline == "05.09"
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


@pytest.mark.parametrize("name", ["{}", "$value", "download", "x.tif", "x.tar.gz"])
def test_a_zip_is_one_whatever_its_name(safe, archive, tmp_path, name):
    path = tmp_path / name.format(safe.name)
    path.symlink_to(archive)
    assert_is(open_product(str(path)), safe)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.001])
def test_a_zip_that_was_cut_off_is_to_be_downloaded_again(archive, tmp_path, share):
    part = tmp_path / archive.name
    part.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * share)])
    assert refusal(part).startswith(f"{part}: incomplete, download it again: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (EXPIRED, '"Expired signature!"'),
        ('{"error": {"code": 401, "message": "Access\\ntoken expired"}}', '"Access token expired"'),
        ('[{"message": "gone"}]', '"gone"'),
        (json.dumps({"detail": "no " * 3000}), f'"{"no " * 40}..."'),
        (json.dumps({"@odata.context": "x", "value": ["y"] * 9000}), '"{"@odata.context": "x", '),
        ('{"status": 500}', '"{"status": 500}"'),
        (json.dumps({"message": "see https://example.org/a?sig=SECRET now"}), "org/a now"),
        ('{"message": "\\u001b[31mred"}', '"[31mred"'),
        (PAGE, '"Sign in"'),
        ("<html><body>Bad <i>gateway</i></body></html>", '"Bad gateway"'),
        (S3_ERROR, '"AccessDenied: Request has expired"'),
    ],
)
@pytest.mark.parametrize("name", ["x.zip", "x.SAFE", "x.tar", "$value", "x.jp2"])
def test_a_servers_answer_that_was_saved_as_a_product_is_quoted(tmp_path, content, words, name):
    path = tmp_path / name
    path.write_text(content)
    line = refusal(path)
    assert line.startswith(f"{path}: not a product but a server's answer, ")
    assert words in line
    assert line.endswith("download the product again")


def test_a_band_that_is_a_servers_answer_is_quoted(safe, tmp_path):
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    (image,) = copy.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.write_text(EXPIRED)
    line = refusal(copy)
    assert line.startswith(f'{image}: not a product but a server\'s answer, "Expired signature!"')


def test_metadata_that_are_a_servers_answer_are_quoted(safe, tmp_path):
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    (copy / "MTD_MSIL2A.xml").write_text(PAGE)
    assert "MTD_MSIL2A.xml: not a product but a server's answer" in refusal(copy)


@pytest.mark.parametrize("name", ["x.zip", "x.SAFE", "x.tar"])
def test_an_empty_file_is_no_product(tmp_path, name):
    (tmp_path / name).touch()
    assert refusal(tmp_path / name) == f"{tmp_path / name}: an empty file; download it again"


@pytest.mark.parametrize("inside", ["GRANULE", "GRANULE/*", "GRANULE/*/IMG_DATA/R10m"])
def test_the_error_for_a_folder_in_a_product_names_that_product(safe, inside):
    (folder,) = safe.glob(inside)
    assert refusal(folder) == (
        f"{folder}: no MTD_MSIL2A.xml in this folder; it lies in {safe}: give that"
    )


def test_a_pipe_is_refused_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.SAFE")
    assert refusal(tmp_path / "x.SAFE") == f"{tmp_path}/x.SAFE: neither a file nor a folder"


@pytest.mark.parametrize("top", ["order_123/{}", "a/b/c/{}"])
def test_a_product_deeper_in_a_zip_is_found(safe, tmp_path, top):
    path = pack(safe, tmp_path / "order.zip", top=top.format(safe.name))
    with zipfile.ZipFile(path, "a") as store:  # what macOS adds
        store.writestr(f"__MACOSX/{safe.name}/._MTD_MSIL2A.xml", b"\0")
        store.writestr(f"__MACOSX/{safe.name}/._S2A_USER_MTD_SAFL2A_x.xml", b"\0")
    assert_is(open_product(str(path)), safe)


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_a_folder_with_one_product_in_it_stands_for_it(safe, tmp_path, above):
    folder = tmp_path / "order" / "2022"
    folder.mkdir(parents=True)
    (tmp_path / "order" / "notes").mkdir()
    (folder / "checksums.txt").touch()
    if above == "..":
        (folder / safe.name).symlink_to(safe)
    else:
        shutil.copytree(safe, folder / safe.name)
    levels = {".": folder / safe.name, "..": folder, "../..": folder.parent}
    assert_is(open_product(str(levels[above])), safe)


def test_a_folder_with_several_products_lists_them(safe, tmp_path):
    for name in ("a.SAFE", "b.SAFE"):
        (tmp_path / name).symlink_to(safe)
    assert refusal(tmp_path) == (
        f"{tmp_path}: 2 products in this folder, where one is needed: a.SAFE, b.SAFE; give each"
        " by its own name"
    )


def test_a_folder_with_very_many_products_lists_some(safe, tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}.SAFE").symlink_to(safe)
    line = refusal(tmp_path)
    assert line.startswith(f"{tmp_path}: more than 20 products in this folder, where one is needed")
    assert line.count(".SAFE") == 20


def test_a_folder_with_archives_names_them(archive, tmp_path):
    (tmp_path / "y.SAFE").mkdir()
    for name in ("x.SAFE", "x.zip", "x.tar.gz"):
        (tmp_path / name).symlink_to(archive)
    assert refusal(tmp_path) == (
        f"{tmp_path}: no MTD_MSIL2A.xml in this folder; it has x.SAFE, x.tar.gz, x.zip: give that"
    )


def test_a_zip_of_zips_is_to_be_unpacked(archive, tmp_path):
    bulk = tmp_path / "it's bulk.zip"
    with zipfile.ZipFile(bulk, "w") as store:
        store.write(archive, archive.name)
    line = refusal(bulk)
    head, _, command = line.partition("; unpack it first: ")
    assert head == f"{bulk}: a zip of archives: {archive.name}"
    assert shlex.split(command) == ["unzip", str(bulk), "-d", str(tmp_path)]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("arcname", [None, ".", "./order/x.SAFE"])
def test_a_tar_is_read_in_place(safe, tmp_path, form, arcname):
    product = open_product(str(pack_tar(safe, tmp_path / "x", arcname=arcname, form=form)))
    assert_is(product, safe)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert not is_far(product.bands[0].path)
    assert product.costs == open_product(str(safe)).costs
    assert len({band.stamp for band in product.bands}) == 3


def test_a_tar_by_the_system_is_read_in_place(safe, tmp_path):
    command = ["tar", "-C", safe.parent, "-cf", tmp_path / "x.tar", safe.name]
    subprocess.run(command, check=True)
    assert_is(open_product(str(tmp_path / "x.tar")), safe)


def test_links_within_a_tar_are_followed(safe, tmp_path):
    copy = Path(shutil.copytree(safe, tmp_path / "x.SAFE"))
    (image,) = copy.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    (copy / "AAA").hardlink_to(image)
    assert_is(open_product(str(pack_tar(copy, tmp_path / "x.tar"))), safe)


def test_a_tar_that_was_cut_off_is_to_be_downloaded_again(safe, tmp_path):
    path = pack_tar(safe, tmp_path / "x.tar")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path).startswith(f"{path}: incomplete, download it again: ")


@pytest.mark.parametrize("name", ["../MTD_TL.xml", "/MTD_TL.xml", "a/../../b"])
def test_a_tar_with_names_that_leave_it_is_refused(safe, tmp_path, name):
    path = pack_tar(safe, tmp_path / "x.tar")
    with tarfile.open(path, "a") as store:
        store.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert refusal(path) == f"{path}: the name {name!r} in it leaves the archive"


def test_a_tar_without_a_product_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    path = pack_tar(tmp_path / "empty", tmp_path / "x.tar")
    assert refusal(path) == f"{path}: no MTD_MSIL2A.xml in this tar"


@pytest.mark.parametrize(
    ("packer", "what", "command"),
    [
        (gzip, "gzip", "tar -xzf"),
        (bz2, "bzip2", "tar -xjf"),
        (lzma, "xz", "tar -xJf"),
    ],
)
@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "x.tar", "x.SAFE"])
def test_packed_tars_are_refused_with_the_command(tmp_path, packer, what, command, name):
    (tmp_path / "a folder").mkdir()
    path = tmp_path / "a folder" / name
    path.write_bytes(packer.compress(b"a tar" * 1000))
    assert refusal(path) == (
        f"{path}: packed with {what}; unpack it first: {command} '{path}' -C '{path.parent}'"
    )


def test_the_command_unpacks(safe, tmp_path):
    path = pack_tar(safe, tmp_path / "x.tar.gz", mode="w:gz")
    command = refusal(path).rpartition("; unpack it first: ")[2]
    subprocess.run(command.split(), check=True)
    assert_is(open_product(str(tmp_path / safe.name)), safe)


def test_a_product_of_links_is_read(safe, tmp_path):
    subprocess.run(["cp", "-rs", safe, tmp_path], check=True)
    (tmp_path / "top.SAFE").symlink_to(safe)
    assert (tmp_path / safe.name / "MTD_MSIL2A.xml").is_symlink()
    for name in (safe.name, f"{safe.name}/MTD_MSIL2A.xml", "top.SAFE"):
        product = open_product(str(tmp_path / name))
        assert_is(product, safe)
        assert all(Path(band.path).is_relative_to(tmp_path) for band in product.bands)


def test_a_resolution_of_20_m_is_found_in_archives_too(tmp_path):
    archive = write_safe(
        tmp_path, width=120, height=120, tile=64, resolutions=(10, 20), zipped=True
    )
    product = open_product(str(archive), Choice(resolution=20))
    np.testing.assert_array_equal(whole_dn(product), read_dn(archive.with_suffix(""), 20))


def test_an_encrypted_zip_says_so(archive, tmp_path):
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as store:
        (info,) = [each for each in store.infolist() if each.filename.endswith("MTD_MSIL2A.xml")]
        start = store.start_dir
    content[info.header_offset + 6] |= 1
    at = start
    while content[at + 46 : at + 46 + len(info.filename)] != info.filename.encode():
        at = content.index(b"PK\x01\x02", at + 4)
    content[at + 8] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    assert "is encrypted" in refusal(path)
