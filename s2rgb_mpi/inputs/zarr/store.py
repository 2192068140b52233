"""A Zarr store: its metadata documents, wherever it is; no folder is ever listed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osgeo import gdal

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.files.remote import (
    REFUSED,
    gdal_name,
    is_remote,
    problem_of,
    split_query,
)
from s2rgb_mpi.inputs.files.server import Server
from s2rgb_mpi.inputs.safe_files import Folder
from s2rgb_mpi.redact import file_name, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

V3_DOCUMENT = "zarr.json"
V2_CONSOLIDATED = ".zmetadata"
V2_ATTRIBUTES = ".zattrs"

DOCUMENTS = (V3_DOCUMENT, V2_CONSOLIDATED, ".zgroup")
"""Of these at least one lies at the top of a store."""

MOST_TOPS = 20
"""In so many folders of a zip a store is looked for."""

_EOPF_GROUP = re.compile(r"(.*\.zarr(?:\.zip)?)/(?:measurements|quality|conditions)(?:/.*)?")
_INSIDE = re.compile(r"(.*?\.zarr(?:\.zip)?)/(.+)")
"""The name of something inside a store: the store's, and the path in it."""


@dataclass(frozen=True)
class Node:
    """What the metadata of a store say of a group or an array.

    Parameters
    ----------
    path : str
        Inside the store; empty for its root.
    fields : mapping
        Of ``.zarray``, or of ``zarr.json``; empty for groups of version 2.
    attributes : mapping
        The user's: of ``.zattrs``, or of ``zarr.json``.
    zarr_format : int
        2 or 3.
    document : str
        Where all this was read, under a name that GDAL opens.
    is_array : bool
        Whether it is an array, or else a group.
    """

    path: str
    fields: Mapping[str, Any]
    attributes: Mapping[str, Any]
    zarr_format: int
    document: str
    is_array: bool = False


class Store:
    """A store of Zarr v2 or v3, with consolidated metadata or without.

    Parameters
    ----------
    top : str
        Path, URL or GDAL's name of its top folder. A query string is a signature that holds for
        every file.

    Raises
    ------
    AbsentError
        There is no store.
    InputError
        Its metadata cannot be read.
    """

    def __init__(self, top: str) -> None:
        self._is_remote = is_remote(top)
        address, self.query = split_query(top) if self._is_remote else (top, "")
        self._top = address.rstrip("/")
        if self._is_remote:
            self._place: Server | Folder = Server(top)
        else:
            self._top = str(Path(address).absolute())
            self._place = Folder(address)
        self.said = shown(address.rstrip("/"))
        self.name = re.sub(r"[}/]+$", "", self._top).rpartition("/")[2]
        self._read: dict[str, Any] = {}
        self.consolidated: Mapping[str, Any] | None = None
        self.root = self._root()

    def file(self, name: str) -> str:
        """Return the name under which GDAL opens a file of the store, there or not."""
        return gdal_name(f"{self._top}/{name}{self.query}")

    def say(self, path: str) -> str:
        """Return what the user calls something in the store."""
        return f"{self.said}/{path}" if path else self.said

    def node(self, path: str) -> Node | None:
        """Return what is said of a group or an array; None if it is not in the store."""
        if self.root.zarr_format == 2:  # noqa: PLR2004  the version's number
            return self._node2(path)
        if not path:
            return self.root
        document = f"{path}/{V3_DOCUMENT}"
        if self.consolidated is None:
            fields = self._json(document)
        else:
            document, fields = V3_DOCUMENT, self.consolidated.get(path)
        return None if fields is None else self._node3(path, document, fields)

    def _root(self) -> Node:
        """Read what lies at the top."""
        fields = self._json(V3_DOCUMENT)
        if fields is not None:
            inline = _mapping(fields.get("consolidated_metadata"))
            if inline:
                self.consolidated = _mapping(inline.get("metadata"))
            return self._node3("", V3_DOCUMENT, fields)
        consolidated = self._json(V2_CONSOLIDATED)
        if consolidated is not None:
            self.consolidated = _mapping(consolidated.get("metadata"))
            attributes = _mapping(self.consolidated.get(V2_ATTRIBUTES))
            return Node("", {}, attributes, 2, self.file(V2_CONSOLIDATED))
        if self._json(".zgroup") is None:
            documents = (V3_DOCUMENT, V2_CONSOLIDATED) if self._is_remote else ()
            problems = (problem_of(self.file(document)) for document in documents)
            problem = next((each for each in problems if REFUSED in each), "")
            raise AbsentError(
                f"{self.said}: no Zarr store: neither {V3_DOCUMENT} nor {V2_CONSOLIDATED} nor"
                f" .zgroup in it{f' ({problem})' if problem else ''}"
            )
        attributes = _mapping(self._json(V2_ATTRIBUTES))
        return Node("", {}, attributes, 2, self.file(".zgroup"))

    def _node2(self, path: str) -> Node | None:
        """Return what version 2 says of a group or an array."""
        prefix = f"{path}/" if path else ""
        array, group, attributes = (
            self._document2(f"{prefix}{name}") for name in (".zarray", ".zgroup", V2_ATTRIBUTES)
        )
        if array is None and group is None and not (attributes and path):
            return None if path else self.root
        own = f"{prefix}{'.zgroup' if array is None else '.zarray'}"
        document = own if self.consolidated is None else V2_CONSOLIDATED
        return Node(
            path,
            array or {},
            attributes or {},
            2,
            self.file(document),
            is_array=array is not None,
        )

    def _document2(self, name: str) -> Mapping[str, Any] | None:
        """Return a document of version 2, from the consolidated ones if there are any."""
        if self.consolidated is None:
            return self._json(name)
        found = self.consolidated.get(name)
        return None if found is None else _mapping(found)

    def _node3(self, path: str, document: str, fields: Any) -> Node:
        """Return what a document of version 3 says."""
        fields = _mapping(fields)
        kind = fields.get("node_type")
        if fields.get("zarr_format") != 3 or kind not in ("array", "group"):  # noqa: PLR2004
            raise InputError(
                f"{self.say(document)}: {path or 'the root'} is neither an array nor a group of"
                f" Zarr v3: zarr_format {fields.get('zarr_format')}, node_type {kind}"
            )
        attributes = _mapping(fields.get("attributes"))
        return Node(path, fields, attributes, 3, self.file(document), is_array=kind == "array")

    def _json(self, name: str) -> Mapping[str, Any] | None:
        """Read a metadata document; None if there is none."""
        if name not in self._read:
            text = self._place.read_if_there(name)
            try:
                self._read[name] = None if text is None else json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{self.say(name)}: not JSON: {error}") from error
            if text is not None and not isinstance(self._read[name], dict):
                raise InputError(f"{self.say(name)}: not a JSON object")
        found: Mapping[str, Any] | None = self._read[name]
        return found


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def find_store(name: str) -> Store | None:
    """Open the Zarr store that an input is, by its name, or of folders and zips here by content.

    Parameters
    ----------
    name : str
        Path, URL or GDAL's name of a store's folder, of a zip of it, or of its metadata document.

    Returns
    -------
    Store or None
        None for whatever else.

    Raises
    ------
    InputError
        It is named like a store, and is none; or it is a part of one.
    """
    address, query = split_query(name) if is_remote(name) else (name, "")
    address = address.rstrip("/")
    base = file_name(address)
    if base in {*DOCUMENTS, V2_ATTRIBUTES}:
        address = address.removesuffix(base).rstrip("/") or "."
        base = file_name(address)
    inside = _EOPF_GROUP.fullmatch(address)
    if inside:
        raise InputError(f"{shown(name)}: a part of a Zarr store; give the store, {inside[1]}")
    lower = base.lower()
    if is_remote(name):
        if lower.endswith(".zarr.zip") and not address.startswith("/vsizip/"):
            return _zipped(gdal_name(f"{address}{query}"), shown(name), is_named=True)
        return Store(f"{address}{query}") if lower.endswith(".zarr") else None
    return _here(address, lower)


