"""Products in a zip or a tar, local or on a server: read in place, nothing is unpacked."""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.files.downloads import TAR, ZIP, first_bytes, unpack
from s2rgb_mpi.inputs.files.remote import gdal_name, is_remote, problem_of
from s2rgb_mpi.inputs.files.vsi import VsiFile
from s2rgb_mpi.inputs.safe_files import leaves, metadata_kind, refuse_large
from s2rgb_mpi.redact import shown

MOST_LISTED = 20
"""The most products or archives in an archive that an error lists."""

PACKED = (".zip", ".tar", ".tar.gz", ".tgz", ".safe")
"""File name extensions of archives; the last is that of zips saved under the product's name."""

_BROKEN = (
    *(OSError, EOFError, ValueError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    RuntimeError,  # zipfile's error for encryption and unknown compression methods
)
"""Errors of reading a damaged archive."""

_BUFFER_NBYTES = 2**16
"""Bytes that are read at once: on a server each read is a request."""

_LONGEST_LINK = 4096  # bytes: no path is longer
_ENCRYPTED = 1  # a bit of the flags of a zip member

_READ_IN_PLACE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, 9}
"""Compression methods that GDAL reads in place; 9 is deflate64, which zipfile cannot read."""


class Archive(ABC):
    """A product in an archive: metadata are read by Python, pixels by GDAL.

    Parameters
    ----------
    name : str
        Path, URL or GDAL's name of the archive, with any extension.

    Raises
    ------
    InputError
        It is not an archive; contains names that would leave the folder it is unpacked into; or
        contains no product, or several.
    """

    kind: str

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = shown(name)
        self._path = gdal_name(name) if is_remote(name) else str(Path(name).absolute())
        self._links: dict[str, str] = {}
        self._is_cut = False
        try:
            with self._open() as file:
                self._sizes = self._list(file)
        except _BROKEN as error:
            raise InputError(f"{self._shown}: {self._complaint(error)}") from error
        for member in (*self._sizes, *self._links):
            if leaves(member):
                raise InputError(f"{self._shown}: the name {member!r} in it leaves the archive")
        self._top = self._find_top()
        own = PurePosixPath(self._shown).name
        self.name = self._top.rstrip("/").rpartition("/")[2] or own.removesuffix(f".{self.kind}")

    def names(self) -> list[str]:
        """List the files that lie in the top folder."""
        inside = [
            member.removeprefix(self._top)
            for member in (*self._sizes, *self._links)
            if member.startswith(self._top) and not member.endswith("/")
        ]
        return sorted(name for name in inside if "/" not in name)

    def say(self, name: str) -> str:
        """Return the names of archive and member."""
        return f"{self._shown}/{self._top}{name}" if name else self._shown

    def read(self, name: str) -> bytes:
        """Read a small file whole."""
        member = self._member(name)
        refuse_large(self.say(name), self._sizes[member])
        try:
            with self._open() as file:
                return self._read(file, member)
        except _BROKEN as error:
            raise InputError(f"{self.say(name)}: {error}") from error

    def read_if_there(self, name: str) -> bytes | None:
        """Read a small file whole; None if there is no such file."""
        return self.read(name) if self._is_there(name) else None

    def gdal_name(self, name: str) -> str | None:
        """Return GDAL's name of a member, or None if there is no such member.

        Raises
        ------
        InputError
            The name leaves the archive; or GDAL cannot read the file in place.
        """
        return self._gdal_name(self._member(name)) if self._is_there(name) else None

    def above(self, inside: re.Pattern[str]) -> None:
        """Return None: files outside the archive do not belong to its product."""
        del inside

    def _member(self, name: str) -> str:
        """Return the name of a file in the archive; links are followed."""
        if leaves(name):
            raise InputError(f"{name} leaves the product folder")
        member = self._top + str(PurePosixPath(name))
        for _ in self._links:  # no chain is longer
            if member not in self._links:
                break
            target = self._links[member]
            member = posixpath.normpath(posixpath.join(posixpath.dirname(member), target))
            if member not in self._sizes and member not in self._links:
                raise InputError(
                    f"{self.say(name)}: a link to {target}, which is not in this {self.kind};"
                    " pack the files that links lead to, not the links"
                )
        return member

    def _is_there(self, name: str) -> bool:
        """Return whether a file is in the archive.

        Raises
        ------
        InputError
            This is unknown: the archive is cut off.
        """
        is_there = self._member(name) in self._sizes
        if self._is_cut and not is_there:
            raise InputError(f"{self._shown}: {self._incomplete()}")
        return is_there

    def _incomplete(self) -> str:
        """Return the error text for an archive that is cut off."""
        return f"incomplete, download it again: this {self.kind} is cut off or damaged"

    def _open(self) -> BinaryIO:
        """Open the archive itself."""
        if is_remote(self._name):
            return cast("BinaryIO", io.BufferedReader(VsiFile(self._path), _BUFFER_NBYTES))
        return Path(self._path).open("rb")

    def _complaint(self, error: Exception) -> str:
        """Return the error text for an archive that cannot be listed, and the remedy."""
        if not isinstance(error, OSError) and self._begins_well(first_bytes(self._name)):
            return self._incomplete()
        # zipfile raises an error of its own in place of one about reading.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError) or not is_remote(self._name):
            return f"not a readable {self.kind}: {getattr(error, 'strerror', None) or error}"
        away = f"cannot be read there ({cause}); download it, and give the copy"
        return problem_of(self._name) or away

    def _find_top(self) -> str:
        """Find the folder with the metadata, at any depth; it ends in a slash, or is empty."""
        tops = sorted(
            {
                member.rpartition("/")[0]
                for member in (*self._sizes, *self._links)
                if metadata_kind(member.rpartition("/")[2])
            }
        )
        if not tops:
            raise AbsentError(f"{self._shown}: {self._no_product()}")
        if len(tops) > 1:
            raise InputError(
                f"{self._shown}: {len(tops)} products, where one is needed:"
                f" {', '.join(tops[:MOST_LISTED])}; {unpack(self._name, self.kind)}"
            )
        return f"{tops[0]}/" if tops[0] else ""

    def _no_product(self) -> str:
        """Return the error text for an archive without a product, and the remedy."""
        if self._is_cut:
            return self._incomplete()
        packed = [member for member in self._sizes if member.lower().endswith(PACKED)]
        if not packed:
            return f"no MTD_MSIL2A.xml in this {self.kind}"
        listed = ", ".join(packed[:MOST_LISTED])
        return f"a {self.kind} of archives: {listed}; {unpack(self._name, self.kind)}"

    @abstractmethod
    def _begins_well(self, head: bytes) -> bool:
        """Return whether the first bytes are those of such an archive."""

    @abstractmethod
    def _list(self, file: BinaryIO) -> dict[str, int]:
        """List the members and their sizes, bytes; folders may end in a slash.

        Adds links to `_links`, and sets `_is_cut` if the end of the archive was not found.
        """

    @abstractmethod
    def _read(self, file: BinaryIO, member: str) -> bytes:
        """Read a member."""

    @abstractmethod
    def _gdal_name(self, member: str) -> str:
        """Return GDAL's name of a member."""


