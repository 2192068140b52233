"""Silent ranks are named, but not those that are done, or whose messages could not arrive."""

import re
from types import SimpleNamespace
from typing import cast

import pytest

from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.plan.plan import Plan
from s2rgb_mpi.ranks import liveness
from s2rgb_mpi.ranks.liveness import Watchdog

TIMEOUT = 60.0
WINDOWS = [(0, 0, 8, 8), (8, 0, 8, 8), (0, 8, 8, 8), (8, 8, 8, 8)]


class Clock:
    """A clock that the test sets."""

    seconds = 0.0

    def now(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(liveness, "WakingClock", lambda: clock)
    return clock


def watching(*shares):
    """Watchdog ranks with these shares: rank 0 first, the writer last."""
    plan = SimpleNamespace(job=SimpleNamespace(timeout=TIMEOUT), windows=WINDOWS)
    return Watchdog(cast(Plan, plan), shares)


def heartbeat(clock, watched, seconds, *, writer):
    """Let time pass, in which only the writer is heard, and rank 0 looks all the while."""
    for _ in range(int(seconds)):
        clock.seconds += 1
        watched.heard(writer, [])
        watched.look()


def test_a_worker_that_is_silent_is_named_with_its_window(clock):
    watched = watching([], [0, 2], [1, 3], [])
    watched.heard(3, [0, 1])
    heartbeat(clock, watched, TIMEOUT, writer=3)
    watched.heard(3, [3])
    words = "rank 1 at window 2 (0, 8, 8, 8) has sent no message for 60 s (--timeout)"
    with pytest.raises(SilenceError, match=re.escape(words)):
        heartbeat(clock, watched, 1, writer=3)


def test_a_worker_that_has_no_window_left_is_named_too(clock):
    watched = watching([], [0], [])
    watched.heard(2, [0])
    with pytest.raises(SilenceError, match=r"^rank 1 has sent no message"):
        heartbeat(clock, watched, TIMEOUT + 1, writer=2)


def test_windows_are_what_a_worker_is_heard_by(clock):
    watched = watching([], [0, 1, 2, 3], [])
    for number in range(4):
        heartbeat(clock, watched, TIMEOUT, writer=2)
        watched.heard(2, [number])
    heartbeat(clock, watched, TIMEOUT, writer=2)


def test_a_writer_that_is_silent_is_named_and_no_worker_is_blamed(clock):
    watched = watching([], [0], [1], [])
    clock.seconds = TIMEOUT
    watched.look()
    clock.seconds += 1
    with pytest.raises(SilenceError, match=r"^the writer, rank 3, has sent no message for 60 s"):
        watched.look()


def test_a_worker_that_is_done_may_be_silent(clock):
    watched = watching([], [0], [1, 2], [])
    watched.heard(3, [0])
    watched.done(1)
    for number in (1, 2):
        heartbeat(clock, watched, TIMEOUT, writer=3)
        watched.heard(3, [number])


def test_a_worker_whose_last_window_is_reported_after_its_end_is_still_done(clock):
    """It is done when the writer has received the block; that it is in the file is told later."""
    watched = watching([], [0], [1, 2], [])
    watched.done(1)
    watched.heard(3, [0])
    for number in (1, 2):
        heartbeat(clock, watched, TIMEOUT, writer=3)
        watched.heard(3, [number])


def test_once_all_are_done_nobody_is_silent(clock):
    watched = watching([], [0], [])
    watched.heard(2, [0])
    watched.done(1)
    watched.done(2)
    clock.seconds = 1e6
    watched.look()


def test_a_window_that_is_nobodys_is_no_news_of_anybody(clock):
    """With two ranks, rank 0 is the worker, and does not watch itself."""
    watched = watching([0, 1], [])
    watched.heard(1, [0])
    heartbeat(clock, watched, 2 * TIMEOUT, writer=1)
