"""The writer: whole files whatever the order, and no file when a window is missing or doubled."""

import weakref
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from numpy.typing import NDArray
from osgeo import gdal

import reference
from conftest import read_rgb
from ranked import make_blocks, make_rank
from s2rgb_mpi.errors import OutputError, ProtocolError, StrictError
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.image.block import EndOfShare
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.output.assembler import Output
from s2rgb_mpi.output.paths import part_path
from s2rgb_mpi.output.workspace import claim
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.levels import header_room
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.ranks import writer
from s2rgb_mpi.ranks.messages import Tag
from s2rgb_mpi.testing.safe import read_dn
from s2rgb_mpi.timing import Tally


@pytest.fixture(scope="module")
def blocks_of():
    """The function that makes the blocks of a plan, once for each profile."""
    made = {}

    def work(plan):
        profile = plan.job.profile
        if profile not in made:
            made[profile] = make_blocks(plan, range(len(plan.windows)))
        return list(made[profile])

    return work


@pytest.fixture
def make(safe, tmp_path, blocks_of):
    """The function that plans a run, and makes its blocks: ``make(name, **profile)``."""

    def prepare_run(name, **profile):
        options = Profile(tile=64, **profile)
        plan = prepare(Job((str(safe),), tmp_path / name, profile=options, window=128))
        taken = claim(plan)
        taken.lock.release()  # only rank 0 does that in a run
        return plan, blocks_of(plan)

    return prepare_run


def finish(plan, placed):
    output = Output(plan, Tally("writer"))
    for block in placed:
        output.place(block)
    return output.finish()


@pytest.mark.parametrize("layout", ["cog", "tiled"])
def test_the_file_is_the_image_of_the_reference(make, safe, layout):
    plan, made = make("rgb.tif", layout=layout)
    written = finish(plan, made)
    assert written.nbytes == plan.job.output.stat().st_size
    expected = reference.rgb(read_dn(safe), offset=-1000)
    np.testing.assert_array_equal(read_rgb(plan.job.output), expected)


def test_the_overviews_are_those_of_the_reference(make, safe):
    plan, made = make("rgb.tif")
    finish(plan, made)
    dataset = gdal.Open(str(plan.job.output))
    expected = reference.rgb(read_dn(safe), offset=-1000)
    assert dataset.GetRasterBand(1).GetOverviewCount() == 4
    for level in range(4):
        expected = reference.halve(expected)
        for band in range(3):
            found = dataset.GetRasterBand(band + 1).GetOverview(level).ReadAsArray()
            np.testing.assert_array_equal(found, expected[..., band])


@pytest.mark.parametrize("mask", ["nodata", "internal"])
def test_the_order_of_blocks_does_not_change_a_byte(make, mask):
    plan, made = make("one.tif", mask=mask)
    other, again = make("other.tif", mask=mask)
    finish(plan, made)
    np.random.default_rng(0).shuffle(again)
    finish(other, again)
    assert plan.job.output.read_bytes() == other.job.output.read_bytes()


def test_only_the_output_is_left(make, tmp_path):
    plan, made = make("rgb.tif")
    finish(plan, made)
    assert list(tmp_path.iterdir()) == [plan.job.output]


def test_a_window_that_comes_twice_is_refused(make):
    plan, made = make("rgb.tif")
    output = Output(plan, Tally("writer"))
    output.place(made[0])
    with pytest.raises(ProtocolError, match="window 0 came twice"):
        output.place(made[0])


def test_a_window_that_is_not_in_the_plan_is_refused(make):
    plan, made = make("rgb.tif")
    foreign = wire.Block(len(plan.windows), [], made[0].histogram)
    with pytest.raises(ProtocolError, match=r"window 20 .* not in the plan"):
        Output(plan, Tally("writer")).place(foreign)


def test_a_missing_window_is_refused_and_no_file_appears(make):
    plan, made = make("rgb.tif")
    with pytest.raises(ProtocolError, match="1 windows never came"):
        finish(plan, made[1:])
    assert not plan.job.output.exists()


def test_an_output_that_became_a_folder_is_an_output_error(make):
    plan, made = make("rgb.tif")
    plan.job.output.mkdir()
    with pytest.raises(OutputError, match=f"{plan.job.output}: is not a regular file any more"):
        finish(plan, made)


def test_the_output_tells_how_far_it_is(make):
    plan, made = make("rgb.tif")
    output = Output(plan, Tally("writer"))
    output.place(made[0])
    assert output.windows == 1
    assert output.nbytes == part_path(plan).stat().st_size > 0


def test_the_file_says_that_the_pixels_agree_with_the_offset(make):
    plan, made = make("rgb.tif")
    finish(plan, made)
    metadata = gdal.Open(str(plan.job.output)).GetMetadata()
    assert metadata["S2RGB_OFFSET_CHECK"].startswith("agrees (")


@pytest.fixture
def wrong(make):
    """The function that plans the same run with the offset 0; blocks count DN, so they are its."""

    def prepare_run(name, *, strict):
        plan, made = make(name)
        (member,) = plan.scene.members
        bands = tuple(
            replace(band, calibration=replace(band.calibration, offset=0))
            for band in member.product.bands
        )
        member = replace(member, product=replace(member.product, bands=bands))
        scene = replace(plan.scene, members=(member,))
        return replace(plan, job=replace(plan.job, strict=strict), scene=scene), made

    return prepare_run


