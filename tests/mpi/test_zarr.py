"""EOPF stores from the command line: the image of a store is that of the SAFE of the same scene."""

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from conftest import SMALL, read_rgb
from left_empty import assert_left_empty
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_dn, write_safe
from web import Web

DECODING = (str(Path(__file__).parent / "programs" / "decoding.py"),)
FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)
SCENE: dict[str, Any] = {"width": 611, "height": 389, "nodata_fraction": 0.4}
STORES: dict[str, Any] = {
    "v2": {"layout": "v2"},
    "v3": {"layout": "v3"},
    "geozarr": {"layout": "geozarr"},
    "sharded": {"layout": "geozarr", "sharded": True},
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The image of the SAFE product, which the reference confirms."""
    dn = read_dn(write_safe(tmp_path_factory.mktemp("safe"), tile=128, **SCENE))
    return reference.rgb(dn, offset=-1000)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The function that makes one of :data:`STORES`, of 96 x 96 pixels a chunk."""
    made: dict[Any, Path] = {}

    def make(name, **options):
        key = name, *options.items()
        if key not in made:
            folder = tmp_path_factory.mktemp(name)
            made[key] = write_eopf(folder, chunk=96, **STORES[name], **SCENE, **options)
        return made[key]

    return make


@pytest.fixture(scope="module")
def safe_image(mpirun, tmp_path_factory):
    """The function that returns the image of the SAFE product, with some options."""
    folder = tmp_path_factory.mktemp("image")
    product = write_safe(folder, tile=128, **SCENE)
    made: dict[tuple[str, ...], Any] = {}

    def make(*options):
        if options not in made:
            output = folder / f"{len(made)}.tif"
            run = mpirun(None, product, "-o", output, *SMALL, *options)
            assert run.returncode == 0, run.stderr
            made[options] = read_rgb(output)
        return made[options]

    return make


def test_the_image_of_the_safe(safe_image, expected):
    np.testing.assert_array_equal(safe_image(), expected)


@pytest.mark.parametrize(
    ("name", "ranks"),
    [*((name, 3) for name in STORES), ("v2", 1), ("v2", 6), ("sharded", 1), ("sharded", 6)],
)
def test_every_pixel_is_that_of_the_safe(mpirun, store, safe_image, tmp_path, name, *, ranks):
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, store(name), "-o", output, *SMALL)
    assert run.returncode == 0, run.stderr
    assert not any("warning" in line for line in run.said)
    np.testing.assert_array_equal(read_rgb(output), safe_image())


@pytest.mark.parametrize("name", STORES)
def test_in_a_zip(image, store, expected, name):
    np.testing.assert_array_equal(image(store(name, zipped=True)), expected)


@pytest.mark.parametrize("name", STORES)
def test_from_a_server_that_lists_nothing(image, store, expected, name):
    path = store(name)
    with Web(path.parent).running() as web:
        found = image(f"{web.url}/{path.name}")
    np.testing.assert_array_equal(found, expected)
    asked = {path for method, path, _ in web.asked if method == "GET"}
    files = {f"/{file.relative_to(path.parent)}" for file in path.rglob("*") if file.is_file()}
    bands = {file for file in files if Path(file).name[0] in "c0123456789"}
    assert {file for file in asked if "/b0" in file} & bands
    # What it does not have: the other version's metadata, and chunks that were left out.
    for missing in asked - files:
        assert Path(missing).name in {"zarr.json", ".zmetadata"} or "/c/" in missing
    assert not {path for path in asked if path.endswith("/")}


def test_a_zip_on_a_server(image, store, expected):
    path = store("v3", zipped=True)
    with Web(path.parent).running() as web:
        np.testing.assert_array_equal(image(f"{web.url}/{path.name}"), expected)


def test_a_signature_holds_for_every_file(image, store, expected):
    path = store("v3")
    with Web(path.parent).running() as web:
        web.signature = "secret"
        found = image(f"{web.url}/{path.name}?sig=secret")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("chunk", "name"), [(100, "v2"), (611, "v2"), (47, "v3"), (47, "sharded")])
def test_other_chunks(image, tmp_path, expected, chunk, name):
    path = write_eopf(tmp_path / "store", chunk=chunk, **STORES[name], **SCENE)
    np.testing.assert_array_equal(image(path), expected)


COARSER = (("--resolution", "30"), ("--resolution", "20"), ("--crs", "EPSG:2056"))


@pytest.mark.parametrize("name", ["v2", "geozarr"])
@pytest.mark.parametrize("options", COARSER, ids=["means", "20", "swiss"])
def test_other_grids(mpirun, store, safe_image, tmp_path, *, name, options):
    run = mpirun(3, store(name), "-o", tmp_path / "rgb.tif", *SMALL, *options)
    assert run.returncode == 0, run.stderr
    found, expected = read_rgb(tmp_path / "rgb.tif"), safe_image(*options)
    assert expected.any()
    if name == "v2":
        np.testing.assert_array_equal(found, expected)
    # Means of floats are rounded to half a DN, those of DN to a whole one: 0.5 is grey 3, 0 is 1.
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_a_mosaic_of_a_store_and_a_safe(mpirun, store, tmp_path, expected):
    safe = write_safe(tmp_path, granule="32TNT", tile=128, **SCENE)
    layout = ("--layout", "tiled")  # for windows of three chunks have few levels
    run = mpirun(3, store("v3"), safe, "-o", tmp_path / "rgb.tif", *SMALL, *layout)
    assert run.returncode == 0, run.stderr
    image = read_rgb(tmp_path / "rgb.tif")
    np.testing.assert_array_equal(image[:, :611], expected)
    np.testing.assert_array_equal(image[:, 10002:], expected)


