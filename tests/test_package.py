"""The packages that a release publishes: their files, and that they run in a bare environment.

They are built here, or taken from the folder that S2RGB_DIST names: so a release is tested before
it is published.
"""

import email
import os
import re
import sys
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import MPI_ENVIRONMENT, MPIRUN, finish, read_rgb
from s2rgb_mpi import __version__

ROOT = Path(__file__).parents[1]
STACK = {"numpy", "gdal", "mpi4py"}
"""What is never taken from pip: ci/stacks/system."""

ENVIRONMENT = {
    name: value
    for name, value in (os.environ | MPI_ENVIRONMENT).items()
    if not name.startswith(("PYTHON", "PIP_", "VIRTUAL_ENV"))
}


def run(*command, cwd=ROOT):
    done = finish([*map(str, command)], ENVIRONMENT, 120, cwd=cwd)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The source package and the wheel, which is built from it."""
    folder = Path(os.environ.get("S2RGB_DIST", ""))
    if "S2RGB_DIST" not in os.environ:
        folder = tmp_path_factory.mktemp("dist")
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return {"sdist": sdist.absolute(), "wheel": wheel.absolute()}


@pytest.fixture(scope="module")
def inside(packages):
    """The files of each package, by their path in the checkout."""
    with tarfile.open(packages["sdist"]) as sdist:
        members = {member.name.partition("/")[2] for member in sdist.getmembers()}
    return {"sdist": members, "wheel": set(zipfile.ZipFile(packages["wheel"]).namelist())}


def files(folder):
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_packages_have_the_version(packages):
    assert packages["sdist"].name == f"s2rgb_mpi-{__version__}.tar.gz"
    assert packages["wheel"].name == f"s2rgb_mpi-{__version__}-py3-none-any.whl"


def test_a_wheel_holds_all_files_of_the_package_and_no_other(inside):
    package = {name for name in inside["wheel"] if ".dist-info/" not in name}
    assert package == files("s2rgb_mpi")
    # What is no module is found by its path, and missed by no import.
    assert {
        *("s2rgb_mpi/py.typed", "s2rgb_mpi/__init__.pyi"),
        *("s2rgb_mpi/report/page.html", "s2rgb_mpi/report/schema.json"),
    } <= package
    assert f"s2rgb_mpi-{__version__}.dist-info/licenses/LICENSE" in inside["wheel"]


def test_a_source_package_holds_what_builds_and_tests_it(inside):
    names = ["pyproject.toml", "mkdocs.yml", "README.md", "LICENSE", "CHANGES.md", "CITATION.cff"]
    folders = ["s2rgb_mpi", "tests", "ci", "docs", "slurm", "findings"]
    assert {*names, "CONTRIBUTING.md"}.union(*map(files, folders)) <= inside["sdist"]


def test_the_description_is_the_readme(packages):
    name = f"s2rgb_mpi-{__version__}.dist-info/METADATA"
    metadata = email.message_from_bytes(zipfile.ZipFile(packages["wheel"]).read(name))
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    text = metadata.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().strip() == (ROOT / "README.md").read_text().strip()


def test_a_version_and_its_day_are_told_alike():
    """A release is the first of the changes that has a number; above it is what comes next."""
    headings = re.findall(r"(?m)^## (.*)$", (ROOT / "CHANGES.md").read_text())
    assert headings[0] == "[Unreleased]"
    release = re.fullmatch(r"\[(.+)\] - (\d{4}-\d\d-\d\d)", headings[1])
    assert release
    version, day = release.groups()
    assert version == __version__
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {version}" in citation
    assert f"date-released: {day}" in citation


def needed(lines):
    """List the packages that requirements name, and those which these need, without extras."""
    names = set()
    for requirement in map(Requirement, lines):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name.lower() not in STACK:
            item = distribution(requirement.name)
            names |= {requirement.name} | needed(item.requires or [])
    return names


@pytest.fixture(params=["wheel", "sdist"])
def commands(request, packages, tmp_path):
    """The folder of commands of an environment with the package and what it needs, no more."""
    if not Path(sys.prefix, "system").is_dir():
        pytest.skip("on a stack of wheels pip does not know that gdal-wheel is GDAL")
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    link = 'source ci/stacks/system; python=("$1") venv=$2; link_packages'
    run("bash", "-euc", link, "bash", sys.executable, venv)
    (site,) = venv.glob("lib/python3*/site-packages")
    archive = zipfile.ZipFile(packages["wheel"])
    metadata = archive.read(f"s2rgb_mpi-{__version__}.dist-info/METADATA")
    names = needed(email.message_from_bytes(metadata).get_all("Requires-Dist") or [])
    # From this environment, so that no network is needed; a source package is built there.
    for item in map(distribution, names | ({"flit_core"} if request.param == "sdist" else set())):
        for part in {path.parts[0] for path in item.files or []} - {"..", "__pycache__"}:
            (site / part).symlink_to(item.locate_file(part))
    pip = sys.executable, "-I", "-m", "pip", "--disable-pip-version-check"
    install = "install", "--no-index", "--no-build-isolation", packages[request.param]
    run(*pip, "--python", venv / "bin" / "python", *install, cwd=tmp_path)
    return venv / "bin"


def test_a_package_runs_in_an_environment_of_its_own(commands, tmp_path):
    program = commands / "s2rgb-mpi"
    assert run(program, "--version", cwd=tmp_path) == f"s2rgb_mpi {__version__}\n"
    assert "--output FILE" in run(program, "--help", cwd=tmp_path)
    where = "import s2rgb_mpi; print(s2rgb_mpi.__file__)"
    python = commands / "python"
    assert run(python, "-c", where, cwd=tmp_path).startswith(str(commands.parent))
    make = "-m", "s2rgb_mpi.testing", "products", "--size", "256", "--tile", "128"
    product = run(python, *make, "--texture", "synthetic", cwd=tmp_path).strip()
    told = "--report", "r.json", "--quicklook", "q.png"
    run(MPIRUN, "-n", "3", program, product, "-o", "three.tif", *told, cwd=tmp_path)
    run(program, product, "-o", "one.tif", cwd=tmp_path)
    assert (tmp_path / "three.tif").read_bytes() == (tmp_path / "one.tif").read_bytes()
    assert read_rgb(tmp_path / "one.tif").any(axis=-1).mean() > 0.9
    # Without the extra one line says how to get it.
    page = [str(program), product, "-o", "page.tif", "--html", "page.html"]
    refused = finish(page, ENVIRONMENT, 60, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.said == [
        "s2rgb_mpi: error: --html needs matplotlib: pip install 's2rgb-mpi[html]'"
    ]
