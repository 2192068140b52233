"""What one rank did, and when: its seconds a stage, and on request every single span."""

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
"""What ranks spend their time on, in the order a block travels."""

SHORTEST_SPAN = 1e-4
"""Seconds below which a span is only counted: a look for messages that finds none is no event."""

LONGEST_GAP = 1e-3
"""Seconds between two spans of one stage and window that are told as one."""


class Span(NamedTuple):
    """One piece of a rank's time: its stage, the window it was for, begin and end in seconds."""

    stage: str
    window: int | None
    begin: float
    end: float


@dataclass(slots=True)
class Stage:
    """What a rank is at: one of :data:`STAGES`."""

    name: str


@dataclass
class Tally:
    """What one rank did: sent home to rank 0 at the end.

    Parameters
    ----------
    role : str
        Coordinator, worker or writer, or several of them, in words.
    seconds : dict of str to float
        Time in each stage; stages do not overlap.
    peak_nbytes : int
        Largest resident memory, bytes.
    rank : int
        Whose tally this is.
    windows : int
        How many windows this rank has made into blocks.
    spans : list of Span, optional
        Every stage by itself; None if nobody asked for them, and then they cost nothing.
    host : str
        The machine's name.
    cores : int
        How many the machine has.
    start_seconds : float
        From the beginning of the process to that of the run: imports, MPI, the plan.
    begin, end : float
        Of this rank's part in the run, seconds; on the machine's own clock until
        :func:`settle` brings all ranks on one.
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
        """Let the first stage count from the beginning."""
        self._mark = self.begin

    @contextmanager
    def stage(self, name: str, window: int | None = None) -> Iterator[Stage]:
        """Add the time until the end of the body to a stage.

        It counts from the end of the stage before: every moment of a rank is in one stage, the
        few lines between two, and what the machine did meanwhile, in the one that follows.

        Parameters
        ----------
        name : str
            One of :data:`STAGES`.
        window : int, optional
            The number of the window that it is spent on.

        Yields
        ------
        Stage
            Whose name the body may change, where it only then knows what it was about.
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
        """Note the end and the memory peak; return the tally for sending."""
        self.end = time.perf_counter()
        self.peak_nbytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return self

    @property
    def busy_seconds(self) -> float:
        """Time spent on the work itself: not idle, and not waiting to be received."""
        return sum(self.seconds.values()) - sum(
            self.seconds.get(stage, 0.0) for stage in ("idle", "send-wait")
        )

    def _note(self, span: Span) -> None:
        """Add a span, or make the last one longer: a wait is many short sleeps."""
        spans = self.spans
        assert spans is not None  # noqa: S101  the caller has looked
        if spans and spans[-1][:2] == span[:2] and span.begin - spans[-1].end < LONGEST_GAP:
            span = span._replace(begin=spans.pop().begin)
        spans.append(span)


def process_age() -> float:
    """Return the seconds since this process began, to a hundredth (proc(5), starttime)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, now - ticks / os.sysconf("SC_CLK_TCK"))


def settle(tallies: Sequence[Tally]) -> tuple[float, list[Tally]]:
    """Bring all ranks on one clock, which begins at 0 with the run.

    Parameters
    ----------
    tallies : sequence of Tally
        Of all ranks, each begun when all had met.

    Returns
    -------
    wall : float
        How long the run took, seconds.
    tallies : list of Tally
        By rank. What came after a rank's end was idle, so the stages of each add up to the
        wall, but for what was in no stage.

    Notes
    -----
    Machines have clocks of their own, but all ranks leave one barrier at about the same moment;
    those on one machine share its clock, so the first of them to leave tells it best.
    """
    origins: dict[str, float] = {}
    for tally in tallies:
        origins[tally.host] = min(tally.begin, origins.get(tally.host, tally.begin))
    wall = max(tally.end - origins[tally.host] for tally in tallies)
    settled = [_shifted(tally, origins[tally.host], wall) for tally in tallies]
    return wall, sorted(settled, key=lambda tally: tally.rank)


def _shifted(tally: Tally, origin: float, wall: float) -> Tally:
    """Return a tally on the run's clock, idle from its end to the end of the run."""
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
