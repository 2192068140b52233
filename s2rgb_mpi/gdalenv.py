"""GDAL's settings, and its files in memory: nothing else configures GDAL or keeps files there.

Importing a module configures nothing: whoever runs the program calls :func:`configure` first.
"""

from __future__ import annotations

import itertools
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from osgeo import gdal, ogr, osr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CACHE_NBYTES = 16 * 2**20
"""GDAL's block cache of a rank, bytes; its own default is 5 % of the machine per process. Every
source block is read once, so a cache gains nothing: it only has to hold a few blocks."""

CONNECT_SECONDS = 10
READ_SECONDS = 60
RETRIES = 3
RETRY_SECONDS = 0.5
"""Patience with servers, for small files and for pixels alike; each pause is twice the last."""

BEGINNING_NBYTES = 2**15
"""Enough for the directory of a full Sentinel-2 COG in the first request, bytes."""

NETWORK_CACHE_NBYTES = 48 * 2**20
"""GDAL's cache of what it reads from servers, bytes: enough that a worker reads 32 MB ahead. Only
those who read from servers fill it."""

_FIXED = {
    # The ranks are the parallelism. With threads GDAL 3.6 also keeps silent about JPEG 2000 tiles
    # that it cannot decode.
    "GDAL_NUM_THREADS": "1",
    # Block by block, which looks into the cache of ranges: several at once, as GDAL does it by
    # itself, it asks a server for what has been read ahead again.
    "GDAL_HTTP_MULTIRANGE": "SERIAL",
}

_NETWORK_CACHE = "CPL_VSIL_CURL_CACHE_SIZE"

_DEFAULTS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": str(CONNECT_SECONDS),
    # No bound on a whole transfer, which may be long: a line that has gone silent is the failure.
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_LOW_SPEED_TIME": str(READ_SECONDS),
    "GDAL_HTTP_MAX_RETRY": str(RETRIES),
    "GDAL_HTTP_RETRY_DELAY": str(RETRY_SECONDS),
    "GDAL_INGESTED_BYTES_AT_OPEN": str(BEGINNING_NBYTES),
    _NETWORK_CACHE: str(NETWORK_CACHE_NBYTES),
}
"""Settings that the user's environment or configuration file may change."""

_QUIET = "CPLQuietErrorHandler"
"""The handler of GDAL's that says nothing but what CPL_DEBUG asks for."""

_numbers = itertools.count()


def configure() -> None:
    """Set GDAL up for this process: errors as exceptions, no words of its own, few bytes of cache.

    May be called again; settings that the user has made stay.
    """
    gdal.UseExceptions()
    ogr.UseExceptions()
    osr.UseExceptions()
    # Errors are exceptions; warnings (a server is asked again) would come from many ranks at once,
    # and some have whole URLs. Since GDAL 3.7 those of calls from Python ask the handlers that this
    # thread has pushed and then the default one, never the process's.
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
    grok = gdal.GetDriverByName("JP2Grok")
    if grok is not None:
        grok.Deregister()


def quieten_thread() -> None:
    """Make GDAL say nothing of its own in a thread that has just begun."""
    gdal.PushErrorHandler(_QUIET)


def network_cache_nbytes() -> int:
    """Return the size of GDAL's cache of what it reads from servers, bytes."""
    digits = re.match(r"\d+", gdal.GetConfigOption(_NETWORK_CACHE, ""))
    return int(digits[0]) if digits else NETWORK_CACHE_NBYTES


@contextmanager
def cache(nbytes: int) -> Iterator[None]:
    """Set the size of the block cache while the body runs."""
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
    """Provide a file in memory, which is removed afterwards with all that GDAL writes beside it.

    Parameters
    ----------
    suffix : str
        With its dot.

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
    """Return all bytes of a file in memory."""
    file = gdal.VSIFOpenL(name, "rb")
    try:
        return bytes(gdal.VSIFReadL(1, gdal.VSIStatL(name).size, file))
    finally:
        gdal.VSIFCloseL(file)
