"""A team of one rank, without MPI: a program that calls the package needs no launcher."""

from __future__ import annotations

from typing import Any

from s2rgb_mpi.ranks.team import Team


class AloneTeam(Team):
    """One process with all roles; its failures are raised as exceptions."""

    def __init__(self) -> None:
        super().__init__(None)

    def _communicator(self, world: None) -> Any:
        del world
        return _Alone()


class _Done:
    """A completed request."""

    def Test(self) -> bool:  # noqa: N802  mpi4py's names
        return True


class _Alone:
    """A communicator with one rank, with the methods of mpi4py that are used for one rank."""

    rank = 0
    size = 1

    def Ibcast(self, buffer: Any, root: int) -> _Done:  # noqa: ARG002, N802
        return _Done()

    def Iscatterv(self, send: Any, receive: Any, root: int) -> _Done:  # noqa: ARG002, N802
        receive[:] = send[0]
        return _Done()

    def Ibarrier(self) -> _Done:  # noqa: N802
        return _Done()
