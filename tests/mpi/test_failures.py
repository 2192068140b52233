"""One failure ends all ranks at once, is named, and leaves no process behind."""

import os
import re
import shutil
from pathlib import Path

import pytest

from conftest import KILLED, MPICH, SMALL
from stopped import all_blocks, make_plan, resume

FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)

SECONDS = 10.0
"""Far below a hang, far above the second that it takes on an idle machine."""

WINDOWS = 20


@pytest.fixture(scope="module")
def whole(safe, tmp_path_factory):
    """The file of an undisturbed run."""
    plan = make_plan(safe, tmp_path_factory.mktemp("whole") / "rgb.tif")
    return resume(plan, all_blocks(plan))


def assert_ended(run, tmp_path, code, words):
    """One line with the cause, in time; the run can be resumed."""
    assert run.returncode == code, run.stderr
    last = [line for line in run.said if "error: " in line or "stopped by " in line]
    assert len(last) == 1, run.stderr
    assert re.search(words, run.stderr), run.stderr
    left = {path.name for path in tmp_path.glob("rgb.tif*")}
    assert left in (set(), {"rgb.tif.part", "rgb.tif.journal"})
    assert bool(left) == ("--resume continues" in run.stderr)
    assert run.left == []
    assert_soon(run)


def assert_soon(run):
    broke = re.findall(r"^broke (.*)$", run.stdout, re.MULTILINE)
    for moment in broke:
        print(f"over {run.end - float(moment):.2f} s later")
        assert run.end - float(moment) < SECONDS


@pytest.fixture
def assert_resumes(mpirun, safe, tmp_path, whole):
    """The function that resumes the run, and compares the file with that of an undisturbed run."""

    def check(ranks=None, *, product=safe, least=2):
        output = tmp_path / "rgb.tif"
        run = mpirun(ranks, product, "-o", output, *SMALL, "--resume")
        assert run.returncode == 0, run.stderr
        kept = re.search(rf"(\d+) of {WINDOWS} windows are there already", run.stderr)
        assert kept is not None, run.stderr
        assert least <= int(kept[1]) <= WINDOWS
        assert output.read_bytes() == whole
        assert [path.name for path in tmp_path.glob("rgb.tif*")] == ["rgb.tif"]

    return check


@pytest.fixture
def damaged(safe, tmp_path):
    """A product of one's own, to be broken: its folder and its green band."""
    copy = tmp_path / safe.name
    shutil.copytree(safe, copy)
    return copy, next(copy.rglob("*_B03_10m.jp2"))


