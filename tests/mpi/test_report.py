"""The reports of whole runs: their numbers agree with the image and with each other."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
from osgeo import gdal

import reference
from conftest import MPI_ENVIRONMENT, MPIRUN, SMALL, read_rgb
from s2rgb_mpi.report.json_report import schema
from s2rgb_mpi.testing.safe import read_dn, write_safe
from s2rgb_mpi.timing import STAGES

RANKS = (1, 3, 6)


class Told(NamedTuple):
    """What a run left: its folder, its record, and the spans of its trace."""

    folder: Path
    record: dict[str, Any]
    spans: list[dict[str, Any]]
    seconds: float


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """One with windows that have no data, and with work for a second or two."""
    folder = tmp_path_factory.mktemp("product")
    return write_safe(folder, width=1500, height=1200, tile=256, nodata_fraction=0.6)


@pytest.fixture(scope="module", params=RANKS)
def told(request, mpirun, product, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"n{request.param}")
    begin = time.monotonic()
    run = mpirun(
        request.param,
        product,
        "-o",
        folder / "rgb.tif",
        *("--tile", 128, "--window", 256),
        *("--report", folder / "r.json", "--trace", folder / "t.json"),
        *("--quicklook", folder / "q.png"),
        *("--log-file", folder / "run.log"),
    )
    assert run.returncode == 0, run.stderr
    document = json.loads((folder / "t.json").read_text())
    spans = [event for event in document["traceEvents"] if event["ph"] == "X"]
    record = json.loads((folder / "r.json").read_text())
    return Told(folder, record, spans, run.end - begin)


def test_the_record_satisfies_the_schema(told):
    jsonschema.validate(told.record, schema())


def test_idle_and_busy_add_up_to_the_wall_of_every_rank(told):
    walls = {rank["wall_seconds"] for rank in told.record["ranks"]}
    assert len(walls) == 1
    for rank in told.record["ranks"]:
        assert sum(rank["seconds"].values()) == pytest.approx(rank["wall_seconds"], rel=0.02)
    times = told.record["times"]
    assert walls == {times["wall_seconds"]}
    assert times["start_seconds"] + times["wall_seconds"] < told.seconds


def test_every_window_is_made_once(told):
    ranks = told.record["ranks"]
    assert sum(rank["windows"] for rank in ranks) == told.record["windows"]["count"] == 30
    assert sum(rank["windows"] for rank in ranks if "worker" not in rank["role"]) == 0


def test_histograms_and_statistics_are_those_of_the_image(told, product):
    image = reference.rgb(read_dn(product), offset=-1000)
    dataset = gdal.Open(str(told.folder / "rgb.tif"))
    for number, band in enumerate(told.record["bands"]):
        values = image[..., number][image.any(axis=2)]
        assert band["histogram"] == np.bincount(values, minlength=256).tolist()
        assert band["statistics"] == {
            "minimum": values.min(),
            "maximum": values.max(),
            "mean": pytest.approx(values.mean()),
            "stddev": pytest.approx(values.std()),
            "valid_percent": pytest.approx(100 * values.size / image[..., 0].size),
        }
        items = dataset.GetRasterBand(number + 1).GetMetadata()
        assert float(items["STATISTICS_MEAN"]) == pytest.approx(band["statistics"]["mean"])


def test_empty_windows_are_those_without_a_valid_pixel(told, product):
    valid = reference.rgb(read_dn(product), offset=-1000).any(axis=2)
    document = json.loads((told.folder / "t.json").read_text())
    places = {
        event["args"]["window"]: event["args"]["pixels"]
        for event in document["traceEvents"]
        if event["ph"] == "X" and event["args"]
    }
    empty = [
        window
        for window, (col, row, width, height) in sorted(places.items())
        if not valid[row : row + height, col : col + width].any()
    ]
    assert len(places) == 30
    assert 0 < len(empty) < 30
    assert told.record["windows"]["empty"] == empty


def test_the_trace_has_a_read_of_every_window_in_its_ranks_order(told):
    reads = [event for event in told.spans if event["name"] == "read"]
    assert sorted(event["args"]["window"] for event in reads) == list(range(30))
    assert {event["name"] for event in told.spans} <= set(STAGES)
    for rank in told.record["ranks"]:
        own = [event for event in told.spans if event["tid"] == rank["rank"]]
        assert own
        for before, after in pairwise(own):
            # Spans are in order and do not overlap; 1 us for what rounding does to them.
            assert before["ts"] + before["dur"] <= after["ts"] + 1
        assert own[-1]["ts"] + own[-1]["dur"] <= rank["wall_seconds"] * 1e6 + 1


def test_a_window_is_appended_after_it_was_read_on_another_rank(told):
    """True on one clock only: the clocks of the ranks are aligned."""
    ends = {
        event["args"]["window"]: event["ts"] + event["dur"]
        for event in told.spans
        if event["name"] == "read"
    }
    # Waiting for the disk is of no one window.
    appends = [e for e in told.spans if e["name"] == "append" and "window" in e["args"]]
    assert appends
    assert all(event["ts"] >= ends[event["args"]["window"]] for event in appends)


def test_the_trace_adds_up_to_the_record(told):
    for rank in told.record["ranks"]:
        own = [event for event in told.spans if event["tid"] == rank["rank"]]
        read = sum(event["dur"] for event in own if event["name"] == "read") / 1e6
        # What is shorter than a tenth of a millisecond is counted, not drawn.
        assert read == pytest.approx(rank["seconds"]["read"], abs=30 * 1e-4)


def test_the_quicklook_is_the_largest_overview_that_fits(told):
    picture = gdal.Open(str(told.folder / "q.png")).ReadAsArray()
    image = read_rgb(told.folder / "rgb.tif")
    expected = reference.halve(image)
    assert picture.shape == (4, 600, 750)
    np.testing.assert_array_equal(np.moveaxis(picture[:3], 0, -1), expected)
    np.testing.assert_array_equal(picture[3] != 0, expected.any(axis=2))


def test_the_log_tells_of_every_window_by_its_rank(told):
    lines = (told.folder / "run.log").read_text().splitlines()
    found = {
        int(number): int(rank)
        for rank, number in re.findall(r"rank (\d+): window (\d+) ", "\n".join(lines))
    }
    reads = [event for event in told.spans if event["name"] == "read"]
    assert found == {event["args"]["window"]: event["tid"] for event in reads}
    assert lines[-1].endswith(told.record["verdict"]["sentence"])


def test_the_summary_ends_with_the_verdict(mpirun, safe, tmp_path):
    # Without progress, of which a line comes only where a run takes longer than a second.
    told = ("--progress", "none", "--report", tmp_path / "r.json")
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", *SMALL, *told)
    said = [line.removeprefix("s2rgb_mpi: ") for line in run.said]
    assert 6 <= len(said) <= 10
    assert said[0].startswith(f"wrote {tmp_path / 'rgb.tif'}: ")
    record = json.loads((tmp_path / "r.json").read_text())
    assert said[-1] == record["verdict"]["sentence"]
    assert len(run.stderr.splitlines()) == len(said)
    assert run.stdout == ""


def test_without_anything_asked_for_there_is_the_image_alone(mpirun, safe, tmp_path):
    assert mpirun(3, safe, "-o", tmp_path / "rgb.tif", "-q", *SMALL).stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]


def test_a_path_that_cannot_be_written_is_refused_before_the_start(mpirun, safe, tmp_path):
    path = tmp_path / "absent" / "r.html"
    run = mpirun(3, safe, "-o", tmp_path / "rgb.tif", "--html", path)
    assert run.returncode == 2
    assert run.said == [f"s2rgb_mpi: error: --html {path}: No such file or directory"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_report_that_fails_at_the_end_keeps_the_image(mpirun, safe, tmp_path, ranks):
    program = f"""
