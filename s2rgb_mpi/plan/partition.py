"""How windows are divided among workers, and which source chunks several shares need."""

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
    """Cut a sequence of windows into one share per worker, of about equal cost.

    Parameters
    ----------
    costs : mapping of int to int
        The cost of each window, above 0, by its number; in the order to be cut.
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
        # The worker in whose part of the total cost the middle of this window lies.
        shares[(2 * before + cost) * workers // (2 * total)].append(number)
        before += cost
    return shares


def in_common(
    shares: Sequence[Sequence[int]], chunks: Callable[[int], Iterable[K]]
) -> dict[K, list[int]]:
    """Find the chunks that more than one share needs.

    Parameters
    ----------
    shares : sequence of sequence of int
        Numbers of windows.
    chunks : callable
        Returns the chunks that a window needs.

    Returns
    -------
    dict of chunk to list of int
        The workers whose shares need the chunk, ascending.
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
    """Put a share in order: last the windows that wait for others, before them those that send.

    A chunk passes from the lowest worker that needs it to the next one, so there is no deadlock.
    Workers exchange chunks at the end of their shares, all at about the same time: a part that is
    sent is soon used, and need not be kept for long.

    Parameters
    ----------
    worker : int
        Whose share it is.
    share : sequence of int
        Numbers of windows.
    common, chunks
        As for :func:`in_common`.

    Returns
    -------
    list of int
        The same numbers; those of one kind in the order given.
    """

    def phase(number: int) -> int:
        users = [common[chunk] for chunk in chunks(number) if chunk in common]
        if any(workers[0] != worker for workers in users):
            return 2
        return 1 if users else 0

    return sorted(share, key=phase)


class Crossing(NamedTuple):
    """The way of a chunk that several shares need, as one of their workers sees it."""

    number: int
    """Number of the chunk in messages."""
    before: int | None
    """The rank that sends it; None for the first worker."""
    after: int | None
    """The rank that receives it; None for the last worker."""
    later: tuple[int, ...]
    """The windows of later workers that need it."""


@dataclass(frozen=True)
class Share:
    """The windows that one worker gets, in the order of work."""

    windows: Sequence[int] = ()
    crossings: Mapping[Key, Crossing] = field(default_factory=dict)
    """The chunks of these windows that other shares need too."""
    kept: Mapping[int, int] = field(default_factory=dict)
    """Windows that rank 0 keeps back of this share, with their predicted costs: it deals them on
    demand, to whoever is done."""
    more: bool = False
    """Whether rank 0 keeps back windows of any share."""

    @property
    def whole(self) -> list[int]:
        """Its windows, and behind them those that are kept back."""
        return [*self.windows, *self.kept]


def crossings(
    shares: Sequence[Sequence[int]],
    ranks: Sequence[int],
    chunks: Callable[[int], Iterable[K]],
    common: Mapping[K, Sequence[int]],
) -> list[dict[K, Crossing]]:
    """Find for each worker the chunks that other shares need too, with the ranks that pass them on.

    Parameters
    ----------
    shares : sequence of sequence of int
        Numbers of windows.
    ranks : sequence of int
        The ranks of these shares.
    chunks, common
        As for :func:`in_common`.

    Returns
    -------
    list of dict of chunk to Crossing
        In the order of the shares.
    """
    users: defaultdict[K, list[tuple[int, int]]] = defaultdict(list)
    for worker, share in enumerate(shares) if common else ():
        for number in share:
            for chunk in chunks(number):
                if chunk in common:
                    users[chunk].append((worker, number))
    crossing: list[dict[K, Crossing]] = [{} for _ in shares]
    for name, (chunk, workers) in enumerate(common.items()):
        for before, worker, after in zip(
            [None, *workers], workers, [*workers[1:], None], strict=False
        ):
            crossing[worker][chunk] = Crossing(
                name,
                None if before is None else ranks[before],
                None if after is None else ranks[after],
                tuple(number for owner, number in users[chunk] if owner > worker),
            )
    return crossing
