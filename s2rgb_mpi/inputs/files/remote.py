"""Remote files: their names in GDAL, reading small files, and errors of servers."""

from __future__ import annotations

import base64
import re
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from osgeo import gdal

from s2rgb_mpi import gdalenv
from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.files.object_store import problem_of_object
from s2rgb_mpi.inputs.files.vsi import VsiFile, headers_of, network_part, status_of
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterable


REFUSED = (
    "access is refused: a signature in the URL has expired or is wrong, or credentials are missing;"
    " renew them and repeat the command with --resume"
)
"""The cause and the remedy of HTTP 401 and 403."""

_REFUSED = re.compile(r"\bHTTP\b.*\b40[13]\b", re.DOTALL)

BEGINNING_NBYTES = 64
"""Number of bytes that suffice to recognise JSON."""

LARGEST_SMALL_FILE = 32 * 2**20
"""Larger metadata files are rejected, bytes: real ones have less than 1 MB."""

_SCHEMES = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/"} | {
    "gs": "/vsigs/",
    "file": "",
}
"""GDAL's file systems by schemes of URLs."""

_AGAIN = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Status codes of temporary errors, after which the request is repeated; the same as in GDAL."""

_ABSENT = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,  # the answer of object stores for missing files
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
}


def scheme(name: str) -> str:
    """Return the scheme of a URL, in lower case; empty for other names."""
    before, separator, _ = name.partition("://")
    return before.lower() if separator and before.isalnum() else ""


def split_query(name: str) -> tuple[str, str]:
    """Split a URL before its query, which may be a signature; other names have an empty query."""
    url, mark, query = name.partition("?")
    return (url, mark + query) if gdal_name(url).startswith("/vsicurl/") else (name, "")


def is_remote(name: str) -> bool:
    """Return whether a name is a URL, or in one of GDAL's virtual file systems."""
    return name.startswith("/vsi") or scheme(name) in _SCHEMES


def is_far(name: str) -> bool:
    """Return whether GDAL reads a file through a network, so that every seek may be a request."""
    return "/vsi" in re.sub("/vsi(zip|tar|mem|subfile)/", "", name)


def gdal_name(name: str) -> str:
    """Return the name under which GDAL opens a path or URL.

    Parameters
    ----------
    name : str
        A path, a URL (http, https, s3, gs, file), or a GDAL name, which is returned unchanged.
    """
    if scheme(name) in _SCHEMES:
        name = _SCHEMES[scheme(name)] + name.partition("://")[2]
    # Blanks are not valid in URLs: curl would reject them.
    return name.replace(" ", "%20") if name.startswith("/vsicurl") else name


def refused(words: str) -> str:
    """Return an error message, with cause and remedy if a server has refused access."""
    return f"{words}: {REFUSED}" if _REFUSED.search(words) else words


def fetch(name: str) -> bytes:
    """Read a small file whole.

    Parameters
    ----------
    name : str
        A path, a URL, or a GDAL name.

    Raises
    ------
    InputError
        It does not exist, is not accessible or is too large, or the server does not answer.
    """
    if scheme(name) in {"http", "https"}:
        # Not through /vsicurl/: APIs of catalogues support neither HEAD nor ranges.
        return _download(name)
    path = gdal_name(name)
    status = status_of(path)
    if status is None or status.IsDirectory():
        problem = problem_of(path)
        kind = InputError if problem and not _REFUSED.match(problem) else AbsentError
        raise kind(f"{name}: {problem or 'no such file'}")
    if status.size > LARGEST_SMALL_FILE:
        raise InputError(f"{name}: {status.size} bytes are too many for metadata")
    try:
        with VsiFile(path) as file:
            return bytes(file.readall())
    except OSError as error:
        raise InputError(f"{name}: {problem_of(path) or refused(str(error))}") from error


def stamp(path: str) -> str:
    """Return the fingerprint of a file, which changes if the file is replaced.

    Parameters
    ----------
    path : str
        GDAL's name of it. In a zip, the file itself, not the zip.

    Returns
    -------
    str
        Its size in bytes, and its ETag on a server or else the modification time in seconds; empty
        if it is not a file, such as a virtual dataset in its name.
    """
    status = status_of(path)
    if status is None:
        return ""
    headers = headers_of(path)
    return f"{status.size} bytes, {headers.get('etag') or status.mtime}"


def forget(paths: Iterable[str]) -> None:
    """Clear GDAL's memory of failures to read network files, so that it tries again."""
    for path in paths:
        if path.startswith("/vsi"):
            gdal.VSICurlPartialClearCache(network_part(path))


def problem_of(name: str) -> str:
    """Return the error of a web server or an object store for a file that GDAL could not open.

    Parameters
    ----------
    name : str
        A URL, or GDAL's name of one.

    Returns
    -------
    str
        Such as ``HTTP 404 Not Found``; empty if it sends the file, if it is neither, or of object
        stores if they do not have it.
    """
    url = name.removeprefix("/vsicurl/")
    if scheme(url) not in {"http", "https"}:
        return refused(problem_of_object(gdal_name(name)))
    try:
        _download(url, BEGINNING_NBYTES)
    except InputError as error:
        return str(error).removeprefix(f"{shown(url)}: ")
    return ""


def beginning(name: str, nbytes: int = BEGINNING_NBYTES) -> bytes:
    """Read the first bytes of a file or of a server's answer; empty if that fails.

    Parameters
    ----------
    name : str
        A path or an http(s) URL.
    nbytes : int
        The most bytes to read.
    """
    try:
        if scheme(name) in {"http", "https"}:
            return _download(name, nbytes)
        if not Path(name).is_file():  # such as a pipe, on which reading would block for ever
            return b""
        with Path(name).open("rb") as file:
            return file.read(nbytes)
    except (InputError, OSError, ValueError):  # the last: a name that is not valid on a disk
        return b""


def _download(url: str, beginning: int | None = None) -> bytes:
    """Download a small file, or the first bytes of any; retry after temporary errors."""
    # Imported here: these modules would take a tenth of the start-up time of every rank.
    import http.client  # noqa: PLC0415
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    kind = InputError
    for attempt in range(gdalenv.RETRIES + 1):
        try:
            request = _request(url)
            with urllib.request.urlopen(request, timeout=gdalenv.READ_SECONDS) as answer:  # noqa: S310
                text: bytes = answer.read(beginning or LARGEST_SMALL_FILE + 1)
        except urllib.error.HTTPError as error:
            problem = refused(f"HTTP {error.code} {error.reason}")
            if error.code not in _AGAIN:
                kind = AbsentError if error.code in _ABSENT else InputError
                break
        # A refused connection, a timeout, an unknown host, an invalid answer or URL.
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            if len(text) > LARGEST_SMALL_FILE:
                problem = f"more than {LARGEST_SMALL_FILE} bytes are too many for metadata"
                break
            return text
        if attempt < gdalenv.RETRIES:
            time.sleep(gdalenv.RETRY_SECONDS * 2**attempt)
    raise kind(f"{url}: {' '.join(problem.split())}")


def _request(url: str) -> Any:
    """Return a request; user and password go into a header that redirections do not receive."""
    import urllib.request  # noqa: PLC0415

    parts = urlsplit(url.replace(" ", "%20"))
    user, separator, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310  http(s)
    if separator:
        token = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request