def test_pixels_that_contradict_the_offset_are_a_warning(wrong, safe):
    plan, made = wrong("rgb.tif", strict=False)
    output = Output(plan, Tally("writer"))
    for block in made:
        output.place(block)
    (line,) = output.finish().warnings
    assert line.startswith(f"{safe.stem}: the pixels look as if ESA's +1000 were still in")
    assert "--offset -1000" in line
    metadata = gdal.Open(str(plan.job.output)).GetMetadata()
    assert metadata["S2RGB_OFFSET_CHECK"].startswith("looks missing (")


def test_they_are_an_error_where_the_job_is_strict(wrong, safe):
    plan, made = wrong("rgb.tif", strict=True)
    with pytest.raises(StrictError, match=f"{safe.stem}: the pixels look as if") as caught:
        finish(plan, made)
    assert caught.value.exit_code == 2
    assert not plan.job.output.exists()


def test_strict_does_not_mind_pixels_that_agree(make):
    plan, made = make("rgb.tif")
    finish(replace(plan, job=replace(plan.job, strict=True)), made)
    assert plan.job.output.exists()


class Workers:
    """A communicator on which workers have sent their messages: a list of (tag, bytes) each."""

    def __init__(self, *sent):
        self._sent = dict(enumerate(map(list, sent), start=1))
        self.under_way = self.most_under_way = 0

    def Irecv(self, buffer, *, source, tag):  # noqa: N802
        if tag == Tag.BLOCK:
            self.under_way += buffer.size
            self.most_under_way = max(self.most_under_way, self.under_way)

        def test():
            if not self._sent[source]:
                return False
            sent_as, message = self._sent[source].pop(0)
            assert (sent_as, message.size) == (tag, buffer.size)
            buffer[:] = message
            self.under_way -= message.size * (tag == Tag.BLOCK)
            return True

        return SimpleNamespace(Test=test)


def messages(plan, made):
    """What a worker sends for these blocks."""
    sent = []
    for block in made:
        header, payload = wire.pack(block, header_room(plan))
        sent += [(Tag.HEADER, header)] + [(Tag.BLOCK, payload)] * bool(payload.size)
    return [*sent, (Tag.HEADER, wire.pack_end(EndOfShare(stopped=False), header_room(plan)))]


def test_the_blocks_of_all_workers_are_received(make):
    plan, made = make("rgb.tif")
    comm = Workers(messages(plan, made[:7]), messages(plan, made[7:]), messages(plan, []))
    received = list(writer.receive(make_rank(comm), plan, [1, 2, 3]))
    assert sorted(block.window for block in received) == list(range(len(plan.windows)))


def test_payloads_under_way_keep_within_their_budget(make, monkeypatch):
    plan, made = make("rgb.tif")
    largest = max(wire.pack(block, header_room(plan))[1].size for block in made)
    monkeypatch.setattr(writer, "RECEIVE_NBYTES", largest)
    comm = Workers(*(messages(plan, made[worker::5]) for worker in range(5)))
    assert len(list(writer.receive(make_rank(comm), plan, range(1, 6)))) == len(made)
    assert comm.most_under_way <= largest


def test_a_payload_is_kept_no_longer_than_its_block(make, monkeypatch):
    plan, made = make("rgb.tif")
    largest = max(wire.pack(block, header_room(plan))[1].size for block in made)
    monkeypatch.setattr(writer, "RECEIVE_NBYTES", largest)
    payloads: list[weakref.ref[NDArray[np.uint8]]] = []

    def alive():
        return sum(payload.nbytes for ref in payloads if (payload := ref()) is not None)

    class Watched(Workers):
        def Irecv(self, buffer, *, source, tag):  # noqa: N802
            if tag == Tag.BLOCK:
                payloads.append(weakref.ref(buffer))
            return super().Irecv(buffer, source=source, tag=tag)

    comm = Watched(*(messages(plan, made[worker::5]) for worker in range(5)))
    for _ in writer.receive(make_rank(comm), plan, range(1, 6)):
        assert alive() <= 2 * largest  # one that has come, and those under way
    assert len(payloads) == len(made)


def test_a_payload_above_the_budget_is_received_alone(make, monkeypatch):
    plan, made = make("rgb.tif")
    monkeypatch.setattr(writer, "RECEIVE_NBYTES", 1)
    comm = Workers(messages(plan, made[:2]), messages(plan, made[2:4]))
    assert len(list(writer.receive(make_rank(comm), plan, [1, 2]))) == 4


def test_what_is_received_into_outlives_a_failure(make, monkeypatch):
    """MPI goes on writing into posted buffers while the failed rank tells the others of it."""
    plan, made = make("rgb.tif")
    posted = []

    class Watched(Workers):
        def Irecv(self, buffer, **place):  # noqa: N802
            posted.append(weakref.ref(buffer))
            return super().Irecv(buffer, **place)

    def broken(*_):
        raise ValueError("broken on purpose")

    monkeypatch.setattr(Output, "place", broken)
    monkeypatch.setattr(writer, "ProgressSender", lambda *_: MagicMock())
    with pytest.raises(ValueError, match="broken on purpose") as caught:
        writer.run(make_rank(Watched(messages(plan, made[:2]))), plan, [1])
    _, _, next_header = posted
    assert next_header() is not None
    assert caught.tb is not None  # it is what keeps the buffer, here as in the guard of __main__


def test_a_damaged_payload_ends_the_run(make):
    plan, made = make("rgb.tif")
    sent = messages(plan, made[:1])
    damaged = sent[1][1].copy()
    damaged[0] ^= 1
    sent[1] = Tag.BLOCK, damaged
    with pytest.raises(ProtocolError, match="window 0 was damaged on its way"):
        list(writer.receive(make_rank(Workers(sent)), plan, [1]))
