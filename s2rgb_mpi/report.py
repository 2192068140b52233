"""What the run says: events in; progress, summary and error lines out. Rank 0 alone speaks."""

from __future__ import annotations

import resource
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tqdm import tqdm

PROGRAM = "s2rgb_mpi"

LEAST_SECONDS = 10.0
LEAST_SHARE = 0.05
"""In a log, a line of progress comes after so much time and so much of the work, not before."""


@dataclass
class Tally:
    """What one rank did: sent home to rank 0 at the end.

    Parameters
    ----------
    role : str
        Coordinator, worker or writer.
    seconds : dict of str to float
        Time in each stage.
    peak_nbytes : int
        Largest resident memory, bytes.
    """

    role: str
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_nbytes: int = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the body takes to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begin

    def close(self) -> Tally:
        """Note the memory peak; return the tally for sending."""
        self.peak_nbytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return self


class Report:
    """The one voice of the run.

    Parameters
    ----------
    quiet : bool
        Only errors are said.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._begin = time.monotonic()
        self._bar: tqdm | None = None
        self._total = 0
        self._said = (self._begin, 0)

    def start(self, windows: int, pixels: int) -> None:
        """Say that the work begins."""
        self._total, self._pixels = windows, pixels
        if not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415  only where there is a terminal

            self._bar = tqdm(total=windows, unit="window", leave=False)

    def advance(self, windows: int, nbytes: int) -> None:
        """Say how far the writer is: windows and bytes that are in the part file."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.update(windows - self._bar.n)
            return
        now = time.monotonic()
        last, before = self._said
        if now - last >= LEAST_SECONDS and windows - before >= LEAST_SHARE * self._total:
            self._said = (now, windows)
            left = (now - self._begin) * (self._total - windows) / windows
            self._line(
                f"{windows} of {self._total} windows, {nbytes / 1e6:.1f} MB,"
                f" {now - self._begin:.0f} s, about {left:.0f} s left"
            )

    def done(self, output: str, nbytes: int, tallies: Sequence[Tally]) -> None:
        """Say what was made, and what it took."""
        seconds = time.monotonic() - self._begin
        if self._bar is not None:
            self._bar.close()
        if self.quiet:
            return
        self._line(
            f"wrote {output}: {nbytes / 1e6:.1f} MB, {self._pixels / 1e6:.1f} Mpx"
            f" in {seconds:.1f} s ({self._pixels / 1e6 / seconds:.2f} Mpx/s)"
        )
        for role in ("worker", "writer"):
            self._line(_role_line(role, [tally for tally in tallies if tally.role == role]))

    def text(self, text: str) -> None:
        """Put what was asked for (a plan) on standard output."""
        sys.stdout.write(text + "\n")

    def warning(self, text: str) -> None:
        """Say what the user should look at."""
        self._line(f"warning: {text}")

    def error(self, error: BaseException | str) -> None:
        """Say in one line why the run ended."""
        if self._bar is not None:
            self._bar.close()
        self._line(f"error: {error}")

    @staticmethod
    def _line(text: str) -> None:
        """Write one whole line at once, so that it cannot be torn."""
        sys.stderr.write(f"{PROGRAM}: {text}\n")
        sys.stderr.flush()


def _role_line(role: str, tallies: Sequence[Tally]) -> str:
    """Sum up the ranks of one role."""
    total: dict[str, float] = defaultdict(float)
    for tally in tallies:
        for stage, seconds in tally.seconds.items():
            total[stage] += seconds
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in total.items())
    peak = max((tally.peak_nbytes for tally in tallies), default=0)
    ranks = f"{len(tallies)} {role}{'s' if len(tallies) != 1 else ''}"
    return f"{ranks}: {stages}; peak memory {peak / 1e6:.0f} MB"
