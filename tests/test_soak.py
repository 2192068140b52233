"""The long run: a seed determines a round, and the program accepts the command lines of all."""

from pathlib import Path

import pytest

from s2rgb_mpi.cli import parse
from soak import inputs
from soak.disturb import Files, Finished
from soak.judge import complaints
from soak.lab import Lab
from soak.rounds import DEEDS, draw

ROUNDS = [draw(seed) for seed in range(400)]


def test_a_seed_gives_the_same_round_twice():
    assert [draw(seed) for seed in range(400)] == ROUNDS
    assert len(set(ROUNDS)) == len(ROUNDS)


def test_all_that_can_be_done_is_drawn():
    assert {step.deed for one in ROUNDS for step in one.steps} == set(DEEDS)
    kinds = {one.source.kind for one in ROUNDS}
    assert kinds == {*inputs.PRODUCTS, inputs.GEOTIFFS}


def test_the_options_of_every_round_are_taken():
    for one in ROUNDS:
        assert parse.parse([*one.options, "x.SAFE", "-o", "rgb.tif"]).job.products


def test_the_same_input_is_made_twice(tmp_path):
    one = next(each.source for each in ROUNDS if len(each.source.places) == 3)
    made = [inputs.make(one, tmp_path / name) for name in ("a", "b")]
    for first, second in zip(*made, strict=True):
        if first != "--rgb":
            assert Path(first).read_bytes() == Path(second).read_bytes()
    assert inputs.make(one, tmp_path / "a") == made[0]


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "round"
    folder.mkdir()
    return Files(folder / "rgb.tif", tmp_path / "filler")


def ended(code=0, stderr="", *, in_time=True, hung="", orphans="", rival=None):
    return Finished(code, stderr, in_time, hung, orphans, rival)


STEP = ROUNDS[0].steps[0]._replace(ranks=3, rank=1)


@pytest.mark.parametrize(
    ("deed", "run", "left", "words"),
    [
        ("nothing", ended(), [""], []),
        ("nothing", ended(), [], ["no image"]),
        ("nothing", ended(5, "s2rgb_mpi: error: x"), [], ["exit code 5"]),
        ("nothing", ended(), ["", ".lock"], ["left beside"]),
        ("nothing", ended(hung="rank 1"), [""], ["hung"]),
        ("nothing", ended(orphans="rank 1"), [""], ["left processes"]),
        ("kill a rank", ended(137), [".part", ".journal", ".final", ".lock"], []),
        ("kill a rank", ended(137), [".lock-1234"], ["left beside"]),
        ("kill a rank", ended(137, "Traceback (most"), [], ["a traceback"]),
        ("kill a rank", ended(5), [], ["exit code 5", "0 lines"]),
        ("kill a rank", ended(0, in_time=False), [""], []),
        ("small disk", ended(4, "s2rgb_mpi: error: full"), [".part", ".journal"], []),
        ("small disk", ended(4, "s2rgb_mpi: error: full"), [".lock"], ["left beside"]),
        ("small disk", ended(4), [], ["0 lines"]),
        ("stop a rank", ended(5, "s2rgb_mpi: error: x"), [""], ["left beside"]),
        ("stop a rank", ended(5, "s2rgb_mpi: error: x; the image is whole"), [""], []),
        ("stop a rank", ended(5, 2 * "s2rgb_mpi: error: x\n"), [], ["2 lines"]),
        ("SIGUSR1", ended(75, "s2rgb_mpi: stopped by SIGUSR1: "), [".part", ".journal"], []),
        ("SIGUSR1", ended(75), [], ["0 lines"]),
        ("rival", ended(rival=(2, "s2rgb_mpi: error: locked")), [""], []),
        ("rival", ended(rival=(5, "")), [""], ["the rival"]),
    ],
)
def test_runs_are_judged(files, deed, run, left, words):
    for end in left:
        Path(f"{files.output}{end}").touch()
    found = complaints(run, STEP._replace(deed=deed), files)
    assert len(found) == len(words), found
    for complaint, word in zip(found, words, strict=True):
        assert complaint.startswith(word)


def test_a_run_that_was_refused_leaves_all_as_it_was(files):
    files.beside("final").touch()
    run = ended(2, "s2rgb_mpi: error: left by a stopped run, but without its journal")
    step = STEP._replace(deed="nothing")
    assert complaints(run, step, files)
    assert not complaints(run, step, files, before={".final"}, is_damaged=True)


def test_an_image_that_was_there_before_is_no_news(files):
    files.output.touch()
    run, step = ended(5, "s2rgb_mpi: error: x"), STEP._replace(deed="stop a rank")
    assert complaints(run, step, files)
    assert not complaints(run, step, files, before={"", ".journal"})


def test_wrong_bytes_are_seen(tmp_path):
    (tmp_path / "disk" / "round").mkdir(parents=True)
    lab = Lab(tmp_path)
    lab.output.write_bytes(b"abcd")
    assert lab._compare(b"abcd") == []  # noqa: SLF001
    (words,) = lab._compare(b"abXd")  # noqa: SLF001
    assert "the first at 2" in words
