"""Times of one rank: its seconds per stage, and on request every single span."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STAGES = (
    "open",
    "network",
    "read",
    "render",
    "encode",
    "send-wait",
    "receive",
    "append",
    "overviews",
    "finalise",
    "idle",
)
"""The activities of ranks, in the order a block travels."""

SHORTEST_SPAN = 1e-4
"""Shorter spans are added to their stage but not recorded, seconds: a poll that finds no message
is not worth an entry."""

LONGEST_GAP = 1e-3
"""Spans of one stage and window that are less than this apart are recorded as one, seconds."""


class Span(NamedTuple):
    """One period of a rank's time: stage, number of its window, begin and end in seconds."""

    stage: str
    window: int | None
    begin: float
    end: float


@dataclass(slots=True)
class Stage:
    """The stage that is being timed: one of :data:`STAGES`."""

    name: str


@dataclass
class Tally:
    """Times and memory of one rank; sent to rank 0 at the end.

    Parameters
    ----------
    role : str
        Coordinator, worker or writer, or several of them, in words.
    seconds : dict of str to float
        Time in each stage, seconds; stages do not overlap.
    peak_nbytes : int
        Largest resident memory, bytes.
    rank : int
        Number of this rank.
    windows : int
        How many windows this rank has made into blocks.
    spans : list of Span, optional
        Every period of a stage; None where no trace is requested, which then costs nothing.
    host : str
        The machine's name.
    cores : int
        Number of cores of the machine.
    start_seconds : float
        From the start of the process to that of the run: imports, MPI, the plan.
    begin, end : float
        Of this rank's part in the run, seconds; on the machine's own clock until
        :func:`synchronise` moves all ranks to a common one.
    """

    role: str
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_nbytes: int = 0
    rank: int = 0
    windows: int = 0
    spans: list[Span] | None = None
    host: str = field(default_factory=lambda: os.uname().nodename)
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    start_seconds: float = field(default_factory=lambda: process_age())  # noqa: PLW0108  below
    begin: float = field(default_factory=time.perf_counter)
    end: float = 0.0

    def __post_init__(self) -> None:
        """Make the first stage count from `begin`."""
        self._mark = self.begin

    @contextmanager
    def stage(self, name: str, window: int | None = None) -> Iterator[Stage]:
        """Add the time until the end of the body to a stage.

        A stage counts from the end of the one before, so that every moment of a rank belongs to a
        stage: the few lines between two stages count for the second. Stages must not be nested.

        Parameters
        ----------
        name : str
            One of :data:`STAGES`.
        window : int, optional
            Number of the window that the time is spent on.

        Yields
        ------
        Stage
            The body may change its name, where only the outcome decides the stage.
        """
        stage = Stage(name)
        try:
            yield stage
        finally:
            begin, end = self._mark, time.perf_counter()
            self._mark = end
            self.seconds[stage.name] += end - begin
            if self.spans is not None and end - begin >= SHORTEST_SPAN:
                self._note(Span(stage.name, window, begin, end))

    def close(self) -> Tally:
        """Record the end and the peak memory; return the tally."""
        self.end = time.perf_counter()
        self.peak_nbytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return self

    @property
    def busy_seconds(self) -> float:
        """Time outside the stages "idle" and "send-wait", seconds."""
        return sum(self.seconds.values()) - sum(
            self.seconds.get(stage, 0.0) for stage in ("idle", "send-wait")
        )

    def _note(self, span: Span) -> None:
        """Record a span, or extend the last one: a wait is many short sleeps."""
        spans = self.spans
        assert spans is not None  # noqa: S101  the caller has checked
        if spans and spans[-1][:2] == span[:2] and span.begin - spans[-1].end < LONGEST_GAP:
            span = span._replace(begin=spans.pop().begin)
        spans.append(span)


def process_age() -> float:
    """Return the seconds since this process began, to a hundredth (proc(5), starttime)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, now - ticks / os.sysconf("SC_CLK_TCK"))


def synchronise(tallies: Sequence[Tally]) -> tuple[float, list[Tally]]:
    """Move the times of all ranks to a common clock, which is 0 at the beginning of the run.

    Parameters
    ----------
    tallies : sequence of Tally
        Of all ranks, each begun at the barrier that starts the run.

    Returns
    -------
    wall : float
        Duration of the run, seconds.
    tallies : list of Tally
        By rank. The time after a rank's end counts as idle, so that the stages of each rank add
        up to `wall`, except for time in no stage.

    Notes
    -----
    Each machine has its own clock, but all ranks leave the barrier at about the same moment. Ranks
    of one machine share its clock: the first of them to leave gives the best origin.
    """
    origins: dict[str, float] = {}
    for tally in tallies:
        origins[tally.host] = min(tally.begin, origins.get(tally.host, tally.begin))
    wall = max(tally.end - origins[tally.host] for tally in tallies)
    shifted = [_shifted(tally, origins[tally.host], wall) for tally in tallies]
    return wall, sorted(shifted, key=lambda tally: tally.rank)


def _shifted(tally: Tally, origin: float, wall: float) -> Tally:
    """Return a tally on the run's clock; the time from its end to that of the run is idle."""
    begin, end = tally.begin - origin, tally.end - origin
    seconds = dict(tally.seconds)
    seconds["idle"] = seconds.get("idle", 0.0) + begin + wall - end
    spans = None
    if tally.spans is not None:
        spans = [
            span._replace(begin=span.begin - origin, end=span.end - origin) for span in tally.spans
        ]
        if wall - end >= SHORTEST_SPAN:
            spans.append(Span("idle", None, end, wall))
    return replace(tally, seconds=seconds, spans=spans, begin=0.0, end=wall)
