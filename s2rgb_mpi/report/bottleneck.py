"""What limited the run, in one sentence, from the times of its ranks alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.timing import Tally

WORK = ("open", "network", "read", "render", "encode")
"""The stages that more workers share among them."""

WAITING_SHARE = 0.2
"""Of the workers' time, spent waiting to be received: from here on the writer is the limit."""

IMBALANCE_SHARE = 0.15
"""Of the run, that the busiest worker worked longer than they all did on average."""

WORDS = {
    "network": ("network-bound", "waiting for bytes of servers"),
    "read": ("decode-bound", "decoding"),
    "render": ("render-bound", "colouring"),
    "encode": ("encode-bound", "compressing"),
}
"""Name of the verdict, and what the workers were at, by stage."""


ADVICE = {
    "network": "a nearer server, or copies of the files, would help",
    "encode": "a lower --level, or --compress zstd, costs less",
}
"""What would help, by stage, where it is not more workers."""


class Verdict(NamedTuple):
    """What limited the run: one word for programs, one sentence for people."""

    name: str
    sentence: str


def verdict(
    tallies: Sequence[Tally], *, wall: float, windows: int, divisible: bool = True
) -> Verdict:
    """Name what limited the run.

    Parameters
    ----------
    tallies : sequence of Tally
        Of all ranks, settled.
    wall : float
        From the moment that all ranks had met to the end, seconds.
    windows : int
        How many there were to share.
    divisible : bool
        Whether smaller ones are possible.

    Returns
    -------
    Verdict
        ``start-up``, ``writer-bound``, ``imbalanced``, ``network-bound``, ``decode-bound``,
        ``render-bound`` or ``encode-bound``: the first that holds.
    """
    workers = [tally for tally in tallies if "worker" in tally.role]
    found = _start_up(tallies, wall) or _writer_bound(tallies, workers, wall)
    found = found or _imbalanced(workers, wall)
    return found or _work_bound(tallies, workers, wall, windows, divisible=divisible)


def _start_up(tallies: Sequence[Tally], wall: float) -> Verdict | None:
    """Recognise a run that took longer to start than to work."""
    start = max(tally.start_seconds for tally in tallies)
    if start <= wall:
        return None
    text = f"start-up: {start:.1f} of {start + wall:.1f} s were over before the first window"
    return Verdict("start-up", text + "; fewer ranks would do as well" * (len(tallies) > 1))


def _writer_bound(
    tallies: Sequence[Tally], workers: Sequence[Tally], wall: float
) -> Verdict | None:
    """Recognise a run in which workers waited for the writer, or only the writer worked."""
    (writer,) = (tally for tally in tallies if "writer" in tally.role)
    writing = sum(_of(writer, stage) for stage in ("receive", "append", "overviews"))
    waiting = sum(_of(worker, "send-wait") for worker in workers) / len(workers)
    if waiting >= WAITING_SHARE * wall:
        return Verdict(
            "writer-bound",
            f"writer-bound: workers spent {waiting / wall:.0%} of their time waiting to be"
            f" received, the writer was busy {writing / wall:.0%} of it; a faster disk would"
            " help, more workers would not",
        )
    # While these last no worker works: finalising always, the rest if a worker is the writer too.
    alone = _of(writer, "finalise") + (writing if writer in workers else 0.0)
    if alone <= max(_mean(workers, stage) for stage in WORDS):
        return None
    return Verdict(
        "writer-bound",
        f"writer-bound: {alone / wall:.0%} of the time went into writing and finalising the file;"
        " a faster disk would help, more workers would not",
    )


def _imbalanced(workers: Sequence[Tally], wall: float) -> Verdict | None:
    """Recognise a run that waited for one worker."""
    last = max(workers, key=_work)
    mean = sum(map(_work, workers)) / len(workers)
    if _work(last) - mean < IMBALANCE_SHARE * wall:
        return None
    return Verdict(
        "imbalanced",
        f"imbalanced: rank {last.rank} worked {_work(last):.1f} s, the workers {mean:.1f} s on"
        f" average; equal shares would save about {_work(last) - mean:.1f} s",
    )


def _work_bound(
    tallies: Sequence[Tally],
    workers: Sequence[Tally],
    wall: float,
    windows: int,
    *,
    divisible: bool,
) -> Verdict:
    """Name the stage that the workers spent most time in."""
    stage = max(WORDS, key=lambda stage: _mean(workers, stage))
    name, doing = WORDS[stage]
    share = _mean(workers, stage) / wall
    advice = ADVICE.get(stage) or _more_workers(tallies, workers, windows, divisible=divisible)
    return Verdict(name, f"{name}: workers spent {share:.0%} of their time {doing}; {advice}")


def _more_workers(
    tallies: Sequence[Tally], workers: Sequence[Tally], windows: int, *, divisible: bool
) -> str:
    """Estimate the gain of more workers, where there are cores and windows for them."""
    count = len(workers)
    cores = sum({tally.host: tally.cores for tally in tallies}.values())
    if count >= windows:
        smaller = ", a smaller --window would make some" if divisible else ""
        return f"there is no window for another worker{smaller}"
    if count >= cores:
        have = "the one core was" if cores == 1 else f"all {cores} cores were"
        return f"{have} at work, only more of them would help"
    more = min(max(2, count // 4), windows - count, cores - count)
    work = sum(map(_work, workers))
    saved = work / count - work / (count + more)
    many = f"{more} more worker{'s' if more > 1 else ''}"
    return f"{many} would save about {saved:.{0 if saved >= 1 else 1}f} s"


def _of(tally: Tally, stage: str) -> float:
    return tally.seconds.get(stage, 0.0)


def _mean(workers: Sequence[Tally], stage: str) -> float:
    return sum(_of(worker, stage) for worker in workers) / len(workers)


def _work(tally: Tally) -> float:
    return sum(_of(tally, stage) for stage in WORK)
