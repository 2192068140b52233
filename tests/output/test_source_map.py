"""The map that says which product each pixel is from."""

import gc
import re
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
from osgeo import gdal

from s2rgb_mpi.errors import OutputError, StopError, UsageError
from s2rgb_mpi.gdalenv import settings
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.source_map import SourceMap
from s2rgb_mpi.output.workspace import clear
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.ranks.beginning import check_wanted
from s2rgb_mpi.report.outputs import Wanted
from s2rgb_mpi.testing.safe import write_safe
from stopped import all_blocks, begin, largest_file, resume, stop


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Two dates: the first has a hole that the second fills, but for a corner."""
    folder = tmp_path_factory.mktemp("map")
    size: dict[str, Any] = {"width": 400, "height": 300, "tile": 128}
    return [
        write_safe(folder, date="2022-06-13", nodata_fraction=0.4, **size),
        write_safe(folder, date="2022-06-18", nodata_fraction=0.1, **size),
    ]


@pytest.fixture
def plan(products, tmp_path):
    return prepare(
        Job(
            products,
            tmp_path / "rgb.tif",
            source_map=tmp_path / "map.tif",
            window=128,
            profile=Profile(tile=64),
        )
    )


def alone(plan, product):
    """Return where a product alone has data."""
    job = replace(plan.job, products=(str(product),), source_map=None, overwrite=True)
    single = prepare(replace(job, output=plan.job.output.with_name("one.tif")))
    begin(single, all_blocks(single)).finish()
    clear(single, None)
    return gdal.Open(str(single.job.output)).ReadAsArray().any(axis=0)


def test_each_pixel_is_from_the_first_product_that_has_it(plan, products):
    begin(plan, all_blocks(plan)).finish()
    first, second = (alone(plan, product) for product in products)
    expected = np.where(first, 1, 2 * second)
    assert set(np.unique(expected)) == {0, 1, 2}
    with settings({"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE"}):  # it has a file beside it
        dataset = gdal.Open(str(plan.job.source_map))
    np.testing.assert_array_equal(dataset.ReadAsArray(), expected)
    image = gdal.Open(str(plan.job.output))
    assert dataset.GetGeoTransform() == image.GetGeoTransform()
    assert dataset.GetSpatialRef().IsSame(image.GetSpatialRef())
    band = dataset.GetRasterBand(1)
    assert band.GetNoDataValue() == 0
    assert band.GetBlockSize() == [64, 64]
    assert band.GetOverviewCount() == image.GetRasterBand(1).GetOverviewCount()
    assert dataset.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    names = [product.stem for product in products]
    assert band.GetCategoryNames() == ["no data", *names]
    assert dataset.GetMetadataItem("S2RGB_PRODUCT_2") == names[1]
    counts = [int((expected == number).sum()) for number in (1, 2)]
    table = band.GetDefaultRAT()
    assert [table.GetValueAsDouble(row, 1) for row in (0, 1)] == counts
    assert image.GetMetadataItem("S2RGB_PIXELS") == " ".join(map(str, counts))
    clear(plan, None)
    assert {path.name for path in plan.job.output.parent.iterdir()} == {
        "rgb.tif",
        "map.tif",
        "map.tif.aux.xml",
        "one.tif",
    }


def test_a_resumed_run_has_the_windows_of_the_first(plan):
    made = all_blocks(plan)
    begin(plan, made).finish()
    clear(plan, None)
    whole = plan.job.source_map.read_bytes()
    again = replace(plan, job=replace(plan.job, overwrite=True))
    stop(again, made[:2])
    resume(again, made)
    assert plan.job.source_map.read_bytes() == whole


def test_a_disk_that_is_too_full_for_the_map_is_named(plan):
    output = begin(plan, all_blocks(plan))
    plan.job.source_map.with_name("map.tif.part").mkdir()  # nothing can be written there
    with pytest.raises(OutputError, match=re.escape(str(plan.job.source_map))):
        output.finish()
    assert not plan.job.output.exists()


def test_a_large_map_takes_long_so_the_rank_attends_to_its_duties(plan):
    """Rank 0 hears of it meanwhile, and what a duty raises ends the work."""
    calls = []

    def attend():
        calls.append(bool(list(plan.job.source_map.parent.glob("map.tif.final*"))))

    begin(plan, all_blocks(plan)).finish(attend=attend)
    clear(plan, None)
    assert calls.count(False) >= len(plan.windows)
    assert True in calls
    again = replace(plan, job=replace(plan.job, overwrite=True))
    for count in (0, calls.count(False) + calls.count(True) // 2):
        stopping = chain(repeat(None, count), repeat(StopError("stopped")))

        def interrupt(stopping=stopping):
            if (error := next(stopping)) is not None:
                raise error

        with pytest.raises(StopError) as raised:
            begin(again, all_blocks(plan)).finish(attend=interrupt)
        kept = clear(again, raised.value)
        assert "windows are kept" in kept
        left = {path.name for path in plan.job.output.parent.iterdir()}
        beside = {"rgb.tif.part", "rgb.tif.journal"}
        assert left == {"rgb.tif", "map.tif", "map.tif.aux.xml"} | beside
        assert resume(again, all_blocks(plan))


@pytest.mark.parametrize(
    ("output", "source_map", "report", "named"),
    [
        ("rgb.tif", "rgb.tif.part", "r.json", "--source-map .* beside that of --output"),
        ("rgb.tif", "rgb.tif.lock", "r.json", "--source-map .* beside that of --output"),
        ("map.tif.part", "map.tif", "r.json", "--output .* beside that of --source-map"),
        ("rgb.tif", "map.tif", "map.tif.aux.xml", "--report .* beside that of --source-map"),
        ("rgb.tif", "map.tif", "rgb.tif.journal", "--report .* beside that of --output"),
    ],
)
def test_no_file_takes_the_place_of_another(
    products, tmp_path, *, output, source_map, report, named
):
    job = Job(products, tmp_path / output, source_map=tmp_path / source_map)
    with pytest.raises(UsageError, match=named):
        check_wanted(prepare(job), Wanted(report=tmp_path / report))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nbytes", [0, 500, 1000, 2000])
def test_a_map_that_does_not_fit_is_one_error(plan, capfd, monkeypatch, nbytes):
    """Not GDAL's traceback too, when it closes the file; and nothing is left of it."""
    output = begin(plan, all_blocks(plan))
    write = SourceMap.write

    def write_little(*arguments):  # the image is whole, and the disk is full
        with largest_file(nbytes):
            write(*arguments)

    monkeypatch.setattr(SourceMap, "write", write_little)
    with pytest.raises(OutputError, match=re.escape(str(plan.job.source_map))) as raised:
        output.finish()
    output.close()
    assert "12 of 12 windows are kept" in clear(plan, raised.value)
    assert {path.name for path in plan.job.output.parent.iterdir()} == {
        "rgb.tif.part",
        "rgb.tif.journal",
    }
    del raised
    gc.collect()
    lines = capfd.readouterr().err.splitlines()
    # GDAL 3.13 prints these past every handler of errors.
    assert not [line for line in lines if not line.startswith("_tiffSeekProc: ")]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"composite": "median"}, "--source-map is for --composite first"),
        ({"source_map": "rgb.tif", "output": "rgb.tif"}, "is the file of --output too"),
    ],
)
def test_a_map_that_cannot_be_is_refused(products, options, problem):
    with pytest.raises(UsageError, match=problem):
        Job(**({"products": products, "output": "rgb.tif", "source_map": "map.tif"} | options))


def test_a_map_that_is_there_is_not_replaced_unasked(products, tmp_path):
    there = tmp_path / "map.tif"
    there.write_bytes(b"mine")
    with pytest.raises(UsageError, match=f"{there}: exists already; --overwrite replaces it"):
        prepare(Job(products, tmp_path / "rgb.tif", source_map=there))
    assert there.read_bytes() == b"mine"


def test_a_product_is_not_the_map(products, tmp_path):
    (band,) = products[0].glob("GRANULE/*/IMG_DATA/R10m/*_B02_10m.jp2")
    with pytest.raises(UsageError, match="is a file of the input"):
        prepare(Job(products, tmp_path / "rgb.tif", source_map=band, overwrite=True))
