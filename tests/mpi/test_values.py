"""The meaning of values, from the command line to the pixels: no data, units, and warnings."""

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from rasters import add_mask, scene, write_raster

BANDS = ("B04", "B03", "B02")


def warnings(run):
    return [line.removeprefix("s2rgb_mpi: ") for line in run.said if "warning" in line]


def is_valid(shape):
    """Where there is data: not in a wedge, and not in single pixels."""
    rows, cols = np.indices(shape)
    return (cols + rows // 3 > 90) & (np.random.default_rng(0).random(shape) < 0.99)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_what_a_mask_hides_is_no_data_in_a_mosaic_too(mpirun, tmp_path, ranks, dtype):
    """Below a mask lie left-over values; there the next product shows, or nothing."""
    dn = [np.maximum(scene(300, 260), 1), np.maximum(scene(300, 260)[::-1], 1)]
    valid = [is_valid((300, 260)), is_valid((300, 260))[:, ::-1]]
    paths, images = [], []
    for number in range(2):
        values = dn[number] if dtype == "uint16" else dn[number] / 10_000
        path = write_raster(
            tmp_path / f"{number}.tif",
            values.astype(dtype),
            descriptions=BANDS,
            options=["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"],
        )
        add_mask(path, valid[number], inside=number == 0)
        paths.append(path)
        images.append(reference.rgb(np.where(valid[number][..., np.newaxis], dn[number], 0)))
    out = tmp_path / "rgb.tif"
    run = mpirun(ranks, *paths, "-o", out, *SMALL)
    assert (run.returncode, warnings(run)) == (0, [])
    expected = np.where(images[0].any(axis=2, keepdims=True), images[0], images[1])
    assert 0 < np.count_nonzero(expected == 0) < 0.2 * expected.size
    np.testing.assert_array_equal(read_rgb(out), expected)


def test_alpha_of_single_band_files_and_the_report_of_it(mpirun, tmp_path):
    dn, valid = np.maximum(scene(300, 260), 1), is_valid((300, 260))
    paths = []
    for number, band in enumerate(BANDS):
        values = np.dstack([dn[..., number], np.where(valid, 7, 0)]).astype(np.uint16)
        paths.append(write_raster(tmp_path / f"{band}.tif", values, options=["ALPHA=YES"]))
    out, report = tmp_path / "rgb.tif", tmp_path / "report.json"
    run = mpirun(2, "--rgb", *paths, "-o", out, *SMALL, "--nodata", "-1,9999", "--report", report)
    assert run.returncode == 0, run.stderr
    assert warnings(run) == ["warning: --nodata -1: no pixel of uint16 has it"]
    expected = np.where(valid[..., np.newaxis] & (dn != 9999), dn, 0)
    np.testing.assert_array_equal(read_rgb(out), reference.rgb(expected))
    document = json.loads(report.read_text())
    assert document["job"]["nodata"] == [-1, 9999]
    bands = document["inputs"][0]["bands"]
    assert [band["nodata"] for band in bands] == [[9999, 0]] * 3
    assert [band["masks"] for band in bands] == [["alpha band 2"]] * 3


def test_nodata_makes_way_for_the_next_product(mpirun, tmp_path):
    """Floats that are 0.0 outside, integers whose -10,000 is in no tag, and some without it."""
    top, below = scene(300, 260), np.maximum(scene(300, 260), 5)
    values = (top / 10_000).astype(np.float32)
    integers = np.where(below[..., :1] % 7 == 0, np.int16(-10_000), below.astype(np.int16))
    paths = [
        write_raster(tmp_path / "f.tif", values, descriptions=BANDS),
        write_raster(tmp_path / "i.tif", integers, descriptions=BANDS),
        write_raster(tmp_path / "u.tif", scene(300, 260)[::-1], descriptions=BANDS),
    ]
    job = tmp_path / "job.toml"
    job.write_text("nodata = [0, -10000]\n")
    out = tmp_path / "rgb.tif"
    run = mpirun(3, *paths, "-o", out, *SMALL, "--job", job)
    assert (run.returncode, warnings(run)) == (0, [])
    expected = reference.rgb(scene(300, 260)[::-1])
    for dn in (np.where(below[..., :1] % 7 == 0, 0, below), top):
        image = reference.rgb(dn)
        expected = np.where(image.any(axis=2, keepdims=True), image, expected)
    np.testing.assert_array_equal(read_rgb(out), expected)


def test_floats_that_are_dn_are_reported_and_read_by_the_users_quantification(mpirun, tmp_path):
    dn = scene(300, 260, darkest=10)
    values = np.where(dn == 0, np.nan, dn).astype(np.float64)
    path = write_raster(tmp_path / "f.tif", values, descriptions=BANDS)
    files = []
    for ranks in (1, 4):
        out = tmp_path / f"{ranks}.tif"
        run = mpirun(ranks, path, "-o", out, *SMALL)
        assert run.returncode == 0, run.stderr
        (warning,) = warnings(run)
        assert warning.startswith("warning: f: the values are too high: 100, 100, 100 % of the")
        assert "--quantification 10000 if they are DN" in warning
        files.append(out.read_bytes())
    assert files[0] == files[1]
    tag = gdal.Open(str(tmp_path / "4.tif")).GetMetadataItem("S2RGB_OFFSET_CHECK")
    assert tag.startswith("values too high (")
    strict = ("-o", tmp_path / "strict.tif", *SMALL, "--strict")
    run = mpirun(3, path, *strict)
    assert run.returncode == 2, run.stderr
    assert any("error" in line and "--quantification 10000" in line for line in run.said)
    assert list(tmp_path.glob("strict*")) == []
    run = mpirun(3, path, *strict, "--quantification", "10000")
    assert (run.returncode, warnings(run)) == (0, [])
    np.testing.assert_array_equal(read_rgb(tmp_path / "strict.tif"), reference.rgb(dn))


@pytest.mark.parametrize("ranks", [1, 3])
def test_an_image_without_a_valid_pixel_is_reported(mpirun, tmp_path, ranks):
    paths = [
        write_raster(tmp_path / f"{band}.tif", np.zeros((300, 260), np.uint16)) for band in BANDS
    ]
    out = tmp_path / "rgb.tif"
    run = mpirun(ranks, "--rgb", *paths, "-o", out, *SMALL)
    assert run.returncode == 0, run.stderr
    (warning,) = warnings(run)
    assert warning.startswith(f"warning: {out}: no pixel is valid: ")
    assert not read_rgb(out).any()
    strict = Path(tmp_path / "strict.tif")
    run = mpirun(ranks, "--rgb", *paths, "-o", strict, *SMALL, "--strict")
    assert run.returncode == 2, run.stderr
    assert any("error" in line and f"{strict}: no pixel is valid: " in line for line in run.said)
    assert list(tmp_path.glob("strict*")) == []


def test_one_valid_pixel_is_enough_and_windows_that_cannot_be_read_are_none(mpirun, tmp_path):
    dn = np.zeros((300, 260, 3), np.uint16)
    dn[299, 259] = 1500
    path = write_raster(tmp_path / "p.tif", dn, descriptions=BANDS)
    run = mpirun(2, path, "-o", tmp_path / "rgb.tif", *SMALL, "--strict")
    assert (run.returncode, warnings(run)) == (0, [])
    Path(path).write_bytes(Path(path).read_bytes()[:2000])
    options = (*SMALL, "--on-error", "nodata")
    run = mpirun(2, path, "-o", tmp_path / "none.tif", *options)
    assert run.returncode == 3, run.stderr
    assert any("none.tif: no pixel is valid: " in line for line in warnings(run))


@pytest.mark.parametrize("ranks", [None, 3])
def test_medians_of_two_dates_are_exact(mpirun, tmp_path, ranks):
    """Floats that lie between two DN, dark pixels of 0, and negative ones."""
    rng = np.random.default_rng(3)
    dn = rng.integers(-40, 24_000, (150, 200, 3)) / 2
    dn[:20, :30] = np.nan
    dn[50:60, 50:60] = 0
    path = write_raster(tmp_path / "median.tif", dn, descriptions=("B4", "B3", "B2"))
    options = ("--quantification", "10000", *SMALL)
    run = mpirun(ranks, path, "-o", tmp_path / "rgb.tif", *options)
    assert run.returncode == 0, run.stderr
    valid = ~np.isnan(dn).any(axis=2, keepdims=True)
    share = np.clip(np.nan_to_num(dn) / 10_000, 0, 1)
    expected = np.where(valid, np.maximum(np.floor(255 * share ** (1 / 2.2) + 0.5), 1), 0)
    np.testing.assert_array_equal(read_rgb(tmp_path / "rgb.tif"), expected)
