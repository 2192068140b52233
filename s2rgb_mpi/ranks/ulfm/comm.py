"""A communicator on which ranks may die."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from mpi4py import MPI

from s2rgb_mpi.errors import LostError
from s2rgb_mpi.ranks.messages import Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PART_NBYTES = 2 * 2**20
"""The largest message, bytes: with MPI's own header it must stay below TCP's eager limit."""

ENABLED = "OMPI_MCA_mpi_ft_enable"
"""The variable that ``mpirun --with-ft ulfm`` sets for its ranks, or the user instead."""

# mpi4py 3 has no such names; in mpi4py 4 they all have the same number if the MPI has no ULFM.
_FAILED, _PENDING, _REVOKED = (
    getattr(MPI, f"ERR_{name}", None) for name in ("PROC_FAILED", "PROC_FAILED_PENDING", "REVOKED")
)


def is_possible(environ: Mapping[str, str]) -> bool:
    """Return whether this MPI has ULFM, and its launcher has enabled it."""
    return _FAILED != _REVOKED and environ.get(ENABLED, "0").lower() in ("1", "true", "yes", "on")


class Comm:
    """A communicator on which ranks may die: calls that involve a dead rank raise `LostError`.

    It has the methods of mpi4py that the program uses, with the same meaning.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank, self.size = comm.rank, comm.size
        self._kept: list[Any] = []

    def Irecv(self, buffer: Any, source: int, tag: int) -> Request:  # noqa: N802
        """Receive bytes; the message must be exactly as long as the buffer."""
        return self._parted(source, buffer, lambda part: self._comm.Irecv(part, source, tag))

    def Issend(self, buffer: Any, dest: int, tag: int) -> Request:  # noqa: N802
        """Send bytes."""
        return self._parted(dest, buffer, lambda part: self._comm.Issend(part, dest, tag))

    def irecv(self, source: int) -> Request:
        """Receive an object."""
        with self.named(source):
            return Request(self, source, [self._comm.irecv(source=source)])

    def isend(self, message: Any, dest: int, tag: int) -> Request:
        """Send an object."""
        with self.named(dest):
            return Request(self, dest, [self._comm.isend(message, dest, tag)])

    def issend(self, message: Any, dest: int, tag: int) -> Request:
        """Send an object synchronously."""
        with self.named(dest):
            return Request(self, dest, [self._comm.issend(message, dest, tag)])

    def Iprobe(self, source: int, tag: int) -> bool:  # noqa: N802
        """Return whether a message has arrived."""
        # Checked before the probe: messages that a rank sent before its death are still received.
        is_lost = source in self._lost()
        with self.named(source):
            has_arrived = bool(self._comm.Iprobe(source, tag))
        if is_lost and not has_arrived:  # older Open MPI does not report this
            raise LostError(source, self.size)
        return has_arrived

    def recv(self, source: int, tag: int) -> Any:
        """Receive an object that has arrived."""
        with self.named(source):
            return self._comm.recv(source=source, tag=tag)

    # The three below are made of point-to-point messages. After a death during a collective call of
    # MPI, later messages of rank 0 on that communicator never arrive at the ranks to which it was
    # sending at that moment (seen after one of five deaths).

    def Ibcast(self, buffer: Any, root: int) -> Request:  # noqa: N802
        """Broadcast bytes; raises an error if any rank dies."""
        if self.rank != root:
            return self._all(lambda: [self._comm.Irecv(buffer, root, Tag.START)])
        return self._all(lambda: [self._comm.Isend(buffer, r, Tag.START) for r in self._others])

    def Iscatterv(self, send: Any, receive: Any, root: int) -> Request:  # noqa: N802
        """Scatter numbers; raises an error if any rank dies."""
        if self.rank != root:
            return self._all(lambda: [self._comm.Irecv(receive, root, Tag.START)])
        numbers, counts = send
        shares = np.split(numbers, np.cumsum(counts)[:-1])
        receive[:] = shares[root]
        return self._all(lambda: [self._comm.Isend(shares[r], r, Tag.START) for r in self._others])

    def Ibarrier(self) -> Request:  # noqa: N802
        """Wait for all ranks, by way of rank 0; raises an error if any rank dies."""
        nothing = np.empty(0, dtype=np.uint8)
        if self.rank:
            tell = self._all(lambda: [self._comm.Isend(nothing, 0, Tag.START)])
            return Request(self, None, [tell], then=lambda: self.Ibcast(nothing, 0))
        come = self._all(lambda: [self._comm.Irecv(nothing, r, Tag.START) for r in self._others])
        return Request(self, None, [come], then=lambda: self.Ibcast(nothing, 0))

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank]

    def _all(self, post: Callable[[], list[Any]]) -> Request:
        """Post messages that involve all ranks."""
        with self.named(None):
            return Request(self, None, post())

    def first_lost(self) -> int | None:
        """Return the lowest rank that is known to be dead."""
        return min(self._lost(), default=None)

    def _lost(self) -> list[int]:
        """List the ranks that are known to be dead."""
        failed = self._comm.Get_failed()
        if not failed.size:
            failed.Free()
            return []
        everybody = self._comm.Get_group()
        ranks = MPI.Group.Translate_ranks(failed, [*range(failed.size)], everybody)
        everybody.Free()
        failed.Free()
        return [*ranks]

    @contextmanager
    def named(self, rank: int | None) -> Iterator[None]:
        """Turn MPI's error about a dead rank into a `LostError`; `rank` is None for any of all."""
        try:
            yield
        except MPI.Exception as error:
            if error.Get_error_class() not in (_FAILED, _PENDING):
                raise
            lost = self.first_lost() if rank is None else rank
            raise LostError(lost, self.size) from error

    def keep(self, request: Any) -> None:
        """Keep the buffer of a request that failed: MPI may still write into it."""
        self._kept.append(request)

    def _parted(self, rank: int, buffer: Any, post: Callable[[memoryview], Any]) -> Request:
        """Post a message in parts below the eager limit, which a death cannot interrupt."""
        view = memoryview(buffer)
        posted: list[Any] = []
        try:
            with self.named(rank):
                for begin in range(0, view.nbytes, PART_NBYTES):
                    posted.append(post(view[begin : begin + PART_NBYTES]))  # noqa: PERF401
        except LostError:
            self.keep(posted)
            raise
        return Request(self, rank, posted)