def _here(name: str, lower: str) -> Store | None:
    """Open a store on disk."""
    path = Path(name)
    try:
        if path.is_dir():
            is_store = lower.endswith(".zarr") or any(
                (path / document).is_file() for document in DOCUMENTS
            )
            return Store(name) if is_store else None
        if lower.endswith(".zip") and path.is_file():
            is_named = lower.endswith(".zarr.zip")
            return _zipped(str(path.absolute()), name, is_named=is_named)
    except (OSError, ValueError):  # no disk can have such a name, or not for us: others say it
        return None
    return None


def _zipped(path: str, said: str, *, is_named: bool) -> Store | None:
    """Open the store in a zip: at its top, or in a folder there."""
    archive = f"/vsizip/{{{path}}}"
    try:
        names = gdal.ReadDir(archive)
    except RuntimeError:
        names = None
    if names is None:
        if is_named:
            raise InputError(f"{said}: no readable zip; download it again")
        return None
    folders = [name.rstrip("/") for name in names if name.rstrip("/") not in {".", ".."}]
    for folder in ("", *folders[:MOST_TOPS]):
        top = f"{archive}/{folder}" if folder else archive
        if any(gdal.VSIStatL(f"{top}/{document}") is not None for document in DOCUMENTS):
            store = Store(top)
            store.said = said
            store.name = folder or file_name(said)
            return store
    if is_named:
        raise AbsentError(f"{said}: no Zarr store at the top of this zip")
    return None


def split_inside(name: str) -> tuple[str, str] | None:
    """Cut the name of an array in a store in two: the store, and the path in it; None if it is not.

    What GDAL's name of a URL begins with is left out.
    """
    name = name.removeprefix("/vsicurl/")
    address, query = split_query(name) if is_remote(name) else (name, "")
    match = _INSIDE.fullmatch(address.rstrip("/"))
    return (match[1] + query, match[2]) if match else None
