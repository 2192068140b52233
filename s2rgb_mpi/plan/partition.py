"""How windows are shared out between workers, and what the shares have in common."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from s2rgb_mpi.grid import Window

K = TypeVar("K")

Key: TypeAlias = "tuple[int, Window]"
"""A source chunk: the number of its product, and its place there."""


def cut(costs: Mapping[int, int], workers: int) -> list[list[int]]:
    """Cut windows into one share per worker, runs in the order given, of about equal cost.

    Parameters
    ----------
    costs : mapping of int to int
        What each window costs, above 0, by its number.
    workers : int
        At least 1.

    Returns
    -------
    list of list of int
        Every number once. Some are empty if there are more workers than windows.
    """
    total, before = sum(costs.values()), 0
    shares: list[list[int]] = [[] for _ in range(workers)]
    for number, cost in costs.items():
        # The worker in whose stretch of the total cost the middle of this window lies.
        shares[(2 * before + cost) * workers // (2 * total)].append(number)
        before += cost
    return shares


def in_common(
    shares: Sequence[Sequence[int]], chunks: Callable[[int], Iterable[K]]
) -> dict[K, list[int]]:
    """Find the chunks that show in more than one share.

    Parameters
    ----------
    shares : sequence of sequence of int
        Numbers of windows.
    chunks : callable
        Gives the chunks that show in a window.

    Returns
    -------
    dict of chunk to list of int
        In whose shares they show, ascending.
    """
    users: defaultdict[K, list[int]] = defaultdict(list)
    for worker, share in enumerate(shares):
        for chunk in dict.fromkeys(chunk for number in share for chunk in chunks(number)):
            users[chunk].append(worker)
    return {chunk: workers for chunk, workers in users.items() if len(workers) > 1}


def arrange(
    worker: int,
    share: Sequence[int],
    common: Mapping[K, Sequence[int]],
    chunks: Callable[[int], Iterable[K]],
) -> list[int]:
    """Put a share in the order of work: late what others wait for, last what waits for others.

    A chunk goes from the lowest worker that it shows up at to the next one, so nobody waits in a
    circle. Both come at the end, side by side: what is given is soon taken, and need not be kept.

    Parameters
    ----------
    worker : int
        Whose share it is.
    share : sequence of int
        Numbers of windows.
    common, chunks
        As :func:`in_common` has them.

    Returns
    -------
    list of int
        The same numbers; those of one kind in the order given.
    """

    def turn(number: int) -> int:
        users = [common[chunk] for chunk in chunks(number) if chunk in common]
        if any(workers[0] != worker for workers in users):
            return 2
        return 1 if users else 0

    return sorted(share, key=turn)


class Crossing(NamedTuple):
    """What a worker has to know of a chunk that shows in its share and in others."""

    number: int
    """What the chunk is called in messages."""
    before: int | None
    """The rank that gives it; None where this worker is the first."""
    after: int | None
    """The rank that is given it; None where this worker is the last."""
    later: tuple[int, ...]
    """The windows of workers after this one that show it."""


@dataclass(frozen=True)
class Share:
    """The windows that one worker gets, in the order of work."""

    windows: Sequence[int] = ()
    crossings: Mapping[Key, Crossing] = field(default_factory=dict)
    """The chunks of these windows that show in other shares."""


def crossings(
    shares: Sequence[Sequence[int]],
    ranks: Sequence[int],
    chunks: Callable[[int], Iterable[K]],
    common: Mapping[K, Sequence[int]],
) -> list[dict[K, Crossing]]:
    """Find for each worker the chunks of its share that show in others, and who these are.

    Parameters
    ----------
    shares : sequence of sequence of int
        Numbers of windows.
    ranks : sequence of int
        Whose shares they are.
    chunks, common
        As :func:`in_common` has them.

    Returns
    -------
    list of dict of chunk to Crossing
        In the order of the shares.
    """
    shown: defaultdict[K, list[tuple[int, int]]] = defaultdict(list)
    for worker, share in enumerate(shares) if common else ():
        for number in share:
            for chunk in chunks(number):
                if chunk in common:
                    shown[chunk].append((worker, number))
    crossing: list[dict[K, Crossing]] = [{} for _ in shares]
    for name, (chunk, workers) in enumerate(common.items()):
        for before, worker, after in zip(
            [None, *workers], workers, [*workers[1:], None], strict=False
        ):
            crossing[worker][chunk] = Crossing(
                name,
                None if before is None else ranks[before],
                None if after is None else ranks[after],
                tuple(number for owner, number in shown[chunk] if owner > worker),
            )
    return crossing
