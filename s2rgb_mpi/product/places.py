"""Where a SAFE product's files are: in a folder, or in a zip that is read in place."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath
from typing import Protocol

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.product.remote import LARGEST_SMALL_FILE

L2A_METADATA = "mtd_msil2a.xml"
L1C_METADATA = "mtd_msil1c.xml"
"""The product's metadata file; its letter case differs in the wild."""

OLD_METADATA = {"mtd_safl2a": L2A_METADATA, "mtd_safl1c": L1C_METADATA}
"""What stands in the names of metadata before 2016, such as ``S2A_OPER_MTD_SAFL2A_….xml``."""


class Place(Protocol):
    """A product's files, by names relative to its top folder."""

    name: str
    """Of the product's top folder."""

    def names(self) -> list[str]:
        """List the files that lie in the top folder."""

    def say(self, name: str) -> str:
        """Return what the user calls a file."""

    def read(self, name: str) -> bytes:
        """Read a small file whole."""

    def gdal_name(self, name: str) -> str | None:
        """Return what GDAL opens, or None if there is no such file in the product."""


def metadata_kind(name: str) -> str:
    """Tell which metadata a file name stands for: L2A's, L1C's, or none (empty)."""
    lower = name.lower()
    if lower in {L2A_METADATA, L1C_METADATA}:
        return lower
    if not lower.endswith(".xml"):
        return ""
    return next((kind for part, kind in OLD_METADATA.items() if part in lower), "")


class Folder:
    """A product that lies unpacked.

    Parameters
    ----------
    path : Path
        The top folder; its name need not end in ``.SAFE``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.resolve().name

    def names(self) -> list[str]:
        """List the files that lie in the folder."""
        try:
            return sorted(child.name for child in self._path.iterdir())
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}") from error

    def say(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._path / name)

    def read(self, name: str) -> bytes:
        """Read a small file whole."""
        path = self._path / name
        try:
            _refuse_large(self.say(name), path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error

    def gdal_name(self, name: str) -> str | None:
        """Return the path of a file, links resolved, or None if there is none.

        Raises
        ------
        InputError
            The name, or a link on its way, leaves the folder, or is none that a disk can have.
        """
        top = self._path.resolve()
        try:
            path = (top / name).resolve()
            if not path.is_relative_to(top):
                raise InputError(f"{name} leaves the product folder")
            return str(path) if path.is_file() else None
        except OSError as error:
            raise InputError(f"{top / name}: {error.strerror}") from error


class Archive:
    """A product in a zip: metadata through Python, pixels through GDAL, nothing unpacked.

    Parameters
    ----------
    path : Path
        The zip. Its top folder, if it has one, need not end in ``.SAFE``.

    Raises
    ------
    InputError
        Not a zip, or one with names that would leave the folder it is unpacked into, or with
        none or several products.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._sizes = {info.filename: info.file_size for info in archive.infolist()}
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not a readable zip: {error}") from error
        for member in self._sizes:
            if _leaves(member):
                raise InputError(f"{path}: the name {member!r} in it leaves the archive")
        self._top = self._find_top()
        self.name = self._top.rstrip("/") or path.name.removesuffix(".zip")

    def names(self) -> list[str]:
        """List the files that lie in the top folder."""
        inside = [member.removeprefix(self._top) for member in self._members()]
        return sorted(name for name in inside if "/" not in name)

    def say(self, name: str) -> str:
        """Return archive and member."""
        return f"{self._path}/{self._top}{name}" if name else str(self._path)

    def read(self, name: str) -> bytes:
        """Read a small file whole."""
        _refuse_large(self.say(name), self._sizes[self._top + name])
        try:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(self._top + name)
        # zipfile has words of its own for what it cannot unpack: encrypted, or an unknown method.
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise InputError(f"{self.say(name)}: {error}") from error

    def gdal_name(self, name: str) -> str | None:
        """Return the member's name under ``/vsizip/``, or None if there is none.

        Raises
        ------
        InputError
            The name leaves the archive.
        """
        if _leaves(name):
            raise InputError(f"{name} leaves the product folder")
        member = self._top + str(PurePosixPath(name))
        # In braces, so that GDAL finds the archive whatever its name ends in.
        return f"/vsizip/{{{self._path.resolve()}}}/{member}" if member in self._sizes else None

    def _members(self) -> list[str]:
        """List the files below the top folder."""
        return [
            member
            for member in self._sizes
            if member.startswith(self._top) and not member.endswith("/")
        ]

    def _find_top(self) -> str:
        """Find the folder with the metadata: the archive itself, or one in it; ends in a slash."""
        tops = {
            member.rpartition("/")[0]
            for member in self._sizes
            if metadata_kind(member.rpartition("/")[2]) and member.count("/") <= 1
        }
        if len(tops) > 1:
            listed = ", ".join(sorted(tops))
            raise InputError(f"{self._path}: {len(tops)} products, where one is needed: {listed}")
        if not tops:
            raise InputError(f"{self._path}: no MTD_MSIL2A.xml in this zip")
        top = tops.pop()
        return f"{top}/" if top else ""


def _leaves(name: str) -> bool:
    """Tell whether a name in an archive would leave the folder that it is unpacked into."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]


def _refuse_large(name: str, size: int) -> None:
    """Refuse metadata that are no metadata, before they fill the memory."""
    if size > LARGEST_SMALL_FILE:
        raise InputError(f"{name}: {size} bytes are too many for metadata")
