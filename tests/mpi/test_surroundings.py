"""The environment of a run: links, devices, closed and full streams, a folder that is removed."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
import s2rgb_mpi
from conftest import INTEL, MPI_ENVIRONMENT, MPICH, MPIRUN, SMALL, finish, read_rgb
from s2rgb_mpi.testing.safe import read_dn

FAILING = (str(Path(__file__).parent / "programs" / "failing.py"),)


@pytest.fixture(scope="module")
def expected(safe):
    return reference.rgb(read_dn(safe), offset=-1000)


def shell(script, *, seconds=60.0):
    """Run a shell script; return what it left behind.

    In it $RUN is the program and $MPIRUN its launcher.
    """
    run = f"{shlex.quote(sys.executable)} -m s2rgb_mpi"
    env = os.environ | MPI_ENVIRONMENT | {"RUN": run, "MPIRUN": MPIRUN}
    return finish(["bash", "-c", script], env, seconds)


# --- the output --------------------------------------------------------------------------------


def make_special(path, kind):
    if kind == "fifo":
        os.mkfifo(path)
        return
    try:  # the numbers of /dev/null; the one of the machine is not to be touched
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("device", []),
        ("device", ["--overwrite"]),
        ("device", ["--resume"]),
        ("fifo", ["--overwrite"]),
        ("link", ["--overwrite"]),
    ],
)
def test_an_output_that_is_no_regular_file_is_refused(mpirun, safe, tmp_path, kind, options):
    special = output = tmp_path / "special"
    make_special(special, "device" if kind == "link" else kind)
    before = special.stat()
    if kind == "link":
        output = tmp_path / "rgb.tif"
        output.symlink_to(special)
    run = mpirun(None, safe, "-o", output, *SMALL, *options)
    assert run.returncode == 2
    assert run.said == [
        f"s2rgb_mpi: error: {special}: is not a regular file; name a file for the image"
    ]
    after = special.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert output.is_symlink() == (kind == "link")


@pytest.mark.parametrize(("ranks", "is_there"), [(None, False), (None, True), (3, False)])
def test_a_symbolic_link_is_followed(mpirun, safe, tmp_path, ranks, is_there):
    target = tmp_path / "disk" / "image.tif"
    target.parent.mkdir()
    link = tmp_path / "rgb.tif"
    link.symlink_to("disk/image.tif")
    if is_there:
        target.write_bytes(b"old")
        run = mpirun(ranks, safe, "-o", link, *SMALL)
        assert run.returncode == 2
        words = f"{target}: exists already; --overwrite replaces it"
        assert run.said == [f"s2rgb_mpi: error: {words}"]
    run = mpirun(ranks, safe, "-o", link, *SMALL, *["--overwrite"] * is_there)
    assert run.returncode == 0, run.stderr
    assert link.readlink() == Path("disk/image.tif")
    assert list(target.parent.iterdir()) == [target]
    assert list(tmp_path.glob("rgb.tif*")) == [link]
    np.testing.assert_array_equal(read_rgb(target), reference.rgb(read_dn(safe), offset=-1000))


def test_the_files_of_a_run_lie_beside_the_target_of_a_link(mpirun, safe, tmp_path, expected):
    target = tmp_path / "disk" / "image.tif"
    target.parent.mkdir()
    (tmp_path / "rgb.tif").symlink_to(target)
    arguments = (safe, "-o", tmp_path / "rgb.tif", *SMALL)
    run = mpirun(None, "writer", "SIGTERM", *arguments, program=FAILING)
    assert run.returncode == 75, run.stderr
    left = {path.name for path in target.parent.iterdir()}
    assert left == {"image.tif.part", "image.tif.journal"}
    run = mpirun(None, *arguments, "--resume")
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(target), expected)


def test_links_in_a_circle_are_refused(mpirun, safe, tmp_path):
    for one, other in (("a.tif", "b.tif"), ("b.tif", "a.tif")):
        (tmp_path / one).symlink_to(other)
    run = mpirun(None, safe, "-o", tmp_path / "a.tif", "--overwrite")
    assert run.returncode == 2
    assert "a symbolic link that leads in a circle" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_output_folder_that_is_removed_ends_the_run_at_the_next_write(mpirun, safe, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    arguments = (safe, "-o", folder / "rgb.tif", *SMALL)
    run = mpirun(3, "writer", "remove-folder", *arguments, program=FAILING)
    assert run.returncode == 4, run.stderr
    words = f"{folder / 'rgb.tif.part'}: was removed or replaced while it was written"
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert not folder.exists()
    assert run.left == []


# --- speaking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "$RUN {arguments} 2>&-",
        "$RUN {arguments} 2>/dev/full",
        "$RUN {arguments} -v 2>&1 >/dev/null | head -2",
        "$RUN {arguments} --progress bar 2>/dev/full",
        "$RUN {arguments} <&- >&- 2>&-",
        "$MPIRUN -n 3 $RUN {arguments} -v 2>/dev/full",
    ],
)
def test_nobody_to_speak_to_ends_no_work(safe, tmp_path, expected, script):
    if (MPICH or INTEL) and "MPIRUN" in script:
        pytest.skip("Hydra, their launcher, ends all where it cannot hand on what ranks say")
    output = tmp_path / "rgb.tif"
    arguments = shlex.join(map(str, (safe, "-o", output, *SMALL)))
    run = shell("set -o pipefail; " + script.format(arguments=arguments))
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(read_rgb(output), expected)
    assert list(tmp_path.iterdir()) == [output]


def test_a_plan_that_cannot_be_printed_is_one_line(safe, tmp_path):
    arguments = shlex.join(map(str, (safe, "-o", tmp_path / "rgb.tif", "--dry-run")))
    run = shell(f"$RUN {arguments} >/dev/full")
    assert run.returncode == 4
    assert run.stderr == "s2rgb_mpi: error: standard output: [Errno 28] No space left on device\n"
    run = shell(f"$RUN {arguments} | true; exit ${{PIPESTATUS[0]}}")
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture
def small_disk(tmp_path):
    """Words before a command: it sees a folder of this name on a disk of 16 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = f"mount -t tmpfs -o size=16k none {shlex.quote(str(folder))}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    return folder, f"unshare -m bash -c '{mount} && exec \"$@\"' --"


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    "files", ["-v --log-file {0}/run.log", "--report {0}/a.json --quicklook {0}/b.png"]
)
def test_a_full_disk_for_what_is_said_is_one_line_and_the_image_stands(
    safe, tmp_path, small_disk, ranks, files
):
    folder, inside = small_disk
    output = tmp_path / "rgb.tif"
    fill = f"head -c 15k /dev/zero >{shlex.quote(str(folder))}/filler; "
    arguments = shlex.join(map(str, (safe, "-o", output, *SMALL)))
    arguments += " " + files.format(shlex.quote(str(folder)))
    command = shlex.quote(f"{fill} $MPIRUN -n {ranks} $RUN {arguments}")
    run = shell(f"{inside} bash -c {command}")
    assert run.returncode == 4, run.stderr
    errors = [line for line in run.said if "error" in line]
    assert len(errors) == 1, run.stderr
    assert "No space left on device; the image is whole" in errors[0]
    assert "Traceback" not in run.stderr
    assert "Logging error" not in run.stderr
    np.testing.assert_array_equal(read_rgb(output), reference.rgb(read_dn(safe), offset=-1000))
    assert {path.name for path in tmp_path.iterdir()} == {"rgb.tif", "small"}


