"""Progress for rank 0: each window exactly once, in messages that fit its receive buffer."""

import pickle
from types import SimpleNamespace

import numpy as np

from ranked import make_rank
from s2rgb_mpi.image.block import Block, Kind, Piece
from s2rgb_mpi.output.totals import Written
from s2rgb_mpi.ranks.messages import Done, Heartbeat, Progress, Tag
from s2rgb_mpi.ranks.progress import WINDOWS_AT_ONCE, ProgressSender, send_tally
from s2rgb_mpi.timing import Tally

HEARING = 32_768
"""Bytes with which mpi4py listens for a pickled message of no known size."""


class Line:
    """A communicator on which the first message takes a number of looks to be delivered."""

    def __init__(self, looks):
        self.sent = []
        self._looks = looks

    def _send(self, message, tag):
        self.sent.append((tag, message))
        left = iter([False] * self._looks)
        self._looks = 0
        return SimpleNamespace(test=lambda: (next(left, True), None), Test=lambda: next(left, True))

    def isend(self, message, dest, tag):
        assert dest == 0
        return self._send(message, tag)

    issend = Issend = isend

    def Iprobe(self, source, tag):  # noqa: N802
        assert (source, tag) == (0, Tag.STOP)
        return False


def block(window):
    piece = Piece.of(Kind.TILE, b"x" * 10)
    return Block(window, [piece, piece], np.zeros((3, 256), np.uint32))


def tell(looks, count, first=0):
    line = Line(looks)
    progress = ProgressSender(line, timeout=60)
    for number in range(count):
        progress.add(block(first + number), windows=number + 1, nbytes=20 * (number + 1))
    progress.flush()
    return [message for _, message in line.sent]


def test_news_that_are_heard_at_once_are_told_one_by_one():
    assert tell(0, 3) == [
        Progress(1, 20, ((0, 20),)),
        Progress(2, 40, ((1, 20),)),
        Progress(3, 60, ((2, 20),)),
    ]


def test_what_happens_while_news_are_under_way_is_told_with_the_next():
    assert tell(3, 6) == [
        Progress(1, 20, ((0, 20),)),
        Progress(5, 100, ((1, 20), (2, 20), (3, 20), (4, 20))),
        Progress(6, 120, ((5, 20),)),
    ]


def test_no_message_is_larger_than_rank_0_can_hear():
    messages = tell(3 * WINDOWS_AT_ONCE, 3 * WINDOWS_AT_ONCE, first=2**30)
    assert [len(message.new) for message in messages] == [1, WINDOWS_AT_ONCE, WINDOWS_AT_ONCE, 499]
    told = [number for message in messages for number, _ in message.new]
    assert told == [2**30 + number for number in range(3 * WINDOWS_AT_ONCE)]
    assert max(len(pickle.dumps(message)) for message in messages) < HEARING / 2


def test_without_news_nothing_is_reported():
    assert tell(0, 0) == []


def test_a_tally_follows_its_size():
    line = Line(1)
    tally = Tally("writer", {"finalise": 1.0})
    send_tally(line, tally, Written(30, np.ones((3, 256), np.int64), [4], ["agrees"], (), [9], {}))
    first, (second, payload) = line.sent
    assert first == (Tag.DONE, Done(len(payload)))
    assert second == Tag.TALLY
    received, written = pickle.loads(payload)  # noqa: S301  written three lines above
    assert received == tally
    assert (written.nbytes, written.empty) == (30, [4])


def test_who_has_no_windows_left_is_heard_once_a_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(
        "s2rgb_mpi.ranks.team.WakingClock", lambda: SimpleNamespace(now=lambda: now[0])
    )
    line = Line(looks=3)
    team = make_rank(line).team
    heard = []
    for tenth in range(40):
        now[0] = tenth / 10
        team.attend()
        team.heartbeat()
        heard.append(len(line.sent))
    assert {message for _, message in line.sent} == {Heartbeat()}
    assert [heard.index(count) for count in (1, 2, 3)] == [11, 22, 33]


def test_a_heartbeat_is_not_sent_before_the_last_one_is_received(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(
        "s2rgb_mpi.ranks.team.WakingClock", lambda: SimpleNamespace(now=lambda: now[0])
    )
    line = Line(looks=5)
    team = make_rank(line).team
    for second in range(2, 8):
        now[0] = 2.0 * second
        team.attend()
        team.heartbeat()
    assert len(line.sent) == 1
