"""The scene classification of test products: files, metadata, and classes where they belong."""

import xml.etree.ElementTree as ET
from itertools import product as combinations
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from osgeo import gdal

from codestreams import COD, codestream, siz
from s2rgb_mpi.testing.eopf import LAYOUTS, write_eopf
from s2rgb_mpi.testing.safe import read_dn, read_scl, write_safe
from s2rgb_mpi.testing.sky import Sky

METADATA = Path(__file__).parents[3] / "shared/data/metadata/openeo-opensearch-client_httpsCache/2A"
WIDTH, HEIGHT = 501, 333
SCENE: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "texture": "synthetic"}
CLEAR = Sky(clouds=())


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("safe")
    return write_safe(folder, tile=128, scl=(20, 60), scl_tile=64, **SCENE)


def xml(safe, pattern="MTD_MSIL2A.xml") -> Any:
    return ET.parse(next(safe.glob(pattern))).getroot()


def scl_file(safe, resolution):
    (file,) = safe.glob(f"GRANULE/*/IMG_DATA/R{resolution}m/*_SCL_{resolution}m.jp2")
    return file


@pytest.mark.parametrize(("resolution", "size"), [(20, (251, 167, 64, 64)), (60, (84, 56, 84, 56))])
def test_codestream(safe, resolution, size):
    header, tile_parts = codestream(scl_file(safe, resolution))
    assert siz(header) == (*size, 1, 8)
    assert header[COD][9] == 1, "5/3 reversible"
    assert len(tile_parts) == {20: 4 * 3, 60: 1}[resolution]


def test_tiles_are_those_of_esa_by_default(tmp_path):
    wide = write_safe(tmp_path, width=1300, height=60, texture="synthetic", scl=(20,))
    assert siz(codestream(scl_file(wide, 20))[0])[:4] == (650, 30, 640, 30)


def test_georeference(safe):
    for resolution in (20, 60):
        dataset = gdal.Open(str(scl_file(safe, resolution)))
        assert dataset.GetGeoTransform() == (399960, resolution, 0, 5300040, 0, -resolution)
        assert dataset.GetRasterBand(1).DataType == gdal.GDT_Byte


def test_60_m_is_decimated(safe):
    assert np.array_equal(read_scl(safe, 60), read_scl(safe)[::3, ::3])


def test_bands_are_those_of_the_product_without(safe, tmp_path):
    assert np.array_equal(read_dn(safe), read_dn(write_safe(tmp_path, tile=128, **SCENE)))


def test_metadata(safe):
    root, granule = xml(safe), xml(safe, "GRANULE/*/MTD_TL.xml")
    images = [element.text for element in root.iter("IMAGE_FILE")]
    assert [name.rpartition("/")[2][-7:] for name in images] == [
        *("B02_10m", "B03_10m", "B04_10m", "SCL_20m", "SCL_60m"),
    ]
    assert {f"{name}.jp2" for name in images} == {
        str(path.relative_to(safe)) for path in safe.rglob("*.jp2")
    }
    counts = np.bincount(read_scl(safe).ravel(), minlength=12)
    valid = counts[1:].sum()
    share = counts / np.where(np.arange(12) == 0, counts.sum(), valid) * 100
    for each in (root, granule):
        found = [float(entry.text) for entry in each.find(".//Image_Content_QI")][-12:]
        assert np.allclose(found, share, rtol=0, atol=1e-6)
    clouds = 100 * counts[[8, 9, 10]].sum() / valid
    for each, name in ((root, "Cloud_Coverage_Assessment"), (granule, "CLOUDY_PIXEL_PERCENTAGE")):
        assert float(each.findtext(f".//{name}")) == pytest.approx(clouds, abs=1e-6)


@pytest.mark.skipif(not METADATA.exists(), reason=f"{METADATA}: no real metadata here")
def test_metadata_have_the_elements_of_real_ones(safe):
    """In their order; those of what such a product does not have are missing."""
    for pattern in ("MTD_MSIL2A.xml", "GRANULE/*/MTD_TL.xml"):
        ours = xml(safe, pattern)
        theirs = xml(METADATA, f"S2A_MSIL2A_20221206*/{pattern}")
        for parent in (".//Image_Content_QI", ".//Scene_Classification_List"):
            if theirs.find(parent) is None:
                continue
            names = [entry.tag for entry in theirs.find(parent)]
            found = [entry.tag for entry in ours.find(parent)]
            assert [name for name in names if name in found] == found
            assert len(found) >= 12
        classes = [entry.text for entry in theirs.iter("SCENE_CLASSIFICATION_TEXT")]
        assert [entry.text for entry in ours.iter("SCENE_CLASSIFICATION_TEXT")] == classes


