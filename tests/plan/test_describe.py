"""Before a run: the plan as text and as JSON; the advised number of ranks, and shell commands."""

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from geotiffs import make_grid
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Band, Operation, Product, Warp
from s2rgb_mpi.inputs.stored import Stored
from s2rgb_mpi.plan import advice
from s2rgb_mpi.plan.deal import deal
from s2rgb_mpi.plan.describe import as_fields, as_text, describe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.levels import output_nbytes
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.plan.plan import make_plan


@pytest.fixture
def plan(tmp_path):
    """The function that plans a product of `size` x `size` pixels."""

    def make(size, window=1024):
        grid = make_grid(size, size)
        product = Product("S2A", (), grid, (1024, 1024))
        return make_plan(
            Job(("S2A.SAFE",), tmp_path / "rgb.tif", window=window), lay_out([product])
        )

    return make


@pytest.mark.parametrize(("size", "workers"), [(500, 1), (4096, 2), (10980, 15)])
def test_workers_have_enough_to_do_in_even_shares(plan, size, workers):
    assert advice.workers_for(plan(size)) == workers


def test_memory_has_a_reserve_and_is_round(plan):
    made = plan(10980)
    shares = deal(made, 15)
    most = max(worker_nbytes(made, shares), writer_nbytes(made, 15))
    asked = advice.rank_nbytes(made, 15)
    assert 1.2 * most <= asked < 1.2 * most + 50e6
    assert asked % 50_000_000 == 0


def test_memory_is_enough_for_fewer_workers(tmp_path):
    # The windows cut through the blocks of the second product: workers keep some of them.
    grid = make_grid(6000, 6000)
    left, dx, row_turn, top, col_turn, dy = grid.transform
    aside = replace(grid, transform=(left + 35_000, dx, row_turn, top, col_turn, dy))
    products = [Product(name, (), at, (1024, 1024)) for name, at in (("A", grid), ("B", aside))]
    made = make_plan(Job(("A", "B"), tmp_path / "rgb.tif"), lay_out(products))
    asked = advice.rank_nbytes(made, 9)
    needs = {worker_nbytes(made, deal(made, workers)) for workers in range(1, 10)}
    assert max(needs) > 1.02 * min(needs)  # or there is nothing to show
    assert max(needs) * 1.2 <= asked


