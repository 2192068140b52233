"""Which products the image is made of, and in which order: by their clouds and dates."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from altered import edit
from rasters import TRANSFORM, write_raster
from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.plan.describe import as_text, describe
from s2rgb_mpi.plan.identity import digest, identity
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.testing.dates import write_dates
from s2rgb_mpi.testing.safe import read_scl, write_safe
from stac_items import BANDS, write_bands


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    """Three dates of one scene: not in the order of their days."""
    folder = tmp_path_factory.mktemp("dates")
    found = write_dates(folder, 3, width=300, height=200, texture="synthetic", tile=128)
    return found.products


@pytest.fixture
def planned(tmp_path):
    """The function that plans an image of products."""

    def plan(products, **options):
        return prepare(Job(products, tmp_path / "rgb.tif", **options))

    return plan


def names(plan):
    return [member.product.name for member in plan.scene.members]


def shares(plan):
    return {member.product.name: member.product.clear_share for member in plan.scene.members}


def shown_share(path, classes=(3, 8, 9, 10), part=np.s_[:, :]):
    scl = read_scl(path)[part]
    return (~np.isin(scl, (0, *classes))).sum() / (scl != 0).sum()


def days(paths):
    return [path.name.split("_")[2] for path in paths]


def test_by_default_products_stay_as_they_are_given(dates, planned):
    for products in (dates, dates[::-1]):
        made = planned(products)
        assert names(made) == [path.stem for path in products]
        assert set(shares(made).values()) == {None}


def test_the_newest_is_first(dates, planned):
    assert days(dates) != sorted(days(dates), reverse=True)
    for products in (dates, dates[::-1]):
        made = planned(products, order="date")
        assert names(made) == [
            path.stem for path in sorted(products, key=lambda each: each.name.split("_")[2])[::-1]
        ]


def test_products_of_one_date_stay_as_they_are_given(dates, planned, tmp_path):
    copied = [
        Path(shutil.copytree(dates[0], tmp_path / f"{name}.SAFE")) for name in ("second", "first")
    ]
    for copy in copied:
        edit(copy, (r"(<PRODUCT_URI>)[^<]*", rf"\g<1>{copy.name}"))
    assert names(planned(copied, order="date")) == ["second", "first"]
    assert names(planned(copied, order="clear")) == ["second", "first"]


def test_times_are_compared_as_times(dates, planned, tmp_path):
    copied = [Path(shutil.copytree(dates[0], tmp_path / f"{name}.SAFE")) for name in "abc"]
    times = ("2022-06-13T10:30:41Z", "2022-06-13T10:30:41.5Z", "2022-06-13T13:00:00+02:00")
    for copy, time in zip(copied, times, strict=True):
        edit(copy, (r"(<PRODUCT_URI>)[^<]*", rf"\g<1>{copy.name}"))
        edit(copy, (r"(<PRODUCT_START_TIME>)[^<]*", rf"\g<1>{time}"))
    assert names(planned(copied, order="date")) == ["c", "b", "a"]


def test_a_product_without_a_time_has_no_place(dates, planned, tmp_path):
    copied = Path(shutil.copytree(dates[0], tmp_path / dates[0].name))
    edit(copied, (r"<PRODUCT_START_TIME>[^<]*</PRODUCT_START_TIME>", ""))
    with pytest.raises(InputError) as caught:
        planned([copied, *dates[1:]], order="date")
    assert str(caught.value) == (
        f"{copied.stem}: --order date needs its sensing time, which is none"
    )


@pytest.mark.parametrize("classes", ["shadow,cloud,cirrus", "snow", "vegetation,bare"])
def test_the_clearest_is_first(dates, planned, classes):
    made = planned(dates, order="clear", cloud_classes=classes.split(","))
    expected = {path.stem: shown_share(path, made.job.cloud_classes) for path in dates}
    assert shares(made) == pytest.approx(expected)
    assert names(made) == sorted(expected, key=lambda name: -expected[name])
    assert f"clear: {max(expected.values()):.2%} of its valid pixels" in as_text(describe(made, 3))


def test_only_what_the_image_shows_counts(dates, planned):
    crs = "EPSG:32632"
    seen = set()
    for rows, cols in ((0, 0), (0, 100), (50, 0), (50, 100)):
        west, north = TRANSFORM[0] + 20 * cols, TRANSFORM[3] - 20 * rows
        bounds = (west, north - 1000, west + 1000, north)
        made = planned(dates, order="clear", bounds=bounds, bounds_crs=crs)
        part = np.s_[rows : rows + 50, cols : cols + 50]
        expected = {path.stem: shown_share(path, part=part) for path in dates}
        assert shares(made) == pytest.approx(expected, nan_ok=True)
        seen.add(tuple(names(made)))
        # The same on another grid of the same CRS.
        again = planned(
            dates, order="clear", bounds=bounds, bounds_crs=crs, crs=crs, resolution=7.0
        )
        assert shares(again) == pytest.approx(expected, abs=0.1)
    assert len(seen) > 1


def test_a_product_that_is_not_in_the_image_is_last(planned, tmp_path):
    groups = []
    for number, left in enumerate((0, 4000)):
        folder = tmp_path / str(number)
        folder.mkdir()
        x = TRANSFORM[0] + left
        write_bands(folder, transform=(x, *TRANSFORM[1:]))
        classes = np.full((75, 100), 9 if number else 4, np.uint8)
        write_raster(
            folder / "scl.tif", classes, transform=(x, 20.0, 0.0, TRANSFORM[3], 0.0, -20.0)
        )
        groups.append([str(folder / f"{name}.tif") for name in (*BANDS, "scl")])
    bounds = (TRANSFORM[0] + 4000, TRANSFORM[3] - 500, TRANSFORM[0] + 4500, TRANSFORM[3])
    made = planned((), rgb=groups, order="clear", bounds=bounds, bounds_crs="EPSG:32632")
    assert [member.product.clear_share for member in made.scene.members] == [0.0, None]


def test_the_grid_is_that_of_the_products_as_given(dates, planned):
    for order in ("given", "date", "clear"):
        made = planned(dates, order=order)
        assert made.grid == planned(dates).grid


def test_products_with_too_many_clouds_are_left_out(dates, planned):
    covers = {
        member.product.name: member.product.cloud_cover for member in planned(dates).scene.members
    }
    for most in (0, *covers.values(), 100):
        kept = [path.stem for path in dates if covers[path.stem] <= most]
        if kept:
            assert names(planned(dates, max_cloud=most)) == kept
            continue
        with pytest.raises(UsageError) as caught:
            planned(dates, max_cloud=most)
        assert str(caught.value) == (
            f"--max-cloud {most:g}: every product has more clouds, the clearest one"
            f" {min(covers.values()):.4g} %"
        )


def test_a_product_that_does_not_state_its_clouds_is_no_guess(dates, planned, tmp_path):
    copied = Path(shutil.copytree(dates[1], tmp_path / dates[1].name))
    pattern = r"<Cloud_Coverage_Assessment>[^<]*</Cloud_Coverage_Assessment>"
    edit(copied, (pattern, ""))
    with pytest.raises(InputError) as caught:
        planned([dates[0], copied], max_cloud=100)
    assert str(caught.value) == (
        f"{copied.stem}: its metadata state no share of clouds, which --max-cloud needs"
    )


def test_a_run_is_resumed_only_with_the_same_clouds(dates, planned, tmp_path):
    (tmp_path / "copy").mkdir()
    copied = Path(shutil.copytree(dates[0], tmp_path / "copy" / dates[0].name))
    products = [copied, dates[1]]
    options: list[dict[str, Any]] = [
        {},
        {"clouds": "avoid"},
        {"clouds": "drop"},
        {"clouds": "avoid", "cloud_buffer": 20.0},
        {"clouds": "avoid", "cloud_classes": [8, 9]},
        {"composite": "median"},
        {"composite": "median", "clouds": "avoid"},
    ]
    made = [planned(products, **each) for each in options]
    assert len({digest(each) for each in made}) == len(options)
    assert digest(planned(products[::-1])) != digest(planned(products, order="given"))
    assert "SCL of product 1" not in identity(made[0])
    before = identity(made[1])["SCL of product 1"]
    (file,) = copied.glob("GRANULE/*/IMG_DATA/R20m/*_SCL_20m.jp2")
    content = file.read_bytes()
    file.write_bytes(content + b"\0")
    after = identity(planned(products, clouds="avoid"))["SCL of product 1"]
    assert before.startswith(f"{file.name}, 1, {len(content)} bytes, ")
    assert after.startswith(f"{file.name}, 1, {len(content) + 1} bytes, ")


@pytest.mark.parametrize("resolution", [20, 60])
def test_the_image_does_not_replace_a_classification(tmp_path, resolution):
    safe = write_safe(tmp_path, width=120, height=120, texture="synthetic", scl=(20, 60))
    (file,) = safe.glob(f"GRANULE/*/IMG_DATA/R{resolution}m/*_SCL_{resolution}m.jp2")
    job = Job(safe, file, clouds="drop", order="clear", overwrite=True)
    with pytest.raises(UsageError) as caught:
        prepare(job)
    assert str(caught.value) == f"--output {file}: is a file of the input; name another"
    assert prepare(replace(job, output=tmp_path / "rgb.tif")).scene.members
