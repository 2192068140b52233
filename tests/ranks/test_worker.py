"""A worker's blocks equal the reference, and windows that cannot be read are named."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from osgeo import gdal

import reference
from geotiffs import make_grid, rgba
from ranked import make_blocks, make_rank
from s2rgb_mpi import signals
from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.image.block import EndOfShare, Header, Kind
from s2rgb_mpi.image.checks.boa_offset import count
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.plan.deal import deal
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.levels import joined_tiles
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.ranks import parts, worker
from s2rgb_mpi.ranks.messages import Tag
from s2rgb_mpi.ranks.render import Renderer
from s2rgb_mpi.testing.safe import read_dn
from s2rgb_mpi.timing import Tally

PROFILE = Profile(tile=64)


@pytest.fixture
def plan(safe, tmp_path):
    """611 x 389 pixels in 5 x 4 windows of 128, with four levels; two of them in windows."""
    return prepare(Job((str(safe),), tmp_path / "rgb.tif", profile=PROFILE, window=128))


def test_blocks_hold_the_tiles_of_the_reference(plan, safe):
    image = reference.rgb(read_dn(safe), offset=-1000)
    encoder = Encoder(PROFILE)
    for block in make_blocks(plan, range(len(plan.windows))):
        window = plan.windows[block.window]
        pixels = image[window.row_off :, window.col_off :][: window.height, : window.width]
        expected = {
            (window.row_off // 64 + tile.row, window.col_off // 64 + tile.col): tile.data
            for tile in encoder.encode(rgba(pixels))
        }
        found = {
            (piece.row, piece.col): piece.data
            for piece in block.pieces
            if (piece.kind, piece.level) == (Kind.TILE, 0)
        }
        assert found == expected


def test_levels_that_span_windows_travel_as_pixels(plan, safe):
    assert (plan.whole_levels, plan.levels) == (1, 4)
    image = reference.rgb(read_dn(safe), offset=-1000)
    levels = [image]
    for _ in range(plan.levels):
        levels.append(reference.halve(levels[-1]))
    found = [np.zeros((*level.shape[:2], 4), np.uint8) for level in levels]
    for block in make_blocks(plan, range(len(plan.windows))):
        for piece in block.pieces:
            if piece.kind is Kind.PART:
                place = plan.windows[block.window].at_level(piece.level)
                assert (piece.row, piece.col) == (place.row_off, place.col_off)
                part = np.frombuffer(piece.data, np.uint8).reshape(place.height, place.width, 4)
                rows = slice(place.row_off, place.row_off + place.height)
                found[piece.level][rows, place.col_off : place.col_off + place.width] = part
    for level in (2, 3, 4):
        np.testing.assert_array_equal(found[level], rgba(levels[level]))


def test_histograms_add_up_to_the_image(plan, safe):
    image = reference.rgb(read_dn(safe), offset=-1000)
    every = make_blocks(plan, range(len(plan.windows)))
    pixels = image[image.any(axis=2)]
    expected = [np.bincount(pixels[..., band].ravel(), minlength=256) for band in range(3)]
    np.testing.assert_array_equal(sum(block.histogram.astype(int) for block in every), expected)


def test_counts_add_up_to_those_of_the_whole_image(plan, safe):
    """The sample does not depend on how the image is cut into windows."""
    dn = read_dn(safe)
    expected = count([dn[..., band] for band in range(3)])
    found = np.zeros_like(expected)
    for block in make_blocks(plan, range(len(plan.windows))):
        for piece in block.pieces:
            if piece.kind is Kind.COUNTS:
                assert (piece.level, piece.row, piece.col) == (0, 0, 0)
                found += np.frombuffer(piece.data, "<u4").reshape(found.shape)
    np.testing.assert_array_equal(found, expected)


def test_nothing_is_read_ahead_of_files_that_are_here(plan, monkeypatch):
    monkeypatch.setattr(parts, "Ahead", lambda *_: pytest.fail("threads are started"))
    (block,) = make_blocks(plan, [3])
    assert block.pieces


def test_only_the_share_is_read_in_its_order(plan):
    numbers = [block.window for block in make_blocks(plan, [3, 1])]
    assert numbers == [3, 1]


def test_a_window_without_valid_pixels_has_tiles_and_no_parts(tmp_path):
    path = str(tmp_path / "band.tif")
    options = ["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"]
    dataset = gdal.GetDriverByName("GTiff").Create(path, 256, 128, 1, gdal.GDT_UInt16, options)
    dataset.SetProjection(make_grid(256, 128).crs)
    dataset.WriteArray(np.full((128, 128), 500, np.uint16), 128, 0)
    dataset = None
    job = Job((), tmp_path / "rgb.tif", rgb=((path,) * 3,), profile=PROFILE, window=128)
    empty, filled = make_blocks(prepare(job), [0, 1])
    own = [(Kind.TILE, 0)] * 4 + [(Kind.TILE, 1)]
    assert [(piece.kind, piece.level) for piece in empty.pieces] == own
    assert not empty.histogram.any()
    kinds = [(piece.kind, piece.level) for piece in filled.pieces]
    joined = [(Kind.PART, 2), (Kind.TILE, 2)]
    assert kinds == [*own, *joined, (Kind.COUNTS, 0)]
    # In the other order it is the empty one that makes the tile of both whole.
    filled, empty = make_blocks(prepare(job), [1, 0])
    assert [(piece.kind, piece.level) for piece in empty.pieces] == [*own, (Kind.TILE, 2)]
    assert (Kind.TILE, 2) not in {(piece.kind, piece.level) for piece in filled.pieces}


def spanning(plan, share):
    """Return the tiles that span windows, of a share's blocks: level, row, col to bytes."""
    return {
        (piece.level, piece.row, piece.col): bytes(piece.data)
        for block in make_blocks(plan, share)
        for piece in block.pieces
        if piece.kind is Kind.TILE and piece.level in plan.joined_levels
    }


