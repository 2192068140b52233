"""The journal: its blocks are on disk; damage to it never leads to a wrong image."""

import os
import random
import re
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

from s2rgb_mpi.errors import OutputError, ProtocolError, UsageError
from s2rgb_mpi.image.block import Block, Kind, Piece
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.journal import COMMIT_NBYTES, COMMIT_SECONDS, Journal
from s2rgb_mpi.output.paths import journal_path, part_path
from stopped import all_blocks, begin, largest_file, left, make_plan, resume, stop

HISTOGRAM = np.arange(3 * 256, dtype=np.uint32).reshape(3, 256)
FIELDS = {"level": "4", "crs": 'PROJCRS["UTM 32N"]\né'}


def make_block(window, *sizes):
    pieces = [
        Piece.of(Kind.TILE, bytes([window]) * n, row=window, col=col) for col, n in enumerate(sizes)
    ]
    return Block(window, pieces, HISTOGRAM + window)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rgb.tif.journal"
    journal.begin(path, FIELDS)
    return path


@pytest.fixture
def part(tmp_path):
    return tmp_path / "rgb.tif.part"


def keep(path, part, *blocks):
    """Append blocks to a partial file, and their records to its journal."""
    log = Journal(path, lambda: None)
    with part.open("ab") as file:
        for block in blocks:
            log.add(block, file.tell())
            file.write(b"".join(piece.data for piece in block.pieces))
    log.commit()
    log.close()


def numbers(path):
    return [record.header.window for record in journal.records(path)]


def test_fields_come_out_as_they_went_in(path):
    assert journal.fields_of(path) == FIELDS
    assert numbers(path) == []


def test_blocks_come_out_as_they_went_in(path, part):
    made = [make_block(4, 10, 0, 3), make_block(0), make_block(2, 7)]
    keep(path, part, *made)
    content = part.read_bytes()
    found = list(journal.blocks(path, lambda offset, nbytes: content[offset : offset + nbytes]))
    assert [offset for _, offset in found] == [0, 13, 13]
    for (block, _), expected in zip(found, made, strict=True):
        assert (block.window, block.pieces) == (expected.window, expected.pieces)
        np.testing.assert_array_equal(block.histogram, expected.histogram)


def test_a_block_that_is_not_what_its_record_says_is_an_error(path, part):
    keep(path, part, make_block(1, 5))
    with pytest.raises(ProtocolError, match="window 1"):
        list(journal.blocks(path, lambda _, nbytes: bytes(nbytes)))


def test_pieces_are_on_the_disk_before_their_record(path):
    moments = []
    log = Journal(path, lambda: moments.append(path.stat().st_size))
    empty = path.stat().st_size
    log.add(make_block(1, 5), 0)
    assert moments == []
    log.commit()
    assert moments == [empty]
    assert path.stat().st_size > empty


def test_without_a_block_there_is_nothing_to_wait_for(path):
    log = Journal(path, lambda: pytest.fail("the disk was waited for"))
    log.commit()
    assert not log.is_due


