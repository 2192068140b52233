"""Costs of windows: predicted from the sizes of blocks in a file, and the shares that follow."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import gdal

from geotiffs import make_grid
from opened import open_safe
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs import decode_cost
from s2rgb_mpi.inputs.files.remote import is_far
from s2rgb_mpi.inputs.opening import open_raster
from s2rgb_mpi.inputs.product import Band, Product
from s2rgb_mpi.plan.deal import deal
from s2rgb_mpi.plan.identity import digest
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.testing.safe import write_safe

SOT = b"\xff\x90\x00\x0a"


@pytest.fixture
def in_bytes(monkeypatch):
    """Let a block cost 1 ns per byte, so that costs are what a file has, to the byte."""
    monkeypatch.setattr(
        decode_cost,
        "NS_PER_PIXEL_AND_BYTE",
        dict.fromkeys(decode_cost.NS_PER_PIXEL_AND_BYTE, (0.0, 1.0)),
    )


@pytest.fixture(scope="module")
def band(safe) -> Path:
    """A JPEG 2000 band of 5 x 4 tiles."""
    return Path(open_safe(str(safe)).bands[0].path)


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> Path:
    """A product of 16 x 8 tiles that is half without data."""
    folder = tmp_path_factory.mktemp("half")
    return write_safe(folder, width=2048, height=1024, tile=128, nodata_fraction=0.5)


def costs_of(path):
    return decode_cost.block_costs(open_raster(str(path)), 1)


def with_list(band, folder, style):
    """Copy a band, with all tile-part lengths in its main header (TLM)."""
    data = band.read_bytes()
    first = data.index(SOT)
    form = ">" + {0x40: "xI", 0x50: "BI", 0x60: "HI", 0x10: "BH"}[style].replace("x", "")
    entries = b"".join(
        struct.pack(form, *((tile, length) if len(form) == 3 else (length,)))
        for tile, length in enumerate(costs_of(band))
    )
    # In two segments, the second before the first: their numbers count, not their places.
    half = len(entries) // 2
    segments = [
        b"\xff\x55" + struct.pack(">HBB", len(part) + 4, number, style) + part
        for number, part in enumerate((entries[:half], entries[half:]))
    ]
    path = folder / "listed.jp2"
    path.write_bytes(data[:first] + segments[1] + segments[0] + data[first:])
    return path


@pytest.mark.usefixtures("in_bytes")
def test_tiles_have_all_bytes_of_a_codestream(band):
    data = band.read_bytes()
    lengths = costs_of(band)
    assert len(lengths) == 5 * 4
    assert sum(lengths) == len(data) - data.index(SOT) - len(b"\xff\xd9")


@pytest.mark.usefixtures("in_bytes")
@pytest.mark.parametrize("style", [0x40, 0x50, 0x60, 0x10])
def test_lengths_are_read_from_a_list_where_there_is_one(band, tmp_path, style, monkeypatch):
    listed = with_list(band, tmp_path, style)
    walked = costs_of(band)
    monkeypatch.setattr(decode_cost, "is_far", lambda _: True)
    assert costs_of(listed) == walked


def test_a_server_is_not_asked_for_every_tile(band, monkeypatch):
    monkeypatch.setattr(decode_cost, "is_far", lambda _: True)
    assert costs_of(band) == ()


@pytest.mark.parametrize(
    ("name", "far"),
    [
        ("/data/a.jp2", False),
        ("/vsizip/{/data/a.zip}/b.jp2", False),
        ("/vsimem/a.tif", False),
        ("/vsicurl/https://example.org/a.jp2", True),
        ("/vsizip/{/vsis3/bucket/a.zip}/b.jp2", True),
    ],
)
def test_what_is_far_is_known_by_its_name(name, far):
    assert is_far(name) == far


def test_tiles_without_data_cost_least(half):
    tiles = costs_of(open_safe(str(half)).bands[0].path)
    assert tiles[0] == min(tiles)  # outside the swath
    assert min(tiles) < 0.3 * max(tiles)


@pytest.mark.usefixtures("in_bytes")
def test_parts_of_a_tile_are_added_up(band, tmp_path):
    """The first tile as ESA could write it in two parts, the second of them empty."""
    data = band.read_bytes()
    first = data.index(SOT)
    lengths = costs_of(band)
    end = first + lengths[0]
    part = SOT + struct.pack(">HIBB", 0, 14, 1, 0) + b"\xff\x93"
    path = tmp_path / "parts.jp2"
    path.write_bytes(data[:end] + part + data[end:])
    assert costs_of(path) == (lengths[0] + len(part), *lengths[1:])


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_codestream_that_is_cut_off_says_nothing(band, tmp_path, kept):
    data = band.read_bytes()
    path = tmp_path / "short.jp2"
    path.write_bytes(data[: int(kept * len(data))])
    dataset = open_raster(str(path))
    assert len(decode_cost.block_costs(dataset, 1)) in {0, 20}


def test_a_zip_costs_what_its_folder_does(tmp_path):
    archive = write_safe(tmp_path, width=300, height=200, tile=128, zipped=True)
    packed = open_safe(str(archive)).costs
    assert packed == open_safe(str(archive).removesuffix(".zip")).costs
    assert len(packed) == 3 * 2


@pytest.mark.usefixtures("in_bytes")
def test_sparse_blocks_of_a_tiff_have_no_bytes(tmp_path):
    path = str(tmp_path / "sparse.tif")
    options = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "SPARSE_OK=TRUE"]
    dataset = gdal.GetDriverByName("GTiff").Create(path, 192, 64, 1, gdal.GDT_UInt16, options)
    dataset.WriteArray(np.full((64, 64), 7, dtype=np.uint16), 64, 0)
    dataset = None
    assert costs_of(path) == (0, 64 * 64 * 2, 0)


def test_other_formats_say_nothing(tmp_path):
    path = str(tmp_path / "band.vrt")
    gdal.GetDriverByName("VRT").Create(path, 64, 64, 1, gdal.GDT_UInt16)
    assert costs_of(path) == ()


BANDS = tuple(Band(name, f"{name}.jp2", Calibration()) for name in ("B04", "B03", "B02"))


@given(st.integers(1, 700), st.integers(1, 700), st.integers(20, 300), st.integers(0, 99))
def test_the_cost_of_windows_adds_up_to_that_of_the_blocks(width, height, edge, seed):
    count = -(-width // 100) * -(-height // 80)
    numbers = np.random.default_rng(seed).integers(10**9, size=count)
    grid = make_grid(width, height)
    product = Product("S2A", BANDS, grid, (100, 80), costs=tuple(map(int, numbers)))
    total = sum(product.cost(window) for window in grid.windows(edge, edge))
    assert total == pytest.approx(sum(product.costs))


def test_shares_are_equal_in_cost_not_in_windows(half, tmp_path):
    job = Job((str(half),), tmp_path / "rgb.tif", window=128, profile=Profile(tile=64))
    plan = prepare(job)
    product = plan.scene.members[0].product
    totals = [
        sum(product.cost(plan.windows[number]) for number in share) for share in deal(plan, 4)
    ]
    assert max(totals) - min(totals) <= 2 * max(product.costs)
    sizes = [len(share) for share in deal(plan, 4)]
    assert max(sizes) > 1.5 * min(sizes)


def test_a_product_below_costs_what_the_first_leaves_open(safe, tmp_path):
    alone = prepare(Job((str(safe),), tmp_path / "rgb.tif"))
    twice = prepare(Job((str(safe), str(safe)), tmp_path / "rgb.tif"))
    assert deal(alone, 3) == deal(twice, 3)


def test_costs_do_not_decide_the_bytes_of_the_file(safe, tmp_path):
    plan = prepare(Job((str(safe),), tmp_path / "rgb.tif"))
    member = plan.scene.members[0]
    other = replace(member, product=replace(member.product, costs=()))
    scene = replace(plan.scene, members=(other,))
    assert digest(replace(plan, scene=scene)) == digest(plan)


def test_a_window_that_cuts_a_block_costs_its_part():
    product = Product("S2A", BANDS, make_grid(200, 100), (100, 100), costs=(1000, 10))
    assert product.cost(Window(50, 0, 100, 50)) == pytest.approx(250 + 2.5)
