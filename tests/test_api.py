"""The package as a library: the same image as the program's, and errors as exceptions."""

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
import s2rgb_mpi
from conftest import MPI_ENVIRONMENT, MPIRUN, SMALL, finish, read_rgb
from s2rgb_mpi import Job, Profile, Result, Stretch, Tci, Wanted, convert, errors
from s2rgb_mpi.testing.safe import read_dn

PROGRAM = (str(Path(__file__).parent / "mpi" / "programs" / "library.py"),)


def job(safe, output, **options):
    return Job((str(safe),), output, profile=Profile(tile=64), window=128, **options)


@pytest.fixture
def broken(safe, tmp_path_factory):
    """A product whose green band ends early."""
    product = Path(shutil.copytree(safe, tmp_path_factory.mktemp("broken") / safe.name))
    (green,) = product.rglob("*_B03_10m.jp2")
    os.truncate(green, green.stat().st_size // 2)
    return product


def test_one_call_makes_the_image(safe, tmp_path):
    result = convert(job(safe, tmp_path / "rgb.tif"))
    assert isinstance(result, Result)
    assert result.path == tmp_path / "rgb.tif"
    assert result.nbytes == result.path.stat().st_size
    assert (result.windows, result.empty, dict(result.damaged)) == (20, (), {})
    expected = reference.rgb(read_dn(safe), offset=-1000)
    np.testing.assert_array_equal(read_rgb(result.path), expected)
    assert result.histogram.sum() == 3 * np.count_nonzero(expected.any(axis=2))
    assert list(tmp_path.iterdir()) == [result.path]
    assert len(repr(result)) < 300  # what a notebook shows


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_many_ranks_make_the_same_file(mpirun, safe, tmp_path, ranks):
    alone = convert(job(safe, tmp_path / "alone.tif"))
    run = mpirun(ranks, safe, tmp_path / "many.tif", program=PROGRAM)
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split()) == [f"{rank}:{alone.nbytes}" for rank in range(ranks)]
    assert (tmp_path / "many.tif").read_bytes() == alone.path.read_bytes()


def test_it_is_the_file_of_the_program(mpirun, safe, tmp_path):
    alone = convert(job(safe, tmp_path / "alone.tif"))
    run = mpirun(None, safe, "-o", tmp_path / "program.tif", *SMALL)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "program.tif").read_bytes() == alone.path.read_bytes()


def test_what_cannot_be_is_an_exception(safe, tmp_path):
    output = tmp_path / "rgb.tif"
    output.touch()
    with pytest.raises(errors.UsageError, match="exists already"):
        convert(job(safe, output))
    with pytest.raises(errors.InputError, match="no such file"):
        convert(job(tmp_path / "absent.SAFE", tmp_path / "other.tif"))
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("ranks", [1, 3])
def test_before_the_start_every_rank_raises_it(mpirun, safe, tmp_path, ranks):
    run = mpirun(ranks, safe, tmp_path / "absent" / "rgb.tif", program=PROGRAM)
    assert run.returncode == 0, run.stderr
    assert sorted(run.stdout.split()) == [f"{rank}:UsageError" for rank in range(ranks)]


def test_a_window_that_cannot_be_read_is_an_exception_and_the_rest_is_kept(broken, tmp_path):
    output = tmp_path / "rgb.tif"
    with pytest.raises(errors.ReadError, match="window"):
        convert(job(broken, output))
    assert not output.exists()
    assert not (tmp_path / "rgb.tif.lock").exists()
    result = convert(job(broken, output, resume=True, on_error="nodata"))
    assert result.damaged
    assert result.warnings


def test_a_failure_leaves_no_thread_and_no_open_file(broken, tmp_path):
    """A notebook goes on; and it holds the last traceback, with all that it refers to."""
    before = set(threading.enumerate())
    with pytest.raises(errors.ReadError) as held:
        convert(job(broken, tmp_path / "rgb.tif"))
    held.match("window")
    files = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [file for file in files if str(tmp_path) in file]
    assert set(threading.enumerate()) <= before


def test_on_many_ranks_a_failure_ends_the_job(mpirun, broken, tmp_path):
    run = mpirun(3, broken, tmp_path / "rgb.tif", program=PROGRAM)
    assert run.returncode == 5
    (line,) = (line for line in run.said if "error: " in line)
    assert re.search(r"rank 1: window \d+ .*_B03_10m\.jp2", line)
    assert run.left == []


