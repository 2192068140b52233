"""The command that makes a product: its result is a path, and its errors are one line."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from opened import open_product
from s2rgb_mpi.testing.__main__ import main
from s2rgb_mpi.testing.safe import read_dn, read_scl

SMALL = ("--size", "128", "--tile", "64", "--texture", "synthetic")


def test_its_options_reach_the_product(tmp_path, capsys):
    main([str(tmp_path), *SMALL, "--granule", "32TNS", "--no-offset"])
    safe = Path(capsys.readouterr().out.strip())
    assert safe.parent == tmp_path
    assert "_T32TNS_" in safe.name
    assert read_dn(safe).shape == (128, 128, 3)
    metadata = ET.parse(safe / "MTD_MSIL2A.xml").getroot()
    assert metadata.find(".//BOA_ADD_OFFSET_VALUES_LIST") is None


def test_it_runs_as_a_module_of_the_package(tmp_path):
    command = [sys.executable, "-m", "s2rgb_mpi.testing", tmp_path / "new", *SMALL, "--zip"]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    safe, archive = map(Path, run.stdout.splitlines())
    assert {safe.parent, archive.parent} == {tmp_path / "new"}
    assert archive.name == f"{safe.name}.zip"
    assert (safe / "MTD_MSIL2A.xml").is_file()
    assert archive.is_file()


def test_two_dates_lie_in_one_folder_and_can_be_told_apart(tmp_path, capsys):
    for options in ((), ("--date", "2022-06-18", "--seed", "5")):
        main([str(tmp_path), *SMALL, *options])
    first, second = capsys.readouterr().out.splitlines()
    product, later = open_product(first), open_product(second)
    assert product.name.startswith("S2A_MSIL2A_20220613T103041_")
    assert later.name.startswith("S2A_MSIL2A_20220618T103041_")
    assert product.sensing_time == "2022-06-13T10:30:41.024Z"
    assert later.sensing_time == "2022-06-18T10:30:41.024Z"
    assert (read_dn(first) != read_dn(second)).any()


@pytest.mark.parametrize(("options", "ending"), [([], ".zarr"), (["--zip"], ".zarr.zip")])
def test_a_store_in_place_of_safe(tmp_path, capsys, options, ending):
    main([str(tmp_path), *SMALL, "--eopf", "v3", *options])
    store = Path(capsys.readouterr().out.strip())
    assert store.name.endswith(ending)
    assert list(tmp_path.iterdir()) == [store]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "0"], "0 x 0 pixels are no image"),
        (["--baseline", "5.9"], "baseline '5.9' is not like 05.09"),
        (["--seed", "-1"], "non-negative"),
        (["--date", "2022-06-31"], "date '2022-06-31' is not like 2022-06-13"),
        (["--tile", "5"], "block size"),
    ],
)
def test_what_no_product_can_have_is_one_line(tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), *SMALL, *options])
    said = capsys.readouterr()
    assert caught.value.code == 2
    assert words in said.err
    assert said.err.startswith("python -m s2rgb_mpi.testing: error: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not any(tmp_path.iterdir())


def test_a_product_that_is_there_is_one_line(tmp_path, capsys):
    main([str(tmp_path), *SMALL])
    safe = capsys.readouterr().out.strip()
    with pytest.raises(SystemExit):
        main([str(tmp_path), *SMALL])
    assert capsys.readouterr().err.endswith(f"error: {safe}: exists already\n")


def test_a_scene_classification(tmp_path, capsys):
    main([str(tmp_path), *SMALL, "--scl"])
    safe = Path(capsys.readouterr().out.strip())
    assert read_scl(safe).shape == (64, 64)


@pytest.mark.parametrize(
    ("options", "count"), [([], 2), (["--zip"], 4), (["--eopf", "v2"], 2)], ids=str
)
def test_dates(tmp_path, capsys, options, count):
    main([str(tmp_path), *SMALL, "--dates", "2", "--missed", "1", *options])
    products = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(products) == count
    assert {path for path in tmp_path.iterdir() if path.name != "truth"} == set(products)
    assert len(list((tmp_path / "truth").iterdir())) == count / 2
    if not options:
        assert (read_scl(products[0]) == 7).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--missed", "1"], "--missed needs --dates"),
        (["--dates", "2", "--date", "2022-07-01"], "--date cannot be given with --dates"),
        (["--dates", "2", "--no-offset"], "--offset cannot be given with --dates"),
        (["--dates", "0"], "0 dates are none"),
    ],
)
def test_options_that_dates_choose_themselves(tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), *SMALL, *options])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
