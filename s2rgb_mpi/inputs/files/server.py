"""A product on a server: a folder at a URL or at a GDAL name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

from osgeo import gdal

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.files.remote import fetch, gdal_name, problem_of, split_query
from s2rgb_mpi.inputs.files.vsi import SIZELESS, status_of
from s2rgb_mpi.inputs.safe_files import leaves

_OLD_PRODUCT = re.compile(r"(S2._[A-Z]+)_PRD_MSI(L1C|L2A)_(\w+?)(?:\.SAFE)?")
"""Names of products before 2017, whose metadata file is named after them."""

_IS_ABSENT = re.compile(r"HTTP 4(04|10)\b")
"""Errors of servers for missing files."""


class Server:
    """A product's folder on a server, in an object store, or in another file system of GDAL.

    File servers do not list folders: the product's metadata name the other files.

    Parameters
    ----------
    top : str
        URL (http, https, s3, gs) or GDAL's name of the folder. Its query is a signature that is
        valid for all files.
    """

    def __init__(self, top: str) -> None:
        url, self._query = split_query(top)
        self._is_web = gdal_name(top).startswith("/vsicurl/")
        self._top = url.rstrip("/")
        self.name = unquote(PurePosixPath(self._top).name)
        self._kept: dict[str, bytes] = {}

    def names(self) -> list[str]:
        """List the files in the folder, or only its metadata file if it cannot be listed.

        Raises
        ------
        AbsentError
            The server has no metadata there.
        InputError
            The server does not answer.
        """
        listed = [] if self._is_web else gdal.ReadDir(gdal_name(self._top))
        if listed:
            return sorted(name.rstrip("/") for name in listed)
        problem = ""
        for name in self._candidates():
            try:
                self._kept[name] = self.read(name)
            except AbsentError as error:
                problem = problem or str(error)
            else:
                return [name]
        raise AbsentError(
            f"{self._top}: no MTD_MSIL2A.xml there; give the address of the product's folder, of"
            f" the MTD_MSIL2A.xml in it, or of a zip of it ({problem})"
        )

    def _candidates(self) -> list[str]:
        """List possible names of the metadata file."""
        old = _OLD_PRODUCT.fullmatch(self.name)
        return [
            "MTD_MSIL2A.xml",
            "MTD_MSIL2a.xml",  # found in some archives
            "MTD_MSIL1C.xml",
            *([f"{old[1]}_MTD_SAF{old[2]}_{old[3]}.xml"] if old else []),
        ]

    def say(self, name: str) -> str:
        """Return the address of a file, without signature."""
        return f"{self._top}/{name}" if name else self._top

    def read(self, name: str) -> bytes:
        """Read a small file whole."""
        if name in self._kept:
            return self._kept[name]
        address = f"{self.say(name)}{self._query}"
        try:
            return fetch(address)
        except AbsentError:
            # GDAL may have credentials for this server (GDAL_HTTP_HEADERS, GDAL_HTTP_USERPWD).
            path = gdal_name(address)
            if path == address or gdal.VSIStatL(path) is None:
                raise
            return fetch(path)

    def read_if_there(self, name: str) -> bytes | None:
        """Read a small file whole; None if it does not exist or is not accessible."""
        if leaves(name):
            raise InputError(f"{name} leaves the product folder")
        try:
            return self.read(name)
        except AbsentError:
            return None

    def gdal_name(self, name: str) -> str | None:
        """Return GDAL's name of a file, or None if there is no such file.

        Raises
        ------
        InputError
            The name leaves the folder, or the server refuses the file.
        """
        if leaves(name):
            raise InputError(f"{name} leaves the product folder")
        path = gdal_name(f"{self.say(name)}{self._query}")
        status = status_of(path)
        if status is not None and not status.IsDirectory():
            if self._is_web and not status.size:
                raise InputError(f"{self.say(name)}: {SIZELESS}; download the product")
            return path
        problem = problem_of(path)
        if problem and not _IS_ABSENT.match(problem):
            raise InputError(f"{self.say(name)}: {problem}")
        return None

    def above(self, inside: re.Pattern[str]) -> Server | None:
        """Return the folder above the part of the address that matches a pattern, or None."""
        match = inside.search(self._top)
        return Server(self._top[: match.start()] + self._query) if match else None