class Zip(Archive):
    """A product in a zip."""

    kind = ZIP

    def _begins_well(self, head: bytes) -> bool:
        return head.startswith(b"PK")

    def _list(self, file: BinaryIO) -> dict[str, int]:
        self._infos: dict[str, zipfile.ZipInfo] = {}
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                # Some programs for Windows write backslashes; GDAL reads them as slashes too.
                name = _plain(info.filename.replace("\\", "/"))
                if stat.S_ISLNK(info.external_attr >> 16):
                    with archive.open(info) as link:
                        target = link.read(_LONGEST_LINK)
                    self._links[name] = target.decode("utf-8", "replace")
                else:
                    self._infos[name] = info
        return {name: info.file_size for name, info in self._infos.items()}

    def _read(self, file: BinaryIO, member: str) -> bytes:
        with zipfile.ZipFile(file) as archive:
            return archive.read(self._infos[member])

    def _gdal_name(self, member: str) -> str:
        info = self._infos[member]
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _READ_IN_PLACE:
            how = "encrypted" if info.flag_bits & _ENCRYPTED else "not packed by DEFLATE"
            raise InputError(
                f"{self._shown}/{member}: {how}, so it cannot be read in place;"
                f" {unpack(self._name, self.kind)}"
            )
        # In braces, so that GDAL finds the archive whatever its name ends in.
        return f"/vsizip/{{{self._path}}}/{member}"


class Tar(Archive):
    """A product in an uncompressed tar, which contains its members unchanged."""

    kind = TAR

    def _begins_well(self, head: bytes) -> bool:
        return b"ustar" in head

    def _list(self, file: BinaryIO) -> dict[str, int]:
        self._offsets: dict[str, int] = {}
        sizes = {}
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                name = _plain(info.name)
                if info.isreg() and not info.issparse():
                    self._offsets[name], sizes[name] = info.offset_data, info.size
                elif info.issym():
                    self._links[name] = info.linkname
                elif info.islnk() and (other := _plain(info.linkname)) in sizes:
                    self._offsets[name], sizes[name] = self._offsets[other], sizes[other]
            # tarfile accepts an archive that ends between two members as complete.
            file.seek(archive.offset)
            self._is_cut = file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE)
        return sizes

    def _read(self, file: BinaryIO, member: str) -> bytes:
        file.seek(self._offsets[member])
        return file.read(self._sizes[member])

    def _gdal_name(self, member: str) -> str:
        # /vsitar/ does not support long names of POSIX (pax): it cuts them off after 100 letters.
        return f"/vsisubfile/{self._offsets[member]}_{self._sizes[member]},{self._path}"


def _plain(name: str) -> str:
    """Return a member's name in the form of the metadata: ``./a//b`` is ``a/b``."""
    return re.sub(r"^(\./+)+|(?<=/)(\./+)+|(?<=/)/+", "", name)
