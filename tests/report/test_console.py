"""The output of a run while it lasts: progress, warnings and errors, and where they go."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.report import progress
from s2rgb_mpi.report.console import Report
from s2rgb_mpi.report.outputs import Wanted

PLACES = [(100 * number, 0, 100, 100) for number in range(100)]
"""100 windows of 10,000 pixels."""


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, to be set: ``clock.now = 12``."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def begin(clock):  # noqa: ARG001  it begins at 0
    """The function that begins a report as the user wants it."""

    reports = []

    def begin(**wanted):
        report = Report()
        report.listen(Wanted(**{"progress": "log"} | wanted))
        report.start(PLACES, [number % 3 for number in range(100)])
        reports.append(report)
        return report

    yield begin
    for report in reports:
        report.close()


@pytest.fixture
def report(begin):
    """A report on 100 windows, 1 million pixels, that tells its progress as lines."""
    return begin()


def advance(report, to, since=0, nbytes=0):
    report.advance(to, nbytes, [(number, 1000) for number in range(since, to)])


def test_progress_is_a_line_on_stderr(report, clock, capsys):
    clock.now = 10
    advance(report, 20, nbytes=2_500_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "s2rgb_mpi: 20 of 100 windows, 2.5 MB, 10 s, 0.02 Mpx/s, about 40 s left\n"


@pytest.mark.parametrize(
    ("seconds", "windows", "due"),
    [
        (10, 1, True),  # ten seconds are over
        (9, 4, False),  # neither ten seconds nor a twentieth
        (2, 5, True),  # a twentieth is done
        (0.9, 50, False),  # too soon after the line before
        (60, 100, False),  # all done: the summary says so
    ],
)
def test_a_line_comes_every_ten_seconds_or_twentieth(clock, seconds, windows, due):
    lines = progress.Lines(100, 1_000_000)
    clock.now = seconds
    assert (lines.advance(windows, 10_000 * windows, 0) is not None) == due


@pytest.mark.parametrize("done", [0, 300_000])
def test_there_is_no_line_before_the_first_window(clock, done):
    """However long that takes: the writer is heard of meanwhile."""
    lines = progress.Lines(100, 1_000_000, done)
    clock.now = 20
    assert lines.advance(0, done, 0) is None
    clock.now = 21
    line = lines.advance(done // 10_000 + 1, done + 10_000, 5000)
    assert line is not None
    assert "0.00 Mpx/s, about" in line


def test_progress_is_counted_from_the_line_before(report, clock, capsys):
    since = 0
    for clock.now, windows in ((10, 50), (19, 54), (20, 54), (21, 58), (21.5, 60), (22, 63)):
        advance(report, windows, since)
        since = windows
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["50", "54", "60"]


def test_windows_are_weighed_by_their_pixels(clock, capsys):
    report = Report()
    report.listen(Wanted(progress="log"))
    report.start([(0, 0, 100, 90), (100, 0, 100, 10)])
    clock.now = 9
    report.advance(1, 0, [(0, 1)])
    assert "1 of 2 windows" in (said := capsys.readouterr().err)
    assert "about 1 s left" in said


def test_verbose_says_every_window(begin, capsys):
    begin(verbose=True, progress="none").advance(2, 0, [(7, 1_500_000), (8, 0)])
    assert capsys.readouterr().err.splitlines() == [
        "s2rgb_mpi: window 7 (700, 0, 100, 100): 1.50 MB",
        "s2rgb_mpi: window 8 (800, 0, 100, 100): no data",
    ]


@pytest.mark.parametrize("wanted", [{"progress": "none"}, {"progress": "bar"}])
def test_without_lines_there_are_none(begin, clock, capsys, wanted):
    report = begin(**wanted)
    clock.now = 60
    advance(report, 50)
    assert "windows" not in capsys.readouterr().err


def test_the_end_is_said_line_by_line(report, capsys):
    report.done(["wrote rgb.tif", "decode-bound"])
    assert capsys.readouterr().err == "s2rgb_mpi: wrote rgb.tif\ns2rgb_mpi: decode-bound\n"


def test_quiet_keeps_all_but_errors(report, clock, capsys):
    report.quiet = True
    clock.now = 60
    advance(report, 50)
    report.warning("an odd offset")
    report.done(["wrote rgb.tif"])
    assert capsys.readouterr().err == ""
    report.error("no such file")
    assert capsys.readouterr().err == "s2rgb_mpi: error: no such file\n"


def test_what_was_asked_for_goes_to_stdout(report, capsys):
    report.text("the plan")
    assert capsys.readouterr() == ("the plan\n", "")


def test_an_error_is_its_own_words(report, capsys):
    report.error(InputError("S2A.SAFE: no such file"))
    assert capsys.readouterr().err == "s2rgb_mpi: error: S2A.SAFE: no such file\n"


def test_a_stop_names_the_files_that_are_not_written(begin, tmp_path, capsys):
    begin(log_file=tmp_path / "log").stopped("stopped by SIGUSR1: nothing is kept")
    assert capsys.readouterr().err == "s2rgb_mpi: stopped by SIGUSR1: nothing is kept\n"
    begin(html=Path("p.html")).stopped("stopped")
    said = capsys.readouterr().err
    assert said == "s2rgb_mpi: stopped; --html is not written before the image is whole\n"
    begin(html=Path("p.html"), report=Path("r.json")).stopped("stopped")
    said = capsys.readouterr().err
    assert said.endswith("; --report, --html are not written before the image is whole\n")


def test_a_warning_says_so_and_is_kept_for_the_files(report, capsys):
    report.warning("an odd offset")
    assert capsys.readouterr().err == "s2rgb_mpi: warning: an odd offset\n"
    assert report.warnings == ["an odd offset"]


def test_the_log_has_every_line_with_its_time_and_rank(begin, tmp_path, clock, capsys):
    path = tmp_path / "run.log"
    path.write_text("of the run before\n")
    report = begin(log_file=path)
    report.quiet = True
    clock.now = 10
    report.advance(50, 5_000_000, [(number, 100_000) for number in (7, 5)])
    report.error("rank 2: no such file")
    assert capsys.readouterr().err == "s2rgb_mpi: error: rank 2: no such file\n"
    first, *lines = path.read_text().splitlines()
    assert first == "of the run before"
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} "
    expected = [
        r"DEBUG   rank 1: window 7 \(700, 0, 100, 100\): 0\.10 MB",
        r"DEBUG   rank 2: window 5 \(500, 0, 100, 100\): 0\.10 MB",
        r"INFO    rank 0: 50 of 100 windows, .*",
        r"ERROR   rank 0: rank 2: no such file",
    ]
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(stamp + pattern, line), line


def test_a_log_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UsageError, match=f"^--log-file {tmp_path}: Is a directory$"):
        Report().listen(Wanted(log_file=tmp_path))


def test_a_bar_shows_pixels_and_makes_room_for_lines(begin, capsys):
    report = begin(progress="bar")
    advance(report, 50)
    report.warning("an odd offset")
    report.done(["wrote rgb.tif"])
    said = capsys.readouterr().err
    assert re.search(r" 50%\|.*\| 500k/1\.00M \[.*px/s\]", said)
    assert "\rs2rgb_mpi: warning: an odd offset\n" in said
    assert said.endswith("\rs2rgb_mpi: wrote rgb.tif\n")


def test_auto_is_a_bar_on_a_terminal_and_lines_elsewhere(begin, monkeypatch):
    monkeypatch.setattr("s2rgb_mpi.report.console.terminal", lambda: 100)
    on_terminal = begin(progress="auto")
    assert on_terminal.bar is not None
    assert on_terminal.bar.ncols == 100
    on_terminal.close()
    assert on_terminal.bar is None
    monkeypatch.setattr("s2rgb_mpi.report.console.terminal", lambda: None)
    assert begin(progress="auto").bar is None


@pytest.fixture
def parent(monkeypatch):
    """The function that makes a file descriptor the standard error of this process's parent."""
    saved = os.dup(2)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.setattr(os, "getppid", os.getpid)
    yield lambda handle: os.dup2(handle, 2)
    os.dup2(saved, 2)
    os.close(saved)


