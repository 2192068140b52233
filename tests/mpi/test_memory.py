"""The plan's memory bounds hold for worker and writer, and are at most 1.5 times the peak.

Peaks are the operating system's (``peak_nbytes`` in the report), bounds are the plan's, from the
same report. After cubed's ``test_mem_utilization.py``.
"""

import json
import os

import numpy as np
import pytest

from rasters import TRANSFORM, write_jp2, write_raster
from s2rgb_mpi.plan.window_size import LARGEST_SOURCE_BLOCK
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import write_safe
from web import Web

LARGEST_BOUND = 1.5
"""How many times the peak a bound may be: a larger request waits longer in a queue."""


def texture(size):
    """DN that compress about as well as land does: the low 9 of 13 bit are noise."""
    rng = np.random.default_rng(size)
    coarse = rng.integers(500, 6000, (-(-size // 16),) * 2, dtype=np.uint16)
    dn = np.kron(coarse, np.ones((16, 16), dtype=np.uint16))[:size, :size]
    return dn + rng.integers(0, 512, dn.shape, dtype=np.uint16)


def tiled(block, *options):
    return ["TILED=YES", f"BLOCKXSIZE={block}", f"BLOCKYSIZE={block}", *options]


def bands(first):
    """Give a band file two more names: three bands for --rgb."""
    paths = [first.with_name(f"{band}{first.suffix}") for band in ("green", "blue")]
    for path in paths:
        os.link(first, path)
    return ["--rgb", first, *paths]


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """The function that makes three band files of some size, moved by some pixels."""
    made = {}

    def make(size, block, codec, moved=0):
        key = size, block, codec, moved
        if key not in made:
            path = tmp_path_factory.mktemp("bands") / "red.tif"
            effort = {"DEFLATE": "ZLEVEL=1", "ZSTD": "ZSTD_LEVEL=1"}[codec]
            left, dx, _, top, _, dy = TRANSFORM
            write_raster(
                path,
                texture(size),
                transform=(left + dx * moved, dx, 0, top + dy * moved, 0, dy),
                options=tiled(block, f"COMPRESS={codec}", effort, "PREDICTOR=2"),
            )
            made[key] = bands(path)
        return made[key]

    return make


@pytest.fixture
def used(mpirun, tmp_path):
    """The function that runs the program and returns bound and peaks of each role, bytes."""

    def run(ranks, *arguments, env=None):
        report = tmp_path / "r.json"
        output = ("-o", tmp_path / "rgb.tif", "--report", report)
        done = mpirun(ranks, *arguments, *output, env=env, seconds=180)
        assert done.returncode == 0, done.stderr
        told = json.loads(report.read_text())
        return {
            role: (
                told["plan"][f"{role}_nbytes"],
                [rank["peak_nbytes"] for rank in told["ranks"] if rank["role"] == role],
            )
            for role in ("worker", "writer")
        }

    return run


def assert_is_true(used):
    for role, (bound, peaks) in used.items():
        said = f"{role}: {bound / 1e6:.0f} MB planned, {[round(each / 1e6) for each in peaks]} used"
        assert max(peaks) <= bound <= LARGEST_BOUND * max(peaks), said


def rows(count, width):
    """Options for the first rows of an image: one row of windows has all that there is to show."""
    left, dx, _, top, _, dy = TRANSFORM
    box = left, top + dy * count, left + dx * width, top
    return ["--bounds", *box, "--bounds-crs", "EPSG:32632"]


def test_one_product(used, tmp_path):
    safe = write_safe(tmp_path, width=2048, height=1024, texture="synthetic")
    assert_is_true(used(3, safe))


@pytest.mark.parametrize("ranks", [3, 4])
def test_a_mosaic(used, product, ranks):
    # The windows cut through the blocks of the second product: parts of these are kept.
    products = [*product(2560, 1024, "DEFLATE"), *product(2560, 1024, "DEFLATE", moved=1500)]
    assert_is_true(used(ranks, *products))


def test_a_map_of_sources(used, product, tmp_path):
    products = [*product(2560, 1024, "DEFLATE"), *product(2560, 1024, "DEFLATE", moved=1500)]
    assert_is_true(used(3, *products, "--source-map", tmp_path / "sources.tif"))


# Coarser, for every pixel of the output is moved exactly, which takes its time.
WARP = ("--crs", "EPSG:2056", "--resolution", "30", "--resampling", "bilinear")


def test_another_grid(used, product):
    assert_is_true(used(3, *product(3072, 1024, "DEFLATE"), *WARP))


@pytest.mark.parametrize(("block", "resolution"), [(1024, 20), (1024, 80), (2752, 40), (512, 30)])
def test_block_means(used, product, block, resolution):
    assert_is_true(used(3, *product(5504, block, "DEFLATE"), "--resolution", resolution))


def test_a_product_on_a_server(used, product):
    _, *paths = product(5120, 1024, "DEFLATE")
    with Web(paths[0].parent).running() as web:
        urls = [f"{web.url}/{path.name}" for path in paths]
        # Smaller than by default, for a product that is smaller than most: it is to be filled.
        cache = {"CPL_VSIL_CURL_CACHE_SIZE": str(24 * 2**20)}
        assert_is_true(used(3, "--rgb", *urls, env=cache))


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_lossy_codecs(used, product, codec):
    assert_is_true(used(4, *product(3072, 1024, "DEFLATE"), "--compress", codec))


@pytest.mark.parametrize(
    ("block", "codec", "warp"),
    [(5504, "DEFLATE", ()), (2752, "ZSTD", ()), (2752, "ZSTD", WARP)],
    ids=["5504", "2752", "another-grid"],
)
def test_source_blocks_larger_than_a_window(used, product, block, codec, warp):
    assert np.lcm(block, 512) > LARGEST_SOURCE_BLOCK  # so that windows cut them
    assert_is_true(used(3, *product(block + 64, block, codec), *rows(1024, block + 64), *warp))


def test_all_parts_of_a_large_source_block(used, product):
    """For the first of its windows those of all others are cut out of it."""
    assert_is_true(used(3, *product(3328, 3264, "DEFLATE")))


def test_large_source_blocks_of_several_bands(used, tmp_path):
    path = tmp_path / "all.tif"
    dn = np.repeat(texture(2800)[..., np.newaxis], 4, axis=2)
    options = tiled(2752, "COMPRESS=DEFLATE", "ZLEVEL=1", "PREDICTOR=2", "INTERLEAVE=PIXEL")
    write_raster(path, dn, options=options)
    assert_is_true(used(3, path, "--bidx", "1,2,3", *rows(1024, 2800)))


def test_large_tiles_of_jpeg_2000(used, tmp_path):
    path = tmp_path / "red.jp2"
    write_jp2(path, texture(2304), tile=2240)
    assert_is_true(used(3, *bands(path), *rows(1024, 1024)))


def test_one_tile_of_jpeg_2000(used, tmp_path):
    """GDAL 3.6 keeps of it what newer releases free, so the bound is not close for all."""
    path = tmp_path / "red.jp2"
    write_jp2(path, texture(2304), tile=4096)
    for bound, peaks in used(3, *bands(path), *rows(1024, 1024)).values():
        assert max(peaks) <= bound


@pytest.mark.parametrize("layout", ["v2", "geozarr"])
def test_large_chunks_of_zarr(used, tmp_path, layout):
    width, height, edge = 2816, 2816, 2752
    assert np.lcm(edge, 512) > LARGEST_SOURCE_BLOCK  # so that windows cut them
    store = write_eopf(
        tmp_path,
        layout=layout,
        width=width,
        height=height,
        chunk=edge,
        nodata_fraction=0,
        texture="synthetic",
    )
    assert_is_true(used(3, store, *rows(1024, width)))


def test_chunks_of_zarr(used, tmp_path):
    store = write_eopf(tmp_path, width=3660, height=1830, texture="synthetic")
    assert_is_true(used(3, store))
