"""The same bytes however Slurm starts the ranks, and on however many machines."""

import json
import sys
from pathlib import Path

import pytest

from conftest import SMALL
from s2rgb_mpi.testing.safe import write_safe

SLURM = Path(__file__).parents[2] / "slurm"
PROGRAM = (sys.executable, "-m", "s2rgb_mpi")


def ranks_of(report):
    """List where each rank was, in the order of the ranks."""
    ranks = json.loads(report.read_bytes())["ranks"]
    return [rank["host"] for rank in sorted(ranks, key=lambda rank: rank["rank"])]


def test_srun_with_pmix_on_four_machines(jobs, safe, expected, tmp_path):
    srun = ("srun", "--mpi=pmix", "-n", 16, "--ntasks-per-node", 4)
    run = jobs.run(*srun, *PROGRAM, safe, "-o", "rgb.tif", *SMALL, "--report", "r.json")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "rgb.tif").read_bytes() == expected
    assert ranks_of(tmp_path / "r.json") == [f"n{1 + rank // 4}" for rank in range(16)]


@pytest.mark.parametrize(("launcher", "machines"), [("srun", 2), ("mpirun", 2), ("mpirun", 4)])
def test_a_mosaic_has_two_ranks_more_than_cpus(jobs, safe, expected, launcher, machines):
    allocation = ("--ntasks", machines, "--nodes", machines)
    arguments = (safe, "-o", "rgb.tif", *SMALL, "--report", "r.json")
    job = jobs.submit(
        *("sbatch", *allocation, SLURM / "mosaic.sbatch", *arguments),
        env={"S2RGB_HOME": str(SLURM.parent), "S2RGB_LAUNCHER": launcher},
    )
    assert jobs.end(job)["ExitCode"] == "0:0", jobs.log(job)
    assert Path("rgb.tif").read_bytes() == expected
    hosts = ranks_of(Path("r.json"))
    assert len(hosts) == machines + 2
    assert sorted(set(hosts)) == [f"n{1 + machine}" for machine in range(machines)]


def test_without_overcommitment_every_rank_has_a_cpu(jobs, safe, expected, tmp_path):
    job = jobs.submit(
        *("sbatch", "--ntasks", 3, SLURM / "mosaic.sbatch", safe, "-o", "rgb.tif", *SMALL),
        *("--report", "r.json"),
        env={"S2RGB_HOME": str(SLURM.parent), "S2RGB_OVERCOMMIT": "no"},
    )
    assert jobs.end(job)["ExitCode"] == "0:0", jobs.log(job)
    assert (tmp_path / "rgb.tif").read_bytes() == expected
    assert len(ranks_of(tmp_path / "r.json")) == 3


def test_an_array_makes_an_image_of_every_product(jobs, mpirun, tmp_path):
    products = [
        write_safe(tmp_path, granule=granule, width=200, height=150, tile=64)
        for granule in ("32TMT", "32TLT", "32TNT")
    ]
    (tmp_path / "list").write_text("".join(f"{product}\n" for product in products))
    (tmp_path / "images").mkdir()
    options = ("--tile", 64, "--window", 64)
    job = jobs.submit(SLURM / "submit", "--array", "list", "images", *options)
    for task in (1, 2, 3):
        assert jobs.end(f"{job}_{task}")["ExitCode"] == "0:0", jobs.log(f"{job}_{task}")
    images = sorted((tmp_path / "images").iterdir())
    assert [image.stem for image in images] == sorted(product.stem for product in products)
    for product in products:
        alone = tmp_path / "alone.tif"
        assert mpirun(None, product, "-o", alone, "--overwrite", *options).returncode == 0
        assert (tmp_path / "images" / f"{product.stem}.tif").read_bytes() == alone.read_bytes()


def test_staged_products_are_read_from_every_machines_own_disk(jobs, safe, expected, tmp_path):
    arguments = (safe, "-o", "rgb.tif", *SMALL, "--report", "r.json")
    job = jobs.submit(
        *("sbatch", "--ntasks", 2, "--nodes", 2, SLURM / "mosaic.sbatch", *arguments),
        env={
            "S2RGB_HOME": str(SLURM.parent),
            "S2RGB_STAGE": "yes",
            "TMPDIR": f"{jobs.folder}/local",
        },
    )
    assert jobs.end(job)["ExitCode"] == "0:0", jobs.log(job)
    assert (tmp_path / "rgb.tif").read_bytes() == expected
    (product,) = json.loads((tmp_path / "r.json").read_bytes())["inputs"]
    assert all(f"{jobs.folder}/local/" in band["path"] for band in product["bands"])
    left = jobs.run("srun", "--nodes", 4, "find", f"{jobs.folder}/local", "-mindepth", 1)
    assert (left.returncode, left.stdout) == (0, "")


@pytest.mark.parametrize("mpi", [("--mpi=none",), ()], ids=["none", "Debian's default"])
def test_ranks_that_do_not_find_each_other_are_refused(jobs, safe, tmp_path, mpi):
    run = jobs.run("srun", *mpi, "-n", 4, *PROGRAM, safe, "-o", "rgb.tif")
    assert run.returncode != 0
    assert list(tmp_path.iterdir()) == []
    # Debian's Open MPI refuses by itself; with others every rank is alone, and the program refuses.
    assert "SLURM's PMI support" in run.stderr or "srun --mpi=pmix" in run.said[0], run.stderr
