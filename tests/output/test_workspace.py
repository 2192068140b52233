"""The output is claimed, begun, resumed and removed; files of other runs are left alone."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from s2rgb_mpi.errors import OutputError, StrictError, TakenError, UsageError
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import Stretch, Tci
from s2rgb_mpi.output.paths import journal_path, lock_path, part_path
from s2rgb_mpi.output.workspace import claim, clear
from s2rgb_mpi.plan.deal import deal
from stopped import all_blocks, begin, largest_file, left, make_plan, resume, stop

BEGUN = {".journal", ".lock", ".part", ".final"}


@pytest.fixture(scope="module")
def made(safe, tmp_path_factory):
    return all_blocks(make_plan(safe, tmp_path_factory.mktemp("made") / "rgb.tif"))


@pytest.fixture
def plan(safe, tmp_path):
    return make_plan(safe, tmp_path / "rgb.tif")


def asked(plan, **options):
    return replace(plan, job=replace(plan.job, **options))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_refused(plan, words):
    """Existing files are unchanged, and no file is added."""
    before = contents(plan.job.output.parent)
    with pytest.raises(UsageError, match=f"^{re.escape(words)}$"):
        claim(plan)
    assert contents(plan.job.output.parent) == before


def test_a_run_begins_with_its_files_beside_the_output(plan):
    taken = claim(plan)
    assert left(plan) == BEGUN
    assert taken.plan.done == frozenset()
    assert taken.lock.path == lock_path(plan)


def test_where_nothing_is_left_resume_begins(plan):
    assert claim(asked(plan, resume=True)).plan.done == frozenset()
    assert left(plan) == BEGUN


@pytest.mark.parametrize("resume", [False, True])
def test_an_output_that_is_there_is_refused(plan, resume):
    output = plan.job.output
    output.write_bytes(b"precious")
    assert_refused(asked(plan, resume=resume), f"{output}: exists already; --overwrite replaces it")


def test_a_map_of_sources_that_is_there_is_refused_where_nothing_is_resumed(plan):
    """With --resume too, which job scripts always give: the file may be of something else."""
    there = plan.job.output.with_name("other.tif")
    there.write_bytes(b"theirs")
    assert_refused(
        asked(plan, resume=True, source_map=there),
        f"{there}: exists already; --overwrite replaces it",
    )
    assert there.read_bytes() == b"theirs"


def test_what_a_stopped_run_has_left_is_not_overwritten(plan, made):
    stop(plan, made[:7])
    words = "7 of 20 windows of a stopped run; --resume continues, --overwrite starts anew"
    assert_refused(plan, f"{part_path(plan)}: {words}")


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("journal", [None, b"", b'{"journal": 2, "fie'])
def test_a_part_file_without_a_journal_is_not_overwritten(plan, resume, journal):
    part_path(plan).write_bytes(b"precious")
    if journal is not None:
        journal_path(plan).write_bytes(journal)
    words = (
        f"{part_path(plan)}: left by a stopped run, but without its journal nothing of it can be"
        " used; --overwrite starts anew"
    )
    assert_refused(asked(plan, resume=resume), words)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("journal", [None, b"", b'{"journal": 2, "fie'])
def test_files_without_a_byte_of_use_do_not_keep_a_run_from_beginning(plan, resume, journal):
    part_path(plan).write_bytes(b"")
    if journal is not None:
        journal_path(plan).write_bytes(journal)
    assert claim(asked(plan, resume=resume)).plan.done == frozenset()
    assert left(plan) == BEGUN


def test_overwrite_starts_anew(plan, made):
    stop(plan, made[:7])
    taken = claim(asked(plan, overwrite=True))
    assert taken.plan.done == frozenset()
    assert part_path(plan).read_bytes() == b""
    clear(taken.plan, None)
    assert left(plan) == set()


def test_overwrite_starts_anew_where_the_journal_cannot_be_read(plan, made):
    stop(plan, made[:7])
    journal_path(plan).write_bytes(journal_path(plan).read_bytes().replace(b"fields", b"feelds"))
    for options in ({}, {"resume": True}, {"resume": True, "overwrite": True}):
        words = "not a journal of this version; --overwrite without --resume starts anew"
        assert_refused(asked(plan, **options), f"{journal_path(plan)}: {words}")
    assert claim(asked(plan, overwrite=True)).plan.done == frozenset()


def test_overwrite_leaves_the_old_image_until_the_new_one_is_whole(plan, made):
    plan.job.output.write_bytes(b"old")
    output = begin(asked(plan, overwrite=True), made)
    assert plan.job.output.read_bytes() == b"old"
    output.finish()
    assert plan.job.output.read_bytes()[:4] == b"II*\0"


def test_resume_continues_with_the_missing_windows(plan, made):
    said = stop(plan, made[:7])
    assert said == (
        f"7 of 20 windows are kept in {part_path(plan)}; the same command with --resume continues"
    )
    assert left(plan) == {".journal", ".part"}
    taken = claim(asked(plan, resume=True)).plan
    assert taken.done == {block.window for block in made[:7]}
    shares = deal(taken, 3)
    dealt = {number for share in shares for number in share}
    assert dealt == {block.window for block in made[7:]}


def test_an_old_image_may_be_replaced_by_a_resumed_run(plan, made):
    """That was settled with --overwrite when it began."""
    plan.job.output.write_bytes(b"old")
    stop(asked(plan, overwrite=True), made[:7])
    assert resume(plan, made)[:4] == b"II*\0"
    assert left(plan) == {""}


def test_a_part_file_that_is_gone_is_begun_anew(plan, made):
    stop(plan, made[:7])
    part_path(plan).unlink()
    assert claim(asked(plan, resume=True)).plan.done == frozenset()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"profile": Profile(tile=64, level=9)}, "level: None there, 9 here"),
        ({"profile": Profile(tile=64, compress="zstd")}, "compress: deflate there, zstd here"),
        ({"profile": Profile(tile=64, mask="alpha")}, "mask: nodata there, alpha here"),
        ({"profile": Profile(tile=64, layout="tiled")}, "layout: cog there, tiled here"),
        ({"profile": Profile(tile=128)}, "tile: 64 there, 128 here"),
        ({"window": 256}, "window: 128 x 128 there, 256 x 256 here"),
        ({"stretch": Stretch(gamma=2.0)}, "gamma: 2.2 there, 2.0 here"),
        ({"stretch": Tci()}, "black: 0.0 there, none here"),
        ({"offset": 0}, "offset of B02 of product 1: -1000, "),
        ({"nodata": (7,)}, "no data of B02 of product 1: (0,), () there, (0, 7), () here"),
        ({"bounds": (400000, 5290000, 402000, 5299000), "bounds_crs": "EPSG:32632"}, "extent: "),
        ({"crs": "EPSG:2056", "resampling": "nearest"}, "crs: "),
    ],
    ids=str,
)
def test_another_job_is_refused_by_the_field_that_differs(plan, made, safe, options, field):
    stop(plan, made[:3])
    other = make_plan(safe, plan.job.output, resume=True, **options)
    before = contents(plan.job.output.parent)
    with pytest.raises(UsageError) as caught:
        claim(other)
    words = str(caught.value)
    assert words.startswith(f"{part_path(plan)}: begun by another job, {field}")
    assert words.endswith(" here; --overwrite without --resume starts anew")
    assert contents(plan.job.output.parent) == before


@pytest.fixture
def copied(safe, tmp_path):
    """A product of one's own in another folder, with the times of the files kept."""
    return Path(shutil.copytree(safe, tmp_path / "elsewhere" / safe.name))