import pathlib, shutil, sys
from s2rgb_mpi import __main__
from s2rgb_mpi.report import finish
summary = finish.summary
def breaking(account):
    shutil.rmtree({str(tmp_path / "gone")!r})
    return summary(account)
finish.summary = breaking
sys.exit(__main__.main(sys.argv[1:]))
"""
    (tmp_path / "gone").mkdir()
    path = tmp_path / "gone" / "r.json"
    output = tmp_path / "rgb.tif"
    run = mpirun(ranks, safe, "-o", output, *SMALL, "--report", path, program=("-c", program))
    assert run.returncode == 4
    assert run.said[-1].endswith(f"{path}: No such file or directory; the image is whole")
    np.testing.assert_array_equal(read_rgb(output), reference.rgb(read_dn(safe), offset=-1000))


def test_mpirun_in_a_terminal_shows_a_bar(safe, tmp_path):
    leader, follower = pty.openpty()
    command = [MPIRUN, "-n", "3", sys.executable, "-m", "s2rgb_mpi", str(safe), *SMALL]
    with subprocess.Popen(
        [*command, "-o", str(tmp_path / "rgb.tif")],
        env=os.environ | MPI_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        shown = _shown(leader, seconds=60)
        assert process.wait(timeout=10) == 0
    assert re.search(r"\r\s+0%\|.*\| .*/238k \[", shown)
    assert "windows, " not in shown.partition("wrote")[0]
    assert "s2rgb_mpi: wrote" in shown


def _shown(leader, seconds):
    """Read the output of a terminal until no process has it open."""
    shown, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
    os.close(leader)
    return shown.decode()


@pytest.mark.parametrize("ranks", [None, 3])
def test_a_plan_for_programs_is_json_and_warnings_stay_apart(mpirun, safe, tmp_path, ranks):
    output = tmp_path / "rgb.tif"
    # Its images lie outside the area of use: a warning.
    asked = (safe, "-o", output, *SMALL, "--crs", "EPSG:2056", "--dry-run")
    run = mpirun(ranks, *asked, "--json")
    assert run.returncode == 0, run.stderr
    plan = json.loads(run.stdout)
    assert "advice" not in plan
    assert plan["ranks"] == (ranks or 1)
    assert [band["name"] for band in plan["inputs"][0]["bands"]] == ["B04", "B03", "B02"]
    assert plan["output"]["path"] == str(output)
    (warning,) = plan["warnings"]
    assert f"s2rgb_mpi: warning: {warning}\n" in run.stderr
    advised = json.loads(mpirun(ranks, *asked, "--json", "--advise").stdout)
    assert advised.pop("advice")["ranks"] >= 3
    # They begin with what the libraries take in this very process.
    for name in ("worker_nbytes", "writer_nbytes"):
        assert advised.pop(name) == pytest.approx(plan.pop(name), rel=0.05)
    assert advised == plan
    words = mpirun(ranks, *asked).stdout
    assert f"{plan['windows']} of {plan['window'][0]} x {plan['window'][1]} pixels\n" in words
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_cannot_be_is_no_json(mpirun, tmp_path):
    run = mpirun(None, "nothing.SAFE", "-o", tmp_path / "rgb.tif", "--dry-run", "--json")
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1


def test_a_dry_run_rejects_the_files_that_the_run_would(mpirun, safe, tmp_path):
    for option in ("--stac", "--report"):
        path = tmp_path / "nodir" / "a.json"
        arguments = (safe, "-o", tmp_path / "rgb.tif", *SMALL, option, path)
        dry, run = mpirun(None, *arguments, "--dry-run"), mpirun(None, *arguments)
        assert (dry.returncode, dry.said) == (run.returncode, run.said)
        assert dry.said == [f"s2rgb_mpi: error: {option} {path}: No such file or directory"]
    assert list(tmp_path.iterdir()) == []


def test_advice_is_lines_that_run(mpirun, safe, tmp_path):
    output = tmp_path / "rgb.tif"
    run = mpirun(None, safe, "-o", output, *SMALL, "--dry-run", "--advise")
    assert run.returncode == 0, run.stderr
    (line,) = re.findall(r"^here +(.*)$", run.stdout, re.MULTILINE)
    assert not output.exists()
    # As it stands: without the variables that the tests have.
    env = {name: value for name, value in os.environ.items() if name not in MPI_ENVIRONMENT}
    subprocess.run(["bash", "-c", line], env=env, check=True, timeout=60)
    assert output.exists()
