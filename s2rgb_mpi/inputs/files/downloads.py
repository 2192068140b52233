"""Recognises downloaded files by their first bytes, whatever their names."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.files.remote import beginning, gdal_name, is_remote
from s2rgb_mpi.inputs.files.vsi import VsiFile
from s2rgb_mpi.redact import shown

ZIP, TAR = "zip", "tar"

HEAD_NBYTES = 4096
"""Number of bytes of a file that are inspected."""

MOST_QUOTED = 120
"""Characters of a server's answer that an error quotes."""

_TAR_MAGIC = slice(257, 262), b"ustar"


class _Packing(NamedTuple):
    """The first bytes of a format, its name, and the command that unpacks it."""

    magic: bytes
    name: str
    command: str


_PACKINGS = (
    _Packing(b"\x1f\x8b", "gzip", "tar -xzf {file} -C {folder}"),
    _Packing(b"\xfd7zXZ\0", "xz", "tar -xJf {file} -C {folder}"),
    _Packing(b"BZh", "bzip2", "tar -xjf {file} -C {folder}"),
    _Packing(b"\x28\xb5\x2f\xfd", "zstd", "tar --zstd -xf {file} -C {folder}"),
    _Packing(b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x {file} -o{folder}"),
    _Packing(b"Rar!\x1a\x07", "RAR", "unrar x {file} {folder}"),
)

_HTML = re.compile(
    r"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)
_XML_ERROR = re.compile(r"(<\?xml[^>]*>\s*)?<(\w+:)?(Error|\w*Exception|\w*ExceptionReport)\b")
"""The beginnings of a server's answer that is not a file."""

_WORDS = ("detail", "message", "error_description", "error", "title", "description", "code")
"""Fields with the message in a server's JSON, by precedence."""


def first_bytes(name: str) -> bytes:
    """Read the beginning of a file; empty if it cannot be read: opening it will raise the error.

    Parameters
    ----------
    name : str
        A path, a URL, or GDAL's name.
    """
    if not is_remote(name):
        return beginning(name, HEAD_NBYTES)
    try:
        with VsiFile(gdal_name(name)) as file:
            return bytes(file.read(HEAD_NBYTES) or b"")
    except OSError:
        return b""


def identify(name: str) -> str:
    """Return the format of a file by its first bytes.

    Parameters
    ----------
    name : str
        A path, a URL, or GDAL's name.

    Returns
    -------
    str
        `ZIP`, `TAR`, or empty for all else, such as a raster.

    Raises
    ------
    InputError
        It is packed in a format that cannot be read in place, or it is a server's answer instead of
        a file; with the remedy.
    """
    head = first_bytes(name)
    if not head and not is_remote(name) and Path(name).stat().st_size == 0:
        raise InputError(f"{name}: an empty file; download it again")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZIP
    place, magic = _TAR_MAGIC
    if head[place] == magic:
        return TAR
    for packing in _PACKINGS:
        if head.startswith(packing.magic):
            raise InputError(f"{shown(name)}: packed with {packing.name}; {unpack(name)}")
    refuse_answer(name, head)
    return ""


def unpack(name: str, kind: str = "") -> str:
    """Return the advice to unpack an archive, with the command that does it."""
    if kind == ZIP:
        command = "unzip {file} -d {folder}"
    else:
        head = first_bytes(name)
        found = [packing.command for packing in _PACKINGS if head.startswith(packing.magic)]
        command = (*found, "tar -xf {file} -C {folder}")[0]
    if is_remote(name):
        file, folder = PurePosixPath(shown(name)).name, "."
        return f"download and unpack it first: {command.format(file=shlex.quote(file), folder='.')}"
    path = Path(name)
    file, folder = shlex.quote(str(path)), shlex.quote(str(path.parent))
    return f"unpack it first: {command.format(file=file, folder=folder)}"


def refuse_answer(name: str, head: bytes) -> None:
    """Reject a server's answer that is not a file, and quote it.

    Raises
    ------
    InputError
        The first bytes are those of an answer in JSON, HTML, or XML as object stores write it.
    """
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    words = None
    if text.startswith(("{", "[")):
        words = _of_json(text)
    elif _HTML.match(text):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        words = title[1] if title else re.sub(r"<[^>]*>", " ", text)
    elif _XML_ERROR.match(text):
        words = ": ".join(re.findall(r"<(?:Code|Message)>(.*?)</", text)) or re.sub(
            r"<[^>]*>", " ", text
        )
    if words is not None:
        raise InputError(
            f"{shown(name)}: not a product but a server's answer, {_quote(words)};"
            " solve that problem and download the product again"
        )


def _of_json(text: str) -> str | None:
    """Return the message in an answer in JSON; None if it is not JSON."""
    try:
        return _words(json.loads(text)) or text
    except (ValueError, RecursionError):
        # Cut off after the first bytes, or not JSON at all: other files may begin with a brace too.
        if not re.match(r'[\[{]\s*["{\[]', text):
            return None
    match = re.search(rf'"(?:{"|".join(_WORDS)})"\s*:\s*"([^"]*)', text)
    return match[1] if match else text


def _words(content: Any) -> str:
    """Find the message in an answer, at any depth."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return next(filter(None, map(_words, content)), "")
    if isinstance(content, dict):
        return next(filter(None, (_words(content.get(name)) for name in _WORDS)), "")
    return ""


def _quote(words: str) -> str:
    """Shorten a server's message to one line of printable characters."""
    line = "".join(filter(str.isprintable, " ".join(words.split())))
    return f'"{line[:MOST_QUOTED]}{"..." if len(line) > MOST_QUOTED else ""}"'
