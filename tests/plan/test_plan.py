"""The plan: windows of whole tiles and blocks, even shares, bounds that hold, no pixel read."""

import itertools
import math
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st
from osgeo import gdal

from geotiffs import PROFILES, make_grid, profile_id
from ranked import make_blocks
from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.image.overviews import Assembly
from s2rgb_mpi.image.profile import LOSSY, Profile
from s2rgb_mpi.image.radiometry import Calibration, Stretch
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Band, Operation, Product, Warp
from s2rgb_mpi.inputs.warp.onto_grid import lay_out_resampled
from s2rgb_mpi.plan.deal import deal, in_common
from s2rgb_mpi.plan.describe import as_text, describe
from s2rgb_mpi.plan.identity import digest
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.levels import header_room, joined_tiles, output_nbytes, payload_nbytes
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.plan.work import costs, works

BANDS = tuple(Band(name, f"{name}.jp2", Calibration()) for name in ("B04", "B03", "B02"))


def plan_of(width, height, *, block=(1024, 1024), window=1024, **profile):
    """Plan an image of this size whose sources are stored in these blocks."""
    job = Job(("S2A.SAFE",), Path("rgb.tif"), window=window, profile=Profile(**profile))
    block = min(block[0], width), min(block[1], height)
    product = Product("S2A", BANDS, make_grid(width, height), block)
    return make_plan(job, lay_out([product]))


sizes = st.integers(1, 12_000)
plans = st.builds(
    plan_of,
    sizes,
    sizes,
    block=st.sampled_from([(1024, 1024), (512, 512), (128, 128), (384, 384)]),
    layout=st.just("tiled"),
)


@given(plans, st.integers(1, 64))
def test_shares_hold_every_window_once_in_runs(plan, workers):
    shares = deal(plan, workers)
    assert len(shares) == workers
    assert list(itertools.chain(*shares)) == list(range(len(plan.windows)))


@given(plans, st.integers(1, 64))
def test_shares_differ_from_the_even_cost_by_one_window_at_most(plan, workers):
    costs = [window.width * window.height for window in plan.windows]
    even = sum(costs) / workers
    for share in deal(plan, workers):
        assert abs(sum(costs[number] for number in share) - even) <= max(costs)


def test_what_shares_decode_twice_is_in_their_costs():
    """On another grid the chunks at the borders of shares are decoded in each of them."""
    job = Job(("S2A.SAFE",), Path("rgb.tif"), profile=Profile(layout="tiled"))
    product = Product("S2A", BANDS, make_grid(10_980, 10_980), (1024, 1024))
    options: dict[str, Any] = {"resolution": 10.0, "resampling": "bilinear", "bounds": None}
    scene = lay_out_resampled(
        [product], crs="EPSG:2056", bounds_crs="EPSG:4326", step=1024, **options
    )
    plan = make_plan(job, scene)
    shares = deal(plan, 2)
    assert not in_common(plan, shares)
    work = works(plan)
    totals = [sum(costs(work, share).values()) for share in shares]
    window = max(costs(work, range(len(plan.windows))).values())
    assert max(totals) - min(totals) <= 2 * window


@given(plans)
def test_windows_begin_on_tiles_and_source_blocks(plan):
    for window in plan.windows:
        for offset, block in zip(window[:2], plan.scene.members[0].product.block, strict=True):
            assert offset % plan.job.profile.tile == 0
            assert offset % block == 0


@given(sizes, sizes, st.sampled_from([(640, 640), (2752, 2752), (5490, 5490)]), st.integers(1, 9))
@example(4097, 1025, (5490, 5490), 1)
@example(3201, 2048, (5490, 5490), 1)
@example(3202, 2047, (5490, 5490), 1)
def test_large_or_odd_source_blocks_are_decoded_whole_and_cut(width, height, block, workers):
    """Blocks of which whole tiles would make a window too large."""
    plan = plan_of(width, height, block=block, layout="tiled")
    stored = plan.scene.members[0].product.block
    assert math.prod(map(min, plan.edge, (width, height))) <= (2048 + 512) ** 2
    shares = deal(plan, workers)
    assert sorted(itertools.chain(*shares)) == list(range(len(plan.windows)))
    for number, window in enumerate(plan.windows):
        patches = list(plan.patches(number))
        assert sum(math.prod(patch.target[2:]) for patch in patches) == window.width * window.height
        for patch in patches:
            assert patch.target == patch.source  # one product, at the corner of the image
            for chunk in patch.chunks:
                assert chunk.overlap(patch.source) == patch.source
                assert all(at % size == 0 for at, size in zip(chunk[:2], stored, strict=True))


