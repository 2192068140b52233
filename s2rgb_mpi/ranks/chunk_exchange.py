"""Source chunks that several shares need: each is read by one worker only.

Granules do not line up with the windows of a mosaic, so the next share may need a chunk at the
border of a share too. The lowest worker that needs the chunk reads it, and sends the parts for
windows of other workers to the next of these, which keeps its own parts and passes the rest on. A
worker that did not read the chunk (because other products hide it) passes on an empty message, and
the next one may read it. So in every case each such chunk makes one message between consecutive
workers. Messages go from lower to higher ranks only, so there is no deadlock.

A message is little-endian: CRC-32 of the rest, chunk number, number of arrays (u4 each); window,
patch, bytes of a value and up to three dimensions of each array (u4 each); then their values.
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

MOST_DIMENSIONS = 3
"""Of an array of a part; entries have 0 for those that it does not have."""

_CRC = struct.Struct("<I")
_HEAD = struct.Struct("<II")
_ENTRY = np.dtype(
    [("window", "<u4"), ("patch", "<u4"), ("itemsize", "<u4"), ("shape", "<u4", MOST_DIMENSIONS)]
)

Place: TypeAlias = "tuple[int, int]"
"""The patch that needs a part: the number of the window, and that of the patch in it."""

Part: TypeAlias = "tuple[NDArray[Any], ...]"
"""A part of a source chunk: of a product that is resampled, DN as three arrays of shape (height,
width), uint16; of others, which need less memory when coloured, RGBA of shape (height, width, 4),
uint8, and the counts of the offset check, uint32."""

Parts: TypeAlias = "Mapping[Place, Part]"
"""Parts of a source chunk by the patch that needs them."""


class ChunkExchange:
    """The exchange of source chunks, on one worker.

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
        # Both shrink as messages are received and sent.
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
        self._parts: dict[Key, Parts] = {}
        self._released: set[Key] = set()

    def expects(self, key: Key) -> bool:
        """Return whether a message about a chunk is still to come from the worker before."""
        return key in self._from

    def later(self, key: Key) -> Sequence[int]:
        """List the windows of later workers that need a chunk, if it has not been sent."""
        return self._crossings[key].later if key in self._to else ()

    def receive(self, key: Key) -> Parts:
        """Wait for the parts of a chunk from the worker before; return those for this worker.

        Empty if there is no such worker, if it has not read the chunk, or if the run is stopping.
        """
        self._loop.until(lambda: key not in self._from or signals.finishing())
        return self._parts.pop(key, {})

    def send(self, key: Key, parts: Parts) -> None:
        """Send parts of a chunk to the next worker; none if it was not read."""
        rank = self._to.pop(key, None)
        if rank is None:
            return
        message = pack(self._crossings[key].number, parts)
        self._sent.append(self._comm.issend(message, dest=rank, tag=Tag.CHUNK))

    def release(self, key: Key) -> None:
        """Note that no further window of this worker needs a chunk."""
        self._parts.pop(key, None)
        if key in self._from:
            self._released.add(key)  # the message that comes must still be passed on
        else:
            self.send(key, {})

    def attend(self) -> None:
        """Receive the messages that have arrived, and forget requests that are complete."""
        for rank in set(self._from.values()):
            message = self._comm.improbe(source=rank, tag=Tag.CHUNK)
            if message is not None:
                self._arriving.append(message.irecv())
        self._arriving = [request for request in self._arriving if not self._arrived(request)]
        self._sent = [request for request in self._sent if not request.test()[0]]

    def finish(self) -> None:
        """Receive and pass on all remaining messages, in a stopped run too."""
        for key in self._crossings:
            self.release(key)
        self._loop.until(lambda: not self._from and not self._sent)

    def _arrived(self, request: Any) -> bool:
        """Receive a message and pass it on; return whether it has arrived."""
        arrived, message = request.test()
        if not arrived:
            return False
        number, parts = unpack(message)
        key = self._keys[number]
        del self._from[key]
        if key not in self._released:
            self._parts[key] = {at: part for at, part in parts.items() if at[0] in self._mine}
        if parts or key in self._released:
            self.send(key, {at: part for at, part in parts.items() if at[0] not in self._mine})
        return True


def pack(chunk: int, parts: Parts) -> bytes:
    """Turn parts of a source chunk into one message.

    Parameters
    ----------
    chunk : int
        Its number, the same on all workers.
    parts : mapping of tuple of int to tuple of ndarray
        By the patch that needs them; none if the chunk was not read. Arrays are of unsigned
        integers.
    """
    arrays = [(place, array) for place, part in parts.items() for array in part]
    table = np.zeros(len(arrays), _ENTRY)
    for entry, (place, array) in zip(table, arrays, strict=True):
        entry["window"], entry["patch"] = place
        entry["itemsize"] = array.itemsize
        entry["shape"][: array.ndim] = array.shape
    head = _HEAD.pack(chunk, len(arrays)) + table.tobytes()
    values = (_little(array).tobytes() for _, array in arrays)
    rest = b"".join([head, *values])
    return _CRC.pack(zlib.crc32(rest)) + rest


def unpack(message: bytes) -> tuple[int, dict[Place, Part]]:
    """Return the number of a source chunk, and its parts by the patch that needs them.

    Raises
    ------
    ProtocolError
        The message is too short, or was damaged in transfer.
    """
    body = memoryview(message)[_CRC.size :]
    if len(body) < _HEAD.size or _CRC.unpack_from(message)[0] != zlib.crc32(body):
        raise ProtocolError("parts of a source chunk were damaged on their way: CRC-32 differs")
    chunk, count = _HEAD.unpack_from(body)
    body = body[_HEAD.size :]
    begin = count * _ENTRY.itemsize
    parts: dict[Place, Part] = {}
    for window, patch, itemsize, dimensions in np.frombuffer(body[:begin], _ENTRY).tolist():
        shape = [length for length in dimensions if length]
        end = begin + math.prod(shape) * itemsize
        array = np.frombuffer(body[begin:end], dtype=f"<u{itemsize}").reshape(shape)
        parts[window, patch] = (*parts.get((window, patch), ()), array)
        begin = end
    return chunk, parts


def _little(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array with its values in little-endian order."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False)
