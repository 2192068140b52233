"""Advice: ranks that a job is worth, memory with a reserve, and lines for a shell."""

import os
import re
import shlex
from dataclasses import replace

import pytest

from geotiffs import make_grid
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Product
from s2rgb_mpi.plan import describe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.plan.plan import make_plan


@pytest.fixture
def plan(tmp_path):
    """The function that plans a product of `size` x `size` pixels."""

    def make(size):
        grid = make_grid(size, size)
        product = Product("S2A", (), grid, (1024, 1024))
        return make_plan(Job(("S2A.SAFE",), (), tmp_path / "rgb.tif"), lay_out([product]))

    return make


@pytest.mark.parametrize(("size", "workers"), [(500, 1), (4096, 2), (10980, 15)])
def test_workers_have_enough_to_do_in_even_shares(plan, size, workers):
    assert describe.workers_for(plan(size)) == workers


def test_memory_has_a_reserve_and_is_round(plan):
    made = plan(10980)
    shares = made.deal(15)
    most = max(worker_nbytes(made, shares), writer_nbytes(made, 15))
    asked = describe.rank_nbytes(made, 15)
    assert 1.2 * most <= asked < 1.2 * most + 50e6
    assert asked % 50_000_000 == 0


def test_memory_is_enough_for_fewer_workers(tmp_path):
    # The windows cut through the blocks of the second product: workers keep some of them.
    grid = make_grid(6000, 6000)
    left, dx, row_turn, top, col_turn, dy = grid.transform
    aside = replace(grid, transform=(left + 35_000, dx, row_turn, top, col_turn, dy))
    products = [Product(name, (), at, (1024, 1024)) for name, at in (("A", grid), ("B", aside))]
    made = make_plan(Job(("A", "B"), (), tmp_path / "rgb.tif"), lay_out(products))
    asked = describe.rank_nbytes(made, 9)
    needs = {worker_nbytes(made, made.deal(workers)) for workers in range(1, 10)}
    assert max(needs) > 1.02 * min(needs)  # or there is nothing to show
    assert max(needs) * 1.2 <= asked


def test_the_lines_are_for_a_shell(plan, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    argv = ["a product.SAFE", "-o", "it's.tif", "--dry-run", "--advise", "--html", "r.html"]
    text = describe.advise(plan(10980), argv, python="/opt/py thon")
    lines = dict(re.split(" +", line, maxsplit=1) for line in text.splitlines())
    program = ["/opt/py thon", "-m", "s2rgb_mpi", "a product.SAFE", "-o", "it's.tif"]
    program += ["--html", "r.html"]
    assert lines["ranks"].startswith("17: 15 workers of at most 9 windows each")
    # Here there are cores for six workers only.
    assert shlex.split(lines["here"]) == ["mpirun", "-n", "8", *program]
    *options, wrapped = shlex.split(lines["Slurm"])
    assert options[0] == "sbatch"
    assert "--ntasks=17" in options
    assert options[-1] == "--wrap"
    assert shlex.split(wrapped) == ["srun", "--mpi=pmix", *program]
    (memory,) = (int(found) for found in re.findall(r"--mem-per-cpu=(\d+)M", lines["Slurm"]))
    assert lines["memory"] == f"{memory} MB a rank, {memory * 17 / 1000:.1f} GB in all"
