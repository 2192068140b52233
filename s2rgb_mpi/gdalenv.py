"""GDAL's settings and its in-memory files: no other module configures GDAL or creates such files.

Importing a module configures nothing: the program calls :func:`configure` first, and
:func:`s2rgb_mpi.convert` works within :func:`configured`.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from osgeo import gdal, ogr, osr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CACHE_NBYTES = 16 * 2**20
"""GDAL's block cache of a rank, bytes; its own default is 5 % of the machine per process. Every
source block is read once, so a large cache gains nothing: it only has to hold a few blocks."""

CONNECT_SECONDS = 10
READ_SECONDS = 60
RETRIES = 3
RETRY_SECONDS = 0.5
"""Time limits and retries for servers, for small files and for pixels; each pause between retries
is twice the one before."""

BEGINNING_NBYTES = 2**15
"""Size of the first request for a file, bytes: holds the directory of a full Sentinel-2 COG."""

NETWORK_CACHE_NBYTES = 64 * 2**20
"""GDAL's cache of ranges read from servers, bytes: enough for a worker to read 40 MB ahead. Only
ranks that read from servers fill it."""

_FIXED = {
    # The ranks are the parallelism. With threads GDAL 3.6 also reports no error for JPEG 2000 tiles
    # that it cannot decode.
    "GDAL_NUM_THREADS": "1",
    # One range per request, which looks into the cache of ranges first. The default, several
    # ranges per request, bypasses the cache and reads from the server again.
    "GDAL_HTTP_MULTIRANGE": "SERIAL",
}

_NETWORK_CACHE = "CPL_VSIL_CURL_CACHE_SIZE"

_DEFAULTS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": str(CONNECT_SECONDS),
    # No limit on a whole transfer, which may be long: the failure is a connection without data.
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_LOW_SPEED_TIME": str(READ_SECONDS),
    "GDAL_HTTP_MAX_RETRY": str(RETRIES),
    "GDAL_HTTP_RETRY_DELAY": str(RETRY_SECONDS),
    "GDAL_INGESTED_BYTES_AT_OPEN": str(BEGINNING_NBYTES),
    _NETWORK_CACHE: str(NETWORK_CACHE_NBYTES),
}
"""Settings that the user's environment or configuration file may change."""

_GROK = "JP2Grok"

_QUIET = "CPLQuietErrorHandler"
"""GDAL's error handler that prints nothing except debug messages requested by CPL_DEBUG."""

_numbers = itertools.count()

_using = threading.Lock()
_users: list[None] = []
"""An entry for each caller that is within :func:`configured`."""

_before = ExitStack()
"""What the last of them restores."""


def configure() -> None:
    """Configure GDAL for this process: errors as exceptions, no output of its own, a small cache.

    May be called again; settings made by the user are kept.
    """
    gdal.UseExceptions()
    ogr.UseExceptions()
    osr.UseExceptions()
    # Errors are exceptions. Warnings (such as a repeated request) would come from many ranks at
    # once, and some contain whole URLs. Since GDAL 3.7 warnings of calls from Python go to the
    # handlers pushed by this thread, else to the default handler, never to that of the process.
    gdal.SetErrorHandler(_QUIET)  # for GDAL's own threads
    gdal.PushErrorHandler(_QUIET)
    for name, value in _FIXED.items():
        gdal.SetConfigOption(name, value)
    for name, value in _DEFAULTS.items():
        if gdal.GetConfigOption(name) is None:
            gdal.SetConfigOption(name, value)
    if gdal.GetConfigOption("GDAL_CACHEMAX") is None:
        gdal.SetCacheMax(CACHE_NBYTES)
    # GDAL 3.13's JP2Grok gives wrong pixels in windowed reads (OSGeo/gdal#14780).
    grok = gdal.GetDriverByName(_GROK)
    if grok is not None:
        grok.Deregister()


@contextmanager
def configured() -> Iterator[None]:
    """Configure GDAL while the body runs; in the end it is as the caller's session had it.

    GDAL has one configuration for all threads: it is restored when no thread needs it any more.
    Only an error handler of the caller's for the whole process is lost, as GDAL does not tell it.
    """
    with _using:
        if not _users:
            _remember()
        _users.append(None)
        configure()
    try:
        yield
    finally:
        with _using:
            gdal.PopErrorHandler()
            _users.pop()
            if not _users:
                _before.close()


def _remember() -> None:
    """Note how GDAL is configured, in what restores it."""
    for module in (gdal, ogr, osr):
        if not module.GetUseExceptions():
            _before.callback(module.DontUseExceptions)
    _before.callback(gdal.SetErrorHandler)  # without a name: the default
    _before.callback(gdal.SetCacheMax, gdal.GetCacheMax())
    for name in (*_FIXED, *_DEFAULTS):
        _before.callback(_restore, name, gdal.GetConfigOption(name))
    grok = gdal.GetDriverByName(_GROK)
    if grok is not None:
        _before.callback(grok.Register)


def _restore(name: str, value: str | None) -> None:
    """Set an option back, unless its value is that of the environment."""
    gdal.SetConfigOption(name, None)
    if gdal.GetConfigOption(name) != value:
        gdal.SetConfigOption(name, value)


def quieten_thread() -> None:
    """Suppress GDAL's own output in a thread that has just begun."""
    gdal.PushErrorHandler(_QUIET)


def network_cache_nbytes() -> int:
    """Return the size of GDAL's cache of ranges read from servers, bytes."""
    digits = re.match(r"\d+", gdal.GetConfigOption(_NETWORK_CACHE, ""))
    return int(digits[0]) if digits else NETWORK_CACHE_NBYTES


@contextmanager
def cache(nbytes: int) -> Iterator[None]:
    """Set the size of the block cache, bytes, while the body runs."""
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(nbytes)
    try:
        yield
    finally:
        gdal.SetCacheMax(before)


@contextmanager
def settings(options: Mapping[str, str]) -> Iterator[None]:
    """Set configuration options for this thread while the body runs."""
    before = {name: gdal.GetThreadLocalConfigOption(name) for name in options}
    try:
        for name, value in options.items():
            gdal.SetThreadLocalConfigOption(name, value)
        yield
    finally:
        for name, earlier in before.items():
            gdal.SetThreadLocalConfigOption(name, earlier)


@contextmanager
def memory_file(suffix: str) -> Iterator[str]:
    """Yield the name of a file in memory; it is removed afterwards, with its ``.aux.xml``.

    Parameters
    ----------
    suffix : str
        File name extension, with its dot.

    Yields
    ------
    str
        A name that this process has not used before.
    """
    name = f"/vsimem/s2rgb_mpi-{os.getpid()}-{next(_numbers)}{suffix}"
    try:
        yield name
    finally:
        for each in (name, f"{name}.aux.xml"):
            if gdal.VSIStatL(each) is not None:
                gdal.Unlink(each)


def contents(name: str) -> bytes:
    """Return the bytes of a file in memory."""
    file = gdal.VSIFOpenL(name, "rb")
    try:
        return bytes(gdal.VSIFReadL(1, gdal.VSIStatL(name).size, file))
    finally:
        gdal.VSIFCloseL(file)
