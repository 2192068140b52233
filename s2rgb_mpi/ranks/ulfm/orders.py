"""What rank 0 tells the others besides, where ranks may die."""

from __future__ import annotations

from collections import deque
from typing import Any

from s2rgb_mpi import signals
from s2rgb_mpi.errors import RankError
from s2rgb_mpi.image.block import Tag
from s2rgb_mpi.ranks import messages
from s2rgb_mpi.ranks.loop import until


class Orders(messages.Orders):
    """What rank 0 tells another rank besides: further windows, and when to leave."""

    def __init__(self, comm: Any) -> None:
        super().__init__(comm)
        self._shares: deque[list[int] | None] = deque()

    def attend(self) -> None:
        """Take the orders that have come.

        Raises
        ------
        RankError
            The run is to end before it is done; rank 0 has said why.
        """
        super().attend()
        if self._comm.Iprobe(source=0, tag=Tag.SHARE):
            self._shares.append(self._comm.recv(source=0, tag=Tag.SHARE))
        if self._comm.Iprobe(source=0, tag=Tag.END):
            raise RankError("", self._comm.recv(source=0, tag=Tag.END))

    def further(self) -> list[int] | None:
        """Wait for a share that was a lost worker's; None when there will not be one."""
        until(lambda: bool(self._shares) or signals.finishing(), attend=self.attend)
        return self._shares.popleft() if self._shares else None  # rank 0 sends a None too

    def end(self) -> int:
        """Wait for the end of the whole run; return its exit code."""
        try:
            until(lambda: False, attend=self.attend)
        except RankError as told:
            return told.exit_code
        raise AssertionError
