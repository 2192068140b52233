"""Finds the SAFE product or the tile of the AWS buckets that a name denotes, if any."""

from __future__ import annotations

import errno
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.files.archives import MOST_LISTED, PACKED, Tar, Zip
from s2rgb_mpi.inputs.files.downloads import TAR, ZIP, identify
from s2rgb_mpi.inputs.files.remote import is_remote, split_query
from s2rgb_mpi.inputs.files.server import Server
from s2rgb_mpi.inputs.safe_files import (
    L1C_METADATA,
    L2A_METADATA,
    Folder,
    broken_link,
    metadata_kind,
)
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2rgb_mpi.inputs.product import Choice
    from s2rgb_mpi.inputs.safe_files import Place

TILE_METADATA = "metadata.xml"
"""The name of the metadata of a tile, and of a product, in the AWS buckets."""

TILE_FILES = frozenset({TILE_METADATA, "tileInfo.json", "productInfo.json"})
"""Files beside the images of a tile in the AWS buckets."""

TILE = re.compile(r"(?:^|/)tiles/\d{1,2}/[C-X]/[A-Z]{2}/\d{4}/\d{1,2}/\d{1,2}/\d+(?=/|$)")
"""A tile's folder in the AWS buckets: UTM zone, latitude band, square, date, number."""

_PRODUCT = re.compile(r".*\.SAFE$|S2[A-Z]_(MSIL|USER_PRD|OPER_PRD)[^.]*$", re.IGNORECASE)
"""The name of a product's folder; ESA's test products have no extension."""

DEEPEST = 2
"""A product may be this many folders below the given one."""

BESIDE = {"manifest.safe", "inspire.xml"}
"""Other files in the top folder of a product that also denote it."""


_WHOLE_ARCHIVE = re.compile(
    r"/vsi(?:zip|tar)/(?:\{([^{}]+)\}/?|([^{}]+\.(?:zip|tar))/?)", re.IGNORECASE
)
"""GDAL's name of an archive itself, not of a file in it."""


class Found(NamedTuple):
    """The place of a product's files, and the name of its metadata file there."""

    place: Place
    metadata: str

    @property
    def is_tile(self) -> bool:
        """Whether it is a tile of the AWS buckets, not a SAFE product."""
        return self.metadata == TILE_METADATA


def locate(name: str, choice: Choice) -> Found | None:
    """Find the product that a name denotes.

    Parameters
    ----------
    name : str
        Path, URL or GDAL's name of a product's folder, of a folder that holds it, of its
        metadata file, or of an archive of it.
    choice : Choice
        Whether it may be Level-1C.

    Returns
    -------
    Found or None
        None for all else, such as a raster.

    Raises
    ------
    InputError
        The file does not exist; or there is no product where one is expected, or several.
    """
    if not name:
        raise InputError("an empty name, where that of a product is needed")
    whole = _WHOLE_ARCHIVE.fullmatch(name)
    if whole:
        try:
            return locate(whole[1] or whole[2], choice)
        except AbsentError:
            return None  # GDAL opens an archive of one raster by such a name
    return _on_server(name, choice) if is_remote(name) else _on_disk(Path(name), choice)


def _on_disk(path: Path, choice: Choice) -> Found | None:
    """Find a product on disk."""
    try:
        path.stat()
    except (OSError, ValueError) as error:  # the latter: a name that is not valid on a disk
        why = broken_link(path) or "no such file or folder"
        if getattr(error, "errno", None) in {errno.EACCES, errno.ENAMETOOLONG}:
            why = getattr(error, "strerror", why)
        raise InputError(f"{path}: {why}") from error
    if path.is_dir():
        return _folder(path, choice)
    if not path.is_file():  # a pipe, from which a reader would wait for ever
        raise InputError(f"{path}: neither a file nor a folder")
    path = _metadata_behind(path)
    if metadata_kind(path.name):
        return _product(str(path), Folder(path.parent), [path.name], choice)
    if path.name.lower() in BESIDE or path.name in TILE_FILES:
        return _folder(path.parent, choice)
    return _archive(str(path), path.suffix.lower(), choice)


def _metadata_behind(path: Path) -> Path:
    """Return the target of a link to a product's metadata, if the product is at the target.

    In a product whose files are all links, metadata and images are in the folder of the links.
    """
    if not path.is_symlink() or (metadata_kind(path.name) and (path.parent / "GRANULE").exists()):
        return path
    target = path.resolve()
    return target if metadata_kind(target.name) else path


