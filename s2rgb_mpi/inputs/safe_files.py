"""The files of a product in a folder; `archives` and `server` are other places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.files.remote import LARGEST_SMALL_FILE

if TYPE_CHECKING:
    import re

L2A_METADATA = "mtd_msil2a.xml"
L1C_METADATA = "mtd_msil1c.xml"
"""The product's metadata file in lower case; its letter case differs in existing products."""

OLD_METADATA = {"mtd_safl2a": L2A_METADATA, "mtd_safl1c": L1C_METADATA}
"""Parts of the names of metadata before 2016, such as ``S2A_OPER_MTD_SAFL2A_….xml``."""


class Place(Protocol):
    """A product's files, by names relative to its top folder."""

    name: str
    """The name of the product's top folder."""

    def names(self) -> list[str]:
        """List the files that lie in the top folder."""

    def say(self, name: str) -> str:
        """Return the name of a file for messages; without a name, that of the product."""

    def read(self, name: str) -> bytes:
        """Read a small file whole."""

    def read_if_there(self, name: str) -> bytes | None:
        """Read a small file whole; None if there is no such file in the product."""

    def gdal_name(self, name: str) -> str | None:
        """Return GDAL's name of a file, or None if there is no such file in the product."""

    def above(self, inside: re.Pattern[str]) -> Place | None:
        """Return the place above the part of the folder's path that matches a pattern, or None."""


def metadata_kind(name: str) -> str:
    """Return the kind of metadata of a file name: L2A's, L1C's, or none (empty)."""
    lower = name.lower()
    if lower in {L2A_METADATA, L1C_METADATA}:
        return lower
    # macOS leaves files that begin with ._ in archives and on other systems' disks.
    if not lower.endswith(".xml") or lower.startswith("."):
        return ""
    return next((kind for part, kind in OLD_METADATA.items() if part in lower), "")


class Folder:
    """A product in a folder.

    Parameters
    ----------
    path : str or Path
        The top folder; its name need not end in ``.SAFE``.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = self._path.resolve().name

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
            refuse_large(self.say(name), path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {broken_link(path) or error.strerror}") from error

    def read_if_there(self, name: str) -> bytes | None:
        """Read a small file whole; None if there is no such file."""
        return None if self.gdal_name(name) is None else self.read(name)

    def gdal_name(self, name: str) -> str | None:
        """Return the absolute path of a file, or None if there is none.

        Links are followed wherever they lead: products may be stored as links (git-annex, DVC,
        archives). Only the names in metadata, which are not trusted, must stay in the folder.

        Raises
        ------
        InputError
            The name leaves the folder, or is not valid on a disk.
        """
        if leaves(name):
            raise InputError(f"{name} leaves the product folder")
        path = self._path.absolute() / name
        try:
            if path.is_file():
                return str(path)
            for link in (path, *path.parents[: name.count("/")]):
                why = broken_link(link)
                if why:
                    raise InputError(f"{link}: {why}")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error
        return None

    def above(self, inside: re.Pattern[str]) -> Folder | None:
        """Return the folder above the part of the path that matches a pattern, or None."""
        path = self._path.absolute().as_posix()
        match = inside.search(path)
        return Folder(path[: match.start()] or "/") if match else None


def broken_link(path: Path) -> str:
    """Return the error text for a path that is a broken link; empty for others."""
    try:
        is_broken = path.is_symlink() and not path.exists()
        return f"a link to {path.readlink()}, which is not there" if is_broken else ""
    except (OSError, ValueError):  # a name that is not valid on a disk
        return ""


def leaves(name: str) -> bool:
    """Return whether a name in metadata or in an archive would leave the product's folder."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]


def refuse_large(name: str, size: int) -> None:
    """Reject a file that is too large for metadata, before it fills the memory."""
    if size > LARGEST_SMALL_FILE:
        raise InputError(f"{name}: {size} bytes are too many for metadata")
