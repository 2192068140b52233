"""The plan of block means: windows small enough to be shared out, and what decides their bytes."""

from dataclasses import replace
from pathlib import Path

import pytest

from geotiffs import make_grid
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.means import averaged
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Band, Product, Warp
from s2rgb_mpi.inputs.stored import Stored
from s2rgb_mpi.plan.identity import digest, identity
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.memory import worker_nbytes
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.plan.window_size import chunk_edge
from s2rgb_mpi.testing.safe import write_safe

BANDS = tuple(
    Band(name, f"{name}.jp2", Calibration(), stored=Stored("uint16"))
    for name in ("B04", "B03", "B02")
)


def plan_of(factor, size=10_980, *, block=(1024, 1024), offset=(0, 0), window=1024):
    job = Job(("S2A.SAFE",), Path("rgb.tif"), window=window)
    product = Product("S2A", BANDS, make_grid(size, size), block)
    return make_plan(job, lay_out([averaged(product, factor, offset)]))


@pytest.mark.parametrize(
    ("plan", "edge", "chunk", "windows"),
    [
        (plan_of(1), (1024, 1024), (1024, 1024), 121),
        (plan_of(2), (512, 512), (512, 512), 121),
        (plan_of(6), (512, 512), (512, 512), 16),
        (plan_of(8), (512, 512), (512, 512), 9),
        (plan_of(8, offset=(4, 4)), (512, 512), (512, 512), 9),
        (plan_of(4, 5490, block=(640, 640)), (512, 512), (640, 640), 9),  # 20 m, at 80 m
        (plan_of(2, 5490, block=(640, 640)), (512, 512), (640, 640), 36),  # 20 m, at 40 m
        (plan_of(2, block=(5490, 5490)), (512, 512), (2745, 2745), 121),
        (plan_of(8, block=(5490, 5490)), (1536, 1536), (1373, 1373), 1),
        (plan_of(3), (1024, 1024), (1024, 1024), 16),
        (plan_of(7), (512, 512), (512, 512), 16),  # 7 x 1024 are cut: there would be four
        (plan_of(4, 5490, block=(640, 640), offset=(2, 2)), (512, 512), (512, 512), 9),
        (plan_of(8, block=(10_980, 1)), (1536, 512), (1373, 512), 3),  # strips
        (plan_of(8, block=(10_980, 10_980)), (1536, 1536), (1373, 1373), 1),
        (plan_of(2, window=4096), (2048, 2048), (2048, 2048), 9),
    ],
)
def test_windows_have_as_many_pixels_of_the_files(plan, edge, chunk, windows):
    assert plan.edge == edge
    assert plan.chunk_edges == (chunk,)
    assert len(plan.windows) == windows


@pytest.mark.parametrize(
    ("factor", "size", "block", "chunk"),
    [
        (2, 10_980, (1024, 1024), (512, 512)),
        (8, 10_980, (1024, 1024), (128, 128)),
        (4, 5490, (640, 640), (160, 160)),
        (7, 10_980, (1024, 1024), (586, 586)),  # cut, four blocks long
        (8, 10_980, (10_980, 1), (1373, 3)),
        (8, 10_980, (5490, 5490), (1373, 1373)),
    ],
)
def test_chunks_that_are_resampled_are_whole_blocks(factor, size, block, chunk):
    product = Product("S2A", BANDS, make_grid(size, size), block)
    source = averaged(product, factor)
    resampled = replace(source, warp=Warp(source, "bilinear"))
    assert chunk_edge(512, 1024, resampled) == chunk


def test_memory_does_not_grow_with_the_factor():
    """Pieces of the files are read one after the other, however many one window is made of."""
    bounds = []
    for factor in (2, 4, 8, 16):
        plan = plan_of(factor)
        bounds.append(worker_nbytes(plan, [list(range(len(plan.windows)))]))
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] < 160_000_000


@pytest.fixture(scope="module")
def safe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("safe")
    return write_safe(folder, width=600, height=480, tile=128, resolutions=(10, 20, 60))


def test_the_source_and_its_blocks_decide_the_bytes(safe, tmp_path):
    def plan(**options):
        return prepare(Job((str(safe),), tmp_path / "rgb.tif", **options))

    auto = plan(resolution=40)
    assert identity(auto)["means of product 1"] == "2 x 2 pixels, the first less (0, 0)"
    assert digest(auto) == digest(plan(resolution=40, source_resolution=20, resampling="average"))
    others = [
        plan(resolution=40, source_resolution=size, resampling=resampling)
        for size, resampling in ((10, "average"), (20, "nearest"), (10, "nearest"))
    ]
    assert len({digest(each) for each in (auto, *others)}) == 4
    assert "means of product 1" not in identity(plan())
