"""Source chunks that several shares need: one worker alone reads each.

Granules do not line up with the windows of a mosaic, so a chunk at the border of a share shows in
the next one too. The lowest worker that needs it reads it, and sends the parts that windows of
others need to the next of these; that one keeps its own and passes the rest on. A worker
that did not read the chunk (other products hide it) passes on an empty message, and the next one
may read it. So every such chunk makes one message between each two workers that follow each other,
whatever happens, and they go upwards only: nobody waits in a circle.

A message is little-endian: CRC-32 of the rest, chunk number, number of parts (u4 each); window,
patch, bands, height and width of each part (u4 each); then each part's DN (u2).
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from s2rgb_mpi import signals
from s2rgb_mpi.errors import ProtocolError
from s2rgb_mpi.ranks.messages import Tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.plan.partition import Key, Share
    from s2rgb_mpi.ranks.team import Rank

_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<II")
_ENTRY = np.dtype([(name, "<u4") for name in ("window", "patch", "bands", "height", "width")])

Place: TypeAlias = "tuple[int, int]"
"""Where a part is needed: the number of the window, and that of the patch in it."""

Parts: TypeAlias = "Mapping[Place, NDArray[np.uint16]]"
"""Parts of a source chunk, by where they are needed: DN, of shape (bands, height, width)."""


class ChunkExchange:
    """One worker's side of it.

    Parameters
    ----------
    rank : Rank
        The worker.
    share : Share
        Its windows, and the source chunks that other shares need too.
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
        self._here: dict[Key, Parts] = {}
        self._left: set[Key] = set()

    def comes(self, key: Key) -> bool:
        """Return whether the worker before will send what it has of a cell."""
        return key in self._from

    def later(self, key: Key) -> Sequence[int]:
        """List the windows of later workers that need a chunk, if it has not been given on."""
        return self._crossings[key].later if key in self._to else ()

    def take(self, key: Key) -> Parts:
        """Wait for what the worker before has of a chunk; return the parts of our windows.

        Empty if there is no such worker, it has not read the cell, or a stop was asked for.
        """
        self._loop.until(lambda: key not in self._from or signals.finishing())
        return self._here.pop(key, {})

    def give(self, key: Key, parts: Parts) -> None:
        """Send parts of a chunk to the next worker; none if it was not read."""
        rank = self._to.pop(key, None)
        if rank is None:
            return
        message = pack(self._crossings[key].number, parts)
        self._sent.append(self._comm.issend(message, dest=rank, tag=Tag.CHUNK))

    def leave(self, key: Key) -> None:
        """Note that none of our windows needs a chunk any more."""
        self._here.pop(key, None)
        if key in self._from:
            self._left.add(key)  # what comes is still to be given on
        else:
            self.give(key, {})

    def attend(self) -> None:
        """Receive the messages that have come, and forget those that were sent."""
        for rank in set(self._from.values()):
            message = self._comm.improbe(source=rank, tag=Tag.CHUNK)
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
            self._here[key] = {at: part for at, part in parts.items() if at[0] in self._mine}
        if parts or key in self._left:
            self.give(key, {at: part for at, part in parts.items() if at[0] not in self._mine})
        return True


def pack(chunk: int, parts: Parts) -> bytes:
    """Turn parts of a source chunk into one message.

    Parameters
    ----------
    chunk : int
        Its number, as all workers have it.
    parts : mapping of tuple of int to ndarray, shape (bands, height, width), uint16
        By where they are needed; none if the chunk was not read.
    """
    table = np.array([(*place, *part.shape) for place, part in parts.items()], _ENTRY)
    head = _HEAD.pack(chunk, len(parts)) + table.tobytes()
    rest = b"".join([head, *(part.astype("<u2", copy=False).tobytes() for part in parts.values())])
    return _CRC.pack(zlib.crc32(rest)) + rest


def unpack(message: bytes) -> tuple[int, dict[Place, NDArray[np.uint16]]]:
    """Return the number of a source chunk, and its parts, by where they are needed.

    Raises
    ------
    ProtocolError
        The message is too short, or was damaged on its way.
    """
    body = memoryview(message)[_CRC.size :]
    if len(body) < _HEAD.size or _CRC.unpack_from(message)[0] != zlib.crc32(body):
        raise ProtocolError("parts of a source chunk were damaged on their way: CRC-32 differs")
    chunk, count = _HEAD.unpack_from(body)
    body = body[_HEAD.size :]
    begin = count * _ENTRY.itemsize
    parts = {}
    for window, patch, *shape in np.frombuffer(body[:begin], _ENTRY).tolist():
        end = begin + math.prod(shape) * np.dtype("<u2").itemsize
        parts[window, patch] = np.frombuffer(body[begin:end], dtype="<u2").reshape(shape)
        begin = end
    return chunk, parts
