"""The trace: one line a rank, and every span on it."""

import json

from accounts import make_account, make_tallies
from s2rgb_mpi.report.trace import trace


def events(kind, **changes):
    document = json.loads(trace(make_account(**changes)))
    return [event for event in document["traceEvents"] if event["ph"] == kind]


def test_a_span_is_a_complete_event_in_microseconds():
    (event,) = (event for event in events("X") if event["tid"] == 2 and event["name"] == "read")
    assert event == {
        "ph": "X",
        "name": "read",
        "cat": "worker",
        "ts": 100_000.0,
        "dur": 9_000_000.0,
        "pid": 0,
        "tid": 2,
        "args": {"window": 5, "pixels": [1400, 600, 700, 600]},
    }


def test_every_span_of_every_rank_is_there():
    expected = [(tally.rank, len(tally.spans or ())) for tally in make_tallies()]
    found = [event["tid"] for event in events("X")]
    assert [(rank, found.count(rank)) for rank in range(4)] == expected


def test_what_is_of_no_window_has_none():
    assert all(
        event["args"] == {} for event in events("X") if event["name"] in {"idle", "finalise"}
    )


def test_a_rank_is_a_line_and_a_machine_a_group_with_a_name():
    tallies = make_tallies()
    tallies[3].host = "node2"
    named = {
        (event["name"], event["pid"], event["tid"]): event["args"]["name"]
        for event in events("M", tallies=tallies)
    }
    assert named == {
        ("process_name", 0, 0): "node1",
        ("process_name", 1, 0): "node2",
        ("thread_name", 0, 0): "rank 0, coordinator",
        ("thread_name", 0, 1): "rank 1, worker",
        ("thread_name", 0, 2): "rank 2, worker",
        ("thread_name", 1, 3): "rank 3, writer",
    }