# --- the network -------------------------------------------------------------------------------

NETWORK = (
    "ip link set lo up && ip link add lan type bridge && ip link set lan up"
    " && ip addr add 10.78.0.1/24 dev lan && ip -6 addr add fd00:78::1/64 dev lan nodad"
)


def test_a_global_ipv6_address_is_no_obstacle(safe, tmp_path, expected):
    """Open MPI 5.0.7 by itself complains then, and fails where it has TCP alone."""
    if subprocess.run(["unshare", "-n", "sh", "-c", NETWORK], check=False).returncode:
        pytest.skip("no network can be made here")
    output = tmp_path / "rgb.tif"
    arguments = shlex.join(map(str, (safe, "-o", output, *SMALL)))
    alone = shlex.quote(f"{NETWORK}; export OMPI_MCA_btl=tcp,self; $MPIRUN -n 3 $RUN {arguments}")
    run = shell(f"unshare -n sh -c {alone}")
    assert run.returncode == 0, run.stderr
    assert "reachable" not in run.stderr
    np.testing.assert_array_equal(read_rgb(output), expected)


# --- memory and libraries ----------------------------------------------------------------------


@pytest.mark.skipif(INTEL, reason="Intel's own MPI_Init ends there, in its own words")
def test_too_little_address_space_is_one_line(safe, tmp_path):
    arguments = shlex.join(map(str, (safe, "-o", tmp_path / "rgb.tif")))
    run = shell(f"ulimit -v 200000; $RUN {arguments}")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert re.match("s2rgb_mpi: error: a library cannot be loaded: ", line)


def test_a_missing_library_is_named_before_the_first_pixel(safe, tmp_path):
    script = (
        "import sys; sys.modules['tifffile'] = None; sys.path_importer_cache.clear()\n"
        "from importlib import util; find = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'tifffile' else find(name)\n"
        "from s2rgb_mpi import __main__; sys.exit(__main__.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, str(safe), "-o", str(tmp_path / "rgb.tif")]
    run = finish(command, os.environ | MPI_ENVIRONMENT, 60)
    assert run.returncode == 2, run.stderr
    words = "tifffile is not installed, and no GeoTIFF can be written without it"
    assert run.said == [f"s2rgb_mpi: error: {words}"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ranks", [1, 3])
def test_without_its_folder_only_survive_is_lacking(mpirun, safe, tmp_path, ranks):
    """A program that does not need a feature does without its folder."""
    copy = tmp_path / "s2rgb_mpi"
    whole = Path(s2rgb_mpi.__file__).parent
    shutil.copytree(whole, copy, ignore=shutil.ignore_patterns("ulfm"))
    env, program = {"PYTHONPATH": str(tmp_path)}, ("-P", "-m", "s2rgb_mpi")
    found = mpirun(
        None, program=("-P", "-c", "import s2rgb_mpi; print(s2rgb_mpi.__file__)"), env=env
    )
    assert found.stdout.strip() == str(copy / "__init__.py")
    outputs = []
    for number, each in enumerate(({}, env)):
        outputs.append(tmp_path / f"{number}.tif")
        run = mpirun(ranks, safe, "-o", outputs[-1], *SMALL, env=each, program=program)
        assert run.returncode == 0, run.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    output = tmp_path / "x.tif"
    refused = mpirun(ranks, safe, "-o", output, "--survive", env=env, program=program)
    assert refused.returncode == 2
    (line,) = refused.said
    assert "--survive needs an MPI with ULFM" in line
