"""Bytes of files on servers, read in the background before GDAL needs them.

A thread reads a range through GDAL, as GDAL's driver will: so retries, signatures, credentials
and redirections are those of GDAL, for every kind of server. The bytes are discarded, but they stay
in the cache of ranges that all of GDAL's network files share (``CPL_VSIL_CURL_CACHE_SIZE``), where
the driver finds them. Another HTTP library would need all of that configured a second time, and a
way to pass its bytes to GDAL. Errors here only cost time: ranges that are not in the cache are read
by the driver, which then raises the error.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from threading import Condition, Event
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from osgeo import gdal

from s2rgb_mpi import gdalenv, heap, signals
from s2rgb_mpi.inputs.files.vsi import headers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    Key = Hashable

_T = TypeVar("_T")
_U = TypeVar("_U")

REQUESTS = 24
"""The most open requests of a process: a server that takes a second to answer has to have many."""

UNDER_WAY_NBYTES = 24 * 2**20
"""The most bytes of all of them."""

REQUEST_NBYTES = 2 * 2**20
"""Longer ranges are cut, bytes: several connections may be faster than one."""

UNIT_NBYTES = 2**14
"""GDAL reads whole units of this size, bytes; ranges that are no further apart are joined."""

POLL_SECONDS = 0.1
"""Time between two checks for signals."""

COPIES = 5
"""Copies of the bytes of a request in memory while they go into the cache: in curl's buffer, in
GDAL's copy of it, in the units of the cache, and in Python; and one more for fragmentation. All
requests may end at the same time, as with a slow server."""

_SERVED = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift)[/?]")
"""GDAL's file systems that share its cache of ranges."""


class ByteRange(NamedTuple):
    """A range of bytes of a file: from `begin` up to, but not including, `end`."""

    path: str
    begin: int
    end: int


def is_cached(path: str) -> bool:
    """Return whether the bytes read from a file stay in GDAL's cache of ranges.

    Files in archives on servers are excluded: the ranges that GDAL reads depend on the archive.
    """
    return _SERVED.match(path) is not None


class ReadAhead:
    """Reads ranges of files in threads, several at a time.

    Threads start with the first range. They make no MPI call and raise no error: a range that
    cannot be read is read again by GDAL's driver.
    """

    def __init__(self) -> None:
        heap.use_one_arena()
        self._pool = ThreadPoolExecutor(REQUESTS, "read-ahead", gdalenv.quieten_thread)
        self._reads: dict[Key, set[Future[None]]] = {}
        self._budget = _Budget(UNDER_WAY_NBYTES)
        self._over = Event()

    def want(self, ranges: Mapping[Any, Iterable[ByteRange]]) -> None:
        """Begin to read ranges, in their order.

        Parameters
        ----------
        ranges : mapping
            Ranges by a key for their purpose. Neighbouring ranges become one request, also those
            of different keys.
        """
        if ranges:
            heap.trim()
        order = {key: place for place, key in enumerate(ranges)}
        requests = list(_requests((each, key) for key, many in ranges.items() for each in many))
        requests.sort(key=lambda request: min(order[key] for key in request[1]))
        with suppress(RuntimeError):  # if no thread can be started, nothing is read ahead
            for request, keys in requests:
                reading = self._pool.submit(self._read, request)
                for key in keys:
                    self._reads.setdefault(key, set()).add(reading)

    def _read(self, request: ByteRange) -> None:
        with self._budget.spent(request.end - request.begin):
            if not self._over.is_set():
                _read(request)

    def wait(self, key: Key) -> None:
        """Wait until all ranges of a key are read, or have failed.

        Raises
        ------
        StopError
            A signal has asked this rank to stop.
        """
        wait_interruptibly(self._reads.pop(key, ()))

    def start(self, work: Callable[[Event], _T]) -> Future[_T]:
        """Run a function in a thread; it receives an event that is set when it should give up."""
        return self._pool.submit(work, self._over)

    def close(self, *, wait: bool = True) -> None:
        """Start no further request.

        Parameters
        ----------
        wait : bool
            Whether to wait for open requests, at most until GDAL's own time limits.
        """
        self._over.set()
        self._pool.shutdown(wait=wait, cancel_futures=True)