def test_without_it_nothing_is_said_of_it(tmp_path):
    product = write_safe(tmp_path, width=60, height=60, texture="synthetic")
    for path in product.rglob("*.xml"):
        assert "QI" not in path.read_text()
        assert "Scene_Classification" not in path.read_text()
    assert not list(product.rglob("*SCL*"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_store_has_the_same(safe, tmp_path, layout):
    """Chunk by chunk, without a reader of Zarr; those without data have no file in some layouts."""
    edge = 100
    store = write_eopf(tmp_path, layout=layout, chunk=edge, scl=(20, 60), **SCENE)
    codec = numcodecs.Zstd() if layout == "v3" else numcodecs.Blosc()
    name = "{}.{}" if layout == "v2" else "c/{}/{}"
    for resolution in (20, 60):
        group = store / f"conditions/mask/l2a_classification/r{resolution}m"
        assert {path.name for path in group.iterdir() if path.is_dir()} == {"scl", "x", "y"}
        expected = read_scl(safe, resolution)
        found = np.zeros_like(expected)
        for row, col in combinations(*(range(-(-size // edge)) for size in expected.shape)):
            file = group / "scl" / name.format(row, col)
            if file.exists():
                chunk = np.frombuffer(codec.decode(file.read_bytes()), np.uint8)
                part = found[edge * row :, edge * col :][:edge, :edge]
                part[...] = chunk.reshape(edge, edge)[: part.shape[0], : part.shape[1]]
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("texture", ["auto", "synthetic"])
def test_what_is_not_classified_as_covered_is_as_without_clouds(tmp_path, texture):
    scene = SCENE | {"texture": texture}
    product = write_safe(tmp_path / "clouds", scl=(20,), **scene)
    clear = write_safe(tmp_path / "clear", scl=(20,), sky=CLEAR, **scene)
    classes, without = read_scl(product), read_scl(clear)
    covered = np.isin(classes, (3, 8, 9))
    assert 0.1 < covered.mean() < 0.6
    assert np.array_equal(classes[~covered], without[~covered])
    assert set(np.unique(without)) >= {0, 2, 5, 6, 11}
    changed = (read_dn(product) != read_dn(clear)).any(axis=2)
    at_10_m = np.kron(covered, np.ones((2, 2), bool))[:HEIGHT, :WIDTH]
    assert not changed[~at_10_m].any()
    assert changed[at_10_m].mean() > 0.9
    brightness = read_dn(product).mean(axis=2)[::2, ::2]
    medians = {number: np.median(brightness[classes == number]) for number in (3, 5, 9, 11)}
    assert medians[3] < medians[5] < medians[11] < medians[9]


def test_no_data_is_that_of_the_20_m_images(tmp_path):
    product = write_safe(tmp_path, resolutions=(10, 20), scl=(20,), **SCENE)
    outside = ~read_dn(product, 20).any(axis=2)
    assert outside.any()
    assert np.array_equal(read_scl(product) == 0, outside)


def test_the_rim_of_clouds_can_be_missed(tmp_path):
    """Pixels whose centres are at most three pixels from one that is not covered."""
    scene = SCENE | {"nodata_fraction": 0, "scl": (20,)}
    whole = read_scl(write_safe(tmp_path / "whole", **scene))
    seen = read_scl(write_safe(tmp_path / "missed", sky=Sky(missed=3), **scene))
    covered = np.isin(whole, (3, 8, 9))
    rows, cols = covered.shape
    padded = np.pad(~covered, 3)
    near = [
        padded[down : down + rows, across : across + cols]
        for down, across in combinations(range(7), repeat=2)
        if (down - 3) ** 2 + (across - 3) ** 2 <= 9
    ]
    rim = covered & np.any(near, axis=0)
    assert 500 < rim.sum() < covered.sum()
    assert np.array_equal(seen, np.where(rim, 7, whole))


@pytest.mark.parametrize("arguments", [{"scl": (10,)}, {"scl": (20, 20)}, {"sky": Sky(missed=-1)}])
def test_impossible_arguments_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match=r"scl|missed"):
        write_safe(tmp_path, **({"scl": (20,)} | SCENE | arguments))
    assert not any(tmp_path.iterdir())
