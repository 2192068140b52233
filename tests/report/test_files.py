"""Files are whole or missing, and files that cannot be written are rejected before the start."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.report import outputs as wanted_module
from s2rgb_mpi.report.files import write
from s2rgb_mpi.report.outputs import Wanted

OUTPUT = Path("rgb.tif")


def test_a_file_is_written_in_place_of_what_was_there(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    write(path, b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(self, _):
        os.close(os.open(self, os.O_CREAT))  # it got so far
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    words = f"{path}: No space left on device; the image is whole"
    with pytest.raises(OutputError, match=re.escape(words)):
        write(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "absent" / "r.json"
    with pytest.raises(UsageError, match=f"^--report {path}: No such file or directory$"):
        Wanted(report=path).check(OUTPUT)


@pytest.mark.parametrize("path", ["/dev/null", "/tmp"])  # noqa: S108  never written to
def test_what_is_no_file_is_refused(path):
    with pytest.raises(UsageError, match=f"^--trace {path}: is not a regular file$"):
        Wanted(trace=Path(path)).check(OUTPUT)
    assert not Path(path).is_file()


def test_a_folder_that_cannot_be_written_to_is_refused():
    # /proc refuses root too.
    with pytest.raises(UsageError, match=r"--quicklook /proc/q\.png: "):
        Wanted(quicklook=Path("/proc/q.png")).check(OUTPUT)


def test_a_check_that_passes_leaves_nothing(tmp_path):
    Wanted(report=tmp_path / "r.json", log_file=tmp_path / "log").check(OUTPUT)
    assert list(tmp_path.iterdir()) == []


def test_one_file_for_two_things_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(UsageError, match=f"--trace {path}: is the file of --report too"):
        Wanted(report=path, trace=tmp_path / "." / "x.json").check(OUTPUT)
    with pytest.raises(UsageError, match=f"--html {path}: is the file of --output too"):
        Wanted(html=path).check(path)


def test_a_page_without_matplotlib_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(wanted_module, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 's2rgb-mpi\[html\]'"):
        Wanted(html=tmp_path / "r.html").check(OUTPUT)
    Wanted(report=tmp_path / "r.json").check(OUTPUT)


def test_an_item_without_pystac_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(wanted_module, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"--stac needs pystac: pip install 's2rgb-mpi\[stac\]'"):
        Wanted(stac=tmp_path / "item.json").check(OUTPUT)


@pytest.mark.parametrize(
    ("option", "spans"),
    [("report", False), ("quicklook", False), ("stac", False), ("trace", True), ("html", True)],
)
def test_spans_are_kept_only_for_what_shows_them(option, spans):
    wanted = replace(Wanted(), **{option: Path("x")})  # type: ignore[arg-type]
    assert wanted.spans == spans
    assert wanted.files == {f"--{option}": Path("x")}
