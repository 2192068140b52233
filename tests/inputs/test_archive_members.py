"""How archives may be made: names, links and packings that are odd, but legal."""

import io
import re
import shlex
import shutil
import stat
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from altered import images, pack_tar
from opened import open_product, refusal, whole_dn
from s2rgb_mpi.testing.safe import read_dn


def rename(safe, archive, names, *, compression=zipfile.ZIP_STORED):
    """Put a product into a zip, each file under what `names` makes of its name."""
    with zipfile.ZipFile(archive, "w", compression) as store:
        for path in sorted(safe.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo()
                # The constructor would change what it takes for a separator.
                info.filename = names(path.relative_to(safe.parent).as_posix())
                info.compress_type = compression
                store.writestr(info, path.read_bytes())
    return archive


def link_images(product, target):
    """Put a link in the place of each image."""
    for image in images(product):
        (product / "store").mkdir(exist_ok=True)
        image.rename(product / "store" / image.name)
        image.symlink_to(target.format(image.name))


def pack_links(folder, archive):
    """Put a product into a zip with its links as links, as zip -y does."""
    with zipfile.ZipFile(archive, "w") as store:
        for path in sorted(folder.rglob("*")):
            info = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix())
            if path.is_symlink():
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                store.writestr(info, str(path.readlink()))
            elif path.is_file():
                store.writestr(info, path.read_bytes())
    return archive


@pytest.mark.parametrize(
    ("old", "new"),
    [("^", "./"), ("/", r"\\"), ("^", "Zürich 日本/"), ("^", "a{b}/")],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_names_in_a_zip_may_be_written_in_other_ways(safe, tmp_path, old, new, compression):
    path = rename(
        safe, tmp_path / "x.zip", lambda name: re.sub(old, new, name), compression=compression
    )
    np.testing.assert_array_equal(whole_dn(open_product(str(path))), read_dn(safe))


@pytest.mark.parametrize("name", [r"..\x", r"C:\x", r"\x", "./../x"])
def test_names_in_a_zip_that_leave_it_are_refused(safe, tmp_path, name):
    path = rename(safe, tmp_path / "x.zip", str)
    with zipfile.ZipFile(path, "a") as store:
        store.writestr(name, b"")
    assert refusal(path).endswith(" in it leaves the archive")


@pytest.mark.parametrize("arcname", ["././x.SAFE", ".//x.SAFE", "x//y.SAFE"])
def test_names_in_a_tar_may_be_written_in_other_ways(safe, tmp_path, arcname):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as store:
        for file in safe.rglob("*"):
            info = store.gettarinfo(file)
            info.name = f"{arcname}/{file.relative_to(safe).as_posix()}"
            store.addfile(info, io.BytesIO(file.read_bytes() if file.is_file() else b""))
    np.testing.assert_array_equal(whole_dn(open_product(str(path))), read_dn(safe))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_gdal_cannot_unpack_is_refused_with_the_command(safe, tmp_path, compression):
    path = rename(safe, tmp_path / "x.zip", str, compression=compression)
    line, _, command = refusal(path).partition("; unpack it first: ")
    assert line.startswith(f"{path}/{safe.name}/GRANULE/")
    assert line.endswith(".jp2: not packed by DEFLATE, so it cannot be read in place")
    assert shlex.split(command) == ["unzip", str(path), "-d", str(tmp_path)]


@pytest.mark.parametrize("pack", [pack_links, pack_tar])
def test_links_in_an_archive_are_followed_in_it(safe, tmp_path, pack):
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    link_images(copy, "../../../../store/{}")
    first = images(copy)[0]
    first.with_name("again").symlink_to(first.readlink())
    first.unlink()
    first.symlink_to("again")
    path = pack(copy, tmp_path / "x")
    np.testing.assert_array_equal(whole_dn(open_product(str(path))), read_dn(safe))


@pytest.mark.parametrize("pack", [pack_links, pack_tar])
def test_links_that_leave_an_archive_are_named(safe, tmp_path, pack):
    copy = Path(shutil.copytree(safe, tmp_path / safe.name))
    link_images(copy, "/annex/{}")
    path = pack(copy, tmp_path / "x")
    red = images(copy)[-1]
    assert refusal(path) == (
        f"{path}/{red.relative_to(tmp_path)}: a link to /annex/{red.name}, which is not in this"
        f" {'tar' if pack is pack_tar else 'zip'}; pack the files that links lead to, not the links"
    )
    metadata = copy / "MTD_MSIL2A.xml"
    metadata.unlink()
    metadata.symlink_to("/annex/metadata")
    assert "MTD_MSIL2A.xml: a link to /annex/metadata, which is" in refusal(pack(copy, path))


def test_a_tar_that_ends_between_its_members_is_incomplete(safe, tmp_path):
    """There tarfile sees no difference to its end; every other length is refused by it."""
    path = pack_tar(safe, tmp_path / "x.tar")
    content = path.read_bytes()
    with tarfile.open(path) as store:
        members = list(store)
    part = tmp_path / "part.tar"
    for before, after in pairwise(members):
        for nbytes in (after.offset, after.offset + 100, after.offset + 511):
            part.write_bytes(content[:nbytes])
            line = refusal(part)
            assert line.startswith(f"{part}: incomplete, download it again: "), before.name


def test_a_tar_without_its_end_that_has_all_is_read(safe, tmp_path):
    path = pack_tar(safe, tmp_path / "x.tar")
    with tarfile.open(path) as store:
        last = list(store)[-1]
    nbytes = last.offset_data + -(-last.size // 512) * 512
    path.write_bytes(path.read_bytes()[:nbytes])
    np.testing.assert_array_equal(whole_dn(open_product(str(path))), read_dn(safe))
