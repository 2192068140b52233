"""Source chunks that several shares show: one worker alone reads each.

Granules do not line up with the windows of a mosaic, so a chunk at the border of a share shows in
the next one too. The lowest worker that needs it reads it, and sends the parts that windows of
others show to the next of these, coloured; that one keeps its own and passes the rest on. A worker
that did not read the chunk (other products hide it) passes on an empty message, and the next one
may read it. So every such chunk makes one message between each two workers that follow each other,
whatever happens, and they go upwards only: nobody waits in a circle.

A message is little-endian: CRC-32 of the rest, chunk number, number of parts (u4 each); window,
height and width of each part (u4 each); then each part's RGBA pixels (u1) and counts (u4).
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.errors import ProtocolError
from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.ranks.messages import Tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.plan.partition import Key, Share
    from s2rgb_mpi.ranks.team import Rank

_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<II")
_ENTRY = np.dtype([("window", "<u4"), ("height", "<u4"), ("width", "<u4")])


class Part(NamedTuple):
    """What one window shows of a cell."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4)."""
    counts: NDArray[np.uint32]
    """For the offset check."""


class CellExchange:
    """One worker's side of it.

    Parameters
    ----------
    rank : Rank
        The worker.
    share : Share
        Its windows, and the cells of them that show in other shares.
    """

    def __init__(self, rank: Rank, share: Share) -> None:
        self._comm = rank.comm
        self._loop = rank.loop
        crossings = share.crossings
        self._mine = set(share.windows)
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

    def comes(self, key: Key) -> bool:
        """Return whether the worker before will send what it has of a cell."""
        return key in self._from

    def later(self, key: Key) -> Sequence[int]:
        """List the windows of later workers that show a cell, if it has not been given on."""
        return self._crossings[key].later if key in self._to else ()

    def take(self, key: Key) -> dict[int, Part]:
        """Wait for what the worker before has of a cell; return the parts of our windows.

        Empty if there is no such worker, it has not read the cell, or a stop was asked for.
        """
        self._loop.until(lambda: key not in self._from or signals.finishing())
        return self._here.pop(key, {})

    def give(self, key: Key, parts: Mapping[int, Part]) -> None:
        """Send parts of a cell to the next worker; none if it was not read."""
        rank = self._to.pop(key, None)
        if rank is None:
            return
        message = pack(self._crossings[key].number, parts)
        self._sent.append(self._comm.issend(message, dest=rank, tag=Tag.CELL))

    def leave(self, key: Key) -> None:
        """Note that none of our windows needs a cell any more."""
        self._here.pop(key, None)
        if key in self._from:
            self._left.add(key)  # what comes is still to be given on
        else:
            self.give(key, {})

    def attend(self) -> None:
        """Receive the messages that have come, and forget those that were sent."""
        for rank in set(self._from.values()):
            message = self._comm.improbe(source=rank, tag=Tag.CELL)
            if message is not None:
                self._arriving.append(message.irecv())
        self._arriving = [request for request in self._arriving if not self._arrived(request)]
        self._sent = [request for request in self._sent if not request.test()[0]]

    def finish(self) -> None:
        """Receive and give on all that is still to be; a stop may have come before it."""
        for key in self._crossings:
            self.leave(key)
        self._loop.until(lambda: not self._from and not self._sent)

    def _arrived(self, request: Any) -> bool:
        """Receive a message, if it has come."""
        here, message = request.test()
        if not here:
            return False
        number, parts = unpack(message)
        key = self._keys[number]
        del self._from[key]
        if key not in self._left:
            self._here[key] = {n: part for n, part in parts.items() if n in self._mine}
        if parts or key in self._left:
            self.give(key, {n: part for n, part in parts.items() if n not in self._mine})
        return True


def pack(cell: int, parts: Mapping[int, Part]) -> bytes:
    """Turn parts of a cell, by their windows, into one message.

    Parameters
    ----------
    cell : int
        Its number, as all workers have it.
    parts : mapping of int to Part
        None if the cell was not read.
    """
    table = np.array([(window, *part.rgba.shape[:2]) for window, part in parts.items()], _ENTRY)
    arrays = (array for part in parts.values() for array in part)
    head = _HEAD.pack(cell, len(parts)) + table.tobytes()
    rest = b"".join([head, *(array.tobytes() for array in arrays)])
    return _CRC.pack(zlib.crc32(rest)) + rest


def unpack(message: bytes) -> tuple[int, dict[int, Part]]:
    """Return the number of a cell, and its parts, by their windows.

    Raises
    ------
    ProtocolError
        The message is too short, or was damaged on its way.
    """
    body = memoryview(message)[_CRC.size :]
    if len(body) < _HEAD.size or _CRC.unpack_from(message)[0] != zlib.crc32(body):
        raise ProtocolError("parts of a source chunk were damaged on their way: CRC-32 differs")
    cell, count = _HEAD.unpack_from(body)
    body = body[_HEAD.size :]
    begin = count * _ENTRY.itemsize
    parts = {}
    for window, height, width in np.frombuffer(body[:begin], _ENTRY).tolist():
        pixels = begin + height * width * RGBA
        end = pixels + boa_offset.NBYTES
        rgba = np.frombuffer(body[begin:pixels], dtype=np.uint8).reshape(height, width, RGBA)
        counts = np.frombuffer(body[pixels:end], dtype=np.uint32).reshape(boa_offset.SHAPE)
        parts[window] = Part(rgba, counts)
        begin = end
    return cell, parts
