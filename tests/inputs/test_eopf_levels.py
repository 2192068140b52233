"""The levels of GeoZarr above 60 m: their values, where they lie, and what is one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opened import open_product, pixels, refusal
from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.source_size import Output
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.levels import LEVELS
from s2rgb_mpi.testing.safe import write_safe

SCENE: dict[str, Any] = {"nodata_fraction": 0.4, "texture": "synthetic"}
ALL = (10, 20, 60, *LEVELS)
GROUP = "measurements/reflectance"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """216 pixels are three of 720 m: every level is whole."""
    folder = tmp_path_factory.mktemp("whole")
    return write_eopf(folder, layout="geozarr", width=216, height=216, resolutions=ALL, **SCENE)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """180 pixels are five of 360 m and two and a half of 720 m, as those of a tile are 152.5."""
    folder = tmp_path_factory.mktemp("cut")
    return write_eopf(folder, layout="geozarr", width=180, height=180, resolutions=ALL, **SCENE)


def means(values, factor):
    """Average the valid pixels of each block, one block after the other."""
    rows, cols = (edge // factor for edge in values.shape[:2])
    out = np.full((rows, cols, 3), np.nan)
    for row, col, band in np.ndindex(rows, cols, 3):
        left, top = col * factor, row * factor
        block = values[top : top + factor, left : left + factor, band]
        if (~np.isnan(block)).any():
            out[row, col, band] = block[~np.isnan(block)].mean()
    return out


@pytest.mark.parametrize("size", LEVELS)
@pytest.mark.parametrize("kind", ["store", "cut"])
def test_each_level_is_of_means_of_the_one_before(request, kind, size):
    opened = open_product(str(request.getfixturevalue(kind)), Choice(resolution=size))
    assert opened.grid.transform == (399_960, size, 0, 5_300_040, 0, -size)
    expected = pixels(open_product(str(request.getfixturevalue(kind)), Choice(resolution=60)))
    for factor in {120: (2,), 360: (2, 3), 720: (2, 3, 2)}[size]:
        expected = means(expected, factor)
    assert np.isnan(expected).any()
    assert not np.isnan(expected).all()
    found = pixels(opened)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, atol=0.26)  # read to half a DN


@pytest.mark.parametrize("metres", [60, 120, 240, 360, 720, 1440])
def test_they_are_read_only_if_they_are_asked_for(store, metres):
    """Their pixels begin at the tile's corner, those of an image at multiples of their size."""
    opened = open_product(str(store), Choice(output=Output(metres)))
    assert opened.grid.transform[1] == 60


def test_what_fills_no_block_is_left_out(cut):
    last = open_product(str(cut), Choice(resolution=720)).grid
    assert (last.width, last.height) == (2, 2)


def test_a_store_without_levels(tmp_path):
    store = write_eopf(
        tmp_path, layout="geozarr", width=216, height=216, resolutions=(10, 60, 120), **SCENE
    )
    assert refusal(store, Choice(resolution=360)) == (
        f"{store}: no b04, b03, b02 in {GROUP}/r360m; --source-resolution can be 10, 60 or 120 here"
    )


def test_products_that_have_no_levels(tmp_path):
    safe = write_safe(tmp_path, width=64, height=64, **SCENE)
    with pytest.raises(UsageError) as caught:
        open_product(str(safe), Choice(resolution=120))
    assert str(caught.value) == (
        f"{safe}: --source-resolution 120 is for GeoZarr stores; SAFE products and AWS tiles have"
        " 10, 20, 60"
    )
    for layout in ("v2", "v3"):
        with pytest.raises(ValueError, match="resolutions"):
            write_eopf(tmp_path, layout=layout, resolutions=(10, 120))
    with pytest.raises(ValueError, match="no level of 720 m"):
        write_eopf(tmp_path, layout="geozarr", width=64, height=64, resolutions=(10, 720), **SCENE)


def change(store: Path, path: str, **attributes: Any) -> None:
    root = json.loads((store / "zarr.json").read_text())
    root["consolidated_metadata"]["metadata"][path]["attributes"].update(attributes)
    (store / "zarr.json").write_text(json.dumps(root))


def test_transforms_of_centres(tmp_path):
    """As the EOPF Explorer's converter wrote them until version 0.10, to groups of all sizes."""
    store = write_eopf(
        tmp_path, layout="geozarr", width=216, height=216, resolutions=(10, 60, 120), **SCENE
    )
    for size in (10, 60, 120):
        centres = [size, 0, 399_960 + size / 2, 0, -size, 5_300_040 - size / 2]
        change(store, f"{GROUP}/r{size}m", **{"spatial:transform": centres})
        opened = open_product(str(store), Choice(resolution=size))
        assert opened.grid.transform == (399_960, size, 0, 5_300_040, 0, -size)
    change(store, f"{GROUP}/r10m", **{"spatial:transform": [10, 0, 399_970, 0, -10, 5_300_040]})
    said = refusal(store)
    assert "spatial:transform of" in said
    assert "399970, 5300040" in said


def test_a_shape_that_nobody_else_states_is_an_error(tmp_path):
    store = write_eopf(
        tmp_path, layout="geozarr", width=216, height=216, resolutions=(10, 60, 120), **SCENE
    )
    change(store, f"{GROUP}/r120m", **{"spatial:shape": None})
    with pytest.raises(InputError, match=r"18 rows and 18 columns, but proj:shape of"):
        open_product(str(store), Choice(resolution=120))
