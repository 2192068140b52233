"""Rank 0, the coordinator: receives progress, times and failures from all other ranks."""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.errors import LostError, ProtocolError, RankError
from s2rgb_mpi.ranks.liveness import Watchdog
from s2rgb_mpi.ranks.messages import (
    Ask,
    Done,
    Failed,
    Heartbeat,
    NoShare,
    Progress,
    Share,
    Stop,
    Tag,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.output.lock import Lock
    from s2rgb_mpi.output.totals import Written
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.messages import ToCoordinator
    from s2rgb_mpi.ranks.reserve import Reserve
    from s2rgb_mpi.ranks.team import Rank, Survivors
    from s2rgb_mpi.report.console import Report
    from s2rgb_mpi.timing import Tally


class Coordinator:
    """Receives the messages of all other ranks; its `attend` is a duty of rank 0's loop.

    Parameters
    ----------
    rank : Rank
        Rank 0.
    plan : Plan
        The same on every rank.
    shares : sequence of sequence of int
        The windows of every rank.
    report : Report
        Shows the progress.
    lock : Lock
        Refreshed meanwhile.
    reserve : Reserve, optional
        Windows to be dealt when shares are done.
    survivors : Survivors, optional
        Take over the windows of a lost worker. Without them the loss of a rank ends the run.
    """

    def __init__(
        self,
        rank: Rank,
        plan: Plan,
        shares: Sequence[Sequence[int]],
        report: Report,
        lock: Lock,
        *,
        reserve: Reserve | None = None,
        survivors: Survivors | None = None,
    ) -> None:
        self._comm = rank.comm
        self._loop = rank.loop
        self._report = report
        self._lock = lock
        self._reserve = reserve
        self._survivors = survivors
        self._watchdog = Watchdog(plan, shares, survive=survivors is not None)
        self._receives = {rank: self._post_receive(rank) for rank in range(1, rank.comm.size)}
        self._arriving: dict[int, tuple[Any, bytearray]] = {}
        self._stops: list[Any] = []
        self._dealt: dict[int, Any] = {}
        self._stopping = False
        self.tallies: list[Tally] = []
        self._written: Written | None = None

    def run(self) -> Written | None:
        """Receive messages until every other rank is done; return the finished file.

        Returns
        -------
        Written or None
            None if the run was stopped before the file was whole.
        """
        self._loop.until(lambda: not self._receives and not self._arriving)
        for sent in [*self._stops, *self._dealt.values()]:
            with suppress(LostError):
                self._loop.until(sent.Test)
        if self._written is None and not signals.finishing():
            raise ProtocolError("the writer reported no file")
        return self._written

    def attend(self) -> None:
        """Receive all messages that have arrived, without waiting.

        Raises
        ------
        RankError
            Another rank failed.
        SilenceError
            Another rank has sent no message for too long.
        """
        self._lock.refresh()
        for rank in [*self._receives, *self._arriving]:
            try:
                self._poll(rank)
            except LostError:
                self._lose(rank)
        if signals.finishing() and not self._stopping:
            self._stopping = True
            for rank in range(1, self._comm.size):
                with suppress(LostError):
                    self._stops.append(send(self._comm, Stop(), dest=rank))
        if self._survivors is not None and self._watchdog.is_over:
            self._survivors.release()
        self._watchdog.look()

    def _poll(self, rank: int) -> None:
        if rank in self._arriving:
            request, buffer = self._arriving[rank]
            if request.Test():
                del self._arriving[rank]
                self._store(buffer)
            return
        arrived, message = self._receives[rank].test()
        if arrived:
            del self._receives[rank]
            self._handle(rank, message)

    def _handle(self, rank: int, message: ToCoordinator) -> None:
        """Handle a message, and post the receive of the next one if there will be one."""
        match message:
            case Failed(text, exit_code):
                raise RankError(text, exit_code)
            case Done(nbytes):
                self._watchdog.done(rank)
                buffer = bytearray(nbytes)
                arrival = self._comm.Irecv(buffer, source=rank, tag=Tag.TALLY)
                self._arriving[rank] = arrival, buffer
                return
            case Stop():
                signals.finish()
            case Ask():
                self._watchdog.heard(rank, [])
                self._deal(rank)
            case Heartbeat():
                self._watchdog.heard(rank, [])
            case Progress(windows, nbytes, new):
                self._report.advance(windows, nbytes, new)
                self._watchdog.heard(rank, [window for window, _ in new])
        self._receives[rank] = self._post_receive(rank)

    def _deal(self, rank: int) -> None:
        """Deal a worker a further window, or tell it that there is none; nothing after a stop.

        A worker that is told nothing receives the stop, and its share is not whole.
        """
        if signals.finishing():
            return
        number = None if self._reserve is None else self._reserve.take(rank)
        if number is not None:
            self._watchdog.dealt(rank, [number])
            self._report.dealt(rank, [number])
        answer = NoShare() if number is None else Share((number,))
        self._dealt[rank] = send(self._comm, answer, dest=rank)  # it has received the one before

    def _lose(self, rank: int) -> None:
        """Continue without a lost worker.

        Raises
        ------
        LostError
            It is the writer.
        RankError
            No other worker is left.
        """
        self._receives.pop(rank, None)
        self._arriving.pop(rank, None)
        lost = LostError(rank, self._comm.size)
        if self._survivors is None or rank == self._comm.size - 1:
            raise lost
        left = self._watchdog.lost(rank)
        shares = self._survivors.lose(rank, left)
        for worker, share in shares.items():
            self._watchdog.dealt(worker, share)
            self._report.dealt(worker, share)
        text = f"{lost}; its unfinished windows: {len(left)}"
        if shares:
            text += f", reassigned to rank {', '.join(map(str, shares))}"
        self._report.warning(text)

    def _store(self, buffer: bytearray) -> None:
        """Store a rank's tally, and the writer's description of the file."""
        tally, written = pickle.loads(buffer)  # noqa: S301  our own ranks made it
        self.tallies.append(tally)
        if written is not None:
            self._written = written

    def _post_receive(self, rank: int) -> Any:
        """Post the receive of one rank's next message, whatever its tag."""
        return self._comm.irecv(source=rank)