def test_tiles_that_span_windows_are_encoded_by_the_worker_that_has_all_of_these(plan, safe):
    image = reference.rgb(read_dn(safe), offset=-1000)
    expected = {}
    for level in range(1, plan.levels + 1):
        image = reference.halve(image)
        if level in plan.joined_levels:
            for tile in Encoder(PROFILE).encode(rgba(image)):
                expected[level, tile.row, tile.col] = tile.data
    every = range(len(plan.windows))
    assert spanning(plan, every) == expected
    # Two workers: each the tiles of its own windows, none of both, none twice.
    shares = deal(plan, 2)
    first, second = (spanning(plan, share) for share in shares)
    assert first
    assert not first.keys() & second.keys()
    assert first.items() | second.items() < expected.items()
    assert first.keys() == joined_tiles(plan, shares[0])
    assert (plan.levels, 0, 0) not in first.keys() | second.keys()


def test_a_window_left_empty_is_in_no_tile_that_spans_windows(plan, monkeypatch):
    """A run that resumes this one may be able to read it."""
    plan = replace(plan, job=replace(plan.job, on_error="nodata"))
    every = range(len(plan.windows))
    whole = spanning(plan, every)
    render = Renderer.render

    def fail_at_two(renderer, number):
        if number == 2:
            raise ReadError("window 2 is gone")
        return render(renderer, number)

    monkeypatch.setattr(Renderer, "render", fail_at_two)
    assert plan.windows[2] == (0, 128, 128, 128)
    left = spanning(plan, every)
    with_it = {(level, 0, 0) for level in plan.joined_levels}
    assert left == {key: data for key, data in whole.items() if key not in with_it}


def test_what_is_done_is_timed(plan):
    tally = Tally("worker")
    make_blocks(plan, [0], tally)
    assert set(tally.seconds) == {"open", "read", "render", "encode"}
    assert tally.windows == 1


def test_a_truncated_band_is_an_error_with_window_and_path(safe, tmp_path):
    broken = Path(shutil.copytree(safe, tmp_path / safe.name))
    (image,) = broken.glob("GRANULE/*/IMG_DATA/R10m/*_B03_10m.jp2")
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    plan = prepare(Job((str(broken),), tmp_path / "rgb.tif", profile=PROFILE, window=128))
    with pytest.raises(ReadError) as caught:
        make_blocks(plan, range(len(plan.windows)))
    line = str(caught.value)
    assert line.startswith("window ")
    assert str(image) in line
    assert line.endswith(
        "; the file may be damaged or cut off: download it again; --on-error nodata leaves such"
        " windows empty"
    )
    assert "\n" not in line


class Mailbox:
    """A communicator that keeps what is sent; nothing is delivered before it is asked for twice."""

    size = 4

    def __init__(self):
        self.sent = []
        self.open = self.most_open = 0

    def Issend(self, message, *, dest, tag):  # noqa: N802
        self.sent.append((dest, tag, message.copy()))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        looks = iter([False, True])

        def test():
            done = next(looks)
            self.open -= done
            return done

        return SimpleNamespace(Test=test)


def sent_headers(comm):
    return [wire.unpack_header(message) for _, tag, message in comm.sent if tag == Tag.HEADER]


def test_a_share_is_sent_to_the_last_rank_and_closed(plan):
    comm = Mailbox()
    worker.run(make_rank(comm), plan, Share([0, 1, 2, 3]))
    assert {dest for dest, _, _ in comm.sent} == {3}
    *headers, end = sent_headers(comm)
    assert [header.window for header in headers if isinstance(header, Header)] == [0, 1, 2, 3]
    assert end == EndOfShare(stopped=False)
    payloads = [message.size for _, tag, message in comm.sent if tag == Tag.BLOCK]
    nbytes = [header.nbytes for header in headers if isinstance(header, Header)]
    assert payloads == [each for each in nbytes if each]


def test_at_most_two_blocks_are_under_way(plan):
    comm = Mailbox()
    worker.run(make_rank(comm), plan, Share(range(len(plan.windows))))
    assert comm.most_open == 2 * 2  # a header and a payload each
    assert comm.open == 0


def test_a_worker_without_windows_says_so(plan):
    comm = Mailbox()
    worker.run(make_rank(comm), plan, Share())
    assert sent_headers(comm) == [EndOfShare(stopped=False)]


def test_a_graceful_stop_is_said_at_the_end(plan, monkeypatch):
    comm = Mailbox()
    looks = iter([False, True])
    monkeypatch.setattr(signals, "finishing", lambda: next(looks))
    worker.run(make_rank(comm), plan, Share([0, 1, 2, 3]))
    first, end = sent_headers(comm)
    assert isinstance(first, Header)
    assert end == EndOfShare(stopped=True)


def test_an_error_of_a_duty_ends_the_work(plan):
    def look():
        raise InterruptedError

    rank = make_rank(Mailbox())
    with rank.loop.duty(look), pytest.raises(InterruptedError):
        worker.run(rank, plan, Share([0]))
