"""The JSON report: every key of the schema, and the numbers of the account."""

import json

import jsonschema
import pytest

from accounts import make_account, make_tally
from s2rgb_mpi.report.json_report import VERSION, record, schema
from s2rgb_mpi.timing import STAGES


def made(**changes):
    return json.loads(record(make_account(**changes)))


def test_the_schema_is_a_schema_of_this_version():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["properties"]["schema_version"]["const"] == VERSION


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slurm_job_id": "4711", "warnings": ["an odd offset"]},
        {"tallies": [make_tally(0, "coordinator, worker and writer", read=9.0)]},
    ],
    ids=["plain", "all keys", "one rank"],
)
def test_a_record_satisfies_the_schema(changes):
    jsonschema.validate(made(**changes), schema())


@pytest.mark.parametrize("key", ["verdict", "ranks", "plan", "versions"])
def test_the_schema_misses_what_is_missing(key):
    document = made()
    del document[key]
    with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
        jsonschema.validate(document, schema())


def test_the_schema_knows_no_other_keys():
    document = made()
    document["ranks"][0]["seconds"]["colour"] = 1.0
    with pytest.raises(jsonschema.ValidationError, match="'colour' was unexpected"):
        jsonschema.validate(document, schema())


def test_keys_come_in_the_order_of_the_schema():
    document = made(slurm_job_id="4711")
    assert list(document) == list(schema()["properties"])
    stages = schema()["properties"]["ranks"]["items"]["properties"]["seconds"]["required"]
    assert tuple(stages) == STAGES


def test_numbers_are_the_accounts():
    document = made()
    assert document["output"] == {
        "path": "rgb.tif",
        "nbytes": 3_600_000,
        "layout": "cog",
        "compress": "zstd",
        "ratio": 0.5,
    }
    assert document["windows"] == {"count": 6, "resumed": 0, "empty": [1, 4], "damaged": []}
    assert document["times"] == {
        "start_seconds": 1.0,
        "wall_seconds": 10.0,
        "mpx_per_second": pytest.approx(2.4 / 11, abs=1e-4),
        "ended": "2026-11-27T09:30:15+00:00",
    }
    assert document["ranks"][1]["seconds"]["read"] == 8.0
    assert document["machines"] == [{"host": "node1", "cores": 8}]
    assert document["verdict"]["name"] == "decode-bound"
    assert document["bands"][0]["histogram"][70] == 90_000
    assert "slurm_job_id" not in document