def test_on_many_ranks_an_unforeseen_failure_before_the_start_ends_the_job_too(
    mpirun, safe, tmp_path
):
    """Rank 0 alone makes the plan: the others would wait for it for ever."""
    run = mpirun(3, safe, tmp_path / "rgb.tif", "spoilt", program=PROGRAM)
    assert run.returncode == 5
    assert "TypeError" in run.stderr
    assert run.left == []


def test_what_is_no_job_is_a_usage_error(tmp_path):
    with pytest.raises(errors.UsageError, match=r"^job = .a.SAFE.: must be Job"):
        convert("a.SAFE")  # type: ignore[arg-type]
    with pytest.raises(errors.UsageError, match=r"^outputs = \{\}: must be Wanted"):
        convert(Job("a.SAFE", tmp_path / "rgb.tif"), outputs={})  # type: ignore[arg-type]


def test_gdal_is_as_it_was_before(safe, tmp_path):
    """A notebook goes on with GDAL: with its own cache, and with files beside images found."""
    names = ("GDAL_NUM_THREADS", "GDAL_DISABLE_READDIR_ON_OPEN")
    code = (
        "import sys\n"
        "from osgeo import gdal\n"
        "from s2rgb_mpi import Job, convert\n"
        f"state = lambda: (gdal.GetCacheMax(), *map(gdal.GetConfigOption, {names}))\n"
        "before = state()\n"
        "convert(Job(*sys.argv[1:]))\n"
        "assert state() == before, (before, state())\n"
    )
    command = [sys.executable, "-c", code, str(safe), str(tmp_path / "rgb.tif")]
    environ = {name: value for name, value in os.environ.items() if name not in names}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environ
    )
    assert run.returncode == 0, run.stderr


def test_a_lossy_codec_has_the_mask_of_the_command_line():
    assert Profile(compress="jpeg").mask == "internal"
    assert Profile(compress="webp", quality=100).mask == "nodata"


def test_reports_are_written_where_asked(safe, tmp_path):
    convert(job(safe, tmp_path / "rgb.tif"), outputs=Wanted(report=tmp_path / "rgb.json"))
    assert (tmp_path / "rgb.json").stat().st_size


@pytest.mark.parametrize("field", ["report", "log_file", "quicklook"])
def test_no_file_beside_the_image_replaces_an_input(safe, tmp_path, field):
    product = Path(shutil.copytree(safe, tmp_path / safe.name))
    (green,) = product.rglob("*_B03_10m.jp2")
    before = green.read_bytes()
    option = f"--{field.replace('_', '-')} {green}"
    beside: Any = {field: green}
    with pytest.raises(errors.UsageError, match=f"^{option}: is a file of the input; name another"):
        convert(job(product, tmp_path / "rgb.tif"), outputs=Wanted(**beside))
    assert green.read_bytes() == before
    assert not (tmp_path / "rgb.tif").exists()


