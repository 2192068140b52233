"""The lock: a running run keeps its output; the lock of an ended run is void."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from s2rgb_mpi.errors import OutputError, TakenError, UsageError
from s2rgb_mpi.output.lock import REFRESH_SECONDS, STALE_SECONDS, Lock, SlurmStart
from stopped import largest_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rgb.tif.lock"


@pytest.fixture
def owner(path):
    """What this very process writes into a lock."""
    Lock(path).release()
    taken = Lock(path)
    found = json.loads(path.read_bytes())
    taken.release()
    return found


def leave(path, owner, *, age=0.0):
    """Leave a lock of that owner, refreshed so many seconds ago."""
    path.write_text(json.dumps(owner))
    then = time.time() - age
    os.utime(path, (then, then))


def assert_taken_over(path, start=None):
    taken = Lock(path, start)
    assert json.loads(path.read_bytes())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == [path]
    taken.release()
    assert list(path.parent.iterdir()) == []


def assert_refused(path, words, start=None):
    before = path.read_bytes()
    with pytest.raises(UsageError, match=words):
        Lock(path, start)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_second_run_is_refused_with_process_and_machine(path):
    Lock(path)
    words = f"{path}: process {os.getpid()} on {socket.gethostname()} is writing this output"
    assert_refused(path, re.escape(words))


def test_what_was_released_can_be_taken(path):
    Lock(path).release()
    assert_taken_over(path)


def test_a_process_that_is_gone_has_no_lock(path, owner):
    with subprocess.Popen(["true"]) as process:
        pass
    leave(path, owner | {"pid": process.pid})
    assert_taken_over(path)


def test_what_was_left_while_a_lock_was_taken_is_removed(path, owner):
    with subprocess.Popen(["true"]) as process:
        pass
    contents = {
        "0123abcd": json.dumps(owner | {"pid": process.pid}),  # of a process that has ended
        "4567abcd": json.dumps(owner),  # of one that is taking the lock just now
        "89ababcd": "",  # likewise
        "notes": json.dumps(owner | {"pid": process.pid}),  # no name of ours
    }
    strays = {end: path.with_name(f"{path.name}-{end}") for end in contents}
    for end, content in contents.items():
        strays[end].write_text(content)
    Lock(path).release()
    del strays["0123abcd"]
    assert set(path.parent.iterdir()) == set(strays.values())


def test_a_process_that_only_waits_to_be_reaped_has_no_lock(path, owner):
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        state, *fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        assert state == "Z"
        leave(path, owner | {"pid": process.pid, "started": fields[18]})
        assert_taken_over(path)


def test_a_number_that_another_process_has_now_is_no_lock(path, owner):
    leave(path, owner | {"started": str(int(owner["started"]) - 1)})
    assert_taken_over(path)


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"pid_namespace": "pid:[1]"}])
def test_a_lock_of_processes_that_cannot_be_seen_lives_while_it_is_refreshed(path, owner, change):
    """Their numbers mean nothing here: that of this process may even be among them."""
    leave(path, owner | change | {"pid": 2**22 + 1}, age=STALE_SECONDS - 20)
    assert_refused(path, "process 4194305 on ")
    leave(path, owner | change, age=STALE_SECONDS + 20)
    assert_taken_over(path)


def test_an_earlier_start_of_the_same_slurm_job_has_no_lock(path, owner):
    leave(path, owner | {"host": "elsewhere", "slurm": ["17", 0]})
    assert_taken_over(path, SlurmStart("17", 1))


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (["17", 1], SlurmStart("17", 1)),  # two steps of one job
        (["17", 2], SlurmStart("17", 1)),
        (["16", 0], SlurmStart("17", 1)),
        (["17", 0], None),
        (None, SlurmStart("17", 1)),
        ("nonsense", SlurmStart("17", 1)),
        ([17, "0"], SlurmStart("17", 1)),
    ],
)
def test_another_job_or_start_of_slurm_has_its_lock(path, owner, there, here):
    leave(path, owner | {"host": "elsewhere", "slurm": there})
    assert_refused(path, "on elsewhere is writing", here)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"pid": "x"}', b"null"])
def test_a_lock_that_cannot_be_read_is_nobodys(path, content):
    """A lock is whole from its first moment, so no run can hold such a one."""
    path.write_bytes(content)
    assert_taken_over(path)


def test_a_lock_is_whole_from_its_first_moment(path, monkeypatch):
    seen = []
    link = os.link

    def watched(new, place):
        seen.append((path.exists(), json.loads(Path(new).read_bytes())["pid"]))
        link(new, place)

    monkeypatch.setattr(os, "link", watched)
    Lock(path)
    assert seen == [(False, os.getpid())]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("ahead", [20, 10 * STALE_SECONDS])
@pytest.mark.parametrize("alive", [True, False])
def test_a_lock_of_the_future_lives_if_it_is_refreshed(path, owner, monkeypatch, ahead, alive):
    """As where somebody set the clock back: its age says nothing."""
    leave(path, owner | {"host": "elsewhere"}, age=-ahead)
    slept = [0.0]

    def sleep(seconds):
        slept[0] += seconds
        if alive and slept[0] > REFRESH_SECONDS:
            os.utime(path)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: slept[0])
    if alive:
        assert_refused(path, "on elsewhere is writing")
    else:
        assert_taken_over(path)
    assert slept[0] < STALE_SECONDS / 4


def test_of_two_that_find_a_dead_lock_one_has_it(path, owner, monkeypatch):
    """The other one takes it away first, and has a lock of its own by the time we do."""
    theirs = json.dumps(owner | {"host": "elsewhere"}).encode()
    looks: list[dict[str, str]] = []

    def overtaken(_, found):
        if not looks:
            path.write_bytes(theirs)
        looks.append(found)
        return found["host"] != "elsewhere"

    leave(path, owner | {"host": "dead"})
    monkeypatch.setattr(Lock, "_is_dead", overtaken)
    with pytest.raises(UsageError, match="on elsewhere is writing"):
        Lock(path)
    assert [each["host"] for each in looks] == ["dead", "elsewhere"]
    assert path.read_bytes() == theirs
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture
def later(monkeypatch):
    """The function that lets time pass."""
    passed = [0.0]
    now = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: now() + passed[0])

    def wait(seconds):
        passed[0] += seconds

    return wait


def test_a_lock_is_refreshed_every_ten_seconds(path, later):
    taken = Lock(path)
    os.utime(path, (0, 0))
    taken.refresh()
    assert path.stat().st_mtime == 0
    later(REFRESH_SECONDS + 1)
    taken.refresh()
    assert path.stat().st_mtime > time.time() - STALE_SECONDS


@pytest.mark.parametrize("theirs", [b'{"host": "elsewhere"}', None])
def test_a_run_whose_lock_was_taken_ends(path, later, theirs):
    """It was suspended so long that another machine took it for ended."""
    taken = Lock(path)
    path.unlink()
    if theirs:
        path.write_bytes(theirs)
        os.utime(path, (0, 0))
    later(REFRESH_SECONDS + 1)
    with pytest.raises(TakenError, match="another run has taken this output"):
        taken.refresh()
    if theirs:
        assert path.stat().st_mtime == 0


def test_a_folder_that_was_removed_is_named(path, later):
    taken = Lock(path)
    path.unlink()
    path.parent.rmdir()
    later(REFRESH_SECONDS + 1)
    with pytest.raises(OutputError, match=f"{path.parent}: the folder was removed"):
        taken.refresh()


def test_a_full_disk_leaves_no_lock(path):
    with largest_file(10), pytest.raises(OutputError, match=f"{path}: File too large"):
        Lock(path)
    assert list(path.parent.iterdir()) == []