class _Budget:
    """Bytes that threads may have under way at once; who comes first is served first."""

    def __init__(self, nbytes: int) -> None:
        self._left = nbytes
        self._change = Condition()
        self._queue: deque[object] = deque()
        """Who waits. A lock is no queue: a thread that just released it may take it again."""

    @contextmanager
    def spent(self, nbytes: int) -> Iterator[None]:
        """Wait for so many bytes, which must not be more than all; give them back afterwards."""
        own = object()
        with self._change:
            self._queue.append(own)
            self._change.wait_for(lambda: self._queue[0] is own and self._left >= nbytes)
            self._queue.popleft()
            self._left -= nbytes
            self._change.notify_all()
        try:
            yield
        finally:
            with self._change:
                self._left += nbytes
                self._change.notify_all()


def wait_interruptibly(work: Iterable[Future[Any]]) -> None:
    """Wait for work in threads, and check for signals meanwhile.

    Raises
    ------
    StopError
        A signal has asked this rank to stop.
    """
    left = set(work)
    while left:
        left = wait(left, POLL_SECONDS).not_done
        signals.check()


def at_once(work: Callable[[_T], _U], served: Sequence[_T]) -> list[_U]:
    """Call a function for several files on servers, each in a thread; return the results."""
    if not served:
        return []
    with ThreadPoolExecutor(len(served), "at-once", gdalenv.quieten_thread) as pool:
        return list(pool.map(work, served))


def room_nbytes() -> int:
    """Return how many bytes can be read ahead so that they are still in the cache when used.

    The cache drops the ranges that were read or used longest ago. More is requested once half of
    the bytes read ahead are used. So up to one and a half times as many bytes are read or used
    before a range is used: those requested with it, and the half that is requested before.
    """
    return 2 * gdalenv.network_cache_nbytes() // 3


def held_nbytes() -> int:
    """Return the most memory for reading ahead, including GDAL's cache of ranges, bytes."""
    under_way = min(UNDER_WAY_NBYTES, room_nbytes())
    return gdalenv.network_cache_nbytes() + COPIES * under_way


def read_beginnings(paths: Iterable[str]) -> None:
    """Read the beginnings of files in parallel: the ranges that GDAL reads to open them."""
    served = [path for path in dict.fromkeys(paths) if is_cached(path)]
    if len(served) > 1:
        at_once(_read, list(map(beginning, served)))


def beginning(path: str) -> ByteRange:
    """Return the range that GDAL reads to open a file."""
    return ByteRange(path, 0, gdalenv.BEGINNING_NBYTES)


def _read(wanted: ByteRange) -> None:
    """Read a range into GDAL's cache."""
    with suppress(RuntimeError):  # the driver will raise it again
        headers_of(wanted.path)
        # A new handle each time: if a range begins at the end of the last one, GDAL reads twice as
        # much.
        file = gdal.VSIFOpenL(wanted.path, "rb")
        if file is None:
            gdal.VSICurlPartialClearCache(wanted.path)  # else GDAL would not try again
            return
        try:
            gdal.VSIFSeekL(file, wanted.begin, os.SEEK_SET)
            gdal.VSIFReadL(1, wanted.end - wanted.begin, file)
        finally:
            gdal.VSIFCloseL(file)


def _requests(places: Iterable[tuple[ByteRange, Key]]) -> Iterator[tuple[ByteRange, set[Key]]]:
    """Join neighbouring ranges, and cut long ones; yield each request with the keys it is for."""
    joined: list[tuple[ByteRange, list[tuple[ByteRange, Key]]]] = []
    for place in sorted(places, key=lambda place: place[0]):
        path, begin, end = place[0]
        if joined and joined[-1][0].path == path and begin - joined[-1][0].end <= UNIT_NBYTES:
            whole, parts = joined.pop()
            joined.append((whole._replace(end=max(whole.end, end)), [*parts, place]))
        else:
            joined.append((place[0], [place]))
    for whole, parts in joined:
        for request in _cut(whole):
            keys = {
                key for part, key in parts if part.begin < request.end and request.begin < part.end
            }
            yield request, keys


def _cut(whole: ByteRange) -> Iterator[ByteRange]:
    """Cut a range into requests of about equal length that begin at GDAL's units."""
    first, last = whole.begin // UNIT_NBYTES, -(-whole.end // UNIT_NBYTES)
    count = -(-(last - first) * UNIT_NBYTES // REQUEST_NBYTES)
    cuts = [first + (last - first) * number // count for number in range(count + 1)]
    for begin, end in itertools.pairwise(cuts):
        yield whole._replace(begin=begin * UNIT_NBYTES, end=min(end * UNIT_NBYTES, whole.end))
