"""What the run says, and where it says it."""

import sys
import time

import pytest

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.report import Report, Tally


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, to be set: ``clock.now = 12``."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def report(clock):  # noqa: ARG001  it begins at 0
    """A report on 100 windows, 10 million pixels."""
    report = Report()
    report.start(100, 10_000_000)
    return report


def test_progress_is_a_line_on_stderr(report, clock, capsys):
    clock.now = 10
    report.advance(25, 2_500_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "s2rgb_mpi: 25 of 100 windows, 2.5 MB, 10 s, about 30 s left\n"


@pytest.mark.parametrize(("seconds", "windows"), [(9, 99), (1000, 4)])
def test_progress_waits_for_ten_seconds_and_a_twentieth(report, clock, capsys, seconds, windows):
    clock.now = seconds
    report.advance(windows, 0)
    assert capsys.readouterr().err == ""


def test_progress_is_counted_from_the_line_before(report, clock, capsys):
    for clock.now, windows in ((10, 50), (19, 60), (30, 54), (31, 70)):
        report.advance(windows, 0)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["50", "70"]


def test_the_end_is_summed_up_by_role(report, clock, capsys):
    clock.now = 20
    tallies = [
        Tally("worker", {"read": 10.0, "encode": 1.0}, 100_000_000),
        Tally("worker", {"read": 12.0, "encode": 2.0}, 150_000_000),
        Tally("writer", {"append": 0.5}, 80_000_000),
    ]
    report.done("rgb.tif", 12_000_000, tallies)
    assert capsys.readouterr().err.splitlines() == [
        "s2rgb_mpi: wrote rgb.tif: 12.0 MB, 10.0 Mpx in 20.0 s (0.50 Mpx/s)",
        "s2rgb_mpi: 2 workers: read 22.0 s, encode 3.0 s; peak memory 150 MB",
        "s2rgb_mpi: 1 writer: append 0.5 s; peak memory 80 MB",
    ]


def test_quiet_keeps_all_but_errors(report, clock, capsys):
    report.quiet = True
    clock.now = 60
    report.advance(50, 0)
    report.done("rgb.tif", 1, [])
    assert capsys.readouterr().err == ""
    report.error("no such file")
    assert capsys.readouterr().err == "s2rgb_mpi: error: no such file\n"


def test_what_was_asked_for_goes_to_stdout(report, capsys):
    report.text("the plan")
    assert capsys.readouterr() == ("the plan\n", "")


def test_an_error_is_its_own_words(report, capsys):
    report.error(InputError("S2A.SAFE: no such file"))
    assert capsys.readouterr().err == "s2rgb_mpi: error: S2A.SAFE: no such file\n"


def test_a_warning_says_so(report, capsys):
    report.warning("an odd offset")
    assert capsys.readouterr().err == "s2rgb_mpi: warning: an odd offset\n"


def test_on_a_terminal_progress_is_a_bar(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    report = Report()
    report.start(4, 1000)
    report.advance(2, 0)
    clock.now = 1
    report.done("rgb.tif", 0, [])
    said = capsys.readouterr().err
    assert "0/4" in said
    assert "windows, " not in said
    assert "s2rgb_mpi: wrote rgb.tif" in said


def test_a_tally_adds_up_the_time_of_each_stage(monkeypatch):
    ticks = iter([0.0, 1.0, 10.0, 12.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    tally = Tally("worker")
    for _ in range(2):
        with tally.stage("read"):
            pass
    assert tally.seconds == {"read": 3.0}


def test_a_stage_that_fails_is_timed_too():
    tally = Tally("worker")
    with pytest.raises(InterruptedError), tally.stage("read"):
        raise InterruptedError
    assert tally.seconds["read"] > 0


def test_a_closed_tally_knows_the_peak_of_memory():
    assert 10_000_000 < Tally("worker").close().peak_nbytes < 10**12
