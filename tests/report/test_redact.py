"""Nothing that the program says or keeps has a signature or a password in it."""

import json
import os
import pickle
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import make_account
from geotiffs import make_grid
from s2rgb_mpi.errors import InputError, RankError, ReadError, S2RGBError
from s2rgb_mpi.image.radiometry import Calibration
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.product import Band, Product
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.paths import journal_path
from s2rgb_mpi.output.workspace import claim, clear
from s2rgb_mpi.plan import describe
from s2rgb_mpi.plan.advice import advise
from s2rgb_mpi.plan.describe import as_text
from s2rgb_mpi.plan.identity import digest, identity
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.redact import file_name, redact, shown
from s2rgb_mpi.report.console import Report
from s2rgb_mpi.report.html import page
from s2rgb_mpi.report.json_report import record
from s2rgb_mpi.report.outputs import Wanted
from s2rgb_mpi.report.trace import trace

NAMES = {
    # what is given: what is shown of it
    "https://h/a/B04.tif?sig=SECRET": "https://h/a/B04.tif",
    "https://h/a/B04.tif?se=1&sig=a/SECRET/b.tif": "https://h/a/B04.tif",
    "https://user:SECRET@h:81/B04.tif": "https://h:81/B04.tif",
    "https://us@er:SECRET@h/a@b/B04.tif?X-Amz-Signature=SECRET": "https://h/a@b/B04.tif",
    "HTTPS://h/B04.tif#SECRET": "HTTPS://h/B04.tif",
    "https://h/B04.tif?p='SECRET'(SECRET)[SECRET],{SECRET}": "https://h/B04.tif",
    "https://h/B04.tif?u=https://x:SECRET@y/": "https://h/B04.tif",
    "s3://bucket/B04.tif?versionId=SECRET": "s3://bucket/B04.tif",
    "/vsicurl/https://h/B04.tif?sig=SECRET": "/vsicurl/https://h/B04.tif",
    "/vsicurl_streaming/https://h/B04.tif?sig=SECRET": "/vsicurl_streaming/https://h/B04.tif",
    "/vsis3/bucket/B04.tif?X-Amz-Credential=SECRET": "/vsis3/bucket/B04.tif",
    "/vsiaz/container/B04.tif?sv=1&sig=SECRET": "/vsiaz/container/B04.tif",
    "/vsicurl?use_head=no&url=https%3A%2F%2Fh%2FB04.tif%3Fsig%3DSECRET": "/vsicurl/https://h/B04.tif",
    "/vsicurl?header.Authorization=Bearer%20SECRET&url=https://h/B04.tif": "/vsicurl/https://h/B04.tif",
    "/vsicurl?url=https://user:SECRET@h/B04.tif&max_retry=1": "/vsicurl/https://h/B04.tif",
    "/vsizip/{/vsicurl/https://h/x.zip?sig=a/b@SECRET}/in/B04.tif": (
        "/vsizip/{/vsicurl/https://h/x.zip}/in/B04.tif"
    ),
    'NETCDF:"/vsicurl/https://h/B04.tif?sig=SECRET":B04': 'NETCDF:"/vsicurl/https://h/B04.tif":B04',
}
PLAIN = (
    "/data/a?b=c/B04.tif",
    "B04.tif?sip=1",
    "/vsizip//data/a?b.zip/B04.tif",
    "/vsizip/{/data/a b.zip}/x/B04.tif",
    "/vsimem/B04.tif",
    "vrt:///data/x.tif?bands=3,2,1",
    "/vsicurl/https://h/a@b/B04.tif",
    "a: b; (c) https://h/x, {d}.",
)
SENTENCES = (
    "{}",
    "{}: HTTP response code: 403",
    "`{}' does not exist in the file system, and is not recognized",
    "window 7 (0, 0) of {}: cannot be read; see ({}).",
    "['{}', '{}']",
    '{{"path": "{}", "x": 1}}',
    "Couldn't use {}, gave up",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_keep_scheme_host_and_path(name):
    assert shown(name) == NAMES[name]
    assert shown(NAMES[name]) == NAMES[name]
    assert file_name(name) == NAMES[name].rpartition("/")[2]


@pytest.mark.parametrize("separator", ["%3F", "%3fse%3d1%26", "?", "&"])
@pytest.mark.parametrize("name", ["sig", "X-Amz-Signature", "token"])
def test_signatures_in_encoded_urls(separator, name):
    file = "/vsicached?file=%2Fvsicurl%2Fhttps%3A%2F%2Fh%2FB04.tif"
    equals = "%3D" if "%" in separator else "="
    for said in (shown, redact):
        text = said(f"{file}{separator}{name}{equals}SECRET%26x failed")
        assert text == f"{file}{separator}{name}{equals}*** failed"


@pytest.mark.parametrize("name", PLAIN)
def test_names_without_secrets_stay(name):
    assert shown(name) == redact(name) == name


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("name", NAMES)
def test_names_in_sentences(name, sentence):
    if '"' in name and '"' in sentence:
        name = name.replace('"', "")
    said = redact(sentence.format(name, name))
    assert "SECRET" not in said
    assert sentence.count("{}") == said.count("B04.tif")
    if not set("'\"") & set(name):
        assert said == sentence.format(shown(name), shown(name))


@pytest.mark.parametrize(
    "text",
    [
        "GET /x?a=1&sig=SECRET HTTP/1.1",
        "Signature=SECRET&x=1",
        "X-Amz-Security-Token=SECRET",
        "x-goog-signature=SECRET",
        "token=SECRET",
        "access_token=SECRET",
        "Authorization: Bearer SECRET",
        "AWSAccessKeyId=SECRET",
    ],
)
def test_parts_of_addresses_that_are_secrets(text):
    assert "SECRET" not in redact(text)
    assert "***" in redact(text)


QUERY = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"<>'))


@given(QUERY, st.sampled_from(["https://h/x.tif?", "/vsicurl/http://h/x.tif?", "s3://b/x.tif#"]))
def test_no_query_is_shown(query, before):
    name = f"{before}{query}SECRET"
    assert shown(name) == before[:-1]
    assert "SECRET" not in redact(f"{name}: no such file")
    assert redact(f"a {name} b") == f"a {before[:-1]} b"


SIGNED = "/vsicurl/https://user:SECRET@h/B04.tif?sig=SECRET"


@pytest.mark.parametrize(
    "error", [InputError(f"{SIGNED}: bad"), ReadError(SIGNED), RankError(f"rank 3: {SIGNED}", 5)]
)
def test_errors_have_no_secrets_wherever_they_go(error):
    for each in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301  what ranks send
        assert isinstance(each, S2RGBError)
        assert each.exit_code == error.exit_code
        assert "SECRET" not in str(each) + repr(each) + str(each.args)
        assert "/vsicurl/https://h/B04.tif" in str(each)


def test_lines_and_the_log_have_no_secrets(capsys, tmp_path):
    report = Report()
    report.listen(Wanted(log_file=tmp_path / "log", verbose=True))
    report.text(f"plan\n  {SIGNED}, offset 0")
    report.warning(f"{SIGNED}: odd")
    report.told(SIGNED)
    report.stopped(SIGNED)
    report.error(RuntimeError(SIGNED))
    report.done([f"read {SIGNED}"])
    report.close()
    out, err = capsys.readouterr()
    said = out + err + (tmp_path / "log").read_text() + "".join(report.warnings)
    assert said.count("/vsicurl/https://h/B04.tif") == 12
    assert "SECRET" not in said


def test_files_of_the_report_have_no_secrets():
    account = make_account()
    dirty = replace(
        account,
        command=[f"--rgb={SIGNED}", "https://h/i.json?a b SECRET"],
        job={**account.job, "products": (SIGNED,), "rgb": ((SIGNED, SIGNED, SIGNED),)},
        inputs=[
            {**each, "bands": [band | {"path": SIGNED} for band in each["bands"]]}
            for each in account.inputs
        ],
        warnings=[f"{SIGNED}: odd"],
        damaged={0: f"{SIGNED}: HTTP response code: 403"},
    )
    for content in (record(dirty), page(dirty, b""), trace(dirty)):
        assert b"SECRET" not in content
    assert record(dirty).count(b"https://h/B04.tif") == 10
    assert dirty.damaged == {0: "/vsicurl/https://h/B04.tif: HTTP response code: 403"}


def plan_of(tmp_path, query, argv=("item.json",)):
    bands = tuple(
        Band(name, f"/vsicurl/https://h/{name}.tif{query}", Calibration(), stamp="9 bytes, tag")
        for name in ("B04", "B03", "B02")
    )
    product = Product("S2A", bands, make_grid(300, 300), (300, 300))
    return make_plan(Job(tuple(argv), tmp_path / "rgb.tif"), lay_out([product]))


def test_a_run_is_resumed_with_a_renewed_signature_with_the_same_job(tmp_path):
    old, new = (plan_of(tmp_path, query) for query in ("?sig=SECRET/a.tif", "?x=1&sig=NEW#y"))
    assert identity(old) == identity(new) == identity(plan_of(tmp_path, ""))
    assert identity(old)["B04 of product 1"] == "B04.tif, 1, 9 bytes, tag"
    taken = claim(old)
    try:
        assert b"SECRET" not in journal_path(old).read_bytes()
    finally:
        clear(old, None)
    assert digest(taken.plan) == digest(new)


def test_which_bands_a_virtual_file_has_is_no_signature():
    assert file_name("vrt:///data/x.tif?bands=3,2,1") == "x.tif?bands=3,2,1"


def test_the_plan_and_the_advice_have_no_secrets_and_say_so(tmp_path):
    argv = ["https://h/item.json?sig=SECRET", "-o", "rgb.tif", "--dry-run", "--advise"]
    plan = plan_of(tmp_path, "?sig=SECRET", argv)
    advice = advise(plan, argv, python="python")
    told = describe.describe(plan, 4, advice=advice)
    text = as_text(told)
    assert "SECRET" not in text + str(describe.as_fields(told))
    assert "mpirun -n 3 python -m s2rgb_mpi https://h/item.json -o rgb.tif" in text
    assert "put these back" in text
    assert advice.is_redacted
    unsigned = advise(plan, ["x.SAFE"], python="python")
    assert "put these back" not in str(unsigned)
    assert not unsigned.is_redacted


@pytest.mark.parametrize(
    "name", ['https://h/x"y.tif?sig=SECRET', "a bearer SECRET", 'sig=SECRET"', "sig=SECRET\\"]
)
def test_what_programs_read_is_json_without_secrets(capsys, name):
    Report().fields({"list": [{"name": name}], "tuple": (name, 1.5, None), "last": "\udcff é"})
    said = capsys.readouterr().out
    assert "SECRET" not in said
    assert said.isascii()
    fields = json.loads(said)
    assert list(fields) == ["list", "tuple", "last"]
    assert fields["tuple"] == [fields["list"][0]["name"], 1.5, None]
    assert fields["last"] == "\udcff é"


def test_the_scripts_for_slurm_have_no_secrets():
    home = Path(__file__).parents[2]
    lines = f'source slurm/job.sh; say "job 1: {SIGNED} -o x.tif"; image_of "$0" out'
    run = subprocess.run(
        ["bash", "-c", lines, "https://h/S2A.json?sig=SECRET/x"],
        cwd=home,
        env=os.environ | {"S2RGB_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == "s2rgb-slurm: job 1: /vsicurl/https://h/B04.tif -o x.tif\n"
    assert run.stdout == "out/S2A.tif\n"


def test_the_journal_of_an_earlier_release_is_not_repeated(tmp_path):
    plan = plan_of(tmp_path, "?sig=NEW")
    fields = identity(plan) | {"B04 of product 1": "B04.tif?sig=SECRET, 1, 9 bytes"}
    journal.begin(journal_path(plan), fields)
    with pytest.raises(S2RGBError) as caught:
        claim(replace(plan, job=replace(plan.job, resume=True)))
    assert re.search("begun by another job, B04 of product 1: B04.tif", str(caught.value))
    assert "SECRET" not in str(caught.value)