@pytest.fixture
def failing(mpirun, safe, tmp_path):
    """The function that runs the program with a role that breaks: ``failing(ranks, role, how)``."""

    def run(ranks, role, how, *options, product=safe):
        output = tmp_path / "rgb.tif"
        return mpirun(ranks, role, how, product, "-o", output, *SMALL, *options, program=FAILING)

    return run


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_coordinator_missing_file(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.unlink()
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif")
    assert_ended(run, tmp_path, 2, rf"{green}: no such file")


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_coordinator_truncated_jp2(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.write_bytes(green.read_bytes()[:100])
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif")
    assert_ended(run, tmp_path, 2, str(green))


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_worker_truncated_jp2(mpirun, damaged, tmp_path, ranks):
    product, green = damaged
    green.write_bytes(green.read_bytes()[: green.stat().st_size // 2])
    run = mpirun(ranks, product, "-o", tmp_path / "rgb.tif", *SMALL)
    rank = "" if ranks == 1 else "rank [012]: "
    assert_ended(run, tmp_path, 5, rf"error: {rank}window \d+ \(.*\) of {green}: ")


ROLES = ("coordinator", "worker", "writer")
RANK = {"coordinator": 0, "worker": 1, "writer": 2}


@pytest.mark.parametrize("role", ROLES)
def test_an_exception(failing, tmp_path, assert_resumes, role):
    run = failing(3, role, "exception")
    assert_ended(run, tmp_path, 5, rf"rank {RANK[role]}[\s\S]*ValueError: broken on purpose")
    assert_resumes()


@pytest.mark.parametrize("role", ROLES)
def test_an_exception_in_one_process(failing, tmp_path, assert_resumes, role):
    run = failing(None, role, "exception")
    assert_ended(run, tmp_path, 5, "ValueError: broken on purpose")
    assert_resumes(3)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGUSR1"])
@pytest.mark.parametrize("role", ROLES)
def test_a_signal_to_one_rank_alone(failing, tmp_path, assert_resumes, role, how):
    run = failing(3, role, how)
    words = rf"stopped by {how}: \d+ of {WINDOWS} windows are kept in .*; .* --resume continues"
    assert_ended(run, tmp_path, 75, words)
    assert_resumes()


@pytest.mark.parametrize("role", ROLES)
def test_a_rank_that_is_killed(failing, tmp_path, assert_resumes, role):
    """There may be no rank left to print an error, or to remove the lock."""
    run = failing(3, role, "SIGKILL")
    assert run.returncode in KILLED, run.stderr
    assert run.left == []
    assert_soon(run)
    assert not (tmp_path / "rgb.tif").exists()
    assert_resumes()


def test_a_process_alone_that_is_killed(failing, tmp_path, assert_resumes):
    run = failing(None, "writer", "SIGKILL")
    assert run.returncode == -9
    left = {path.name for path in tmp_path.glob("rgb.tif*")}
    assert left == {f"rgb.tif.{end}" for end in ("journal", "lock", "part", "final")}
    assert_resumes(2)


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_writer_that_finds_the_disk_full(failing, tmp_path, assert_resumes, ranks):
    run = failing(ranks, "writer", "disk-full")
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.part: File too large")
    assert_resumes()


def test_a_disk_that_is_full_when_the_file_is_finalised(failing, tmp_path, assert_resumes):
    run = failing(3, "writer at its end", "no-room")
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.final: File too large")
    assert_resumes(least=WINDOWS)


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_worker_whose_files_were_cut(failing, damaged, tmp_path, assert_resumes, ranks):
    product, green = damaged
    bands = {path: path.read_bytes() for path in green.parent.iterdir()}
    times = {path: path.stat().st_mtime_ns for path in bands}
    run = failing(ranks, "worker", "empty-files", product=product)
    assert_ended(run, tmp_path, 5, r"window \d+ .*_B0[234]_10m\.jp2")
    for path, content in bands.items():
        path.write_bytes(content)
        os.utime(path, ns=(times[path], times[path]))
    assert_resumes(product=product)


def test_a_writer_whose_part_file_is_gone(failing, tmp_path):
    run = failing(3, "writer at its start", "missing-part")
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.part: No such file")


def test_a_writer_whose_part_file_was_cut(failing, tmp_path, assert_resumes):
    run = failing(3, "writer at its end", "cut-part")
    assert_ended(run, tmp_path, 4, r"rgb\.tif\.part: \d+ bytes at \d+ are not there")
    assert_resumes()


def test_a_bit_that_flips_on_its_way(failing, tmp_path, assert_resumes):
    run = failing(3, "worker", "flip")
    assert_ended(run, tmp_path, 5, r"rank 2: window \d+ was damaged on its way: CRC-32 differs")
    assert_resumes()


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("worker", r"rank 0: rank 1 at window \d+ \(.*\)"),
        ("writer", r"rank 0: the writer, rank 2,"),
    ],
)
def test_a_rank_that_hangs_is_named(failing, tmp_path, assert_resumes, role, words):
    run = failing(3, role, "hang", "--timeout", "2")
    silent = r"has sent no message for 2 s \(--timeout\)"
    assert_ended(run, tmp_path, 5, f"error: {words} {silent}")
    assert_resumes()


@pytest.mark.parametrize(
    "when", ["before the plan is known", "before the plan is dealt", "before they meet"]
)
def test_a_rank_that_never_meets_the_others_ends_the_run(failing, tmp_path, when):
    run = failing(4, f"all {when}", "rank 1 hangs", "--timeout", "2")
    words = r"rank 0: not all of the 4 ranks have met in time \(--timeout\)"
    assert_ended(run, tmp_path, 5, f"error: {words}")
    assert not list(tmp_path.glob("rgb.tif*"))


def test_a_coordinator_that_never_meets_the_others_ends_the_run(failing, tmp_path):
    run = failing(3, "all before the plan is dealt", "rank 0 hangs", "--timeout", "2")
    assert run.returncode == 5, run.stderr
    errors = [line for line in run.said if "error: " in line]
    assert errors
    assert all(re.search(r"rank [12]: not all of the 3 ranks", line) for line in errors), run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.glob("rgb.tif*"))
    assert run.left == []


def test_a_rank_that_hangs_when_the_image_is_whole(failing, tmp_path, whole):
    run = failing(4, "all when the image is whole", "rank 1 hangs", "--timeout", "2")
    silent = r"rank 0: rank 1 has sent no message for 2 s \(--timeout\)"
    assert run.returncode == 5, run.stderr
    assert re.search(rf"{silent}\ns2rgb_mpi: the image is whole", run.stderr), run.stderr
    assert (tmp_path / "rgb.tif").read_bytes() == whole
    assert [path.name for path in tmp_path.glob("rgb.tif*")] == ["rgb.tif"]
    assert run.left == []


def test_a_coordinator_that_hangs_is_named(failing, assert_resumes):
    """Every rank that finds out prints an error, since rank 0 does not: there may be several."""
    run = failing(3, "coordinator", "hang", "--timeout", "2")
    assert run.returncode == 5, run.stderr
    errors = [line for line in run.said if "error: " in line]
    words = "error: rank [12]: rank 0 has received no message for 2 s \\(--timeout\\)"
    assert errors
    assert all(re.search(words, line) for line in errors), run.stderr
    assert "Traceback" not in run.stderr
    assert run.left == []
    assert_soon(run)
    assert_resumes()


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing.SAFE", "-o", "rgb.tif"), "nothing.SAFE: no such file or folder"),
        (("--nonsense",), "--help"),
        (("nothing.SAFE", "-o", "/no/such/rgb.tif"), "nothing.SAFE: no such file or folder"),
        (("x", "-o", "rgb.tif", "--gamma", "0"), "--gamma"),
        (("x", "-o", "rgb.tif", "--level", "99"), "--level 99"),
    ],
)
def test_usage_is_one_line(mpirun, tmp_path, ranks, arguments, words):
    run = mpirun(ranks, *arguments)
    assert_ended(run, tmp_path, 2, re.escape(words))
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("ranks", [1, 3])
def test_an_output_in_no_folder_is_one_line(mpirun, safe, tmp_path, ranks):
    run = mpirun(ranks, safe, "-o", "/no/such/rgb.tif")
    assert_ended(run, tmp_path, 2, "/no/such: no such folder")


