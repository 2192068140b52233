"""Presets and the offset check, as a user meets them: any number of ranks, one story."""

from typing import NamedTuple

import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from geotiffs import make_grid
from s2rgb_mpi.testing.safe import read_dn


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("preset", ["tci", "exopp"])
def test_a_preset_is_its_formula_to_the_last_pixel(mpirun, safe, tmp_path, ranks, preset):
    formula = getattr(reference, preset)
    path = tmp_path / "rgb.tif"
    run = mpirun(ranks, safe, "-o", path, *SMALL, "--preset", preset)
    assert run.returncode == 0, run.stderr
    dn = read_dn(safe)
    expected = reference.kept_apart(formula(dn, offset=-1000), dn)
    np.testing.assert_array_equal(read_rgb(path), expected)
    assert gdal.Open(str(path)).GetMetadataItem("S2RGB_PRESET") == preset


@pytest.mark.parametrize("preset", ["tci", "exopp"])
@pytest.mark.parametrize("mask", ["none", "internal", "alpha"])
def test_a_preset_is_exact_where_0_does_not_mean_no_data(mpirun, safe, tmp_path, preset, mask):
    """Black pixels are 0, valid, and part of averages and statistics, at every level."""
    path = tmp_path / "rgb.tif"
    # An offset that is too large, so that many pixels are black.
    options = ("--preset", preset, "--mask", mask, "--offset", "-1400")
    run = mpirun(4, safe, "-o", path, *SMALL, *options)
    assert run.returncode == 0, run.stderr
    dn = read_dn(safe)
    valid = (dn != 0).any(axis=2)
    expected = np.where(valid[..., np.newaxis], getattr(reference, preset)(dn, offset=-1400), 0)
    black = valid & ~expected.any(axis=2)
    assert 100 < black.sum() < 0.9 * valid.sum()
    dataset = gdal.Open(str(path))
    red = dataset.GetRasterBand(1)
    values = expected[valid][:, 0]
    assert float(red.GetMetadataItem("STATISTICS_MINIMUM")) == 0
    assert float(red.GetMetadataItem("STATISTICS_MEAN")) == pytest.approx(values.mean(), rel=1e-9)
    for level in range(red.GetOverviewCount() + 1):
        bands = [dataset.GetRasterBand(number) for number in (1, 2, 3)]
        bands = [band.GetOverview(level - 1) if level else band for band in bands]
        found = np.dstack([band.ReadAsArray() for band in bands])
        np.testing.assert_array_equal(found, expected)
        if mask != "none":
            np.testing.assert_array_equal(bands[0].GetMaskBand().ReadAsArray() != 0, valid)
        expected, valid = reference.halve(expected, valid), reference.halve_valid(valid)


def test_a_pixel_is_valid_where_any_of_its_bands_has_data(mpirun, tmp_path):
    """Every mixture of data and no data; a band without data is 1 in a valid pixel."""
    rng = np.random.default_rng(0)
    dn = rng.integers(1, 12_000, (200, 300, 3)) * rng.integers(0, 2, (200, 300, 3))
    paths = [tmp_path / f"{band}.tif" for band in ("red", "green", "blue")]
    for band, path in enumerate(paths):
        dataset = gdal.GetDriverByName("GTiff").Create(str(path), 300, 200, 1, gdal.GDT_UInt16)
        dataset.SetProjection(make_grid(300, 200).crs)
        dataset.WriteArray(dn[..., band].astype(np.uint16))
        dataset = None
    run = mpirun(3, "--rgb", *paths, "-o", tmp_path / "rgb.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    found = read_rgb(tmp_path / "rgb.tif")
    np.testing.assert_array_equal(found, reference.rgb(dn))
    valid = (dn != 0).any(axis=2)
    assert (found[~valid] == 0).all()
    assert (found[valid] > 0).all()
    assert (found[(dn == 0) & valid[..., np.newaxis]] == 1).all()


def warnings(run):
    return [line for line in run.said if "warning" in line]


def check_tag(path):
    return gdal.Open(str(path)).GetMetadataItem("S2RGB_OFFSET_CHECK")


def test_a_right_offset_is_not_worth_a_word(mpirun, safe, tmp_path):
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--strict")
    assert (run.returncode, warnings(run)) == (0, [])
    assert check_tag(tmp_path / "rgb.tif").startswith("agrees (")


class Wrong(NamedTuple):
    """A product with an offset that is not its own, and what is said about that."""

    product: str
    offset: int
    claim: str
    advice: int
    tag: str


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("safe", 0, "ESA's +1000 were still in them", -1000, "looks missing ("),
        Wrong("old_safe", -1000, "offset -1000 had been applied before", 0, "looks applied twice"),
    ],
    ids=["missing", "twice"],
)
def test_a_wrong_offset_is_one_warning_and_one_file_at_any_number_of_ranks(
    mpirun, request, tmp_path, wrong
):
    said, files = [], []
    path = request.getfixturevalue(wrong.product)
    for ranks in (1, 3):
        output = tmp_path / f"{ranks}.tif"
        run = mpirun(ranks, path, "-o", output, *SMALL, f"--offset={wrong.offset}")
        assert run.returncode == 0, run.stderr
        said += warnings(run)
        files.append(output.read_bytes())
    assert files[0] == files[1]
    assert said[0] == said[1]
    assert len(said) == 2
    begin = f"s2rgb_mpi: warning: {path.stem}: the pixels look as if {wrong.claim}: "
    assert said[0].startswith(begin)
    assert said[0].endswith(f"; if so, --offset {wrong.advice} puts it right")
    assert check_tag(tmp_path / "3.tif").startswith(wrong.tag)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_strict_makes_the_warning_an_error(mpirun, safe, tmp_path, ranks):
    run = mpirun(ranks, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--offset", "0", "--strict")
    assert run.returncode == 2, run.stderr
    (line,) = [line for line in run.said if "error" in line]
    assert f"{safe.stem}: the pixels look as if ESA's +1000 were still in them: " in line
    assert "Traceback" not in run.stderr
    assert warnings(run) == []
    assert list(tmp_path.iterdir()) == []
    assert run.left == []
