"""Times of a rank, and their synchronisation between ranks."""

import subprocess
import sys
import time

import pytest

from s2rgb_mpi.timing import LONGEST_GAP, SHORTEST_SPAN, Span, Tally, process_age, synchronise


@pytest.fixture
def ticks(monkeypatch):
    """The function that sets what the clock will say: ``ticks(0.0, 1.0)``."""

    def script(*times):
        moments = iter(times)
        monkeypatch.setattr(time, "perf_counter", lambda: next(moments))

    return script


def test_a_tally_adds_up_the_time_of_each_stage(ticks):
    tally = Tally("worker", begin=0.0)
    ticks(1.0, 3.0)
    for _ in range(2):
        with tally.stage("read"):
            pass
    assert tally.seconds == {"read": 3.0}
    assert tally.spans is None


def test_spans_are_kept_when_asked_for(ticks):
    tally = Tally("worker", spans=[], begin=0.0)
    ticks(1.0, 2.5)
    with tally.stage("read", 7):
        pass
    with tally.stage("encode", 7):
        pass
    assert tally.spans == [Span("read", 7, 0.0, 1.0), Span("encode", 7, 1.0, 2.5)]


def test_a_wait_of_many_short_sleeps_is_one_span(ticks):
    """Even where it is interrupted by something that is too short to be seen."""
    tally = Tally("writer", spans=[], begin=0.0)
    short = SHORTEST_SPAN / 2
    long = LONGEST_GAP * 2
    ticks(1.0, 1.0 + short, 2.0, 2.0 + long, 3.0)
    for stage in ("idle", "receive", "idle", "receive", "idle"):
        with tally.stage(stage):
            pass
    assert tally.spans == [
        Span("idle", None, 0.0, 2.0),
        Span("receive", None, 2.0, 2.0 + long),
        Span("idle", None, 2.0 + long, 3.0),
    ]


def test_what_is_too_short_to_be_seen_is_only_counted(ticks):
    tally = Tally("writer", spans=[], begin=0.0)
    ticks(SHORTEST_SPAN / 2)
    with tally.stage("receive"):
        pass
    assert tally.spans == []
    assert tally.seconds == {"receive": SHORTEST_SPAN / 2}


def test_a_stage_may_find_out_what_it_was(ticks):
    tally = Tally("writer", begin=0.0)
    ticks(1.0)
    with tally.stage("idle") as look:
        look.name = "receive"
    assert tally.seconds == {"receive": 1.0}


def test_a_stage_that_fails_is_timed_too():
    tally = Tally("worker")
    with pytest.raises(InterruptedError), tally.stage("read"):
        raise InterruptedError
    assert tally.seconds["read"] > 0


def test_a_closed_tally_knows_its_end_and_the_peak_of_memory():
    tally = Tally("worker").close()
    assert tally.begin < tally.end <= time.perf_counter()
    assert 10_000_000 < tally.peak_nbytes < 10**12


def test_busy_is_neither_idle_nor_waiting_to_be_received():
    tally = Tally("worker", {"read": 3.0, "encode": 1.0, "send-wait": 5.0, "idle": 7.0})
    assert tally.busy_seconds == 4.0


def test_the_age_of_a_process_counts_from_its_start():
    program = "import time; time.sleep(0.3); from s2rgb_mpi import timing; "
    begin = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", program + "print(timing.process_age())"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert 0.3 <= float(said.stdout) <= time.monotonic() - begin + 0.02
    assert process_age() > float(said.stdout)


def on(host, rank, begin, end, **seconds):
    spans = [Span("read", 0, begin, begin + 1)]
    return Tally("worker", seconds, rank=rank, host=host, begin=begin, end=end, spans=spans)


def test_ranks_of_one_machine_share_its_clock_and_machines_are_aligned_by_their_first():
    wall, tallies = synchronise(
        [
            on("b", 2, 5000.0, 5010.0, read=10.0),
            on("a", 1, 100.5, 108.0, read=7.5),
            on("a", 0, 100.0, 109.0, read=9.0),
        ]
    )
    assert wall == 10.0
    assert [tally.rank for tally in tallies] == [0, 1, 2]
    assert [tally.spans[0].begin for tally in tallies if tally.spans] == [0.0, 0.5, 0.0]
    assert {(tally.begin, tally.end) for tally in tallies} == {(0.0, 10.0)}


def test_a_rank_is_idle_before_its_begin_and_after_its_end():
    _, tallies = synchronise(
        [on("a", 0, 100.0, 110.0, read=10.0), on("a", 1, 101.0, 107.0, read=6.0)]
    )
    assert [tally.seconds["idle"] for tally in tallies] == [0.0, 4.0]
    assert [sum(tally.seconds.values()) for tally in tallies] == [10.0, 10.0]
    assert tallies[1].spans is not None
    assert tallies[1].spans[-1] == Span("idle", None, 7.0, 10.0)


def test_the_tallies_that_are_synchronised_are_not_changed():
    given = on("a", 0, 100.0, 110.0, read=10.0)
    synchronise([given])
    assert (given.begin, given.seconds) == (100.0, {"read": 10.0})
