"""Signed URLs: a run is resumed with a new signature after the first expires; none is printed."""

import json

import numpy as np
import pytest

import reference
from conftest import SMALL, read_rgb
from rasters import scene, write_raster
from stac_items import BANDS, make_item, write_bands, write_json
from web import Web

OLD, NEW = "SECRETold/a.tif", "SECRETnew"
SMALL_CACHE = {"CPL_VSIL_CURL_CACHE_SIZE": "1000000"}
"""Or the whole product would be read ahead before the first window is done."""

DN = scene(700, 650, darkest=1001)


@pytest.fixture
def web(tmp_path):
    """A server of COG-like files for which GDAL needs many requests."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_bands(folder, DN, options=["TILED=YES", "BLOCKXSIZE=128", "BLOCKYSIZE=128"])
    with Web(folder).running() as server:
        yield server


def item_of(web, path, signature):
    """Write an item as Planetary Computer signs it; what is not in the query changes nothing."""
    query = f"?st=2026-11-26T00%3A00%3A00Z&sp=rl&sig={signature}"
    item = make_item(
        {band: f"{web.url}/{band}.tif{query}" for band in BANDS},
        {"s2:processing_baseline": "05.09"},
    )
    return write_json(path, item)


def secrets_in(folder):
    """List the files in which a signature is; the items have them."""
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".json" and b"SECRET" in path.read_bytes()
    ]


def test_a_run_is_resumed_with_a_renewed_signature(mpirun, web, tmp_path):
    output = tmp_path / "rgb.tif"
    old = item_of(web, tmp_path / "item.json", OLD)
    options = ("-o", output, *SMALL, "--log-file", tmp_path / "log", "-v")
    web.signature = OLD
    whole = mpirun(1, old, "-o", tmp_path / "whole.tif", *SMALL, env=SMALL_CACHE)
    assert whole.returncode == 0, whole.stderr
    web.expires_after = len(web.asked) * 0.7
    first = mpirun(1, old, *options, env=SMALL_CACHE)
    assert first.returncode == 5, first.stderr
    assert f"/vsicurl/{web.url}/B0" in first.said[-2]
    assert "HTTP response code: 403: access is refused: a signature" in first.said[-2]
    assert "the same command with --resume continues" in first.said[-1]
    kept = int(first.said[-1].split()[1])
    assert 0 < kept < 36
    assert secrets_in(tmp_path) == []
    web.signature, web.expires_after = NEW, 10**6
    renewed = item_of(web, tmp_path / "renewed.json", NEW)
    report = ("--report", tmp_path / "r.txt", "--html", tmp_path / "r.html")
    second = mpirun(3, renewed, *options, *report, "--trace", tmp_path / "r.trace", "--resume")
    assert second.returncode == 0, second.stderr
    assert f"{kept} of 36 windows are there already" in second.stderr
    assert output.read_bytes() == (tmp_path / "whole.tif").read_bytes()
    np.testing.assert_array_equal(read_rgb(output), reference.rgb(DN, offset=-1000))
    assert "SECRET" not in first.stderr + first.stdout + second.stderr + second.stdout
    assert secrets_in(tmp_path) == []
    assert b"/vsicurl/http://127" in (tmp_path / "r.txt").read_bytes()


def test_a_worker_that_fails_tells_no_signature(mpirun, web, tmp_path):
    item = item_of(web, tmp_path / "item.json", OLD)
    web.signature, web.expires_after = OLD, 40
    run = mpirun(4, item, "-o", tmp_path / "rgb.tif", *SMALL, env=SMALL_CACHE)
    assert run.returncode == 5, run.stderr
    (line,) = (line for line in run.said if "error: rank" in line)
    assert f"/vsicurl/{web.url}/B0" in line
    assert "HTTP response code: 403: access is refused: " in line
    assert "SECRET" not in run.stderr + run.stdout
    assert secrets_in(tmp_path) == []


def test_windows_left_empty_tell_no_signature(mpirun, web, tmp_path):
    item = item_of(web, tmp_path / "item.json", OLD)
    web.signature, web.expires_after = OLD, 40
    report = tmp_path / "report.txt"
    options = ("--on-error", "nodata", "--report", report)
    run = mpirun(3, item, "-o", tmp_path / "rgb.tif", *SMALL, *options, env=SMALL_CACHE)
    assert run.returncode == 3, run.stderr
    damaged = json.loads(report.read_text())["windows"]["damaged"]
    assert damaged
    assert all(f"/vsicurl/{web.url}/B0" in each["cause"] for each in damaged)
    assert all("HTTP response code: 403: " in each["cause"] for each in damaged)
    assert "SECRET" not in run.stderr + run.stdout
    assert secrets_in(tmp_path) == []


def test_the_command_line_may_have_signatures_and_passwords(mpirun, web, tmp_path):
    write_raster(web.folder / "all.tif", DN, descriptions=BANDS)
    url = web.url.replace("://", "://user:SECRET@")
    quoted = (
        f"/vsicurl?url={web.url.replace(':', '%3A').replace('/', '%2F')}%2FB02.tif%3Fs%3DSECRET"
    )
    inputs = [
        (f"{url}/all.tif?sig=SECRET/x y",),
        ("--rgb", f"{web.url}/B04.tif?X-Amz-Signature=SECRET", f"{url}/B03.tif#SECRET", quoted),
    ]
    for arguments in inputs:
        options = ("-o", tmp_path / "rgb.tif", *SMALL, "--offset", "-1000", "--overwrite")
        report = ("--report", tmp_path / "r.txt", "--html", tmp_path / "r.html")
        run = mpirun(2, *arguments, *options, *report)
        assert run.returncode == 0, run.stderr
        np.testing.assert_array_equal(
            read_rgb(tmp_path / "rgb.tif"), reference.rgb(DN, offset=-1000)
        )
        plan = mpirun(None, *arguments, *options, "--dry-run", "--advise")
        assert plan.returncode == 0, plan.stderr
        assert f"/vsicurl/{web.url}/" in plan.stdout
        assert "SECRET" not in run.stderr + run.stdout + plan.stderr + plan.stdout
        assert secrets_in(tmp_path) == []