@pytest.fixture
def wide_terminal():
    """A terminal of 123 columns."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
    yield follower
    os.close(leader)
    os.close(follower)


def test_a_pipe_of_a_parent_with_a_terminal_is_that_terminal(parent, wide_terminal):
    parent(wide_terminal)
    assert progress.terminal() == 123


def test_a_terminal_without_a_size_shows_the_bar_too(monkeypatch):
    """As those have that `script` and other programs make: 0 rows of 0 columns."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        columns = progress.terminal()
        assert columns == 0
        progress.make_bar(100, columns).close()
        stderr.flush()
        os.set_blocking(leader, False)
        assert b"0.00/100" in os.read(leader, 10_000)
    os.close(leader)


@pytest.fixture
def between(tmp_path, monkeypatch):
    """The function that puts a process of some name between this one and its parent."""
    with ExitStack() as stack:

        def put(name):
            (tmp_path / name).symlink_to(sys.executable)
            command = [tmp_path / name, "-c", "print(flush=True); input()"]
            pipe, none = subprocess.PIPE, subprocess.DEVNULL
            started = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=none)
            process = stack.enter_context(started)
            assert process.stdout is not None
            process.stdout.readline()  # it has its name
            monkeypatch.setattr(os, "getppid", lambda: process.pid)

        yield put


@pytest.mark.parametrize(("name", "columns"), [("hydra_pmi_proxy", 123), ("sh", None)])
def test_a_proxy_of_mpirun_is_not_asked(parent, wide_terminal, between, name, columns):
    """Whatever else stands between was told by the user where to write."""
    parent(wide_terminal)
    between(name)
    assert progress.terminal() == columns


def test_a_pipe_of_a_parent_without_a_terminal_is_none(parent):
    read, write = os.pipe()
    parent(write)
    assert progress.terminal() is None
    os.close(read)
    os.close(write)


def test_a_parent_of_somebody_else_has_no_terminal_for_us(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.setattr(os, "getppid", lambda: 2**22 + 1)
    assert progress.terminal() is None