class Request:
    """One or several MPI requests that involve one rank, or all of them.

    Parameters
    ----------
    comm : Comm
        Their communicator.
    rank : int or None
        The rank involved; None for all ranks.
    requests : iterable of mpi4py.MPI.Request
        They are tested in this order.
    then : callable, optional
        Returns a request that follows them.
    """

    def __init__(
        self,
        comm: Comm,
        rank: int | None,
        requests: Iterable[Any],
        then: Callable[[], Request] | None = None,
    ) -> None:
        self._comm = comm
        self._rank = rank
        self._then = then
        self._requests = deque(requests)

    def Test(self) -> bool:  # noqa: N802
        """Return whether all are complete."""
        return self.test()[0]

    def test(self) -> tuple[bool, Any]:
        """Return whether all are complete, and the object that the last one received."""
        message = None
        try:
            with self._comm.named(self._rank):
                while self._requests:
                    complete, message = self._requests[0].test()
                    if not complete:
                        break
                    self._requests.popleft()
                    if self._then is not None and not self._requests:
                        self._requests.append(self._then())
                        self._then = None
        except BaseException:
            self._comm.keep(self)
            raise
        if self._requests and self._rank is None:
            # A rank may wait for a living one that does not reply, having found the dead one.
            lost = self._comm.first_lost()
            if lost is not None:
                raise LostError(lost, self._comm.size)
        return not self._requests, message
