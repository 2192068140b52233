"""Files of GDAL's virtual file systems as Python file objects."""

from __future__ import annotations

import io
import os
import re
from contextlib import suppress
from typing import Any

from osgeo import gdal

SIZELESS = "empty, or its server does not say how large it is"
"""The error text for a file without a size."""

_USE_HEAD = "CPL_VSIL_CURL_USE_HEAD"
"""GDAL's option; with NO the size of a file is requested by GET instead of HEAD."""


def network_part(path: str) -> str:
    """Return GDAL's name of the file on the network: for a file in an archive, the archive."""
    inner = re.search(r"\{(/vsi.*)\}|,(/vsi.*)", path)
    return (inner[1] or inner[2]) if inner else path


_HEADERS: dict[str, dict[str, str]] = {}
"""What `headers_of` has found."""


def headers_of(path: str) -> dict[str, str]:
    """Return the headers of a server's answer for a file; empty where there are none.

    The first request for a file should be this one: GDAL learns the file's size by it, and asks no
    more. After another request it would ask again.

    Parameters
    ----------
    path : str
        GDAL's name of the file.

    Returns
    -------
    dict of str to str
        By lower-case names.
    """
    if path.startswith("/vsi") and path not in _HEADERS:
        found: dict[str, str] = {}
        with suppress(RuntimeError):  # opening the file raises it again
            found = gdal.GetFileMetadata(path, "HEADERS") or {}
        if found:
            # GDAL 3.13 has the status line in the first name.
            _HEADERS[path] = {name.rpartition("\n")[2].lower(): found[name] for name in found}
    return _HEADERS.get(path, {})


def status_of(path: str) -> Any:
    """Return GDAL's status of a file, such as its size; None if it does not exist.

    Notes
    -----
    Some servers refuse HEAD, and all do for URLs that are signed for GET. After the first refusal
    this process uses GET: it works for all servers, but ends the connection each time.
    """
    headers_of(path)
    status = gdal.VSIStatL(path)
    part = network_part(path)
    if status is None and part.startswith("/vsicurl/") and gdal.GetConfigOption(_USE_HEAD) is None:
        gdal.SetConfigOption(_USE_HEAD, "NO")
        gdal.VSICurlPartialClearCache(part)
        status = gdal.VSIStatL(path)
        if status is None:
            gdal.SetConfigOption(_USE_HEAD, None)
            gdal.VSICurlPartialClearCache(part)  # else GDAL would not report the cause again
    return status


class VsiFile(io.RawIOBase):
    """A file that GDAL opens, wherever it is.

    Parameters
    ----------
    path : str
        A GDAL name.

    Raises
    ------
    OSError
        It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = None
        try:
            status = status_of(path)
            self._file = status and gdal.VSIFOpenL(path, "rb")
        except RuntimeError as error:
            raise OSError(" ".join(str(error).split())) from error
        if self._file is None:
            raise OSError("no such file, or access is refused")
        self._nbytes = status.size
        if not self._nbytes and path.startswith("/vsicurl"):
            raise OSError(SIZELESS)

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: any position can be read."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, bytes."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._nbytes}[whence]
        if start + offset < 0:
            raise OSError(f"no place {start + offset} in a file")
        gdal.VSIFSeekL(self._file, start + offset, os.SEEK_SET)
        return start + offset

    def tell(self) -> int:
        """Return the position, bytes."""
        return int(gdal.VSIFTellL(self._file))

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as the buffer holds; fewer at the end.

        Raises
        ------
        OSError
            A server fails, or does not support ranges.
        """
        wanted = max(0, min(len(buffer), self._nbytes - self.tell()))
        buffer[:wanted] = self.take(wanted)
        return wanted

    def take(self, nbytes: int) -> Any:
        """Read so many bytes, which must be there, and copy them nowhere.

        Returns
        -------
        bytes or bytearray
            As GDAL has them.

        Raises
        ------
        OSError
            A server failed, or sends no ranges; or the file ends before.
        """
        if not nbytes:
            return b""
        try:
            data = gdal.VSIFReadL(1, nbytes, self._file) or b""
        except RuntimeError as error:
            raise OSError(" ".join(str(error).split())) from error
        if len(data) < nbytes:
            raise OSError("cannot be read to its end")
        return data

    def close(self) -> None:
        """Close the file; may be called again."""
        if not self.closed and self._file is not None:
            gdal.VSIFCloseL(self._file)
        super().close()
