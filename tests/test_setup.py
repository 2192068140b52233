"""ci/setup: of the system's packages the environment sees those that it needs, and no other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SHOW = """
import importlib, json
from importlib import metadata, util
modules = ["numpy", "mpi4py", "osgeo", "osgeo_utils"]
print(json.dumps({
    "said": [importlib.import_module(name).SAID for name in modules],
    "versions": [metadata.version(name) for name in ["numpy", "GDAL", "mpi4py"]],
    "strays": [name for name in ["stray", "mpl_toolkits"] if util.find_spec(name)],
    "known": sorted(item.name for item in metadata.distributions()),
}))
"""


def run(*command):
    return subprocess.run(
        [*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def bash(script, *arguments):
    done = run("bash", "-euc", script, "bash", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def outer(tmp_path):
    """A Python with GDAL, mpi4py and numpy, and with other packages beside them."""
    home = tmp_path / "outer"
    done = run(sys.executable, "-m", "venv", "--without-pip", home)
    assert done.returncode == 0, done.stderr
    (packages,) = home.glob("lib/python3*/site-packages")
    for name in "numpy", "mpi4py", "osgeo", "osgeo_utils", "stray", "mpl_toolkits":
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(f"SAID = 'the outer {name}'\n")
    # numpy as a wheel of many Linuxes has it, its libraries beside it.
    (packages / "numpy.libs").mkdir()
    (packages / "numpy.libs" / "words").write_text("the outer library")
    (packages / "numpy" / "__init__.py").write_text(
        "from pathlib import Path\n"
        "beside = Path(__file__).parent.with_name('numpy.libs')\n"
        "SAID = 'the outer numpy, ' + (beside / 'words').read_text()\n"
    )
    (packages / "stray.pth").write_text("import sys; sys.stray = True\n")
    # A folder by pip; a folder and a file by a distribution.
    about = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"
    for info, name, version in (
        ("numpy-1.24.2.dist-info/METADATA", "numpy", "1.24.2"),
        ("mpi4py-3.1.4.egg-info/PKG-INFO", "mpi4py", "3.1.4"),
        ("GDAL-3.6.2.egg-info", "GDAL", "3.6.2"),
        ("stray-1.0.dist-info/METADATA", "stray", "1.0"),
    ):
        (packages / info).parent.mkdir(exist_ok=True)
        (packages / info).write_text(about.format(name, version))
    return home / "bin" / "python"


def test_an_environment_sees_no_stray_package(outer, tmp_path):
    venv = tmp_path / "inner"
    python = venv / "bin" / "python"
    bash("$1 -m venv --without-pip $2", outer, venv)  # ensurepip alone takes several seconds
    bash('source ci/stacks/system; python=("$1" -I) venv=$2; link_packages', outer, venv)
    shown = run(python, "-I", "-c", SHOW)
    assert shown.returncode == 0, shown.stderr
    seen = json.loads(shown.stdout)
    assert seen["said"] == [
        "the outer numpy, the outer library",
        "the outer mpi4py",
        "the outer osgeo",
        "the outer osgeo_utils",
    ]
    assert seen["versions"] == ["1.24.2", "3.6.2", "3.1.4"]
    assert seen["strays"] == []
    assert seen["known"] == ["GDAL", "mpi4py", "numpy"]
    # pip takes them for installed, and leaves the system's files alone.
    pip = sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--python", python
    needs = run(*pip, "install", "--no-index", "numpy>=1.24", "GDAL==3.6.2", "mpi4py>=3.1")
    assert needs.returncode == 0, needs.stderr
    removed = run(*pip, "uninstall", "--yes", "numpy")
    assert removed.returncode != 0
    assert "numpy" in removed.stderr
    assert json.loads(run(python, "-I", "-c", SHOW).stdout) == seen


@pytest.mark.parametrize("name", ["demo", "test", "bench", "soak", "slurm-lab"])
def test_every_script_has_help_that_does_nothing(name):
    """What they would do instead takes minutes and hundreds of megabytes."""
    done = run(f"ci/{name}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\n  ci/{name} [" in done.stdout
    assert "pipefail" not in done.stdout


def test_help_is_the_usage_and_installs_nothing():
    done = run("ci/setup", "--help")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("Makes a machine ready for development: ")
    assert last.startswith("Exit code 69: ")
    assert "\n  ci/setup [--stack system|wheels|mpich|intelmpi] [--browser] " in done.stdout


def test_an_unknown_argument_is_named():
    done = run("ci/setup", "--stak")
    assert done.returncode == 1
    assert done.stderr.startswith("setup: error: unknown argument --stak; known are --stack, ")


PLACES = """
from importlib.metadata import distributions
for item in distributions():
    print(item.locate_file("").absolute())
"""


def test_this_environment_sees_no_stray_package():
    if not Path(sys.prefix, "system").is_dir():
        pytest.skip("not the system's stack")
    shown = run(sys.executable, "-I", "-c", PLACES)
    assert shown.returncode == 0, shown.stderr
    places = shown.stdout.splitlines()
    assert len(places) > 10
    assert [place for place in places if not place.startswith(sys.prefix)] == []
