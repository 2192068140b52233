"""Twelve readers of GeoTIFF: each reads the same pixels as GDAL, or fails as the table says."""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal

from conftest import SMALL, launch
from geotiffs import PROFILES, picture, write
from readers.table import CLOSE, CODECS, DOCUMENT, READERS, WRONG, Reader, updated
from s2rgb_mpi.cli.options import OPTIONS
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.geotiff import finalise
from shared import once

gdal.UseExceptions()

HERE = Path(__file__).parent
HOME = HERE.parent / ".venv-readers"
NAMES = ["B04 red", "B03 green", "B02 blue", "alpha"]


@dataclass(frozen=True)
class File:
    """One of our files, and the pixels that GDAL reads from it."""

    path: Path
    profile: Profile
    expected: NDArray[np.uint8]
    """(row, col, band): red, green, blue and 255 where they are valid."""


def by_gdal(path: Path) -> NDArray[np.uint8]:
    dataset = gdal.Open(str(path))
    bands = [dataset.GetRasterBand(number).ReadAsArray() for number in (1, 2, 3)]
    return np.dstack([*bands, dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()])


def with_empty_tiles() -> NDArray[np.uint8]:
    image = picture(192, 128)
    image[:64, :128] = 0
    return image


@pytest.fixture(scope="session")
def files(tmp_path_factory, safe) -> list[File]:
    return once(tmp_path_factory, "readers", partial(write_files, safe=safe))


def write_files(folder: Path, safe: Path) -> list[File]:
    """Write every codec and mask as a COG of each kind, and a few files of other layouts."""
    odd, empty = picture(149, 101), with_empty_tiles()
    files = []

    def add(image, profile, kind):
        path = folder / f"{profile.compress}-{profile.mask}-{kind}.tif"
        write(path, image, profile)
        files.append(File(path, profile, by_gdal(path)))

    cogs = [profile for profile in PROFILES if profile.layout == "cog"]
    assert {profile.compress for profile in cogs} == set(CODECS)
    for profile in cogs:
        add(odd, profile, "odd")
        add(empty, profile, "empty")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(finalise, "CLASSIC_LIMIT", 1000)
            add(odd, profile, "bigtiff")
        if profile.compress != "jpeg":
            add(empty, replace(profile, sparse=True), "sparse")
        if profile.mask == "internal":
            add(empty, replace(profile, overviews="none"), "no-overviews")
            add(odd, replace(profile, layout="tiled"), "tiled")
    add(empty, replace(cogs[0], compress="webp", quality=100, mask="nodata"), "lossless")
    for compress, mask in ("deflate", "nodata"), ("jpeg", "internal"):
        path = folder / f"{compress}-{mask}-program.tif"
        options = (*SMALL, "--compress", compress, "--mask", mask)
        run = launch(2, safe, "-o", path, *options)
        assert run.returncode == 0, run.stderr
        files.append(File(path, Profile(compress=compress, mask=mask), by_gdal(path)))
    return files


def open_all(name: str, files: list[File], folder: Path) -> dict[str, dict[str, Any]]:
    """Open all files with a reader, in one process; return its results by file name."""
    if not (HOME / "setup.stamp").exists():
        pytest.skip("no .venv-readers here: ci/setup --readers makes it")
    command = [str(HOME / "bin" / "python"), "-I", str(HERE / "readers" / "read.py")]
    if READERS[name].node:
        if not (HOME / "node_modules").exists():
            pytest.skip("ci/setup --readers found no Node.js >= 20.9 here, which it needs")
        command = ["node", str(HERE / "readers" / "read.mjs")]
    command += [name, str(folder), *(str(file.path) for file in files)]
    # Without the variables that are meant for the stack of the test.
    env = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    run = subprocess.run(
        command, env=env, cwd=HOME, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads((folder / "found.json").read_text())


def expected_of(reader: Reader, profile: Profile) -> str:
    """Return the result that the table states for a file."""
    if error := reader.fails.get(profile.compress):
        return error
    if profile.sparse and (error := reader.fails_sparse.get(profile.compress)):
        return error
    pixels = reader.jpeg if profile.compress == "jpeg" else "exact"
    known = profile.mask == "none" or profile.mask in reader.masks
    return f"{pixels} pixels, no data {'known' if known else 'black'}"


def outcome(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> str:
    """Return how an image compares with GDAL's."""
    assert found.shape == expected.shape
    difference = np.abs(found[..., :3].astype(int) - expected[..., :3])
    if not difference.any():
        pixels = "exact"
    elif difference.max() <= CLOSE[0] and difference.mean() <= CLOSE[1]:
        pixels = "close"
    else:
        return WRONG
    if np.array_equal(found[..., 3], expected[..., 3]):
        return f"{pixels} pixels, no data known"
    return f"{pixels} pixels, no data {'black' if found[..., 3].all() else 'elsewhere'}"


@pytest.mark.parametrize("name", READERS)
def test_a_reader_has_the_results_of_the_table(tmp_path, files, name):
    reader = READERS[name]
    answers = open_all(name, files, tmp_path)
    differing = {}
    for file in files:
        answer = answers[file.path.name]
        expected = expected_of(reader, file.profile)
        names = NAMES[: file.profile.bands] if reader.names else []
        if "error" in answer:
            found = answer["error"]
            right = expected in found
        else:
            pixels = np.fromfile(tmp_path / f"{file.path.name}.rgba", np.uint8)
            found = outcome(pixels.reshape(answer["shape"]), file.expected)
            right = found == expected and answer["names"] == names
        if not right:
            differing[file.path.name] = f"{found} {answer}; the table says: {expected} {names}"
    assert not differing


def test_the_document_has_the_table():
    text = DOCUMENT.read_text()
    assert text == updated(text), "run python tests/readers/table.py"


def test_help_says_who_cannot_read_sparse_files():
    can, _, cannot = OPTIONS["sparse"].text.partition(" can read such a file; ")
    for reader in READERS.values():
        name = reader.title.split(" ")[0]
        if reader.fails_sparse:
            assert name in cannot
            assert name not in can
        else:
            assert name not in cannot
