"""The border between shares: cells that show in several of them are read by one worker alone.

Granules do not line up with the windows of a mosaic, so a cell at the border of a share shows in
the next one too. The lowest worker that needs it reads it, and gives the parts that windows of
others show to the next of these, coloured; that one keeps its own and gives the rest on. A worker
that did not read the cell (other products hide it) gives on an empty message, and the next one
may read it. So every cell of the border makes one message between each two workers that follow
each other, whatever happens, and they go upwards only: nobody waits in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.image.block import Block, Kind, Piece, Tag, pack_message, unpack_message
from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.ranks.loop import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.partition import Crossing

    Key = tuple[int, Window]
    """A cell: the number of its product, and its place there."""


class Part(NamedTuple):
    """What one window shows of a cell."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4)."""
    counts: NDArray[np.uint32]
    """For the offset check."""


class Border:
    """One worker's side of the borders of its share.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    share : sequence of int
        Numbers of windows.
    crossings : mapping of cell to Crossing
        The cells of the share that show in others.
    attend : callable
        What else this rank has to look after while it waits.
    """

    def __init__(
        self,
        comm: Any,
        share: Sequence[int],
        crossings: Mapping[Key, Crossing],
        attend: Callable[[], None],
    ) -> None:
        self._comm = comm
        self._attend = attend
        self._mine = set(share)
        self._crossings = crossings
        self._keys = {crossing.number: key for key, crossing in crossings.items()}
        # Both shrink as messages come and go.
        self._from = {
            key: crossing.before
            for key, crossing in crossings.items()
            if crossing.before is not None
        }
        self._to = {
            key: crossing.after for key, crossing in crossings.items() if crossing.after is not None
        }
        self._arriving: list[Any] = []
        self._sent: list[Any] = []
        self._here: dict[Key, dict[int, Part]] = {}
        self._left: set[Key] = set()

    def later(self, key: Key) -> Sequence[int]:
        """List the windows of later workers that show a cell, if it has not been given on."""
        return self._crossings[key].later if key in self._to else ()

    def take(self, key: Key) -> dict[int, Part]:
        """Wait for what the worker before has of a cell; return the parts of our windows.

        Empty if there is no such worker, it has not read the cell, or a stop was asked for.
        """
        until(lambda: key not in self._from or signals.finishing(), attend=self.attend)
        return self._here.pop(key, {})

    def give(self, key: Key, parts: Mapping[int, Part]) -> None:
        """Give parts of a cell to the next worker; none if it was not read."""
        rank = self._to.pop(key, None)
        if rank is None:
            return
        pieces = []
        for number, part in parts.items():
            width = part.rgba.shape[1]
            pieces += [
                Piece.of(Kind.PART, 0, number, width, part.rgba.tobytes()),
                Piece.of(Kind.COUNTS, 0, number, 0, part.counts.tobytes()),
            ]
        nothing = np.zeros((3, 256), dtype=np.uint32)
        message = pack_message(Block(self._crossings[key].number, pieces, nothing))
        self._sent.append(self._comm.issend(message, dest=rank, tag=Tag.CELL))

    def leave(self, key: Key) -> None:
        """Take note that none of our windows needs a cell any more."""
        self._here.pop(key, None)
        if key in self._from:
            self._left.add(key)  # what comes is still to be given on
        else:
            self.give(key, {})

    def attend(self) -> None:
        """Take what has come, and look after the rest of this rank's duties."""
        for rank in set(self._from.values()):
            message = self._comm.improbe(source=rank, tag=Tag.CELL)
            if message is not None:
                self._arriving.append(message.irecv())
        self._arriving = [request for request in self._arriving if not self._arrived(request)]
        self._sent = [request for request in self._sent if not request.test()[0]]
        self._attend()

    def finish(self) -> None:
        """Receive and give on all that is still to be; a stop may have come before it."""
        for key in self._crossings:
            self.leave(key)
        until(lambda: not self._from and not self._sent, attend=self.attend)

    def _arrived(self, request: Any) -> bool:
        """Take a message, if it is in."""
        here, message = request.test()
        if not here:
            return False
        block = unpack_message(message)
        key = self._keys[block.window]
        del self._from[key]
        parts = _parts(block)
        if key not in self._left:
            self._here[key] = {n: part for n, part in parts.items() if n in self._mine}
        if parts or key in self._left:
            self.give(key, {n: part for n, part in parts.items() if n not in self._mine})
        return True


def _parts(block: Block) -> dict[int, Part]:
    """Return the parts in a message, by their windows."""
    parts = {}
    for pixels, counts in zip(block.pieces[::2], block.pieces[1::2], strict=True):
        rgba = np.frombuffer(pixels.data, dtype=np.uint8).reshape(-1, pixels.col, RGBA)
        values = np.frombuffer(counts.data, dtype=np.uint32).reshape(boa_offset.SHAPE)
        parts[pixels.row] = Part(rgba, values)
    return parts