@given(plans)
def test_windows_cover_the_image_once(plan):
    grid = plan.grid
    assert sum(w.width * w.height for w in plan.windows) == grid.width * grid.height
    assert len({window[:2] for window in plan.windows}) == len(plan.windows)
    assert all(w.col_off + w.width <= grid.width for w in plan.windows)
    assert all(w.row_off + w.height <= grid.height for w in plan.windows)


def test_a_product_of_esa_is_cut_at_its_own_tiles():
    plan = plan_of(10_980, 10_980)
    assert plan.edge == (1024, 1024)
    assert len(plan.windows) == 11 * 11
    assert (plan.levels, plan.whole_levels) == (5, 1)


def test_neighbours_stay_together():
    plan = plan_of(4096, 4096)
    corners = [(window.col_off // 1024, window.row_off // 1024) for window in plan.windows[:4]]
    assert corners == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_windows_grow_to_whole_source_blocks():
    assert plan_of(4096, 4096, block=(1536, 1536), tile=256, layout="tiled").edge == (1536, 1536)


@pytest.mark.parametrize("size", [(1933, 1947), (641, 513), (4096, 700)])
def test_a_source_in_one_block_is_one_window(size):
    assert len(plan_of(*size, block=size).windows) == 1


def test_source_blocks_too_large_for_memory_are_cut():
    assert plan_of(20_000, 20_000, block=(10_000, 10_000)).edge == (1024, 1024)


def test_sources_in_strips_get_windows_as_wide_as_the_image():
    plan = plan_of(8192, 8192, block=(8192, 1), tile=64)
    assert plan.edge == (8192, 128)
    assert all(window.width == 8192 for window in plan.windows)


edges = st.integers(1, 8000)
blocks_of_some_shape = st.sampled_from([(1024, 1024), (640, 640), (8192, 64)])


@given(edges, edges, blocks_of_some_shape, st.booleans())
def test_a_block_has_room_for_all_tiles_that_its_window_makes_whole(
    width, height, block, backwards
):
    tile = 64
    try:
        plan = plan_of(width, height, block=block, window=640, tile=tile)
    except PlanError:  # such windows do not halve evenly
        reject()
    share = range(len(plan.windows))[:: -1 if backwards else 1]
    assembly = Assembly(plan.grid, tile, joined_tiles(plan, share))
    made = Counter(
        number
        for number in share
        for level in plan.joined_levels
        for _ in assembly.add(level, plan.windows[number].at_level(level), None)
    )
    assert assembly.open_tiles == 0
    assert made.total() == sum(
        math.prod(-(-edge // tile) for edge in plan.grid.at_level(level))
        for level in plan.joined_levels
    )
    for number, window in enumerate(plan.windows):
        own = (window.at_level(level) for level in range(plan.whole_levels + 1))
        tiles = sum(-(-place.width // tile) * -(-place.height // tile) for place in own)
        others = len(plan.joined_levels) + 2  # parts, and what is counted of the one product
        assert made[number] + tiles + others <= header_room(plan)


def test_an_image_in_one_tile_has_no_overviews():
    plan = plan_of(512, 400)
    assert (plan.levels, plan.whole_levels, len(plan.windows)) == (0, 0, 1)


def test_a_plain_tiled_file_has_no_overviews():
    assert plan_of(10_980, 10_980, layout="tiled").levels == 0


def test_windows_that_do_not_halve_evenly_are_refused():
    with pytest.raises(PlanError, match="192 pixels cannot be halved 8 times"):
        plan_of(10_980, 10_980, window=192, tile=64, block=(64, 64))


@pytest.mark.parametrize(("size", "levels"), [((4_007_486, 1032), 10), ((300_000, 300_000), 10)])
def test_the_overviews_of_a_very_large_image_end_where_a_window_is_one_pixel(size, levels):
    """Windows of 1024 pixels halve ten times, however many it would take to fit in one tile."""
    plan = plan_of(*size, window=1024, block=(1024, 1024))
    assert plan.levels == min(levels, plan.grid.overview_levels(512))
    assert plan.edge == (1024, 1024)


def test_windows_too_large_for_one_message_are_refused(monkeypatch):
    monkeypatch.setattr("s2rgb_mpi.plan.plan.LARGEST_PAYLOAD", 1_000_000)
    with pytest.raises(PlanError, match="1024 x 1024 pixels are too large for one message"):
        plan_of(2048, 2048)


@pytest.mark.parametrize("size", [(10_980, 10_980), (1, 1), (300, 40_000)])
def test_a_plan_says_what_it_costs(size):
    plan = plan_of(*size)
    shares = deal(plan, 14)
    assert 0 < payload_nbytes(plan) < worker_nbytes(plan, shares) < 200_000_000
    assert 0 < writer_nbytes(plan, 14) < 300_000_000
    assert output_nbytes(plan) > 3 * size[0] * size[1]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A band file that no codec can compress."""
    path = tmp_path_factory.mktemp("noise") / "noise.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 300, 200, 1, gdal.GDT_UInt16)
    dataset.SetProjection(make_grid(300, 200).crs)
    dataset.WriteArray(np.random.default_rng(0).integers(1, 10_000, (200, 300)).astype(np.uint16))
    return str(path)


BEST = [Profile(compress=compress, quality=100, tile=64, mask="internal") for compress in LOSSY]


@pytest.mark.parametrize(
    "profile", [profile for profile in PROFILES + BEST if profile.layout == "cog"], ids=profile_id
)
def test_blocks_of_noise_keep_within_the_bounds(noise, tmp_path, profile):
    plan = prepare(Job((), tmp_path / "rgb.tif", rgb=((noise,) * 3,), profile=profile, window=128))
    total = 0
    for block in make_blocks(plan, range(len(plan.windows))):
        header, payload = wire.pack(block, header_room(plan))
        assert header.size == wire.header_nbytes(header_room(plan))
        assert payload.size <= payload_nbytes(plan)
        total += payload.size
    assert 0 < total <= output_nbytes(plan)


def test_planning_reads_no_pixel(safe, tmp_path, monkeypatch):
    def read(*_, **__):
        pytest.fail("a pixel was read")

    for name in ("ReadRaster", "ReadAsArray", "ReadBlock", "Checksum", "ComputeStatistics"):
        monkeypatch.setattr(gdal.Band, name, read)
    monkeypatch.setattr(gdal.Dataset, "ReadAsArray", read)
    plan = prepare(Job((str(safe),), tmp_path / "rgb.tif"))
    assert "611 x 389" in as_text(describe(plan, 4))


def test_the_digest_tells_apart_how_products_are_resampled():
    plan = plan_of(700, 500)
    (member,) = plan.scene.members
    product = member.product
    operations = [Operation("a", "+proj=utm +zone=32"), Operation("a", "+proj=utm +zone=33")]
    warps = [
        Warp(product, "cubic"),
        Warp(product, "nearest"),
        Warp(product, "cubic", (0.5, 0.5)),
        *(Warp(product, "cubic", operation=operation) for operation in operations),
    ]
    digests = {digest(plan)}
    for warp in warps:
        member = replace(member, product=replace(product, warp=warp))
        digests.add(digest(replace(plan, scene=replace(plan.scene, members=(member,)))))
    assert len(digests) == 1 + len(warps)


def test_a_worker_that_resamples_needs_room_for_what_a_piece_needs():
    plan = plan_of(2000, 2000)
    (member,) = plan.scene.members
    warp = Warp(replace(member.product, grid=make_grid(20_000, 20_000)), "cubic", (0.1, 0.1))
    member = replace(member, product=replace(member.product, warp=warp))
    resampled = replace(plan, scene=replace(plan.scene, members=(member,)))
    shares = deal(plan, 1)
    more = worker_nbytes(resampled, shares) - worker_nbytes(plan, shares)
    # What a piece needs, and the warper's copy of it, as DN of three bands.
    assert more >= 2 * 2**20 * (6 + 6)


def test_the_digest_tells_jobs_apart_that_give_other_bytes():
    plan = plan_of(700, 500)
    assert digest(plan) == digest(plan_of(700, 500))
    others = [plan_of(700, 501), plan_of(700, 500, compress="lzw"), plan_of(700, 500, tile=256)]
    others.append(replace(plan, job=replace(plan.job, stretch=Stretch(gamma=1.8))))
    assert len({digest(plan), *map(digest, others)}) == 5


def test_what_was_found_in_a_plan_is_not_sent_to_other_ranks():
    plan = plan_of(5000, 5000)
    before = pickle.dumps(plan)
    deal(plan, 3)
    assert pickle.dumps(plan) == before