@pytest.mark.parametrize("ranks", [1, 6])
@pytest.mark.parametrize("options", [(), ("--crs", "EPSG:2056")], ids=["own", "swiss"])
def test_no_chunk_is_decoded_twice(mpirun, store, tmp_path, ranks, options):
    words = (store("v2"), "-o", tmp_path / "rgb.tif", *SMALL, *options)
    run = mpirun(ranks, *words, program=DECODING)
    assert run.returncode == 0, run.stderr
    decoded = Counter(re.findall(r"^decoded (b0\d .*)$", run.stdout, re.MULTILINE))
    assert len(decoded) == 3 * 7 * 5
    assert set(decoded.values()) == {1}


@pytest.fixture
def copied(store, tmp_path):
    """The function that makes a store of one's own, to be damaged."""

    def copy(name):
        path = store(name)
        return Path(shutil.copytree(path, tmp_path / "copy" / path.name))

    return copy


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("file", ["b03/2.4", "b03/c/2/4"], ids=["v2", "v3"])
def test_a_chunk_that_one_band_lacks(mpirun, copied, tmp_path, expected, file, *, ranks):
    path = copied("v3" if "/c/" in file else "v2")
    (path / "measurements/reflectance/r10m" / file).unlink()
    output = tmp_path / "rgb.tif"
    words = f"{file[4:]}: this chunk is missing, and not in the other bands"
    run = mpirun(ranks, path, "-o", output, *SMALL)
    assert run.returncode == 5
    assert f"b03: {words}" in run.stderr
    options = ("--overwrite", "--on-error", "nodata", "--report", tmp_path / "report.json")
    run = mpirun(ranks, path, "-o", output, *SMALL, *options)
    windows = assert_left_empty(run, tmp_path, expected, words)
    assert 0 < len(windows) < 9


def shorten(content):
    return content[:-3]


def alter(content):
    return bytes(16) + content[16:]


@pytest.mark.parametrize("change", [shorten, alter])
@pytest.mark.parametrize(
    ("name", "file"),
    [("v2", "b03/2.4"), ("v3", "b03/c/2/4"), ("sharded", "b03/c/0/0")],
)
def test_a_damaged_chunk(mpirun, copied, tmp_path, expected, *, name, file, change):
    path = copied(name)
    chunk = path / "measurements/reflectance/r10m" / file
    chunk.write_bytes(change(chunk.read_bytes()))
    options = ("--on-error", "nodata", "--report", tmp_path / "report.json")
    run = mpirun(3, path, "-o", tmp_path / "rgb.tif", *SMALL, *options)
    assert assert_left_empty(run, tmp_path, expected, rf"{file[4:]}: damaged: ")


def test_an_object_store_that_says_403_of_what_is_not_there(image, store, expected):
    path = store("v3")
    with Web(path.parent).running() as web:
        for band in ("b02", "b03", "b04"):
            folder = path / "measurements/reflectance/r10m" / band
            for row in range(5):
                for col in range(7):
                    if not (folder / f"c/{row}/{col}").exists():
                        missing = f"/{path.name}/{(folder / f'c/{row}/{col}').relative_to(path)}"
                        web.faults[missing] = [403] * 1000
        assert web.faults
        np.testing.assert_array_equal(image(f"{web.url}/{path.name}"), expected)


def test_a_server_that_fails_leaves_nothing_out(mpirun, store, tmp_path):
    """Chunks that a server does not give are not chunks that the store has left out."""
    path = store("v3")
    with Web(path.parent).running() as web:
        for band in ("b02", "b03", "b04"):
            chunk = f"/{path.name}/measurements/reflectance/r10m/{band}/c/2/4"
            web.faults[chunk] = [501] * 1000
        run = mpirun(
            None,
            f"{web.url}/{path.name}",
            *("-o", tmp_path / "rgb.tif", *SMALL),
            env={"GDAL_HTTP_MAX_RETRY": "0"},
        )
    assert run.returncode == 5, run.stderr
    assert "HTTP 501" in run.stderr


def test_an_expired_signature_leaves_nothing_out(mpirun, store, tmp_path):
    path = store("v3")
    with Web(path.parent).running() as web:
        web.signature, web.expires_after = "secret", 60
        run = mpirun(None, f"{web.url}/{path.name}?sig=secret", "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 5, run.stderr
    assert "HTTP 403" in run.stderr
    assert "secret" not in run.stderr


def test_resume_compares_metadata_and_chunks(mpirun, copied, tmp_path, expected):
    path = copied("v3")
    arguments = (path, "-o", tmp_path / "rgb.tif", *SMALL)
    stop = ("writer at its end", "SIGTERM", "--on-error", "nodata")
    chunk = path / "measurements/reflectance/r10m/b03/c/2/4"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-3])
    run = mpirun(None, *stop[:2], *arguments, *stop[2:], program=FAILING)
    assert run.returncode == 75, run.stderr
    path.touch()  # the folder's own time is no reason to begin again
    run = mpirun(None, *stop[:2], *arguments, *stop[2:], "--resume", program=FAILING)
    assert run.returncode == 75, run.stderr
    chunk.write_bytes(content)
    run = mpirun(3, *arguments, "--resume")
    assert run.returncode == 2, run.stderr
    assert "B03 of product 1" in run.stderr
    run = mpirun(3, *arguments, "--overwrite")
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