def _archive(name: str, suffix: str, choice: Choice) -> Found | None:
    """Find the product in an archive; None if the file is not an archive, by content and name."""
    kind = identify(name)
    place: Place
    if kind == ZIP or suffix == ".zip":
        place = Zip(name)
    elif kind == TAR or suffix == ".tar":
        place = Tar(name)
    elif suffix in {".xml", ".safe"} and not is_remote(name):
        raise InputError(f"{name}: not a SAFE folder and not an MTD_MSIL2A.xml")
    else:
        return None
    return _product(shown(name), place, place.names(), choice)


def _on_server(name: str, choice: Choice) -> Found | None:
    """Find a product at a URL or a GDAL name, by the name: servers do not list folders."""
    address, query = split_query(name)
    base = address.rstrip("/").rpartition("/")[2]
    above = address.rstrip("/").removesuffix(base)
    if metadata_kind(base):
        return _product(shown(name), Server(above + query), [base], choice)
    if base in TILE_FILES:
        return Found(Server(above + query), TILE_METADATA)
    if base.lower() in BESIDE:
        address = above
    tile = TILE.search(address)
    if tile is not None and not address[tile.end() :].strip("/"):
        return Found(Server(address + query), TILE_METADATA)
    if address.endswith("/") or _PRODUCT.match(base):
        return _below(Server(address + query), name, choice)
    return _archive(name, f".{base.lower().rpartition('.')[2]}", choice)


def _below(place: Server, name: str, choice: Choice) -> Found | None:
    """Find the product in a folder on a server."""
    try:
        return _product(shown(name), place, place.names(), choice)
    except AbsentError:
        if place.read_if_there(TILE_METADATA) is not None:
            return Found(place, TILE_METADATA)  # a tile that was copied from the AWS buckets
        # A zip may have been saved under the product's name, as downloads are.
        if split_query(name)[0].endswith("/") or identify(name) != ZIP:
            raise
    return _archive(name, "", choice)


def _folder(path: Path, choice: Choice) -> Found:
    """Find the product in a folder or in one of its subfolders."""
    place = Folder(path)
    names = place.names()
    if is_tile(names):
        return Found(place, TILE_METADATA)
    metadata = [each for each in names if metadata_kind(each)]
    if metadata:
        behind = _metadata_behind(path / metadata[0]).parent
        if behind != path:
            return _folder(behind, choice)
        return _product(str(path), place, names, choice)
    for depth in range(1, DEEPEST + 1):
        # A folder may contain thousands of products: no more are looked for than are listed.
        inside = sorted(islice(_products(path, depth), MOST_LISTED + 1))
        if len(inside) == 1:
            return _folder(inside[0], choice)
        if inside:
            count = len(inside) if len(inside) <= MOST_LISTED else f"more than {MOST_LISTED}"
            listed = ", ".join(str(one.relative_to(path)) for one in inside[:MOST_LISTED])
            raise InputError(
                f"{path}: {count} products in this folder, where one is needed: {listed};"
                " give each by its own name"
            )
    raise InputError(f"{path}: no MTD_MSIL2A.xml in this folder{_hint(path, names)}")


def _hint(path: Path, names: list[str]) -> str:
    """Return a hint for a folder without a product: an archive in it, or a product above it."""
    archives = [name for name in names if name.lower().endswith(PACKED) and (path / name).is_file()]
    if archives:
        return f"; it has {', '.join(archives[:MOST_LISTED])}: give that"
    top, inside, _ = path.absolute().as_posix().partition("/GRANULE")
    return f"; it lies in {top}: give that" if inside else ""


def _products(path: Path, depth: int) -> Iterator[Path]:
    """Yield the subfolders at a depth that are products."""
    for child in path.iterdir():
        try:
            if not child.is_dir():
                continue
            if depth > 1:
                yield from _products(child, depth - 1)
                continue
            names = [each.name for each in child.iterdir()]
            if any(map(metadata_kind, names)) or is_tile(names):
                yield child
        except OSError:  # not permitted
            continue


def is_tile(names: list[str]) -> bool:
    """Return whether a folder with these names is a tile of the AWS buckets."""
    has_images = any(name in {"R10m", "R20m", "R60m", "B04.jp2"} for name in names)
    return has_images and not TILE_FILES.isdisjoint(names)


def _product(said: str, place: Place, names: list[str], choice: Choice) -> Found:
    """Find the metadata of a product among the names in its top folder."""
    kinds = {metadata_kind(name): name for name in names}
    if L2A_METADATA in kinds:
        return Found(place, kinds[L2A_METADATA])
    if L1C_METADATA not in kinds:
        raise AbsentError(f"{said}: no MTD_MSIL2A.xml in this folder")
    refuse_l1c(said, choice)
    return Found(place, kinds[L1C_METADATA])


def refuse_l1c(said: str, choice: Choice) -> None:
    """Reject a top-of-atmosphere product, unless --allow-l1c is given."""
    if not choice.allow_l1c:
        raise InputError(
            f"{said}: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
        )