@pytest.mark.parametrize("ranks", [1, 3])
def test_existing_output_is_kept(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    output.write_text("precious")
    run = mpirun(ranks, safe, "-o", output)
    assert run.returncode == 2
    assert run.said == [f"s2rgb_mpi: error: {output}: exists already; --overwrite replaces it"]
    assert output.read_text() == "precious"
    assert mpirun(ranks, safe, "-o", output, "--overwrite").returncode == 0
    assert output.read_bytes()[:4] == b"II*\0"


@pytest.mark.parametrize(
    "env",
    [
        {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"},
        {"PMI_SIZE": "4", "PMI_RANK": "0"},
        {"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"},
        {"PMIX_RANK": "1"},
    ],
    ids=lambda env: next(iter(env)),
)
def test_singletons_of_a_mismatched_launcher_are_refused(mpirun, safe, tmp_path, env):
    run = mpirun(None, safe, "-o", tmp_path / "rgb.tif", env=env)
    if MPICH and "PMIX_RANK" in env:  # its own MPI_Init refuses that, in its own words
        assert "launcher not compatible" in run.stderr
        assert run.returncode != 0
        assert list(tmp_path.iterdir()) == []
        return
    assert_ended(run, tmp_path, 2, "each sees only itself")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_is_said_once(mpirun, option):
    run = mpirun(3, option)
    assert run.returncode == 0
    assert run.stdout.count("s2rgb_mpi 0" if option == "--version" else "usage:") == 1


def test_dry_run_writes_nothing(mpirun, safe, tmp_path):
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "20 of 128 x 128 pixels" in run.stdout
    assert list(tmp_path.iterdir()) == []
