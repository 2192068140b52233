"""Source chunks on servers: their bytes are read while the chunks before them are decoded."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from s2rgb_mpi.inputs.files.read_ahead import (
    UNIT_NBYTES,
    ReadAhead,
    beginning,
    is_cached,
    room_nbytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.files.read_ahead import ByteRange
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.inputs.reader import Source

    Key = tuple[int, Window]


class Ahead:
    """Reads the bytes of the next source chunks in the background.

    It reads as much as the cache can hold, and more once half of that has been used, so that
    neighbouring ranges become one request.

    Parameters
    ----------
    products : sequence of Product
        All products of the scene.
    order : iterable of (int, Window)
        The chunks that will be read, in this order: numbers of products, and windows of them. Other
        windows may be read between them, and some of these not at all.
    """

    def __init__(self, products: Sequence[Product], order: Iterable[tuple[int, Window]]) -> None:
        self._products = products
        self._next = deque(key for key in order if is_served(products[key[0]]))
        self._known = set(self._next)
        self._wanted: dict[Key, int] = {}  # bytes of those that are not read yet, in order
        self._begun: set[int] = set()
        self._most = room_nbytes()
        self._peeked: tuple[Key, list[ByteRange]] | None = None
        self._reader = ReadAhead()

    def before_open(self, member: int) -> None:
        """Wait until the beginnings of the files of a product are read."""
        self._begin(member)
        self._reader.wait(member)

    def before_read(self, member: int, window: Window, sources: Mapping[int, Source]) -> None:
        """Wait for the bytes of a window of a product, and begin to read those of the next ones.

        Parameters
        ----------
        member : int
            The number of the product.
        window : Window
            In pixels of its grid.
        sources : mapping of int to Source
            The open products, including this one.
        """
        key = member, window
        if key in self._known and key not in self._wanted and key not in self._next:
            return  # it failed and is read again: by GDAL itself
        ahead: dict[Key, list[ByteRange]] = {}
        if key not in self._wanted:
            ahead[key] = self._ranges(key, sources[member])
        own = self._pass(key) + _nbytes(ahead.get(key, ()))
        used = own + sum(self._wanted.values())
        if used <= self._most // 2:
            ahead |= self._further(self._most - used, sources)
        if own <= self._most:  # else this window alone is more than the cache may hold
            self._reader.want(ahead)
        self._reader.wait(key)

    def close(self, *, wait: bool = True) -> None:
        """Stop reading, and optionally wait for open requests."""
        self._reader.close(wait=wait)

    def _begin(self, member: int) -> None:
        """Begin to read the beginnings of a product's files."""
        if member not in self._begun:
            self._begun.add(member)
            bands = self._products[member].unwarped.bands
            paths = {band.path: None for band in bands if band.array is None}
            self._reader.want({member: [beginning(path) for path in paths if is_cached(path)]})

    def _pass(self, key: Key) -> int:
        """Forget a window and all before it, which are not needed again; return its bytes."""
        if key in self._wanted:
            while next(iter(self._wanted)) != key:
                del self._wanted[next(iter(self._wanted))]
            return self._wanted.pop(key)
        if key in self._next:
            self._wanted.clear()
            while self._next.popleft() != key:
                pass
        return 0

    def _further(self, room: int, sources: Mapping[int, Source]) -> dict[Key, list[ByteRange]]:
        """List the ranges of the next windows that fit, and mark these as requested."""
        found: dict[Key, list[ByteRange]] = {}
        while self._next:
            key = self._next[0]
            if key[0] not in sources:  # the places of its blocks are known once it is open
                self._begin(key[0])
                break
            ranges = self._ranges(key, sources[key[0]])
            room -= _nbytes(ranges)
            if room < 0:
                self._peeked = key, ranges
                break
            found[self._next.popleft()] = ranges
            self._wanted[key] = _nbytes(ranges)
        return found

    def _ranges(self, key: Key, source: Source) -> list[ByteRange]:
        """List the ranges of a window; they may have been listed before."""
        if self._peeked is not None and self._peeked[0] == key:
            return self._peeked[1]
        with suppress(RuntimeError):  # of GDAL: reading the window will raise it again
            return source.ranges(key[1], self._reader.start)
        return []


def is_served(product: Product) -> bool:
    """Return whether files of a product are read from a server, by ranges."""
    return any(is_cached(band.path) for band in product.unwarped.bands)


def _nbytes(ranges: Iterable[ByteRange]) -> int:
    """Return the size of ranges in the cache, bytes."""
    return sum(each.end - each.begin + UNIT_NBYTES for each in ranges)
