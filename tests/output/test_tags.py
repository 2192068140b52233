"""The metadata items of the file, and what readers make of them."""

from dataclasses import replace

import pytest
import tifffile
from osgeo import gdal

from conftest import SMALL
from s2rgb_mpi.image.radiometry import Tci
from s2rgb_mpi.output.tags import tags
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare


@pytest.fixture
def plan(safe, tmp_path):
    return prepare(Job((str(safe),), tmp_path / "rgb.tif"))


def with_products(plan, *changes):
    """Return a plan of the same product several times, with other names and times."""
    (member,) = plan.scene.members
    members = tuple(replace(member, product=replace(member.product, **each)) for each in changes)
    return replace(plan, scene=replace(plan.scene, members=members))


def test_the_file_says_what_it_was_made_from(plan, safe):
    found = tags(plan)
    assert found["S2RGB_PRODUCT"] == safe.stem
    assert found["S2RGB_SENSING_TIME"] == "2022-06-13T10:30:41.024Z"
    assert found["S2RGB_OFFSET_B04"] == "-1000"
    assert found["S2RGB_QUANTIFICATION_B02"] == "10000"
    assert found["S2RGB_PRESET"] == "boa"
    assert (found["S2RGB_BLACK"], found["S2RGB_WHITE"], found["S2RGB_GAMMA"]) == ("0", "1", "2.2")
    assert found["TIFFTAG_IMAGEDESCRIPTION"] == f"True colour (B04, B03, B02) of {safe.stem}"
    assert found["TIFFTAG_DATETIME"] == "2022:06:13 10:30:41"
    assert found["TIFFTAG_COPYRIGHT"] == "contains modified Copernicus Sentinel data 2022"


def test_a_fixed_preset_has_no_black_white_and_gamma(plan):
    found = tags(replace(plan, job=replace(plan.job, stretch=Tci())))
    assert found["S2RGB_PRESET"] == "tci"
    assert not {"S2RGB_BLACK", "S2RGB_WHITE", "S2RGB_GAMMA"} & set(found)


def test_a_mosaic_has_the_time_of_its_first_product_and_the_years_of_all(plan):
    unknown = {"name": "by hand", "sensing_time": "", "is_sentinel_2": False}
    found = tags(
        with_products(
            plan,
            unknown,
            {"sensing_time": "2023-01-02T03:04:05Z"},
            {"sensing_time": "2021-12-31T23:59:59.999Z"},
            {"sensing_time": "2023-06-07T10:00:00+00:00"},
        )
    )
    assert found["TIFFTAG_IMAGEDESCRIPTION"] == (
        "True colour (B04, B03, B02) of by hand and 3 more"
    )
    assert found["TIFFTAG_DATETIME"] == "2023:01:02 03:04:05"
    assert found["TIFFTAG_COPYRIGHT"] == "contains modified Copernicus Sentinel data 2021, 2023"


@pytest.mark.parametrize(
    ("name", "notice"),
    [
        ("S2A_MSIL2A_20220718T102611_N0400_R108_T32TMT_20220718T162000", " 2022"),
        ("S2B_T32TMT_20230520T104629_L2A", " 2023"),
        ("T32TMT_20200801T102559_B04_10m", " 2020"),
        ("L2A_T32TMT_20170801T102559_B04_10m", " 2017"),
        ("S2C_unknown_day", ""),
    ],
)
def test_names_tell_what_comes_from_sentinel_2(plan, name, notice):
    found = tags(with_products(plan, {"name": name, "sensing_time": "", "is_sentinel_2": False}))
    assert found["TIFFTAG_COPYRIGHT"] == f"contains modified Copernicus Sentinel data{notice}"
    assert "TIFFTAG_DATETIME" not in found


@pytest.mark.parametrize("name", ["LC09_L2SP_193027_20220718", "composite-20220718", "T32TMT"])
def test_other_data_have_no_notice(plan, name):
    found = tags(with_products(plan, {"name": name, "sensing_time": "", "is_sentinel_2": False}))
    assert "TIFFTAG_COPYRIGHT" not in found


@pytest.mark.parametrize("mask", ["nodata", "internal", "alpha", "none"])
def test_readers_see_names_and_times(mpirun, safe, tmp_path, mask):
    path = tmp_path / "rgb.tif"
    run = mpirun(2, safe, "-o", path, *SMALL, "--mask", mask)
    assert run.returncode == 0, run.stderr
    dataset = gdal.Open(str(path))
    names = [dataset.GetRasterBand(n + 1).GetDescription() for n in range(dataset.RasterCount)]
    assert names == ["B04 red", "B03 green", "B02 blue", *["alpha"] * (mask == "alpha")]
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        assert page.tags["DateTime"].value == "2022:06:13 10:30:41"
        assert page.tags["Copyright"].value == "contains modified Copernicus Sentinel data 2022"
        assert page.description.endswith(safe.stem)
