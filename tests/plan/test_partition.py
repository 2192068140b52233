"""Shares: every window once, of about equal cost, in an order without deadlocks."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.plan.partition import arrange, crossings, cut, in_common

costs = st.lists(st.integers(1, 1000), min_size=1, max_size=60).map(lambda c: dict(enumerate(c)))


@given(costs, st.integers(1, 20))
def test_every_window_is_dealt_once_and_runs_stay_together(costs, workers):
    shares = cut(costs, workers)
    assert len(shares) == workers
    assert [number for share in shares for number in share] == list(costs)


@given(costs, st.integers(1, 20))
def test_no_share_costs_more_than_its_part_and_one_window(costs, workers):
    most = sum(costs.values()) / workers + max(costs.values())
    assert all(sum(costs[number] for number in share) <= most for share in cut(costs, workers))


def chunks(number):
    """Windows of 10 in a row, chunks of 14: a window shows one or two of them."""
    return list(range(number * 10 // 14, -(-(number + 1) * 10 // 14)))


@given(st.integers(1, 60), st.integers(1, 12))
def test_chunks_in_common_are_those_of_several_shares(windows, workers):
    shares = cut(dict.fromkeys(range(windows), 1), workers)
    common = in_common(shares, chunks)
    users = Counter(chunk for share in shares for chunk in {c for n in share for c in chunks(n)})
    assert {chunk: len(common[chunk]) for chunk in common} == {
        chunk: count for chunk, count in users.items() if count > 1
    }
    assert all(list(each) == sorted(each) for each in common.values())


@given(st.integers(1, 60), st.integers(1, 12))
def test_what_waits_for_others_comes_last_and_what_others_wait_for_before(windows, workers):
    shares = cut(dict.fromkeys(range(windows), 1), workers)
    common = in_common(shares, chunks)
    for worker, share in enumerate(shares):
        order = arrange(worker, share, common, chunks)
        assert sorted(order) == share
        waits = [any(common.get(c, [worker])[0] != worker for c in chunks(n)) for n in order]
        assert waits == sorted(waits)
        awaited = [any(c in common for c in chunks(n)) for n in order]
        free = [awaited[i] for i, wait in enumerate(waits) if not wait]
        assert free == sorted(free)


@given(st.integers(1, 60), st.integers(1, 12))
def test_a_chunk_in_common_goes_from_one_rank_to_the_next(windows, workers):
    shares = cut(dict.fromkeys(range(windows), 1), workers)
    ranks = range(1, workers + 1)
    common = in_common(shares, chunks)
    found = crossings(shares, ranks, chunks, common)
    for chunk, users in common.items():
        chain = [found[worker][chunk] for worker in users]
        assert len({crossing.number for crossing in chain}) == 1
        assert [crossing.before for crossing in chain] == [None, *(ranks[w] for w in users[:-1])]
        assert [crossing.after for crossing in chain] == [*(ranks[w] for w in users[1:]), None]
        for worker, crossing in zip(users, chain, strict=True):
            shown = {n for share in shares[worker + 1 :] for n in share if chunk in chunks(n)}
            assert sorted(crossing.later) == sorted(shown)
    assert sum(map(len, found)) == sum(map(len, common.values()))
    assert len({one.number for each in found for one in each.values()}) == len(common)
