"""The order of reading: each source chunk once, without those of other workers or hidden ones."""

import pytest

from rasters import TRANSFORM, scene, write_raster
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.plan.reading import reading_order

TILED = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]


@pytest.fixture
def plan(tmp_path):
    """Two products of 256 x 128 pixels, the second 192 pixels further east; windows of 128."""
    left, dx, _, top, _, dy = TRANSFORM
    rgb = []
    for place in (0, 192):
        path = tmp_path / f"{place}.tif"
        transform = left + place * dx, dx, 0, top, 0, dy
        write_raster(path, scene(128, 256)[..., 0], transform=transform, options=TILED)
        rgb.append((str(path),) * 3)
    profile = Profile(tile=64, layout="tiled")
    return prepare(Job((), tmp_path / "rgb.tif", rgb=tuple(rgb), profile=profile, window=128))


def chunk(col):
    return Window(col, 0, 128, 128)


def order(plan, *share, elsewhere=()):
    return list(reading_order(plan, share, elsewhere.__contains__))


def test_every_cell_once_in_the_order_of_the_windows(plan):
    assert order(plan, 0, 1, 2, 3) == [
        (0, chunk(0)),
        (0, chunk(128)),
        (1, chunk(0)),
        (1, chunk(128)),
    ]
    assert order(plan, 3, 2, 1, 0) == [
        (1, chunk(128)),
        (1, chunk(0)),
        (0, chunk(128)),
        (0, chunk(0)),
    ]


def test_what_another_product_covers_is_not_read_ahead(plan):
    # In window 1 the second product shows beneath the first alone.
    assert order(plan, 1) == [(0, chunk(128))]


def test_what_another_worker_reads_is_not_read_here(plan):
    assert order(plan, 2, 3, elsewhere={(1, chunk(0))}) == [(1, chunk(128))]
