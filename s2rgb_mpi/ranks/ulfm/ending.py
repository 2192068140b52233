"""The end of a run on which ranks may die: nobody aborts, and MPI is not finalised."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from s2rgb_mpi.errors import LostError, RankError
from s2rgb_mpi.image.block import Tag
from s2rgb_mpi.ranks.loop import until
from s2rgb_mpi.ranks.ulfm.orders import Orders

if TYPE_CHECKING:
    from s2rgb_mpi.ranks.ulfm.comm import Comm, Request

SECONDS_TO_END = 30.0
"""What ranks have to finish a window in, or their imports on a busy machine, before the launcher is
told to end them. It does by itself, with the right exit code, when two have left."""

SECONDS_TO_NOTICE = 600.0
"""What rank 0 has to meet a loss that another rank has met: it may be at the plan still."""

SECONDS_TO_SPEAK = 1.0
"""What workers leave to rank 0 or the writer, which says why, and to the launcher to pass it on."""


def part(comm: Comm, code: int) -> int:
    """Leave together at the end of a run, by rank 0's word; return the exit code."""
    if comm.rank == 0:
        _tell_all(comm, code)
    else:
        code = Orders(comm).end()
    comm.code = code
    return code


def _tell_all(comm: Comm, code: int, *, seconds: float | None = None) -> bool:
    """Tell all ranks to leave; return whether all who live have heard it in time."""
    ends = []
    for rank in range(1, comm.size):
        with suppress(LostError):
            ends.append(comm.issend(code, dest=rank, tag=Tag.END))

    def heard() -> bool:
        ends[:] = [end for end in ends if not _over(end)]
        return not ends

    return until(heard, seconds=seconds)


def _over(request: Request) -> bool:
    """Tell whether a message was heard, or nobody is there to hear it."""
    try:
        return request.Test()
    except LostError:
        return True


def is_known(comm: Comm, error: BaseException, words: str, *, seconds: float) -> bool:
    """Tell whether a rank that failed may leave without a word: somebody else says what it was.

    Parameters
    ----------
    comm : Comm
        The run's communicator.
    error : BaseException
        What this rank has met.
    words : str
        What rank 0 is told of it.
    seconds : float
        How long rank 0 may take to hear it.
    """
    writer = comm.size - 1
    if comm.rank == 0:
        return False
    if isinstance(error, RankError) or (isinstance(error, LostError) and error.rank == 0):
        return isinstance(error, RankError) or comm.rank != writer

    def ended() -> bool:
        return comm.Iprobe(source=0, tag=Tag.END)

    if isinstance(error, LostError):
        seconds = SECONDS_TO_NOTICE
    with suppress(LostError):
        told = comm.issend((Tag.FAILED, words, comm.code), dest=0, tag=Tag.FAILED)
        if until(lambda: told.Test() or ended(), seconds=seconds):
            if until(ended, seconds=seconds):
                comm.recv(source=0, tag=Tag.END)
            return True
    return False


def end_all(comm: Comm) -> None:
    """End all ranks, from the one that has said why."""
    if comm.rank == 0 and _tell_all(comm, comm.code or 0, seconds=SECONDS_TO_END):
        return
    if comm.first_lost() == 0:
        return  # as all have met
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_SPEAK)


def leave(comm: Comm) -> NoReturn:
    """End this process here and now, past MPI_Finalize."""
    code = comm.code or 0
    if code and 0 < comm.rank < comm.size - 1:
        # A second rank that leaves with an error is the end of all: also of the one that speaks,
        # and of the writer, which keeps what came last.
        time.sleep(SECONDS_TO_SPEAK)
    os._exit(code)
