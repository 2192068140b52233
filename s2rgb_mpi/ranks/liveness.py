"""Which ranks are silent, and for how long: the run ends with an error that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2rgb_mpi.errors import SilenceError
from s2rgb_mpi.ranks.loop import WakingClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.plan.plan import Plan


class Watchdog:
    """Records when each rank was last heard of.

    The writer sends messages all the time. Workers are heard of through it, as their windows
    arrive: so while the writer itself is silent, no worker is reported.

    Parameters
    ----------
    plan : Plan
        Its job has the time limit.
    shares : sequence of sequence of int
        The windows of every rank. Rank 0 does not watch itself, the last one is the writer.
    survive : bool
        Whether workers that are done wait for unfinished windows of lost ones.
    """

    def __init__(
        self, plan: Plan, shares: Sequence[Sequence[int]], *, survive: bool = False
    ) -> None:
        self._plan = plan
        self._survive = survive
        self._clock = WakingClock()
        self._writer = len(shares) - 1
        self._left = {rank: list(share) for rank, share in enumerate(shares) if rank}
        self._owner = {number: rank for rank, share in self._left.items() for number in share}
        self._heard = dict.fromkeys(self._left, 0.0)

    def heard(self, rank: int, windows: Sequence[int]) -> None:
        """Note a message from a rank, and the windows of other ranks that it reports."""
        now = self._clock.now()
        self._heard[rank] = now
        for number in windows:
            worker = self._owner.get(number)
            if worker is not None:
                self._left[worker].remove(number)
                # A worker may be done before the writer reports its last windows.
                if worker in self._heard:
                    self._heard[worker] = now

    @property
    def is_over(self) -> bool:
        """Whether all windows have arrived."""
        return not any(self._left.values())

    def lost(self, rank: int) -> list[int]:
        """Watch a rank no longer; return its windows that have not arrived."""
        self.done(rank)
        left = self._left.pop(rank, [])
        for number in left:
            del self._owner[number]
        return left

    def dealt(self, rank: int, windows: Sequence[int]) -> None:
        """Note windows that a rank receives besides its own."""
        self._left[rank] += windows
        self._owner |= dict.fromkeys(windows, rank)
        self._heard[rank] = self._clock.now()

    def done(self, rank: int) -> None:
        """Watch a rank no longer."""
        self._heard.pop(rank, None)

    def look(self) -> None:
        """Raise an error if a rank has been silent for too long.

        Raises
        ------
        SilenceError
            Names the rank, and its next window.
        """
        now, timeout = self._clock.now(), self._plan.job.timeout
        last = self._heard.get(self._writer, now)
        if now - last > timeout:
            raise SilenceError(f"the writer, rank {self._writer}, {_silent(timeout)}")
        for rank, heard in self._heard.items():
            if self._survive and not self._left[rank] and not self.is_over:
                self._heard[rank] = now  # it waits for unfinished windows of others
            elif rank != self._writer and last - heard > timeout:
                left = self._left[rank]
                place = f" at window {left[0]} {tuple(self._plan.windows[left[0]])}" if left else ""
                raise SilenceError(f"rank {rank}{place} {_silent(timeout)}")


def _silent(seconds: float) -> str:
    return f"has sent no message for {seconds:g} s (--timeout)"
