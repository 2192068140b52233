"""What the other ranks tell rank 0: news while they work, and their tallies at the end."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi.protocol import Tag
from s2rgb_mpi.waiting import until

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2rgb_mpi.protocol import Block
    from s2rgb_mpi.report import Tally

NEWS_WINDOWS = 500
"""Windows that one message tells of: some 15 bytes each, of the 32 KB that rank 0 listens with."""


class Written(NamedTuple):
    """What is told of the finished file."""

    nbytes: int
    """Its size."""
    histogram: NDArray[np.int64]
    """Pixels per value and band, shape (3, 256); "no data" is counted at 0."""
    empty: list[int]
    """The windows in which no pixel is valid."""
    verdicts: list[str]
    """What the pixels say of each product's offset."""
    warnings: tuple[str, ...]
    """What the user should look at: where the pixels contradict the offset."""


class News:
    """The writer's news: how far the file is, and which windows have come since the last time.

    While one message is under way, what happens waits for the next one.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    """

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self._new: list[tuple[int, int]] = []
        self._so_far = (0, 0)
        self._sent: Any = None

    def add(self, block: Block, *, windows: int, nbytes: int) -> None:
        """Tell of a block that is in the part file, now or with the next ones.

        Parameters
        ----------
        block : Block
            Just placed.
        windows, nbytes : int
            What is in the part file with it.
        """
        self._new.append((block.window, block_nbytes(block)))
        self._so_far = windows, nbytes
        if self._sent is None or self._sent.test()[0]:
            self._send()

    def flush(self) -> None:
        """Tell the rest, and wait until all is heard."""
        while self._sent is not None:
            until(lambda: self._sent.test()[0])
            self._sent = None
            if self._new:
                self._send()

    def _send(self) -> None:
        new, self._new = self._new[:NEWS_WINDOWS], self._new[NEWS_WINDOWS:]
        self._sent = self._comm.isend((Tag.NEWS, *self._so_far, new), dest=0, tag=Tag.NEWS)


def block_nbytes(block: Block) -> int:
    """Return the size of a block's pieces, bytes."""
    return sum(len(piece.data) for piece in block.pieces)


def tell(comm: Any, tag: Tag, *words: Any, seconds: float | None = None) -> bool:
    """Send rank 0 a small message; return whether it was heard in time."""
    request = comm.issend((tag, *words), dest=0, tag=tag)
    return until(lambda: request.test()[0], seconds=seconds)


def hand_in(comm: Any, tally: Tally, written: Written | None = None) -> None:
    """Send rank 0 a tally, of any size: with every span of a long run it is megabytes.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    tally : Tally
        Closed.
    written : Written, optional
        What the writer tells besides.
    """
    payload = pickle.dumps((tally, written))
    tell(comm, Tag.DONE, len(payload))
    until(comm.Issend(payload, dest=0, tag=Tag.TALLY).Test)