def test_inputs_may_have_been_copied_elsewhere(plan, made, copied):
    stop(plan, made[:7])
    assert claim(make_plan(copied, plan.job.output, resume=True)).plan.done


@pytest.mark.parametrize("change", ["size", "time"])
def test_another_input_is_refused(plan, made, copied, change):
    stop(plan, made[:7])
    (green,) = copied.rglob("*_B03_10m.jp2")
    times = green.stat().st_atime_ns, green.stat().st_mtime_ns + 10**9 * (change == "time")
    if change == "size":
        green.write_bytes(green.read_bytes() + b"\0")
    os.utime(green, ns=times)
    words = f"{part_path(plan)}: begun by another job, B03 of product 1: {green.name}, 1, "
    with pytest.raises(UsageError, match=re.escape(words)):
        claim(make_plan(copied, plan.job.output, resume=True))


def test_the_same_products_in_another_order_are_another_job(safe, old_safe, tmp_path):
    claim(make_plan(safe, tmp_path / "rgb.tif", old_safe)).lock.release()
    with pytest.raises(UsageError, match="begun by another job, B02 of product 1: "):
        claim(make_plan(old_safe, tmp_path / "rgb.tif", safe, resume=True))


def test_a_full_disk_is_an_output_error_and_leaves_nothing(plan):
    with largest_file(400), pytest.raises(OutputError, match="File too large"):
        claim(plan)
    assert left(plan) == set()


def test_a_full_disk_does_not_harm_what_a_stopped_run_has_left(plan, made):
    stop(plan, made[:7])
    before = contents(plan.job.output.parent)
    with largest_file(1000), pytest.raises(OutputError, match=r"\.journal: File too large"):
        claim(asked(plan, resume=True))
    assert contents(plan.job.output.parent) == before


def test_a_run_that_has_placed_nothing_leaves_nothing(plan):
    assert stop(plan, []) == ""
    assert left(plan) == set()


def test_what_a_strict_run_rejects_is_not_resumed(plan, made):
    begin(plan, made[:7]).keep()
    assert clear(plan, StrictError("the pixels contradict the offset")) == ""
    assert left(plan) == set()


def test_what_another_run_has_taken_is_left_to_it(plan, made):
    begin(plan, made[:7]).keep()
    assert clear(plan, TakenError("taken")) == ""
    assert left(plan) == BEGUN


def test_what_cannot_be_cleared_away_is_an_output_error(plan):
    begin(plan, [])
    lock_path(plan).unlink()
    lock_path(plan).mkdir()
    with pytest.raises(OutputError, match=f"{lock_path(plan)}: Is a directory"):
        clear(plan, None)
