"""Names that lead to a product: links of many shapes, and names that no disk can have."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from altered import images, pack, pack_tar
from opened import open_product, refusal, whole_dn
from rasters import scene, write_raster
from s2rgb_mpi.testing.safe import read_dn


def assert_is(product, safe):
    assert product.name == safe.stem
    np.testing.assert_array_equal(whole_dn(product), read_dn(safe))


@pytest.fixture
def farm(safe, tmp_path):
    """A product whose files are links into a store of nameless files, as git-annex makes it."""
    store = tmp_path / "store"
    store.mkdir()
    top = tmp_path / "farm" / safe.name
    for number, file in enumerate(sorted(safe.rglob("*"))):
        if file.is_file():
            key = Path(shutil.copy(file, store / f"SHA256E-s{number}"))
            link = top / file.relative_to(safe)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(key, link.parent))
    return top


@pytest.mark.parametrize("end", ["", "MTD_MSIL2A.xml"])
def test_a_product_of_links_into_a_store(safe, farm, end):
    assert_is(open_product(str(farm / end)), safe)
    elsewhere = farm.parent / "elsewhere"
    elsewhere.symlink_to(farm.name)
    assert_is(open_product(str(elsewhere / end)), safe)


@pytest.mark.parametrize("name", ["MTD_MSIL2A.xml", "newest.xml", "newest"])
@pytest.mark.parametrize("is_chain", [False, True])
def test_a_link_to_the_metadata_stands_for_the_product(safe, tmp_path, name, is_chain):
    target = safe / "MTD_MSIL2A.xml"
    if is_chain:
        (tmp_path / "between").symlink_to(target)
        target = Path("../between")
    link = tmp_path / "a" / name
    link.parent.mkdir()
    link.symlink_to(target)
    assert_is(open_product(str(link)), safe)
    if name == "MTD_MSIL2A.xml":
        assert_is(open_product(str(link.parent)), safe)


def test_a_link_to_a_file_that_has_been_dropped_is_named(farm):
    red = images(farm)[-1]
    red.resolve().unlink()
    assert refusal(farm) == f"{red}: a link to {red.readlink()}, which is not there"
    metadata = farm / "MTD_MSIL2A.xml"
    metadata.resolve().unlink()
    line = f"{metadata}: a link to {metadata.readlink()}, which is not there"
    assert refusal(farm) == refusal(metadata) == line


def test_a_link_to_a_disk_that_is_not_there_is_named(safe, tmp_path):
    shutil.copy(safe / "MTD_MSIL2A.xml", tmp_path)
    (tmp_path / "GRANULE").symlink_to("/mnt/gone")
    assert refusal(tmp_path) == f"{tmp_path}/GRANULE: a link to /mnt/gone, which is not there"
    (tmp_path / "x.SAFE").symlink_to("x.SAFE")
    assert refusal(tmp_path / "x.SAFE") == (
        f"{tmp_path}/x.SAFE: a link to x.SAFE, which is not there"
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a" * 300, f"{'a' * 300}: File name too long"),
        ("x/" * 3000, f"{'x/' * 2999}x: File name too long"),
        ("a\0b", "a b: no such file or folder"),
        ("", "an empty name, where that of a product is needed"),
    ],
)
def test_names_that_no_disk_can_have_are_refused(name, line):
    assert refusal(name).replace("\0", " ") == line


@pytest.mark.parametrize(
    "name", ["/vsi{0}/{1}", "/vsi{0}/{{{1}}}", "/vsi{0}//{1}/", "file://{1}", "FILE://{1}"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_by_gdals_name_of_it(safe, tmp_path, kind, name):
    path = (pack_tar if kind == "tar" else pack)(safe, tmp_path / f"x.{kind}")
    assert_is(open_product(name.format(kind, path)), safe)


def test_an_archive_of_one_raster_by_gdals_name_of_it(tmp_path):
    (tmp_path / "a").mkdir()
    write_raster(tmp_path / "a" / "x.tif", scene(), descriptions=("B04", "B03", "B02"))
    path = pack(tmp_path / "a", tmp_path / "x.zip", top="")
    np.testing.assert_array_equal(whole_dn(open_product(f"/vsizip/{path}")), scene())
