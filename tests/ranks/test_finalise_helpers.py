"""Finalising in parallel: the orders to workers, and the same file whatever they reply."""

import os
import zlib
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from ranked import make_rank
from s2rgb_mpi.errors import OutputError, SilenceError
from s2rgb_mpi.output.geotiff.copying import Copies
from s2rgb_mpi.ranks import finalise_helpers
from s2rgb_mpi.ranks.finalise_helpers import Helpers, help_finalise
from s2rgb_mpi.ranks.messages import Copy, Ready, Tag
from s2rgb_mpi.timing import Tally

WRITER = 3


class Post:
    """Messages between ranks that are threads of this process."""

    def __init__(self):
        self.boxes = defaultdict(deque)
        self.elsewhere = set()

    def of(self, rank):
        """Return the communicator of a rank."""

        def isend(message, *, dest, tag):
            if tag == Tag.READY and rank in self.elsewhere:
                message = Ready("another machine")
            self.boxes[rank, dest, tag].append(message)
            return SimpleNamespace(test=lambda: (True, None))

        return SimpleNamespace(
            rank=rank,
            size=WRITER + 1,
            isend=isend,
            Iprobe=lambda *, source, tag: bool(self.boxes[source, rank, tag]),
            recv=lambda *, source, tag: self.boxes[source, rank, tag].popleft(),
        )


@pytest.fixture
def copies(tmp_path):
    """Twelve tiles of 10 bytes, in the opposite order."""
    source, target = tmp_path / "part", tmp_path / "final"
    source.write_bytes(bytes(range(120)))
    target.touch()
    tiles = [
        (110 - place, place, 10, zlib.crc32(bytes(range(110 - place, 120 - place))))
        for place in range(0, 120, 10)
    ]
    return Copies(source, target, framed=False, tiles=np.array(tiles, dtype=np.uint64))


def is_whole(copies):
    content = copies.source.read_bytes()
    tens = [content[begin : begin + 10] for begin in range(0, 120, 10)]
    return copies.target.read_bytes() == b"".join(tens[::-1])


@pytest.fixture
def post(monkeypatch):
    monkeypatch.setattr(finalise_helpers, "LEAST_NBYTES", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    return Post()


def lend(comm, tally, look=lambda: None):
    rank = make_rank(comm, tally)
    with rank.loop.duty(look):
        help_finalise(rank)


@pytest.fixture
def finalise(post, copies):
    """The function that has the tiles copied while ranks 1 and 2 wait; returns their tallies."""

    def run(look=lambda: None):
        tallies = [Tally("worker", rank=rank) for rank in (1, 2)]
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(lend, post.of(tally.rank), tally, look) for tally in tallies]
            asking = Helpers(make_rank(post.of(WRITER)), [1, 2], 30)
            asking.copy(copies)
            asking.release()
            for one in waiting:
                one.result()
        return tallies

    return run


def helped(tallies):
    return [tally.rank for tally in tallies if "finalise" in tally.seconds]


def test_all_on_the_machine_copy_their_part(post, finalise, copies, monkeypatch):
    sizes = []
    run = Copies.run

    def record(part, attend):
        sizes.append(part.nbytes)
        run(part, attend)

    monkeypatch.setattr(Copies, "run", record)
    assert helped(finalise()) == [1, 2]
    assert sizes == [40, 40, 40]
    assert is_whole(copies)
    assert not any(post.boxes.values())  # every message was taken


def test_workers_on_other_machines_are_dismissed(post, finalise, copies):
    post.elsewhere = {2}
    assert helped(finalise()) == [1]
    assert is_whole(copies)


def test_a_worker_with_another_file_of_that_name_declines(finalise, copies, monkeypatch):
    """As in a container: then the writer copies that part as well."""
    monkeypatch.setattr(finalise_helpers, "has_same_files", lambda *_: False)
    finalise()
    assert is_whole(copies)


def test_files_are_distinguished_by_more_than_their_names(copies, tmp_path):
    files = finalise_helpers.files_of(copies)
    assert finalise_helpers.has_same_files(copies, files)
    (tmp_path / "other").write_bytes(copies.source.read_bytes())
    (tmp_path / "other").replace(copies.source)
    assert not finalise_helpers.has_same_files(copies, files)
    copies.source.unlink()
    assert not finalise_helpers.has_same_files(copies, files)


def test_for_few_bytes_no_helper_is_used(finalise, copies, monkeypatch):
    monkeypatch.setattr(finalise_helpers, "LEAST_NBYTES", 121)
    assert helped(finalise()) == []
    assert is_whole(copies)


def test_no_more_helpers_are_used_than_there_are_cores(finalise, copies, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert helped(finalise()) == [1]
    assert is_whole(copies)


def test_without_a_file_to_finalise_all_are_dismissed(post):
    """The run was stopped before the last window."""
    tallies = [Tally("worker", rank=rank) for rank in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        for tally in tallies:
            pool.submit(lend, post.of(tally.rank), tally)
        Helpers(make_rank(post.of(WRITER)), [1, 2], 30).release()
    assert helped(tallies) == []
    assert not any(post.boxes.values())  # every message was taken


def test_a_helper_that_is_silent_is_named(post, copies):
    post.boxes[1, WRITER, Tag.READY].append(Ready(finalise_helpers.machine()))
    words = "rank 1 has sent no message for 0.05 s .--timeout. while the image is finalised"
    with pytest.raises(SilenceError, match=words):
        Helpers(make_rank(post.of(WRITER)), [1], 0.05).copy(copies)


def test_what_a_helper_cannot_copy_ends_it(post, copies):
    os.truncate(copies.source, 40)
    post.boxes[WRITER, 1, Tag.COPY].append(Copy(copies, finalise_helpers.files_of(copies)))
    with pytest.raises(OutputError, match="10 bytes at 110 are not there any more"):
        lend(post.of(1), Tally("worker"))


def test_the_rest_is_attended_while_waiting_and_copying(finalise):
    moments = []
    finalise(lambda: moments.append(True))
    assert len(moments) > 8  # at least once a tile
