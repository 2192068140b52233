"""File names without their secrets: signatures, tokens and passwords are for servers only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable

_NETWORK = "curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs"
"""GDAL's virtual file systems that use a network."""

_BEGIN = rf"(?:[A-Za-z][A-Za-z0-9+.-]*://|/vsi(?:{_NETWORK})(?:_streaming)?[/?])"

_IN_BRACES = re.compile(rf"(?<=\{{){_BEGIN}[^}}\"<>]*(?=\}})")
"""The archive in ``/vsizip/{/vsicurl/https://…}/file``: here the closing brace ends the name."""

_IN_TEXT = re.compile(rf"{_BEGIN}[^\s\"<>]*")
_WHOLE = re.compile(rf"{_BEGIN}[^\"<>]*")
"""A quotation mark cannot be part of a URL; it ends one in JSON, and in names of GDAL's drivers."""

_CLOSING = re.compile(r"[]\[(){}'`:,;.!]*$")
"""Punctuation that may follow a name in a sentence."""

_OPTIONS = re.compile(r"/vsi(?:curl|curl_streaming)\?(.*)", re.DOTALL)
"""GDAL's form with options; one of them is the percent-encoded URL."""

_USER = re.compile(r"://[^/?#\s\"<>]*@")
_SECRET = re.compile(
    r"(?:(?<![\w-])|(?<=%3F)|(?<=%26))"
    r"((?:x-(?:amz|goog|ms)-[\w-]+|sig|signature|(?:access[_-]?|sas[_-]?)?token|secret"
    r"|awsaccesskeyid|api[_-]?key|passw(?:or)?d)(?:=|%3D))[^\s&\"<>]+|(?<=\bbearer )\S+",
    re.IGNORECASE,
)
"""Parameters that are secrets wherever they occur: a message may contain only a part of a URL, and
a name may contain a URL percent-encoded."""


def redact(text: str) -> str:
    """Remove the secrets from all file names in a text.

    Parameters
    ----------
    text : str
        Any text, such as an error message of GDAL, which contains URLs.

    Returns
    -------
    str
        URLs keep scheme, host and path; query string, fragment and user information are removed.
    """
    return _hide(_IN_TEXT.sub(_in_text, _IN_BRACES.sub(_in_text, text)))


def shown(name: str) -> str:
    """Return the name of one file in a form that may be shown and compared.

    Parameters
    ----------
    name : str
        A path, a URL, or a name of GDAL's own.

    Returns
    -------
    str
        As from :func:`redact`; a query string that contains blanks is also removed as a whole.
        Names of local files are returned unchanged, except for passwords.
    """
    return _hide(_WHOLE.sub(_in_name, _IN_BRACES.sub(_in_name, name)))


def file_name(name: str) -> str:
    """Return the last part of a path or URL, by which files in different folders are compared."""
    return PurePosixPath(shown(name)).name


def without_secrets(value: Any, clean: Callable[[str], str]) -> Any:
    """Clean all strings inside a JSON value.

    Parameters
    ----------
    value : object
        Strings, numbers, and nested mappings and lists of these.
    clean : callable
        :func:`redact` for texts, :func:`shown` for names.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: without_secrets(each, clean) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_secrets(each, clean) for each in value)
    return value


def _in_text(match: re.Match[str]) -> str:
    """Return a name in a text without its secrets; punctuation after it is kept."""
    name = match[0]
    closing = _CLOSING.search(name)
    assert closing is not None  # noqa: S101  it also matches the empty string
    return _bare(name[: closing.start()]) + closing[0]


def _in_name(match: re.Match[str]) -> str:
    return _bare(match[0])


def _bare(name: str) -> str:
    """Return a name without query string, fragment and user information."""
    options = _OPTIONS.match(name)
    if options:
        url = parse_qs(options[1]).get("url", [""])[-1]
        return f"/vsicurl/{_bare(url)}"
    if not name.startswith("vrt://"):  # GDAL's own syntax: the query selects bands and a window
        name = re.split(r"[?#]", name, maxsplit=1)[0]
    return _USER.sub("://", name)


def _hide(text: str) -> str:
    """Replace the values of parameters whose names mark them as secrets."""
    return _SECRET.sub(lambda match: f"{match[1] or ''}***", text)
