"""Waiting: without using a core, while signals and duties are still handled."""

import time
from types import SimpleNamespace

import pytest

from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.ranks import loop as waiting
from s2rgb_mpi.ranks.loop import (
    LONGEST_IDLE_SLEEP,
    LONGEST_SLEEP,
    PART_OF_WAIT,
    SHORTEST_SLEEP,
    Backoff,
    Loop,
    until,
)


@pytest.fixture
def slept(monkeypatch):
    """The seconds of every sleep; none of them is really slept."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_what_is_ready_is_not_waited_for(slept):
    assert until(lambda: True)
    assert slept == []


def test_it_is_looked_at_until_it_is_ready(slept):
    looks = iter([False, False, False, True])
    assert until(lambda: next(looks))
    assert len(slept) == 3


def test_sleeps_grow_from_the_shortest_to_the_longest(slept):
    backoff = Backoff()
    for _ in range(30):
        backoff.pause()
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (SHORTEST_SLEEP, LONGEST_SLEEP)


def test_sleeps_of_many_that_wait_for_one_grow_further_in_a_long_wait(slept):
    backoff = Backoff(LONGEST_IDLE_SLEEP)
    while sum(slept) < 100:
        backoff.pause()
        # An event is noticed soon, compared with the length of the wait.
        assert slept[-1] <= max(LONGEST_SLEEP, PART_OF_WAIT * sum(slept))
    assert slept[-1] == LONGEST_IDLE_SLEEP


def test_after_something_happened_the_next_sleep_is_short(slept):
    backoff = Backoff()
    for _ in range(30):
        backoff.pause()
    backoff.reset()
    backoff.pause()
    assert slept[-1] == SHORTEST_SLEEP


def test_the_wait_ends_when_its_time_is_over(slept, monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))  # however busy the machine is
    assert not until(lambda: False, seconds=0.05)
    assert 0.05 < sum(slept) <= 0.05 + LONGEST_SLEEP


def test_duties_are_looked_after_between_two_looks_in_order(slept):
    looks = iter([False, False, True])
    done: list[str] = []
    loop = Loop()
    with loop.duty(lambda: done.append("first")), loop.duty(lambda: done.append("second")):
        loop.until(lambda: next(looks))
    assert len(slept) == 2
    assert done == ["first", "second"] * 2


def test_a_duty_ends_with_its_context(slept):
    done: list[bool] = []
    loop = Loop()
    with loop.duty(lambda: done.append(True)):
        pass
    loop.attend()
    assert done == slept == []


def test_an_error_of_a_duty_ends_the_wait():
    def look():
        raise InterruptedError

    loop = Loop()
    with loop.duty(look), pytest.raises(InterruptedError):
        loop.until(lambda: False)


def test_waiting_burns_no_core():
    begin = time.process_time()
    until(lambda: False, seconds=0.5)
    assert time.process_time() - begin < 0.05


class Stalled:
    """A communicator whose rank 0 has told how much comes, and how long to wait, and no more."""

    rank, size = 1, 2

    def Ibcast(self, buffer, root):  # noqa: N802
        assert root == 0
        is_head = buffer.dtype == float
        if is_head:
            buffer[:] = 5, 0.01
        return SimpleNamespace(Test=lambda: is_head)


@pytest.mark.usefixtures("slept")
def test_rank_0_tells_how_long_to_wait_for_it(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS_FOR_RANK_0", 0.01)
    with pytest.raises(SilenceError, match="not all of the 2 ranks have met in time"):
        waiting.broadcast(Stalled(), None)
