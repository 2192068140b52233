"""Bytes of files on servers, read in the background before GDAL needs them.

A thread reads a range through GDAL itself, as GDAL's driver will: retries, signatures, credentials
and redirections are GDAL's, whatever the kind of server. What it gets is thrown away; it stays in
the cache of ranges that all of GDAL's network files share (``CPL_VSIL_CURL_CACHE_SIZE``), where the
driver finds it. Another HTTP library would need all of that configured a second time, and a way to
show its bytes to GDAL; and whatever goes wrong here costs time only: what is not in the cache the
driver reads itself, and meets the error.
"""

from __future__ import annotations

import itertools
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from osgeo import gdal

from s2rgb_mpi import gdalenv, heap, signals

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    Key = Hashable

_T = TypeVar("_T")
_U = TypeVar("_U")

REQUESTS = 12
"""Requests of a process that are open at once."""

REQUEST_NBYTES = 2 * 2**20
"""Longer ranges are cut: a connection may be slow, where several are not."""

UNIT_NBYTES = 2**14
"""GDAL reads whole units of this size; ranges that are no further apart become one."""

POLL_SECONDS = 0.1
"""Pause between two looks for signals."""

COPIES = 5
"""How often the bytes of a request are in memory while they go into the cache: in curl's buffer, in
GDAL's copy of it, in the units of the cache, and as Python gets them; one more for the holes
between these. All requests may end at once, as those of a slow server do."""

_SERVED = re.compile(r"/vsi(curl|s3|gs|az|adls|oss|swift)[/?]")
"""Names of GDAL's that share its cache of ranges."""


class ByteRange(NamedTuple):
    """A piece of a file: from byte `begin` up to, but without, byte `end`."""

    path: str
    begin: int
    end: int


def is_cached(path: str) -> bool:
    """Return whether what is read of a file stays in GDAL's cache of ranges.

    Files in archives on servers are left alone: what GDAL reads of them depends on the archive.
    """
    return _SERVED.match(path) is not None


class ReadAhead:
    """Reads ranges of files in threads, several at once.

    Threads begin with the first range. They make no MPI call, and raise nothing: a range that
    cannot be read is left to whoever needs it.
    """

    def __init__(self) -> None:
        heap.use_one_arena()
        self._pool = ThreadPoolExecutor(REQUESTS, "read-ahead", gdalenv.quieten_thread)
        self._reads: dict[Key, set[Future[None]]] = {}
        self._over = Event()

    def want(self, ranges: Mapping[Any, Iterable[ByteRange]]) -> None:
        """Have ranges read, the first first.

        Parameters
        ----------
        ranges : mapping
            By what they are needed for. What lies close together becomes one request, whatever it
            is for.
        """
        if ranges:
            heap.trim()
        order = {key: place for place, key in enumerate(ranges)}
        requests = list(_requests((each, key) for key, many in ranges.items() for each in many))
        requests.sort(key=lambda request: min(order[key] for key in request[1]))
        with suppress(RuntimeError):  # where no thread is allowed, nothing is read ahead
            for request, keys in requests:
                reading = self._pool.submit(_read, request)
                for key in keys:
                    self._reads.setdefault(key, set()).add(reading)

    def wait(self, key: Key) -> None:
        """Wait until all that was wanted for something is there, or cannot be read.

        Raises
        ------
        StopError
            A signal has come meanwhile that ends this rank's work.
        """
        watch(self._reads.pop(key, ()))

    def start(self, work: Callable[[Event], _T]) -> Future[_T]:
        """Have something else done in a thread; the event that it gets says when to give up."""
        return self._pool.submit(work, self._over)

    def close(self, *, wait: bool = True) -> None:
        """Begin no further request.

        Parameters
        ----------
        patient : bool
            Whether to wait for those that are open: as long as GDAL's own patience with servers.
        """
        self._over.set()
        self._pool.shutdown(wait=wait, cancel_futures=True)


def watch(work: Iterable[Future[Any]]) -> None:
    """Wait for work in threads, and look for signals.

    Raises
    ------
    StopError
        A signal has come that ends this rank's work.
    """
    left = set(work)
    while left:
        left = wait(left, POLL_SECONDS).not_done
        signals.check()


def at_once(work: Callable[[_T], _U], served: Sequence[_T]) -> list[_U]:
    """Do something for several files of servers at once, each in a thread; return the results."""
    if not served:
        return []
    with ThreadPoolExecutor(len(served), "at-once", gdalenv.quieten_thread) as pool:
        return list(pool.map(work, served))


def room_nbytes() -> int:
    """Return how much may be wanted at once and still be in the cache when it is used, bytes.

    A range leaves the cache when others of its size have been read or used since. Who wants more
    once half of it has been used touches one and a half times as much before a range is used: that
    which was wanted with it, and the half that is wanted before.
    """
    return 2 * gdalenv.network_cache_nbytes() // 3


def held_nbytes() -> int:
    """Return the most memory that reading ahead takes, GDAL's cache of ranges included, bytes."""
    under_way = min(REQUESTS * REQUEST_NBYTES, room_nbytes())
    return gdalenv.network_cache_nbytes() + COPIES * under_way


def read_beginnings(paths: Iterable[str]) -> None:
    """Read the beginnings of files at once: what GDAL asks servers for when it opens them."""
    served = [path for path in dict.fromkeys(paths) if is_cached(path)]
    if len(served) > 1:
        at_once(_read, list(map(beginning, served)))


def beginning(path: str) -> ByteRange:
    """Return the range that GDAL reads when it opens a file."""
    return ByteRange(path, 0, gdalenv.BEGINNING_NBYTES)


def _read(wanted: ByteRange) -> None:
    """Read a range, for GDAL's cache alone."""
    with suppress(RuntimeError):  # whoever needs the range will meet it too
        # A file of its own: where a range begins at the end of the last, GDAL reads twice as much.
        file = gdal.VSIFOpenL(wanted.path, "rb")
        if file is None:
            gdal.VSICurlPartialClearCache(wanted.path)  # or GDAL would not ask again
            return
        try:
            gdal.VSIFSeekL(file, wanted.begin, os.SEEK_SET)
            gdal.VSIFReadL(1, wanted.end - wanted.begin, file)
        finally:
            gdal.VSIFCloseL(file)


def _requests(places: Iterable[tuple[ByteRange, Key]]) -> Iterator[tuple[ByteRange, set[Key]]]:
    """Join ranges that are neighbours, and cut long ones; with all that each request is for."""
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
    """Cut a range into requests of about equal length, which begin where GDAL's units do."""
    first, last = whole.begin // UNIT_NBYTES, -(-whole.end // UNIT_NBYTES)
    count = -(-(last - first) * UNIT_NBYTES // REQUEST_NBYTES)
    cuts = [first + (last - first) * number // count for number in range(count + 1)]
    for begin, end in itertools.pairwise(cuts):
        yield whole._replace(begin=begin * UNIT_NBYTES, end=min(end * UNIT_NBYTES, whole.end))
