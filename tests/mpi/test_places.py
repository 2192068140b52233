"""Products in every place and wrapping, from the command line to the pixels of the reference."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

import reference
from altered import add_side_files, edit, images, pack
from conftest import SMALL, read_rgb
from layouts import BANDS, GRANULES, granule_dn, tile_dn, write_granules, write_tile
from s2rgb_mpi.testing.safe import read_dn
from web import Web


@pytest.fixture
def copy(safe, tmp_path):
    """A copy of the product, for a test to change."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def wanted(safe):
    return reference.rgb(read_dn(safe), offset=-1000)


def test_side_files_change_nothing(image, safe, copy):
    add_side_files(copy)
    np.testing.assert_array_equal(image(copy, "--strict"), wanted(safe))


@pytest.mark.parametrize("end", ["", ".zip?sig=SECRET"])
def test_a_product_on_a_server(mpirun, safe, tmp_path, end):
    pack(safe, tmp_path / f"{safe.name}.zip")
    (tmp_path / safe.name).symlink_to(safe)
    with Web(tmp_path).running() as web:
        address = f"{web.url}/{safe.name}{end}"
        run = mpirun(3, address, "-o", tmp_path / "rgb.tif", *SMALL)
        assert run.returncode == 0, run.stderr
        assert [line for line in run.said if "warning" in line] == []
        assert {Path(each.path).suffix for each in web.asked} <= {".xml", ".jp2", ".zip"}
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), wanted(safe))


def test_a_tar(image, safe, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as store:
        store.add(safe, safe.name)
    np.testing.assert_array_equal(image(tmp_path / "x.tar"), wanted(safe))


def test_a_zip_by_the_name_of_the_product_and_a_folder_above_a_link(image, safe, tmp_path):
    pack(safe, tmp_path / "zip.SAFE", top=f"order/{safe.name}")
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "link").symlink_to(safe)
    np.testing.assert_array_equal(image(tmp_path / "zip.SAFE"), wanted(safe))
    shutil.rmtree(tmp_path / "out")
    np.testing.assert_array_equal(image(tmp_path / "orders"), wanted(safe))


def test_bands_in_the_folder_of_a_product(image, safe):
    blue, green, red = images(safe)
    np.testing.assert_array_equal(image("--rgb", red, green, blue), wanted(safe))


def test_a_tile_of_the_aws_buckets_and_its_bands(image, tmp_path):
    folder = write_tile(tmp_path)
    expected = reference.rgb(tile_dn(), offset=-1000)
    np.testing.assert_array_equal(image(folder), expected)
    shutil.rmtree(tmp_path / "out")
    bands = [folder / "R10m" / f"{band}.jp2" for band in BANDS]
    np.testing.assert_array_equal(image("--rgb", *bands), expected)


def test_granules_are_a_mosaic_the_first_on_top(image, tmp_path):
    product = write_granules(tmp_path)
    below, above = (np.zeros((150, 300, 3), np.uint16) for _ in GRANULES)
    above[:, :200], below[:, 100:] = map(granule_dn, GRANULES)
    first, second = reference.rgb(above), reference.rgb(below)
    expected = np.where(first.any(axis=2, keepdims=True), first, second)
    np.testing.assert_array_equal(image(product), expected)
    shutil.rmtree(product.parent / "out")
    np.testing.assert_array_equal(
        image(product, "--granule", GRANULES[1]), reference.rgb(granule_dn(GRANULES[1]))
    )


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_lost_offset_list_is_a_warning_or_with_strict_an_error(mpirun, copy, tmp_path, ranks):
    edit(copy, ("<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", ""))
    words = f"{copy}/MTD_MSIL2A.xml: no BOA_ADD_OFFSET, which products of processing baseline 05.09"
    output = tmp_path / "out" / "rgb.tif"
    output.parent.mkdir()
    run = mpirun(ranks, copy, "-o", output, *SMALL, "--strict")
    assert run.returncode == 2
    assert list(output.parent.iterdir()) == []
    (line,) = run.said
    assert line.startswith(f"s2rgb_mpi: error: {words}")
    run = mpirun(ranks, copy, "-o", output, *SMALL)
    assert run.returncode == 0
    assert run.stderr.count(words) == 1
    run = mpirun(ranks, copy, "-o", output, *SMALL, "--strict", "--overwrite", "--offset", "-1000")
    assert run.returncode == 0
    assert "warning" not in run.stderr


def test_what_is_no_product_is_one_line(refused, safe, tmp_path):
    product = write_granules(tmp_path)
    (tmp_path / "x.zip").write_text('{"detail":"Expired signature!"}')
    assert '"Expired signature!"' in refused(tmp_path / "x.zip")
    pack(safe, tmp_path / "y.zip")
    (tmp_path / "z.zip").write_bytes((tmp_path / "y.zip").read_bytes()[:100_000])
    assert "z.zip: incomplete, download it again" in refused(tmp_path / "z.zip")
    line = refused(product, "--granule", "33TMT")
    assert "--granule 33TMT: no such granule; the product has " in line
    assert "--granule is for SAFE products" in refused("--rgb", *"rgb", "--granule", "32TMT")
    with Web(tmp_path).running() as web:
        line = refused(f"{web.url}/absent.SAFE?sig=SECRET")
        assert line.startswith(f"{web.url}/absent.SAFE: no MTD_MSIL2A.xml there; give the address")
        assert "SECRET" not in line
