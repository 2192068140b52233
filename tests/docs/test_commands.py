"""Every command in README and docs runs, or is listed here with the reason why not."""

import os
import re
import sys
from pathlib import Path

import pytest
from osgeo import gdal

from conftest import MPI_ENVIRONMENT, finish
from docs.pages import PAGES, Block, blocks
from s2rgb_mpi.testing.safe import write_safe
from shared import once

SETUP = "makes the environment that runs this test, as root or from the network"
NETWORK = "needs the network"
SLURM = "needs Slurm, tests/slurm runs it"
ULFM = "needs Open MPI 5, tests/mpi/test_survive.py runs it"
MPICH = "finds nothing where no run of MPICH was killed, and then its exit code is 1"

NOT_RUN = {
    "ci/setup": SETUP,
    "ci/setup --stack wheels": SETUP,
    "conda env create -f slurm/environment.yml && conda activate s2rgb &&"
    " pip install --no-deps .": SETUP,
    "sudo apt install python3-gdal python3-mpi4py openmpi-bin python3-venv": SETUP,
    "mpirun -n 4 s2rgb-mpi https://earth-search.aws.element84.com/v1/collections/sentinel-2-c1-l2a"
    "/items/S2A_T13TDE_20240405T175934_L2A -o rgb.tif": NETWORK,
    "export AWS_S3_ENDPOINT=eodata.dataspace.copernicus.eu AWS_VIRTUAL_HOSTING=FALSE": NETWORK,
    "ls /dev/shm | grep mpich_shm_ | grep -vxFf"
    " <(grep -hso 'mpich_shm_[0-9a-f_]*' /proc/[0-9]*/maps)": MPICH,
    "mpirun --with-ft ulfm -n 16 s2rgb-mpi --survive PRODUCT.SAFE -o rgb.tif": ULFM,
    "slurm/submit S2A_MSIL2A_….SAFE -o rgb.tif": SLURM,
    "sbatch --ntasks=16 slurm/mosaic.sbatch PRODUCT.SAFE -o rgb.tif": SLURM,
    "srun --mpi=pmix --signal=USR1@120 -n 16 s2rgb-mpi PRODUCT.SAFE -o rgb.tif --resume": SLURM,
}
"""Blocks by their first commands, and the reason."""

COMMANDS = [
    block for page in PAGES for block in blocks(page) if block.language in {"sh", "console"}
]
RUN = [block for block in COMMANDS if block.title not in NOT_RUN]

SECONDS = 120
"""For a block; on an idle machine it takes a few."""


def test_the_list_has_nothing_that_no_page_has():
    assert set(NOT_RUN) <= {block.title for block in COMMANDS}


@pytest.fixture(scope="session")
def products(tmp_path_factory) -> dict[str, Path]:
    """The products that the pages use, by the names that they have there."""
    return once(tmp_path_factory, "documented", write_products)


def write_products(folder: Path) -> dict[str, Path]:
    def product(**changes):
        return write_safe(folder, width=2048, height=2048, **changes)

    first = product()
    return {
        "PRODUCT.SAFE": first,
        "WEST.SAFE": first,
        "EAST.SAFE": product(date="2022-06-18", seed=5, nodata_fraction=0.0),
    }


@pytest.fixture
def folder(products, tmp_path) -> Path:
    """A folder with the products."""
    for name, product in products.items():
        (tmp_path / name).symlink_to(product)
    return tmp_path


def pattern(output: str) -> str:
    """Return the regular expression for output in which an ellipsis stands for anything."""
    return ".*".join(map(re.escape, output.split("…")))


def check(block: Block, said: str) -> None:
    """Compare the lines of output in a block with those of its commands, in their order."""
    for line in block.text.splitlines():
        if block.language == "console" and not line.startswith("$ "):
            found = re.search(f"^{pattern(line)}$", said, re.MULTILINE)
            assert found, f"not said, or not in this place: {line}\n{said}"
            said = said[found.end() :]


def valid_share(image: Path) -> float:
    """Return the share of the pixels that a mask does not hide."""
    dataset = gdal.Open(str(image))  # bands do not keep it open
    mask = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()
    return float((mask > 0).mean())


@pytest.mark.parametrize("block", RUN, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_runs(block, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | MPI_ENVIRONMENT | {"PATH": path, "COLUMNS": "80"}
    script = block.text
    if block.language == "console":
        lines = script.splitlines()
        script = "\n".join(line[2:] for line in lines if line.startswith("$ "))
    command = ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{script}"]
    done = finish(command, env, SECONDS, cwd=folder)
    assert done.returncode == 0, done.stdout
    check(block, done.stdout)
    assert "s2rgb_mpi: warning: " not in done.stdout
    for image in folder.glob("*.tif"):
        padded = gdal.Open(str(image)).GetMetadata("TILING_SCHEME")  # to whole tiles
        assert valid_share(image) > (0.2 if padded else 0.5), f"{image.name} shows next to nothing"


def test_output_that_is_not_said_is_seen():
    block = Block("page", 1, "console", "$ echo a b c\na … c\n")
    check(block, "a b c\n")
    with pytest.raises(AssertionError, match="not said"):
        check(block, "a b\n")
