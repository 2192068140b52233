"""Rank 0: wrong launches, impossible outputs, overrides, and the messages that it receives."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from ranked import make_rank
from rasters import scene, write_raster
from s2rgb_mpi.errors import InputError, LaunchError, ProtocolError, RankError, UsageError
from s2rgb_mpi.output.lock import Lock
from s2rgb_mpi.output.totals import Written
from s2rgb_mpi.plan.describe import as_text, describe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import Plan
from s2rgb_mpi.plan.prepare import prepare
from s2rgb_mpi.ranks.coordinator import Coordinator
from s2rgb_mpi.ranks.launch import check_launch
from s2rgb_mpi.ranks.messages import Done, Failed, Heartbeat, Progress, Tag
from s2rgb_mpi.report.console import Report
from s2rgb_mpi.timing import Span, Tally

STEP = {"SLURM_STEP_ID": "0"}
BATCH = {"SLURM_STEP_ID": str(0xFFFFFFFB)}
INTERACTIVE = {"SLURM_STEP_ID": str(0xFFFFFFFA)}


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}, "4"),
        ({"PMI_SIZE": "3", "PMI_RANK": "0"}, "3"),
        ({"SLURM_STEP_NUM_TASKS": "16", "SLURM_PROCID": "0"} | STEP, "16"),
        ({"SLURM_NTASKS": "16", "SLURM_PROCID": "0"} | STEP, "16"),
        ({"PMIX_RANK": "1"}, "2"),
    ],
)
def test_a_rank_alone_among_many_is_refused(environ, count):
    with pytest.raises(LaunchError, match=f"{count} or more processes were launched"):
        check_launch(1, environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"},
        {"PMI_SIZE": "3", "PMI_RANK": "1"},
        {"SLURM_NTASKS": "16", "SLURM_PROCID": "15"} | STEP,
        {"PMIX_RANK": "2"},
    ],
)
def test_all_but_one_of_them_say_nothing(environ):
    with pytest.raises(LaunchError) as caught:
        check_launch(1, environ)
    assert str(caught.value) == ""


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_SIZE": "1", "PMI_RANK": "0"},
        {"PMIX_RANK": "0"},
        {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"} | STEP,
        {"SLURM_NTASKS": "16", "SLURM_PROCID": "0"} | BATCH,
        {"SLURM_NTASKS": "16", "SLURM_PROCID": "0"} | INTERACTIVE,
        {"SLURM_NTASKS": "16"},
        # mpirun -n 1 inside a step of many: the innermost launcher counts.
        {"OMPI_COMM_WORLD_SIZE": "1", "SLURM_NTASKS": "16", "SLURM_PROCID": "0"} | STEP,
    ],
)
def test_a_rank_that_is_meant_to_be_alone_may_run(environ):
    check_launch(1, environ)


def test_ranks_that_met_are_not_questioned():
    check_launch(2, {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"})


def job(safe, output, **options):
    return Job((str(safe),), Path(output), **options)


def test_an_output_that_exists_is_refused(safe, tmp_path):
    (tmp_path / "rgb.tif").touch()
    with pytest.raises(UsageError, match=f"{tmp_path / 'rgb.tif'}: exists already"):
        prepare(job(safe, tmp_path / "rgb.tif"))


@pytest.mark.parametrize("way", ["itself", "link"])
def test_a_file_of_the_input_is_never_replaced(tmp_path, way):
    path = tmp_path / "in.tif"
    write_raster(path, scene(40, 50), descriptions=("B04", "B03", "B02"))
    output = path
    if way == "link":
        output = tmp_path / "rgb.tif"
        output.hardlink_to(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=f"{output}: is a file of the input; name another"):
        prepare(Job((str(path),), output, overwrite=True))
    assert path.read_bytes() == before


def test_an_output_that_exists_may_be_replaced_if_asked(safe, tmp_path):
    (tmp_path / "rgb.tif").touch()
    assert prepare(job(safe, tmp_path / "rgb.tif", overwrite=True)).windows


def test_an_output_in_a_folder_that_is_not_there_is_refused(safe, tmp_path):
    with pytest.raises(UsageError, match=f"{tmp_path / 'absent'}: no such folder"):
        prepare(job(safe, tmp_path / "absent" / "rgb.tif"))


@pytest.mark.parametrize("name", ["s3://bucket/rgb.tif", "/vsis3/bucket/rgb.tif"])
def test_an_output_on_a_server_is_refused(safe, name):
    words = f"^{Path(name)}: the image is written to a folder here, and copied afterwards$"
    with pytest.raises(UsageError, match=words):
        prepare(job(safe, name))


def test_an_output_that_is_a_folder_is_refused(safe, tmp_path):
    with pytest.raises(UsageError, match=f"{tmp_path}: is a folder"):
        prepare(job(safe, tmp_path, overwrite=True))


def test_a_product_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path / 'absent'}: no such file"):
        prepare(job(tmp_path / "absent", tmp_path / "rgb.tif"))


def test_offset_and_quantification_of_the_user_win(safe, tmp_path):
    plan = prepare(job(safe, tmp_path / "rgb.tif", offset=0, quantification=5_000.0))
    calibrations = [band.calibration for band in plan.scene.members[0].product.bands]
    assert {(each.offset, each.quantification) for each in calibrations} == {(0, 5_000.0)}


def test_what_the_user_does_not_give_is_the_metadatas(safe, tmp_path):
    plan = prepare(job(safe, tmp_path / "rgb.tif", quantification=5_000.0))
    assert {band.calibration.offset for band in plan.scene.members[0].product.bands} == {-1000}


def test_a_dry_run_says_whose_word_on_the_offset_counts(safe, tmp_path):
    said = as_text(describe(prepare(job(safe, tmp_path / "rgb.tif")), ranks=3))
    assert "stated by BOA_ADD_OFFSET of the product's metadata" in said
    said = as_text(describe(prepare(job(safe, tmp_path / "rgb.tif", offset=-7)), ranks=3))
    assert "offset -7," in said
    assert "stated by --offset" in said


def test_a_quantification_that_cannot_divide_is_refused(safe, tmp_path):
    with pytest.raises(UsageError, match="quantification must be above 0"):
        prepare(job(safe, tmp_path / "rgb.tif", quantification=0.0))


class Ranks:
    """A communicator with what each rank says, in order, and hands in when it is done."""

    def __init__(self, *said, tallies=()):
        self.size = 1 + len(said)
        self._said = dict(enumerate(map(list, said), start=1))
        self._tallies = dict(enumerate(tallies, start=1))

    def Irecv(self, buffer, source, tag):  # noqa: N802
        assert tag == Tag.TALLY
        buffer[:] = pickle.dumps(self._tallies.pop(source))
        looks = iter([False, True])
        return SimpleNamespace(Test=lambda: next(looks))

    def irecv(self, source):
        messages = self._said[source]
        return SimpleNamespace(test=lambda: (True, messages.pop(0)) if messages else (False, None))


class Held:
    """A lock without a rival."""

    def refresh(self):
        pass


class Ears(Report):
    """A report that records its calls."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def advance(self, windows, nbytes, new):
        self.heard.append((windows, nbytes, new))


