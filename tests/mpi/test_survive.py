"""--survive: a run continues without workers that die, to the same bytes; other runs do not."""

import random
import re
from pathlib import Path

import pytest

from conftest import SMALL
from ulfm import ULFM, with_ulfm

PROGRAMS = Path(__file__).parent / "programs"
DYING = (str(PROGRAMS / "dying.py"),)
FAILING = (str(PROGRAMS / "failing.py"),)

RANKS = 5
"""Three workers, of six or seven windows each."""

over_both = pytest.mark.parametrize("btl", ["", "tcp,self"], ids=["memory", "tcp"])


@pytest.fixture(scope="module")
def undisturbed(mpirun, safe, tmp_path_factory):
    """The file of a run without deaths."""
    output = tmp_path_factory.mktemp("undisturbed") / "rgb.tif"
    run = mpirun(3, safe, "-o", output, *SMALL)
    assert run.returncode == 0, run.stderr
    return output.read_bytes()


@pytest.fixture
def survive(mpirun, safe, tmp_path):
    """Run with --survive; ranks die as stated: RANK:CALL:SECONDS, see programs/dying.py."""

    def run(deaths, *options, ranks=RANKS, btl=""):
        return mpirun(
            ranks,
            deaths,
            safe,
            *("-o", tmp_path / "rgb.tif", *SMALL, "--survive", *options),
            program=DYING,
            launcher=ULFM,
            env={"OMPI_MCA_btl": btl} if btl else None,
        )

    return run


@pytest.fixture
def resumed(mpirun, safe, tmp_path):
    """Resume a run on another number of ranks; return the file."""

    def run():
        run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, "--resume")
        assert run.returncode == 0, run.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]
        return (tmp_path / "rgb.tif").read_bytes()

    return run


def lost(run):
    """List the ranks that were reported as lost."""
    words = "\n".join(run.said)
    return [int(rank) for rank in re.findall(r"warning: rank (\d+) was lost;", words)]


def assert_ended(run, words):
    """One line says why; nothing is left running."""
    assert run.returncode == 5, run.stderr
    assert [line for line in run.said if "error" in line] == [f"s2rgb_mpi: error: {words}"]
    assert run.left == []


@pytest.mark.parametrize("ranks", [None, 3])
def test_it_is_refused_where_it_cannot_be(mpirun, safe, tmp_path, ranks):
    run = mpirun(ranks, safe, "-o", tmp_path / "rgb.tif", "--survive")
    assert run.returncode == 2, run.stderr
    (line,) = run.said
    here = r"(Open MPI v|MPICH Version: |Intel\(R\) MPI Library )[\d.]+[^)]*"
    assert re.search(rf"--survive needs .*mpirun --with-ft ulfm \(this is {here}\);", line)
    assert list(tmp_path.iterdir()) == []


@with_ulfm
def test_nobody_dies(survive, undisturbed, tmp_path):
    run = survive(f"{RANKS}:1:1")  # there is no such rank
    assert run.returncode == 0, run.stderr
    assert lost(run) == []
    assert (tmp_path / "rgb.tif").read_bytes() == undisturbed


@with_ulfm
@over_both
@pytest.mark.parametrize("seed", range(10))
def test_a_worker_dies(survive, undisturbed, tmp_path, seed, btl):
    chance = random.Random(seed)  # noqa: S311  not for secrets
    rank = chance.randint(1, RANKS - 2)
    run = survive(f"{rank}:{chance.randint(1, 5)}:{chance.uniform(1e-6, 0.02):f}", btl=btl)
    assert run.returncode == 0, run.stderr
    assert lost(run) == [rank]
    assert (tmp_path / "rgb.tif").read_bytes() == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]
    assert run.left == []


@with_ulfm
@over_both
def test_two_workers_die(survive, undisturbed, tmp_path, btl):
    report = tmp_path / "rgb.json"
    run = survive("3:1:0.001,1:4:0.005", "--report", report, btl=btl)
    assert run.returncode == 0, run.stderr
    assert sorted(lost(run)) == [1, 3]
    assert (tmp_path / "rgb.tif").read_bytes() == undisturbed
    assert "rank 3 was lost" in report.read_text()


@with_ulfm
def test_the_only_worker_dies(survive, resumed, undisturbed):
    run = survive("1:9:0.001", ranks=3)
    assert_ended(run, "rank 1 was lost, and no other worker is left")
    assert resumed() == undisturbed


@with_ulfm
@pytest.mark.parametrize(
    ("rank", "who"), [(0, "rank 0"), (1, "rank 1"), (RANKS - 1, f"the writer, rank {RANKS - 1},")]
)
def test_nobody_may_die_before_the_work_begins(survive, tmp_path, rank, who):
    run = survive(f"{rank}:0:0")
    assert_ended(run, f"{who} was lost")
    assert list(tmp_path.iterdir()) == []


@with_ulfm
@over_both
@pytest.mark.parametrize("call", [1, 12])
def test_rank_0_dies(survive, resumed, undisturbed, call, btl):
    run = survive(f"0:{call}:0.001", btl=btl)
    assert_ended(run, "rank 0 was lost")
    assert resumed() == undisturbed


@with_ulfm
@over_both
@pytest.mark.parametrize("call", [1, 12])
def test_the_writer_dies(survive, resumed, undisturbed, call, btl):
    run = survive(f"{RANKS - 1}:{call}:0.001", btl=btl)
    assert_ended(run, f"the writer, rank {RANKS - 1}, was lost")
    assert resumed() == undisturbed


@with_ulfm
@pytest.mark.parametrize("role", ["coordinator", "worker", "writer"])
def test_a_failure_ends_all_ranks(mpirun, safe, tmp_path, role):
    arguments = role, "exception", safe, "-o", tmp_path / "rgb.tif", *SMALL, "--survive"
    run = mpirun(RANKS, *arguments, program=FAILING, launcher=ULFM)
    assert run.returncode == 5, run.stderr
    assert len([line for line in run.said if "error" in line]) == 1
    assert "ValueError: broken on purpose" in run.stderr
    assert run.left == []
