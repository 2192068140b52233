"""Signals: a flag that is checked, once; signals that the parent ignores stay ignored."""

import signal

import pytest

from s2rgb_mpi import signals
from s2rgb_mpi.errors import StopError

ALL = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def own():
    """Handlers and flags of the test's own."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signals._received.clear()  # noqa: SLF001


def test_nothing_has_come():
    signals.listen()
    signals.check()
    assert not signals.finishing()


def test_the_graceful_stop_is_a_flag_that_stays():
    signals.listen()
    signal.raise_signal(signal.SIGUSR1)
    assert signals.finishing()
    signals.check()
    assert signals.finishing()


def test_another_rank_may_have_heard_it():
    signals.finish()
    assert signals.finishing()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_raised_once(number):
    signals.listen()
    signal.raise_signal(number)
    with pytest.raises(StopError, match=rf"^stopped by {number.name}$") as caught:
        signals.check()
    assert caught.value.exit_code == 75
    signals.check()
    assert not signals.finishing()


@pytest.mark.parametrize("number", ALL)
def test_what_the_parent_has_ignored_stays_so(number):
    signal.signal(number, signal.SIG_IGN)
    signals.listen()
    signal.raise_signal(number)
    signals.check()
    assert not signals.finishing()


@pytest.mark.parametrize("number", ALL)
def test_an_ending_run_minds_none(number):
    signals.listen()
    signal.raise_signal(number)
    signals.ending()
    signal.raise_signal(number)
    signals.check()
    assert not signals.finishing()
