"""Names of files elsewhere: GDAL's way to them, how patient it is, and small files whole."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from osgeo import gdal

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.product.vsi import VsiFile

if TYPE_CHECKING:
    from collections.abc import Iterable

gdal.UseExceptions()

CONNECT_SECONDS = 10
READ_SECONDS = 60
RETRIES = 3
RETRY_SECONDS = 0.5
"""Patience with servers, for small files and for pixels alike; each pause is twice the last."""

LARGEST_SMALL_FILE = 32 * 2**20
"""Metadata beyond this size are refused, bytes: real ones have less than 1 MB."""

_SCHEMES = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/"} | {
    "gs": "/vsigs/",
    "file": "",
}
"""What GDAL calls the places that URLs name."""

_SETTINGS = {
    "GDAL_HTTP_CONNECTTIMEOUT": str(CONNECT_SECONDS),
    # No bound on a whole transfer, which may be long: a line that has gone silent is the failure.
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_LOW_SPEED_TIME": str(READ_SECONDS),
    "GDAL_HTTP_MAX_RETRY": str(RETRIES),
    "GDAL_HTTP_RETRY_DELAY": str(RETRY_SECONDS),
    # Ranges that touch are asked for in one request: a window is a run of tiles.
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    # Enough for the directory of a full Sentinel-2 COG in the first request.
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
}

_AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""What a server says that may pass, as GDAL sees it too; all else will not change."""

_ABSENT = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,  # what object stores say of files that are not there
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
}

for _name, _value in _SETTINGS.items():
    if gdal.GetConfigOption(_name) is None:  # what the user set in the environment stays
        gdal.SetConfigOption(_name, _value)


def redacted(name: str) -> str:
    """Return a name as it may be shown: the query of a URL, which may be a signature, left out."""
    return re.sub(r"(://[^?}]*)\?[^}]*", r"\1", name)


def split_query(name: str) -> tuple[str, str]:
    """Cut a URL in two before its query, which may be a signature; other names have none."""
    url, mark, query = name.partition("?")
    return (url, mark + query) if gdal_name(url).startswith("/vsicurl/") else (name, "")


def is_remote(name: str) -> bool:
    """Tell whether a name is a URL, or one of GDAL's virtual files."""
    return name.startswith("/vsi") or urlsplit(name).scheme in _SCHEMES


def is_far(name: str) -> bool:
    """Tell whether GDAL reads a file through a network of its own, every seek a request."""
    return "/vsi" in re.sub("/vsi(zip|mem|subfile)/", "", name)


def gdal_name(name: str) -> str:
    """Return the name under which GDAL opens a path or URL.

    Parameters
    ----------
    name : str
        A path, a URL (http, https, s3, gs, file), or a name of GDAL's own, which stays.
    """
    scheme, separator, rest = name.partition("://")
    return _SCHEMES[scheme] + rest if separator and scheme in _SCHEMES else name


def fetch(name: str) -> bytes:
    """Read a small file whole.

    Parameters
    ----------
    name : str
        A path, a URL, or a name of GDAL's.

    Raises
    ------
    InputError
        It is not there, not allowed, too large, or the server is silent.
    """
    if urlsplit(name).scheme in {"http", "https"}:
        # Not through /vsicurl/: interfaces of catalogues know neither HEAD nor ranges.
        return _download(name)
    path = gdal_name(name)
    status = gdal.VSIStatL(path)
    if status is None or status.IsDirectory():
        raise AbsentError(f"{name}: no such file")
    if status.size > LARGEST_SMALL_FILE:
        raise InputError(f"{name}: {status.size} bytes are too many for metadata")
    try:
        with VsiFile(path) as file:
            return bytes(file.readall())
    except OSError as error:
        raise InputError(f"{name}: {error}") from error


def stamp(path: str) -> str:
    """Return what would be another for another file of that name.

    Parameters
    ----------
    path : str
        Under which GDAL opens it. A file in a zip is meant itself, not the zip.

    Returns
    -------
    str
        Its size in bytes, and a server's ETag or else when it was changed, to the second; empty
        for what is no file, such as an image that GDAL makes up on the way.
    """
    status = gdal.VSIStatL(path)
    if status is None:
        return ""
    headers = gdal.GetFileMetadata(path, "HEADERS") if path.startswith("/vsi") else None
    tags = {name.lower(): value for name, value in (headers or {}).items()}
    return f"{status.size} bytes, {tags.get('etag') or status.mtime}"


def forget(paths: Iterable[str]) -> None:
    """Make GDAL ask anew for files of a network: it remembers what it failed to read."""
    for path in paths:
        if path.startswith("/vsi"):
            # Of a file in an archive: the archive.
            inner = re.search(r"\{(/vsi.*)\}|,(/vsi.*)", path)
            gdal.VSICurlPartialClearCache((inner[1] or inner[2]) if inner else path)


def _download(url: str) -> bytes:
    """Get a small file by HTTP, patiently."""
    # Not above: HTTP, TLS and mail headers would be a tenth of the start of every rank.
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    kind = InputError
    for attempt in range(RETRIES + 1):
        try:
            with urllib.request.urlopen(url, timeout=READ_SECONDS) as answer:  # noqa: S310  http(s)
                text: bytes = answer.read(LARGEST_SMALL_FILE + 1)
        except urllib.error.HTTPError as error:
            problem = f"HTTP {error.code} {error.reason}"
            if error.code not in _AGAIN:
                kind = AbsentError if error.code in _ABSENT else InputError
                break
        except (OSError, ValueError) as error:  # a refused connection, a timeout, no such host
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            if len(text) > LARGEST_SMALL_FILE:
                problem = f"more than {LARGEST_SMALL_FILE} bytes are too many for metadata"
                break
            return text
        if attempt < RETRIES:
            time.sleep(RETRY_SECONDS * 2**attempt)
    raise kind(f"{redacted(url)}: {' '.join(problem.split())}")
