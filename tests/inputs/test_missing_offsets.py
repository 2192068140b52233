"""Offsets as metadata write them, and baselines that have none where they should."""

import shutil
from pathlib import Path

import pytest

from altered import edit
from opened import open_product, refusal
from s2rgb_mpi.errors import StrictError
from s2rgb_mpi.inputs.product import Choice
from s2rgb_mpi.inputs.safe_xml import number, whole_number
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.prepare import prepare

NO_LIST = ("<BOA_ADD_OFFSET_VALUES_LIST>.*</BOA_ADD_OFFSET_VALUES_LIST>", "")
EMPTY_LIST = (NO_LIST[0], "<BOA_ADD_OFFSET_VALUES_LIST/>")


@pytest.fixture
def copy(safe, tmp_path):
    """A copy of the product, for a test to change."""
    return Path(shutil.copytree(safe, tmp_path / safe.name))


def offsets(product):
    return {band.calibration.offset for band in product.bands}


def of_baseline(baseline):
    return "<PROCESSING_BASELINE>05.09<", f"<PROCESSING_BASELINE>{baseline}<"


@pytest.mark.parametrize("change", [NO_LIST, EMPTY_LIST])
@pytest.mark.parametrize("baseline", ["04.00", "05.09", "06.00"])
def test_a_baseline_with_offsets_but_without_a_list_is_a_warning(copy, baseline, change):
    edit(copy, change, of_baseline(baseline))
    product = open_product(str(copy))
    assert offsets(product) == {0}
    (warning,) = product.warnings
    assert warning == (
        f"{copy}/MTD_MSIL2A.xml: no BOA_ADD_OFFSET, which products of processing baseline"
        f" {baseline} have; no offset is applied; give --offset -1000 if the list has been lost,"
        " else --offset 0"
    )


@pytest.mark.parametrize("baseline", ["02.14", "03.01", "99.99", "unknown"])
def test_other_baselines_need_no_list(copy, baseline):
    edit(copy, NO_LIST, of_baseline(baseline))
    assert open_product(str(copy)).warnings == ()


def test_the_baseline_is_that_of_the_name_if_the_metadata_have_none(copy):
    edit(copy, NO_LIST, ("<PROCESSING_BASELINE>[^<]*</PROCESSING_BASELINE>", ""))
    product = open_product(str(copy))
    assert product.baseline == "05.09"
    assert len(product.warnings) == 1


@pytest.mark.parametrize("offset", [0, -1000])
def test_who_states_the_offset_is_not_warned(copy, offset):
    edit(copy, NO_LIST)
    product = open_product(str(copy), Choice(offset=offset))
    assert product.warnings == ()
    assert offsets(product) == {offset}


def test_a_strict_job_refuses_it_before_it_begins(copy, tmp_path):
    job = {"products": (str(copy),), "rgb": (), "output": tmp_path / "rgb.tif"}
    prepare(Job(**job, strict=True))
    edit(copy, NO_LIST)
    prepare(Job(**job))
    with pytest.raises(StrictError, match=r"MTD_MSIL2A\.xml: no BOA_ADD_OFFSET, .*\(--strict\)"):
        prepare(Job(**job, strict=True))


@pytest.mark.parametrize("text", ["-1000.0", " -1000 ", "-1000.", "-1E3", "-1.0e+3", "-01000"])
def test_a_whole_offset_is_one_however_it_is_written(copy, text):
    edit(copy, (r'(BOA_ADD_OFFSET band_id="\d+">)-1000', rf"\g<1>{text}"))
    assert offsets(open_product(str(copy))) == {-1000}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-1000.5", "-1000.5 is not a whole number"),
        ("", "'' is not a number"),
        ("-1_000", "'-1_000' is not a number"),
        ("-1000,0", "'-1000,0' is not a number"),
        ("nan", "'nan' is not a number"),
        ("-inf", "'-inf' is not a number"),
        ("1e999", "1e999 is too large"),
    ],
)
def test_an_offset_that_is_no_whole_number_is_refused(copy, text, words):
    edit(copy, ('(BOA_ADD_OFFSET band_id="3">)-1000', rf"\g<1>{text}"))
    assert refusal(copy) == f"{copy}/MTD_MSIL2A.xml: no readable calibration: {words}"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('<BOA_ADD_OFFSET band_id="3">-900</BOA_ADD_OFFSET>', "of band_id 3 is -1000 and -900"),
        ("<BOA_ADD_OFFSET>-1000</BOA_ADD_OFFSET>", "without band_id"),
        ('<BOA_ADD_OFFSET band_id=" ">-1000</BOA_ADD_OFFSET>', "without band_id"),
    ],
)
def test_an_offset_list_that_is_ambiguous_is_refused(copy, entry, words):
    edit(copy, ("</BOA_ADD_OFFSET_VALUES_LIST>", f"{entry}</BOA_ADD_OFFSET_VALUES_LIST>"))
    line = refusal(copy)
    assert line.startswith(f"{copy}/MTD_MSIL2A.xml: no readable calibration: ")
    assert line.endswith(words)


def test_an_offset_that_is_repeated_is_one(copy):
    entry = '<BOA_ADD_OFFSET band_id="3">-1000.0</BOA_ADD_OFFSET>'
    edit(copy, ("</BOA_ADD_OFFSET_VALUES_LIST>", f"{entry}</BOA_ADD_OFFSET_VALUES_LIST>"))
    assert offsets(open_product(str(copy))) == {-1000}


def test_numbers_are_those_of_xml():
    assert [number(text) for text in ("+5", "-.5", "5.", "1e2", "\n7\t")] == [5, -0.5, 5, 100, 7]
    assert whole_number("65535.0") == 65535
    for text in (None, "", "+", "0x10", "1e", "٣", "1 000"):
        with pytest.raises(ValueError, match="is not a number"):
            number(text)