def test_one_process_needs_no_mpi(safe, tmp_path):
    code = (
        "import sys; sys.modules['mpi4py'] = None\n"
        "from pathlib import Path\n"
        "from s2rgb_mpi import Job, convert\n"
        "if __name__ == '__main__':\n"
        "    print(convert(Job((sys.argv[1],), Path(sys.argv[2]))).nbytes)\n"
    )
    command = [sys.executable, "-c", code, str(safe), str(tmp_path / "rgb.tif")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == (tmp_path / "rgb.tif").stat().st_size


def test_importing_the_package_loads_neither_gdal_nor_mpi():
    code = "import sys, s2rgb_mpi; print({'osgeo', 'mpi4py', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("products", ["a.SAFE", Path("a.SAFE"), [Path("a.SAFE")], ("a.SAFE",)])
@pytest.mark.parametrize("output", ["rgb.tif", Path("rgb.tif")])
def test_paths_are_texts_or_paths(products, output):
    made = Job(products, output)
    assert (made.products, made.output) == (("a.SAFE",), Path("rgb.tif"))
    assert made == Job(("a.SAFE",), Path("rgb.tif"))


def test_several_products_stay_in_their_order():
    names = (Path(name) for name in ("b.SAFE", "a.SAFE"))
    assert Job(names, "rgb.tif").products == ("b.SAFE", "a.SAFE")
    url = "https://example.org/a.json"
    assert Job([url, Path("a.SAFE")], "rgb.tif").products == (url, "a.SAFE")


@pytest.mark.parametrize("files", [["r", Path("g"), "b"], [["r", "g", Path("b")]]])
def test_band_files_are_three_or_groups_of_three(files):
    assert Job((), "rgb.tif", rgb=files).rgb == (("r", "g", "b"),)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"products": 3}, "products = 3: must be a str, a Path, or a list of these"),
        ({"products": None}, "products = None: must be a str, a Path, or a list of these"),
        ({"products": ["a.SAFE", 3]}, r"products = \['a.SAFE', 3\]: must be a str or a Path"),
        ({"output": 3}, "output = 3: must be a str or a Path"),
        ({"output": None}, "output = None: must be a str or a Path"),
        ({"rgb": "rgb"}, "rgb = 'rgb': must be three of str or Path, or a list of these"),
        ({"rgb": ["r", "g"]}, r"rgb = \['r', 'g'\]: must be three files, red, green and blue"),
        ({"rgb": [["r", "g", "b"], "r"]}, "rgb = .*: must be three of str or Path"),
        ({"stretch": "tci"}, r"stretch = 'tci': must be Stretch\(...\), Tci\(\) or Exopp\(\)"),
    ],
)
def test_what_is_no_path_or_curve_is_a_usage_error(fields, words):
    with pytest.raises(errors.UsageError, match=f"^{words}"):
        Job(**{"products": "a.SAFE", "output": "rgb.tif"} | fields)


def test_files_beside_the_image_are_texts_or_paths():
    assert Wanted(report="rgb.json", log_file=Path("a.log")).files == {
        "--report": Path("rgb.json"),
        "--log-file": Path("a.log"),
    }


@pytest.mark.parametrize(
    ("stretch", "option"),
    [(Stretch(white=0.4), ["--white", "0.4"]), (Tci(), ["--preset", "tci"])],
)
def test_colours_are_those_of_the_program(mpirun, safe, tmp_path, stretch, option):
    alone = convert(job(safe, tmp_path / "alone.tif", stretch=stretch))
    run = mpirun(None, safe, "-o", tmp_path / "program.tif", *SMALL, *option)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "program.tif").read_bytes() == alone.path.read_bytes()


def test_the_package_lists_its_public_names():
    public = {"Exopp", "Job", "Profile", "Result", "Stretch", "Tci", "Wanted", "convert", "errors"}
    assert set(dir(s2rgb_mpi)) == public | {"__version__"}
    assert all(getattr(s2rgb_mpi, name) for name in public)
    stub = Path(s2rgb_mpi.__file__).with_suffix(".pyi").read_text()
    assert public == set(re.findall(r" as (\w+)$", stub, re.MULTILINE))


DOCS = Path(__file__).parents[1] / "docs" / "api.md"


@pytest.fixture
def example(safe, tmp_path):
    """The function that runs a script of the documentation beside a product."""

    def run(number, ranks):
        code = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)[number]
        (tmp_path / "script.py").write_text(code)
        (tmp_path / "product.SAFE").symlink_to(safe)
        mpirun = [] if ranks is None else [MPIRUN, "-n", str(ranks)]
        command = [*mpirun, sys.executable, "script.py"]
        return finish(command, os.environ | MPI_ENVIRONMENT, 60, cwd=tmp_path)

    return run


@pytest.mark.parametrize(("number", "ranks"), [(1, None), (2, 3)])
def test_the_examples_of_the_docs_run(example, tmp_path, number, ranks):
    run = example(number, ranks)
    assert run.returncode == 0, run.stderr
    name, nbytes = run.stdout.split()[:2]
    assert int(nbytes) == (tmp_path / name).stat().st_size


@pytest.mark.parametrize("ranks", [None, 4])
def test_the_docs_script_ends_with_one_line_and_the_exit_code(example, tmp_path, ranks):
    (tmp_path / "rgb.tif").touch()
    run = example(3, ranks)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("error: rgb.tif: exists already; --overwrite replaces it\n") == 1
    assert "Traceback" not in run.stderr