def coordinate(ranks, ears):
    """Run rank 0 until all are done; return the file and the times of all ranks."""
    plan = SimpleNamespace(job=SimpleNamespace(timeout=60.0), windows=[(0, 0, 1, 1)] * 2)
    shares: list[list[int]] = [[] for _ in range(ranks.size)]
    rank = make_rank(ranks)
    coordinator = Coordinator(rank, cast(Plan, plan), shares, ears, cast(Lock, Held()))
    with rank.loop.duty(coordinator.attend):
        return coordinator.run(), coordinator.tallies


def test_the_coordinator_hears_every_rank_to_its_end():
    # More spans than the 32 KB with which messages of no known size are listened for.
    spans = [Span("read", number, number, number + 1.0) for number in range(10_000)]
    worker, writer = Tally("worker", spans=spans), Tally("writer")
    written = Written(30, np.ones((3, 256), dtype=np.int64), [1], ["agrees"], (), [9], {})
    handed_in = [(worker, None), (writer, written)]
    sizes = [len(pickle.dumps(each)) for each in handed_in]
    ears = Ears()
    ranks = Ranks(
        [Done(sizes[0])],
        [Progress(1, 10, ((0, 10),)), Heartbeat(), Progress(2, 20, ((1, 10),)), Done(sizes[1])],
        tallies=handed_in,
    )
    heard, tallies = coordinate(ranks, ears)
    assert heard is not None
    assert ears.heard == [(1, 10, ((0, 10),)), (2, 20, ((1, 10),))]
    assert tallies == [worker, writer]
    assert (heard.nbytes, heard.empty) == (30, [1])
    np.testing.assert_array_equal(heard.histogram, written.histogram)


def test_a_writer_that_tells_nothing_of_the_file_is_an_error():
    handed_in = (Tally("writer"), None)
    ranks = Ranks([Done(len(pickle.dumps(handed_in)))], tallies=[handed_in])
    with pytest.raises(ProtocolError, match="reported no file"):
        coordinate(ranks, Ears())


def test_a_rank_that_failed_ends_the_wait_with_its_own_words():
    ranks = Ranks([], [Failed("rank 2: disk full", 4)])
    with pytest.raises(RankError, match=r"^rank 2: disk full$") as caught:
        coordinate(ranks, Ears())
    assert caught.value.exit_code == 4
