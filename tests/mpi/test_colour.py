"""Presets and the offset check, as a user meets them: any number of ranks, one story."""

import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import SMALL, read_rgb
from safe import read_dn


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("preset", "formula"), [("tci", reference.tci), ("exopp", reference.exopp)]
)
def test_a_preset_is_its_formula_to_the_last_pixel(mpirun, safe, tmp_path, ranks, preset, formula):
    path = tmp_path / "rgb.tif"
    run = mpirun(ranks, safe, "-o", path, *SMALL, "--preset", preset)
    assert run.returncode == 0, run.stderr
    dn = read_dn(safe)
    expected = reference.kept_apart(formula(dn, offset=-1000), dn)
    np.testing.assert_array_equal(read_rgb(path), expected)
    assert gdal.Open(str(path)).GetMetadataItem("S2RGB_PRESET") == preset


def warnings(run):
    return [line for line in run.said if "warning" in line]


def check_tag(path):
    return gdal.Open(str(path)).GetMetadataItem("S2RGB_OFFSET_CHECK")


def test_a_right_offset_is_not_worth_a_word(mpirun, safe, tmp_path):
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--strict")
    assert (run.returncode, warnings(run)) == (0, [])
    assert check_tag(tmp_path / "rgb.tif").startswith("agrees (")


@pytest.mark.parametrize(
    ("product", "offset", "claim", "advice", "tag"),
    [
        ("safe", 0, "ESA's +1000 were still in them", -1000, "looks missing ("),
        ("old_safe", -1000, "offset -1000 had been applied before", 0, "looks applied twice ("),
    ],
)
def test_a_wrong_offset_is_one_warning_and_the_same_file_at_any_number_of_ranks(
    mpirun, request, tmp_path, product, offset, claim, advice, tag
):
    said, files = [], []
    path = request.getfixturevalue(product)
    for ranks in (1, 3):
        output = tmp_path / f"{ranks}.tif"
        run = mpirun(ranks, path, "-o", output, *SMALL, f"--offset={offset}")
        assert run.returncode == 0, run.stderr
        said += warnings(run)
        files.append(output.read_bytes())
    assert files[0] == files[1]
    assert said[0] == said[1]
    assert len(said) == 2
    assert said[0].startswith(f"s2rgb_mpi: warning: {path.stem}: the pixels look as if {claim}: ")
    assert said[0].endswith(f"; if so, --offset {advice} puts it right")
    assert check_tag(tmp_path / "3.tif").startswith(tag)


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
