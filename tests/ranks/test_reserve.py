"""The ends of shares, dealt on demand: which windows, to whom, and nothing is waited for."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geotiffs import make_grid
from ranked import make_rank
from s2rgb_mpi import signals
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.image.block import EndOfShare, Header
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Band, Product
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.plan.deal import RESERVE, deal, reserve
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.plan.work import costs, works
from s2rgb_mpi.ranks import parts, worker
from s2rgb_mpi.ranks.messages import Ask, NoShare, Tag
from s2rgb_mpi.ranks.messages import Share as Dealt
from s2rgb_mpi.ranks.reserve import Reserve

PROFILE = Profile(tile=64)


def plan_of(cols, rows, *, path="{}.jp2", further=()):
    """Plan an image of so many windows of 128 x 128 pixels, and of more, so many windows away."""
    names = ("B04", "B03", "B02")
    bands = tuple(Band(name, path.format(name), Calibration()) for name in names)
    grid = make_grid(128 * cols, 128 * rows)
    x, dx, _, y, _, dy = grid.transform
    grids = [
        replace(grid, transform=(x + 128 * place * dx, dx, 0, y, 0, dy)) for place in (0, *further)
    ]
    job = Job(("S2A.SAFE",), Path("rgb.tif"), window=128, profile=PROFILE)
    return make_plan(job, lay_out([Product("S2A", bands, each, (128, 128)) for each in grids]))


@pytest.fixture
def small(safe, tmp_path):
    """20 windows, and four levels."""
    return prepare(Job((str(safe),), tmp_path / "rgb.tif", profile=PROFILE, window=128))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 9))
def test_about_a_tenth_of_each_share_is_kept_back(cols, rows, workers):
    plan = plan_of(cols, rows)
    shares = deal(plan, workers)
    for share, kept in zip(shares, reserve(plan, shares), strict=True):
        cost = costs(works(plan), share)
        assert list(kept) == share[len(share) - len(kept) :]
        assert kept == {number: cost[number] for number in kept}
        assert len(kept) < max(len(share), 1)
        if len(share) > 1:
            assert sum(kept.values()) >= RESERVE * sum(cost.values())
            assert sum([*kept.values()][1:]) < RESERVE * sum(cost.values())


def test_windows_with_nothing_to_read_are_not_kept_back():
    """Two products of 6 x 6 windows, and between them as many without any."""
    plan = plan_of(6, 6, further=[12])
    shares = deal(plan, 6)
    assert any(not plan.sources(share[-1]) for share in shares)
    for share, kept in zip(shares, reserve(plan, shares), strict=True):
        full = [number for number in share if plan.sources(number)]
        assert list(kept) == full[-2:]


def test_windows_whose_source_chunks_others_need_are_not_kept_back():
    """Source blocks of 192 pixels do not line up with windows of 128, large ones serve many."""
    for edge, is_free in ((192, False), (64, True), (4096, False)):
        plan = replace(plan_of(40, 40), chunk_edges=((edge, edge),))
        assert all(bool(kept) is is_free for kept in reserve(plan, deal(plan, 2)))


def test_nothing_is_kept_back_where_it_could_be_lost_or_is_read_ahead():
    plan = plan_of(6, 6)
    assert any(reserve(plan, deal(plan, 2)))
    surviving = replace(plan, job=replace(plan.job, survive=True))
    assert not any(reserve(surviving, deal(surviving, 2)))
    served = plan_of(6, 6, path="/vsicurl/http://127.0.0.1/{}.tif")
    assert not any(reserve(served, deal(served, 2)))


def deals(products, shares):
    """Return the reserve of rank 0: which products windows show, what ranks have and what not."""
    sources = [[(member, None) for member in each] for each in products]
    plan: Any = SimpleNamespace(sources=sources.__getitem__)
    return Reserve(plan, [Share(windows, kept=kept) for windows, kept in ([(), {}], *shares)])


def test_a_worker_gets_its_own_windows_first_and_then_the_last_of_the_slowest():
    shares = [([0, 1], {2: 5, 3: 5}), ([4, 5], {6: 9, 7: 9}), ([8], {})]
    reserved = deals([[0]] * 9, shares)
    assert [reserved.take(1) for _ in range(4)] == [2, 3, 7, 6]
    assert reserved.take(2) is None
    reserved = deals([[0]] * 9, shares)
    assert [reserved.take(3) for _ in range(5)] == [7, 3, 6, 2, None]


def test_a_worker_opens_no_product_that_was_not_planned_for_it():
    shares = [([0], {1: 5, 2: 5}), ([3], {4: 5})]
    reserved = deals([[0], [0], [0, 1], [1], [1]], shares)
    assert [reserved.take(2) for _ in range(2)] == [4, None]
    assert [reserved.take(1) for _ in range(3)] == [1, 2, None]


class Line:
    """A communicator: keeps what is sent to the writer, and answers what is asked of rank 0."""

    size, rank = 4, 1

    def __init__(self, *answers):
        self.answers = deque(answers)
        self.waiting = None
        self.sent = []

    def Issend(self, message, *, dest, tag):  # noqa: N802
        assert dest == self.size - 1
        if tag == Tag.HEADER:
            self.sent.append(wire.unpack_header(message.copy()))
        return SimpleNamespace(Test=lambda: True)

    def isend(self, message, *, dest, tag):
        assert (message, dest, tag) == (Ask(), 0, Tag.ASK)
        assert self.waiting is None
        self.sent.append(message)
        self.waiting = self.answers.popleft() if self.answers else None
        return SimpleNamespace(test=lambda: (True, None))

    def Iprobe(self, *, source, tag):  # noqa: N802
        return (source, tag) == (0, Tag.SHARE) and self.waiting is not None

    def recv(self, **where):
        assert self.Iprobe(**where)
        answer, self.waiting = self.waiting, None
        return answer

    def windows(self):
        """List the windows and questions, in the order in which they were sent."""
        return [each.window if isinstance(each, Header) else each for each in self.sent]


def test_a_further_window_is_asked_for_when_the_last_one_is_begun(small):
    line = Line(Dealt((9,)), Dealt((4,)), NoShare())
    rank = make_rank(line)
    worker.run(rank, small, Share([0, 1], kept={2: 1}, more=True))
    end = EndOfShare(stopped=False)
    assert line.windows() == [0, Ask(), 1, Ask(), 9, Ask(), 4, end]
    assert rank.tally.windows == 4


def test_files_stay_open_for_the_windows_that_are_dealt(small, monkeypatch):
    opened = []

    class Counted(Source):
        def __init__(self, *arguments):
            opened.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(parts, "Source", Counted)
    worker.run(make_rank(Line(Dealt((9,)), NoShare())), small, Share([0], more=True))
    assert len(opened) == 1


def test_nothing_is_asked_where_nothing_is_kept_back(small):
    line = Line()
    worker.run(make_rank(line), small, Share([0, 1]))
    assert line.windows() == [0, 1, EndOfShare(stopped=False)]


def test_a_stop_ends_the_wait_for_an_answer(small, monkeypatch):
    line = Line()
    monkeypatch.setattr(signals, "finishing", lambda: Ask() in line.sent and 0 in line.windows())
    worker.run(make_rank(line), small, Share([0], more=True))
    assert line.windows() == [Ask(), 0, EndOfShare(stopped=True)]


def test_tiles_that_span_windows_are_joined_by_who_makes_all_of_these(small):
    """The one whose share they were knows them, even if rank 0 has kept some of them back."""
    whole = [*range(len(small.windows))]
    *own, last = whole
    line = Line(Dealt((last,)), NoShare())
    worker.run(make_rank(line), small, Share(own, kept={last: 1}, more=True))
    pieces = {header.window: header for header in line.sent if isinstance(header, Header)}
    joined = Line()
    worker.run(make_rank(joined), small, Share(whole))
    expected = {header.window: header for header in joined.sent if isinstance(header, Header)}
    assert pieces.keys() == expected.keys()
    assert all(pieces[number].nbytes == expected[number].nbytes for number in whole)
