"""What limited the run: every verdict, from times in which it alone holds."""

import pytest

from accounts import make_tally
from s2rgb_mpi.report.bottleneck import verdict

WALL = 10.0


def worker(rank, **seconds):
    return make_tally(rank, "worker", **seconds)


def judge(*workers, windows=100, divisible=True, writer=None, **common):
    """Judge a run of these workers; `common` is set on every tally."""
    tallies = [
        make_tally(0, "coordinator", idle=WALL),
        *workers,
        make_tally(9, "writer", **(writer or {"append": 1.0, "idle": 9.0})),
    ]
    for tally in tallies:
        for name, value in common.items():
            setattr(tally, name, value)
    return verdict(tallies, wall=WALL, windows=windows, divisible=divisible)


DECODING = {"read": 9.0, "render": 0.4, "encode": 0.6}


def test_decode_bound_says_what_more_workers_would_save():
    found = judge(worker(1, **DECODING), worker(2, **DECODING))
    assert found.name == "decode-bound"
    # 20 s of work: 10 s for each of two, 5 s for each of four.
    assert found.sentence == (
        "decode-bound: workers spent 90% of their time decoding;"
        " 2 more workers would save about 5 s"
    )


def test_network_bound_says_what_would_help():
    waiting = {"network": 6.0, "read": 3.0, "render": 0.4, "encode": 0.6}
    found = judge(worker(1, **waiting), worker(2, **waiting))
    assert found.name == "network-bound"
    assert found.sentence == (
        "network-bound: workers spent 60% of their time waiting for bytes of servers;"
        " a nearer server, or copies of the files, would help"
    )


def test_more_workers_are_not_advised_beyond_the_cores():
    workers = [worker(1, **DECODING), worker(2, **DECODING)]
    assert judge(*workers, cores=2).sentence.endswith(
        "all 2 cores were at work, only more of them would help"
    )
    assert "1 more worker would save" in judge(*workers, cores=3).sentence
    assert judge(workers[0], cores=1).sentence.endswith(
        "the one core was at work, only more of them would help"
    )


def test_cores_of_several_machines_add_up():
    workers = [worker(1, **DECODING), worker(2, **DECODING)]
    for tally in workers:
        tally.cores = 2
    workers[1].host = "node2"
    tallies = [*workers, make_tally(3, "writer", idle=WALL)]
    tallies[2].cores = 2
    assert "2 more workers" in verdict(tallies, wall=WALL, windows=9).sentence


def test_more_workers_are_not_advised_beyond_the_windows():
    workers = [worker(1, **DECODING), worker(2, **DECODING)]
    assert "no window for another worker" in judge(*workers, windows=2).sentence
    assert "1 more worker would" in judge(*workers, windows=3).sentence


def test_smaller_windows_are_advised_only_where_they_are_possible():
    """Windows are whole source blocks: --window 512 changes nothing where these have 1024."""
    workers = [worker(1, **DECODING), worker(2, **DECODING)]
    none = "there is no window for another worker"
    found = judge(*workers, windows=2).sentence
    assert found.endswith(f"{none}, a smaller --window would make some")
    assert judge(*workers, windows=2, divisible=False).sentence.endswith(none)


def test_many_workers_are_advised_in_steps_of_a_quarter():
    workers = [worker(rank, **DECODING) for rank in range(1, 17)]
    assert "4 more workers would save about 2 s" in judge(*workers, cores=64).sentence


def test_encode_bound_advises_another_level_not_more_workers():
    found = judge(worker(1, read=3.0, encode=7.0))
    assert found.name == "encode-bound"
    assert "70% of their time compressing; a lower --level" in found.sentence


def test_render_bound():
    found = judge(worker(1, read=3.0, render=6.0, encode=1.0))
    assert found.name == "render-bound"
    assert "60% of their time colouring" in found.sentence


def test_imbalanced_names_the_rank_and_what_it_costs():
    found = judge(worker(1, read=4.0, idle=6.0), worker(2, read=10.0), worker(3, read=4.0))
    assert found.name == "imbalanced"
    assert found.sentence == (
        "imbalanced: rank 2 worked 10.0 s, the workers 6.0 s on average;"
        " equal shares would save about 4.0 s"
    )


@pytest.mark.parametrize(("shortest", "name"), [(7.2, "decode-bound"), (6.8, "imbalanced")])
def test_shares_that_differ_little_are_not_called_imbalanced(shortest, name):
    assert judge(worker(1, read=10.0), worker(2, read=shortest)).name == name


def test_writer_bound_when_workers_wait_to_be_received():
    found = judge(
        *(worker(rank, read=6.0, send_wait=4.0) for rank in (1, 2)),
        writer={"receive": 1.0, "append": 7.0, "overviews": 1.0, "idle": 1.0},
    )
    assert found.name == "writer-bound"
    assert "40% of their time waiting to be received, the writer was busy 90%" in found.sentence


@pytest.mark.parametrize(("waiting", "name"), [(1.9, "decode-bound"), (2.0, "writer-bound")])
def test_a_little_waiting_is_no_verdict(waiting, name):
    assert judge(worker(1, read=8.0, send_wait=waiting)).name == name


def test_writer_bound_when_finalising_takes_longer_than_the_work():
    found = judge(worker(1, read=4.0, idle=6.0), writer={"finalise": 5.5, "idle": 4.5})
    assert found.name == "writer-bound"
    assert "55% of the time went into writing and finalising" in found.sentence


def test_a_rank_alone_writes_while_it_could_work():
    def alone(**seconds):
        tally = make_tally(0, "coordinator, worker and writer", **seconds)
        return verdict([tally], wall=WALL, windows=9).name

    assert alone(read=4.0, append=5.0) == "writer-bound"
    assert alone(read=5.0, append=4.0) == "decode-bound"


@pytest.mark.parametrize(("start", "name"), [(10.5, "start-up"), (9.5, "decode-bound")])
def test_start_up_when_it_takes_longer_than_the_run(start, name):
    found = judge(worker(1, **DECODING), start_seconds=start)
    assert found.name == name
    if name == "start-up":
        assert "10.5 of 20.5 s were over before the first window" in found.sentence


def test_one_process_is_not_told_to_take_fewer_ranks():
    tally = make_tally(0, "coordinator, worker and writer", read=WALL)
    tally.start_seconds = WALL + 1
    found = verdict([tally], wall=WALL, windows=9)
    assert found == ("start-up", "start-up: 11.0 of 21.0 s were over before the first window")