def test_the_disk_is_waited_for_once_a_second(path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = Journal(path, lambda: None)
    now[0] += COMMIT_SECONDS + 1
    assert not log.is_due  # nothing has come
    log.add(make_block(1, 5), 0)
    assert log.is_due
    log.commit()
    log.add(make_block(2, 5), 5)
    assert not log.is_due
    now[0] += COMMIT_SECONDS + 1
    assert log.is_due


def test_the_disk_is_waited_for_after_many_bytes(path):
    log = Journal(path, lambda: None)
    log.add(make_block(1, COMMIT_NBYTES // 2), 0)
    assert not log.is_due
    log.add(make_block(2, COMMIT_NBYTES // 2 + 1), 0)
    assert log.is_due


def test_more_can_be_added_while_the_disk_is_waited_for(path):
    goes_on = threading.Event()

    def slow():
        assert goes_on.wait(10)

    log = Journal(path, slow)
    empty = path.stat().st_size
    log.add(make_block(0, 3), 0)
    log.begin_commit()
    log.add(make_block(1, 4), 3)
    log.begin_commit()  # the first is not over: this one is left for later
    assert path.stat().st_size == empty
    goes_on.set()
    log.commit()
    log.close()
    assert numbers(path) == [0, 1]


def test_what_goes_wrong_meanwhile_is_raised_at_the_next_commit(path):
    def full():
        raise OutputError("no space left")

    log = Journal(path, full)
    log.add(make_block(0, 3), 0)
    log.begin_commit()
    log.add(make_block(1, 3), 3)
    with pytest.raises(OutputError, match="no space left"):
        log.commit()
    assert numbers(path) == []


def test_a_journal_torn_at_any_byte_ends_with_the_last_whole_record(path, part):
    ends = [path.stat().st_size]
    for window in range(2):
        keep(path, part, make_block(window, 3, 4))
        ends.append(path.stat().st_size)
    for size in reversed(range(ends[0], ends[-1])):
        os.truncate(path, size)
        assert numbers(path) == list(range(sum(size >= end for end in ends[1:])))


def test_a_journal_torn_in_its_first_line_is_none(path):
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert journal.fields_of(path) is None


def test_any_flipped_byte_ends_the_journal(path, part):
    begin = path.stat().st_size
    keep(path, part, make_block(0, 3))
    middle = path.stat().st_size
    keep(path, part, make_block(1, 3))
    with path.open("r+b", buffering=0) as file:
        for place, byte in list(enumerate(path.read_bytes()))[begin:]:
            os.pwrite(file.fileno(), bytes([byte ^ 0xFF]), place)
            assert numbers(path) == list(range((place - begin) // (middle - begin)))
            os.pwrite(file.fileno(), bytes([byte]), place)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b"\xff\xfe\n",
        b'{"journal": 1, "fields": {}}\n',
        b'{"journal": 2, "fields": []}\n',
        b'{"journal": 2}\n',
        b"[" * 100_000 + b"\n",
        b" " * 2 * journal.LARGEST_HEADER,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_what_is_no_journal_of_this_version_is_refused(path, line):
    path.write_bytes(line)
    words = f"{path}: not a journal of this version; --overwrite without --resume starts anew"
    with pytest.raises(UsageError, match=re.escape(words)):
        journal.fields_of(path)


def test_mending_keeps_what_is_whole(path, part):
    keep(path, part, make_block(1, 5), make_block(0, 6))
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(before[-100:])
    with part.open("ab") as file:
        file.write(b"torn")
    assert journal.mend(path, part, 2) == {0, 1}
    assert path.read_bytes() == before
    assert part.stat().st_size == 11
    assert list(path.parent.glob("*-new")) == []


@pytest.mark.parametrize(
    ("size", "kept"), [(11, {0, 1}), (10, {1}), (5, {1}), (4, set()), (0, set())]
)
def test_mending_drops_blocks_that_are_not_there(path, part, size, kept):
    keep(path, part, make_block(1, 5), make_block(0, 6))
    os.truncate(part, size)
    assert journal.mend(path, part, 2) == kept
    assert set(numbers(path)) == kept
    assert part.stat().st_size == {2: 11, 1: 5, 0: 0}[len(kept)]


def test_mending_drops_a_block_in_the_middle_and_keeps_those_behind_it(path, part):
    keep(path, part, make_block(1, 5), make_block(0, 6), make_block(2, 7))
    content = bytearray(part.read_bytes())
    content[5] ^= 1
    part.write_bytes(content)
    assert journal.mend(path, part, 3) == {1, 2}
    assert part.read_bytes() == bytes(content)


def test_mending_drops_windows_that_could_not_be_read(path, part):
    """They are tried again."""
    cause = Block(1, [Piece.of(Kind.CAUSE, b"the file is gone")], HISTOGRAM)
    keep(path, part, make_block(0, 5), cause, make_block(2, 7))
    assert journal.mend(path, part, 3) == {0, 2}


def test_mending_drops_what_is_not_in_the_plan_or_comes_again(path, part):
    keep(path, part, make_block(0, 5), make_block(0, 5), make_block(2, 7))
    assert journal.mend(path, part, 2) == {0}
    assert part.stat().st_size == 5


def test_mending_looks_after_the_rest_meanwhile(path, part):
    keep(path, part, make_block(0, 5), make_block(1, 7))
    looks: list[int] = []
    journal.mend(path, part, 2, lambda: looks.append(1))
    assert len(looks) == 2


def test_a_full_disk_leaves_the_journal_as_it_was(path, part):
    keep(path, part, make_block(0, 5))
    before = path.read_bytes()
    with largest_file(100), pytest.raises(OutputError, match=f"{path}: File too large"):
        journal.mend(path, part, 1)
    assert path.read_bytes() == before
    assert list(path.parent.glob("*-new")) == []


def test_a_journal_that_cannot_be_written_is_an_output_error_and_true(path, part):
    keep(path, part, make_block(0, 5))
    log = Journal(path, lambda: None)
    log.add(make_block(1, 5), 5)
    with largest_file(path.stat().st_size + 50), pytest.raises(OutputError, match="File too large"):
        log.commit()
    assert numbers(path) == [0]


class Stopped(NamedTuple):
    """A run that was stopped after 12 of 20 windows, to be damaged."""

    journal: bytes
    part: bytes
    whole: bytes
    """The file of an uninterrupted run."""


@pytest.fixture(scope="module")
def made(safe, tmp_path_factory):
    return all_blocks(make_plan(safe, tmp_path_factory.mktemp("made") / "rgb.tif"))


@pytest.fixture(scope="module")
def stopped(safe, made, tmp_path_factory):
    plan = make_plan(safe, tmp_path_factory.mktemp("stopped") / "rgb.tif")
    whole = resume(plan, made)
    plan.job.output.unlink()
    # Not in the order of the plan, so that tiles that span windows are whole and not whole.
    order = random.Random(5).sample(made, 12)  # noqa: S311  no secret
    stop(plan, order)
    return Stopped(journal_path(plan).read_bytes(), part_path(plan).read_bytes(), whole)


@pytest.fixture
def resumes(safe, made, stopped, tmp_path):
    """The function that resumes a run from a journal and a partial file, and compares the image."""
    plan = make_plan(safe, tmp_path / "rgb.tif")

    def check(journal_bytes, part_bytes):
        journal_path(plan).write_bytes(journal_bytes)
        part_path(plan).write_bytes(part_bytes)
        assert resume(plan, made) == stopped.whole
        assert left(plan) == {""}
        plan.job.output.unlink()

    return check


def test_a_stopped_run_is_resumed_to_the_same_bytes(resumes, stopped):
    resumes(stopped.journal, stopped.part)


def test_torn_tails_are_made_again(resumes, stopped):
    """As a power cut leaves them: any length of either file."""
    first = stopped.journal.index(b"\n") + 1
    rng = random.Random(6)  # noqa: S311  no secret
    for _ in range(6):
        torn = stopped.journal[: rng.randint(first, len(stopped.journal))]
        resumes(torn, stopped.part)
        resumes(stopped.journal, stopped.part[: rng.randrange(len(stopped.part))])
        resumes(torn, stopped.part[: rng.randrange(len(stopped.part))] + bytes(100))


def test_flipped_bytes_are_made_again_or_refused(resumes, stopped):
    rng = random.Random(7)  # noqa: S311  no secret
    first = stopped.journal.index(b"\n") + 1
    refused = []
    for round_number in range(24):
        damaged = [bytearray(stopped.journal), bytearray(stopped.part)]
        which = damaged[round_number % 2]
        # Every other flip of the journal hits its first line.
        end = first if round_number % 4 == 0 else len(which)
        place = rng.randrange(end)
        which[place] ^= 1 << rng.randrange(8)
        try:
            resumes(*map(bytes, damaged))
        except UsageError as error:
            refused.append((place, str(error)))
    assert refused
    for place, words in refused:
        assert place < first, words
        assert re.search(r"not a journal|begun by another job|exists already", words)


def test_a_part_file_of_another_run_is_made_again(resumes, stopped):
    resumes(stopped.journal, bytes(len(stopped.part)))
    resumes(stopped.journal, stopped.part[::-1])


def test_blocks_that_came_twice_count_once(resumes, stopped):
    first = stopped.journal.index(b"\n") + 1
    resumes(stopped.journal + stopped.journal[first:], stopped.part)


def test_a_file_that_changes_after_it_was_mended_is_no_image(safe, made, stopped, tmp_path):
    """What the writer reads back is held against its CRC-32 once more."""
    plan = make_plan(safe, tmp_path / "rgb.tif", resume=True)
    journal_path(plan).write_bytes(stopped.journal)
    part_path(plan).write_bytes(stopped.part)
    output = begin(plan, made)
    with part_path(plan).open("r+b") as file:
        place = next(journal.records(journal_path(plan))).offset  # its first piece is a tile
        os.pwrite(file.fileno(), bytes([stopped.part[place] ^ 1]), place)
    with pytest.raises(OutputError, match="are damaged: CRC-32 differs"):
        output.finish()
    assert not plan.job.output.exists()
