"""Products in an object store: a real S3 server on this machine, with the variables of users."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal

from conftest import SMALL
from rasters import write_raster
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import read_dn, write_safe

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-readers/bin/python"
SERVER = HERE.parent / "readers" / "s3_server.py"
SCENE: dict[str, Any] = {"width": 389, "height": 293, "nodata_fraction": 0.4}
BANDS = ("B04", "B03", "B02")
SETTINGS = ("AWS_", "GDAL_", "CPL_")

WRONG = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


class Bucket:
    """A running server, and the environment that users set for it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.url, self.key, self.secret = json.loads(process.stdout.readline())

    def check(self, *, signatures: bool) -> None:
        """Check signatures from now on, or answer unsigned requests for public objects too."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("check\n" if signatures else "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables for this server; by default those of somebody without keys."""
        return {
            "AWS_S3_ENDPOINT": self.url.removeprefix("http://"),
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_EC2_METADATA_DISABLED": "YES",  # GDAL would look for the role of a machine at AWS
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "GDAL_HTTP_MAX_RETRY": "0",
            **more,
        }

    @property
    def signed(self) -> dict[str, str]:
        return self.environment(AWS_ACCESS_KEY_ID=self.key, AWS_SECRET_ACCESS_KEY=self.secret)

    @property
    def unsigned(self) -> dict[str, str]:
        return self.environment(AWS_NO_SIGN_REQUEST="YES")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The same scene in each form, in the folders that become the buckets."""
    top: Path = tmp_path_factory.mktemp("s3")
    private = top / "private"
    safe = write_safe(private, tile=64, **SCENE).rename(private / "product.SAFE")
    for name in ("v2", "v3", "geozarr"):
        sharded = name != "v2"
        store = write_eopf(private / "draft", layout=name, chunk=64, sharded=sharded, **SCENE)
        store.rename(private / f"{name}.zarr")
    (private / "draft").rmdir()
    dn = read_dn(safe)
    for number, band in enumerate(BANDS):
        raw = write_raster(private / "raw.tif", dn[..., number], nodata=0)
        gdal.Translate(
            str(private / f"{band}.tif"), raw, format="COG", creationOptions=["BLOCKSIZE=128"]
        )
        Path(raw).unlink()
    shutil.copytree(private, top / "public")
    return top


@pytest.fixture(scope="module")
def bucket(folder) -> Iterator[Bucket]:
    if not PYTHON.exists():
        pytest.skip("no S3 server: ci/setup --readers installs it")
    with subprocess.Popen(
        [PYTHON, "-I", SERVER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield Bucket(process)
        process.communicate(timeout=30)


INPUTS: dict[str, tuple[str, ...]] = {
    "safe": ("{}/product.SAFE",),
    "metadata": ("{}/product.SAFE/MTD_MSIL2A.xml",),
    "v2": ("{}/v2.zarr",),
    "v3": ("{}/v3.zarr",),
    "geozarr": ("{}/geozarr.zarr",),
    "cogs": ("--rgb", *(f"{{}}/{band}.tif" for band in BANDS), "--offset", "-1000"),
}


FORMS = ("safe", "v2", "cogs")
"""One of each form: each has a reader of its own for what lies first."""


def words(kind, place):
    return [word.format(place) for word in INPUTS[kind]]


@pytest.fixture(scope="module")
def local(mpirun, folder, tmp_path_factory):
    """The function that returns the bytes of the image of the files here."""
    made: dict[str, bytes] = {}
    out = tmp_path_factory.mktemp("local")

    def make(kind):
        if kind not in made:
            output = out / f"{kind}.tif"
            run = mpirun(None, *words(kind, folder / "private"), "-o", output, *SMALL)
            assert run.returncode == 0, run.stderr
            made[kind] = output.read_bytes()
        return made[kind]

    return make


@pytest.mark.parametrize(
    ("kind", "ranks"), [*((kind, 4) for kind in INPUTS), *((kind, 1) for kind in FORMS)]
)
def test_the_image_is_that_of_the_files_here(mpirun, bucket, local, tmp_path, *, kind, ranks):
    bucket.check(signatures=True)
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, *words(kind, "s3://private"), "-o", output, *SMALL, env=bucket.signed)
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == local(kind)
    assert bucket.secret not in run.stdout + run.stderr


@pytest.mark.parametrize("kind", FORMS)
def test_a_public_bucket(mpirun, bucket, local, tmp_path, kind):
    bucket.check(signatures=False)
    output = tmp_path / "rgb.tif"
    run = mpirun(3, *words(kind, "s3://public"), "-o", output, *SMALL, env=bucket.unsigned)
    assert run.returncode == 0, run.stderr
    assert output.read_bytes() == local(kind)


def refused(mpirun, bucket, tmp_path, arguments, environment):
    """Run the program on what cannot be read; return the one line that it said."""
    output = tmp_path / "rgb.tif"
    run = mpirun(3, *arguments, "-o", output, *SMALL, env=environment)
    assert run.returncode == 2, run.stderr
    (line,) = run.said
    for secret in (bucket.secret, WRONG):
        assert secret not in run.stdout + run.stderr
    assert not output.exists()
    return line.removeprefix("s2rgb_mpi: error: ")


@pytest.mark.parametrize("kind", FORMS)
def test_wrong_credentials(mpirun, bucket, tmp_path, kind):
    bucket.check(signatures=True)
    advice = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    for changed, cause in (
        ({"AWS_SECRET_ACCESS_KEY": WRONG}, "does not match the signature you provided"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
            "Access Key Id you provided does not exist",
        ),
    ):
        arguments = words(kind, "s3://private")
        line = refused(mpirun, bucket, tmp_path, arguments, bucket.signed | changed)
        assert cause in line
        assert line.endswith(advice)


@pytest.mark.parametrize("kind", FORMS)
def test_no_credentials(mpirun, bucket, tmp_path, kind):
    bucket.check(signatures=True)
    line = refused(mpirun, bucket, tmp_path, words(kind, "s3://private"), bucket.environment())
    assert line.endswith(
        "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
        " AWS_NO_SIGN_REQUEST=YES for a public bucket"
    )


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_not_there(mpirun, bucket, tmp_path, kind):
    bucket.check(signatures=False)
    line = refused(mpirun, bucket, tmp_path, words(kind, "s3://no-such"), bucket.signed)
    assert line.endswith("The specified bucket does not exist")
    line = refused(mpirun, bucket, tmp_path, words(kind, "s3://private/no-such"), bucket.signed)
    assert "private/no-such/" in line
    assert "bucket does not" not in line
    assert "credentials" not in line


@pytest.mark.parametrize("kind", FORMS)
def test_a_bucket_that_is_not_public(mpirun, bucket, tmp_path, kind):
    bucket.check(signatures=False)
    line = refused(mpirun, bucket, tmp_path, words(kind, "s3://private"), bucket.unsigned)
    assert "HTTP 403" in line
    assert "access is refused" in line