def test_the_lines_are_for_a_shell(plan, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    argv = ["a product.SAFE", "-o", "it's.tif", "--dry-run", "--advise", "--json"]
    argv += ["--html", "r.html"]
    text = str(advice.advise(plan(10980), argv, python="/opt/py thon"))
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


@pytest.mark.parametrize(
    ("size", "window", "workers", "limit"),
    [
        (500, 1024, "3: 1 worker of 1 window,", "there are no more windows"),
        (
            3000,
            1024,
            "3: 1 worker of 9 windows,",
            "more workers would have less than 8 million pixels",
        ),
        (
            10980,
            4096,
            "3: 1 worker of 9 windows,",
            "more workers would have uneven shares",
        ),
    ],
)
def test_the_advice_has_a_reason(plan, size, window, workers, limit):
    advised = advice.advise(plan(size, window), ["a.SAFE", "-o", "rgb.tif"], python="python")
    line = str(advised).splitlines()[0]
    assert line.startswith(f"ranks    {workers} the coordinator and the writer; {limit}")


ROOT = ["OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"]
OPEN_4, OPEN_5 = "Open MPI v4.1.4, package: Debian OpenMPI", "Open MPI v5.0.7, package: x"


@pytest.mark.parametrize(
    ("mpi", "machine", "variables"),
    [
        (OPEN_4, (0, 400), ROOT),
        (OPEN_4, (1000, 400), []),
        (OPEN_4, (1000, 2), ["OMPI_MCA_rmaps_base_oversubscribe=1"]),
        (OPEN_5, (1000, 2), ["PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe"]),
        (OPEN_5, (0, 2), [*ROOT, "PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe"]),
        ("MPICH Version:      4.0.2", (0, 2), []),
        ("Intel(R) MPI Library 2021.13", (0, 2), []),
    ],
)
def test_the_line_has_the_variables_that_open_mpi_needs(plan, monkeypatch, mpi, machine, variables):
    user, cores = machine
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    advised = advice.advise(plan(10980), ["a.SAFE", "-o", "rgb.tif"], python="python", mpi=mpi)
    words = shlex.split(advised.commands.mpirun)
    assert words[: words.index("mpirun")] == variables
    operations = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert all(variable in operations for variable in variables)


def test_a_plan_as_json_has_plain_names_and_values(tmp_path):
    grid = make_grid(3000, 2000)
    signed = "/vsicurl/https://h/all.tif?sig=SECRET"
    stored = Stored("int16", nodata=(-9999, 0.5), has_mask=True)
    red = Band("B04", signed, Calibration(-1000, 5000.0), stored=stored, offset_source="the item")
    bands = (red, replace(red, name="B03"), replace(red, name="B02"))
    operation = Operation("from here to there", "+proj=noop", accuracy=1.0)
    warp = Warp(Product("A", bands, grid, (512, 256)), "nearest", (0.5, 0.25), operation)
    product = Product("A", bands, grid, (1024, 1024), warp=warp)
    plan = make_plan(Job((signed,), tmp_path / "rgb.tif"), lay_out([product]))
    told = describe(plan, 4, warnings=["look out"])
    fields = json.loads(json.dumps(as_fields(told), allow_nan=False))
    assert fields == {
        "schema_version": 1,
        "inputs": [
            {
                "col_off": 0,
                "row_off": 0,
                "name": "A",
                "block": [512, 256],
                "offset_source": "the item",
                "pixel": 10.0,
                "unit": "m",
                "factor": 1,
                "resampled": {
                    "resampling": "nearest",
                    "scale": [0.5, 0.25],
                    "operation": {
                        "name": "from here to there",
                        "definition": "+proj=noop",
                        "accuracy": 1.0,
                        "is_ballpark": False,
                    },
                },
                "bands": [
                    {
                        "name": name,
                        "path": "/vsicurl/https://h/all.tif",
                        "offset": -1000,
                        "quantification": 5000.0,
                        "nodata": [-9999, 0.5],
                        "masks": ["mask"],
                    }
                    for name in ("B04", "B03", "B02")
                ],
                "classification": None,
                "cloud_cover": None,
                "clear_share": None,
            }
        ],
        "grid": {
            "crs": grid.crs,
            "transform": list(grid.transform),
            "width": 3000,
            "height": 2000,
        },
        "windows": 6,
        "window": [1024, 1024],
        "levels": plan.levels,
        "tiling": None,
        "ranks": 4,
        "workers": 2,
        "windows_per_worker": [2, 4],  # the first ones decode what all need
        "worker_nbytes": worker_nbytes(plan, deal(plan, 2)),
        "writer_nbytes": writer_nbytes(plan, 2),
        "output": {
            "path": str(tmp_path / "rgb.tif"),
            "layout": "cog",
            "compress": "deflate",
            "largest_nbytes": output_nbytes(plan),
        },
        "warnings": ["look out"],
    }
    # The same in words.
    text = as_text(told)
    first = "A at column 0, row 0, blocks of 512 x 256\n    files of 10 m\n"
    assert f"\n  {first}    offset stated by the item\n" in text
    assert "    -ct '+proj=noop'\n" in text
    assert "-r near -wo XSCALE=0.5 -wo YSCALE=0.25\n    by from here to there, accurate" in text
    assert "offset -1000, quantification 5000, no data -9999, 0.5, mask\n" in text
    assert "\nwindows  6 of 1024 x 1024 pixels\nshares   2 workers, 2 to 4 windows each\n" in text
    assert text.startswith("products 1\n  A at column 0")


def test_the_grid_has_its_unit_and_its_crs(plan):
    text = as_text(describe(plan(10980), 1))
    assert "\ngrid     10980 x 10980 pixels of 10 m from " in text
    assert "\nCRS      WGS 84 / UTM zone 32N (EPSG:32632)\n" in text


def test_shares_are_words_that_fit_their_numbers(plan):
    made = describe(plan(10980), 1)
    for workers, shares, words in (
        (1, (1, 1), "1 worker, 1 window"),
        (1, (9, 9), "1 worker, 9 windows"),
        (3, (1, 1), "3 workers, 1 window each"),
        (3, (0, 1), "3 workers, 0 to 1 window each"),
        (3, (3, 3), "3 workers, 3 windows each"),
    ):
        text = as_text(replace(made, workers=workers, windows_per_worker=shares))
        assert f"\nshares   {words}\n" in text


def test_a_mosaic_as_json_says_where_its_products_lie(tmp_path):
    grid = make_grid(600, 500)
    left, dx, row_turn, top, col_turn, dy = grid.transform
    aside = replace(grid, transform=(left + 300, dx, row_turn, top - 200, col_turn, dy))
    products = [Product(name, (), at, (256, 256)) for name, at in (("A", grid), ("B", aside))]
    plan = make_plan(Job(("A", "B"), tmp_path / "rgb.tif"), lay_out(products))
    inputs = as_fields(describe(plan, 1))["inputs"]
    places = [(each["name"], each["col_off"], each["row_off"]) for each in inputs]
    assert places == [("A", 0, 0), ("B", 30, 20)]


def test_advice_as_json_is_the_advice_in_words(plan):
    made = plan(10980)
    advised = advice.advise(made, ["a.SAFE", "-o", "rgb.tif"], python="python")
    told = describe(made, 1, advice=advised)
    fields = as_fields(told)["advice"]
    assert fields == {
        "ranks": 17,
        "workers": 15,
        "limit": "more workers would have less than 8 million pixels each",
        "windows_per_worker": (7, 9),
        "rank_nbytes": advice.rank_nbytes(made, 15),
        "commands": {"mpirun": advised.commands.mpirun, "slurm": advised.commands.slurm},
        "is_redacted": False,
    }
    assert as_text(told) == f"{as_text(describe(made, 1))}\n{advised}"
    assert f"\nhere     {fields['commands']['mpirun']}\nSlurm    " in as_text(told)
