"""An array of a Zarr store, as a value: how it is cut into chunks, and what these are encoded with.

https://zarr-specs.readthedocs.io: version 2, version 3, and the codec ``sharding_indexed`` 1.0.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.zarr.codecs import CHECKSUM, Codec, check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s2rgb_mpi.inputs.zarr.store import Node, Store

MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""The errors of reading fields that a document lacks, or has with other types."""

LARGEST_CHUNK_NBYTES = 2**31 - 1
"""What codecs can decode at once, bytes."""


@dataclass(frozen=True)
class Shard:
    """A file that holds several chunks, and an index of them.

    Parameters
    ----------
    shape : tuple of int
        Of the part of the array, elements.
    checked : bool
        Whether a CRC-32C follows the index.
    at_end : bool
        Whether the index is at the end of the file, or else at its beginning.
    """

    shape: tuple[int, ...]
    checked: bool = True
    at_end: bool = True


@dataclass(frozen=True)
class Array:
    """An array of a Zarr store.

    Parameters
    ----------
    folder : str
        Where its files are, under a name that GDAL opens.
    query : str
        What follows the name of every file: a signature.
    document : str
        Where its metadata are, under a name that GDAL opens.
    shape : tuple of int
        Elements; (height, width) of a band.
    chunk : tuple of int
        What is decoded at once, elements. Chunks at the edges are as large.
    dtype : str
        numpy's, with its byte order, such as ``<u2``.
    codecs : tuple of Codec
        In the order of encoding.
    prefix, separator : str
        Of the names of the files: ``c/0/0``, ``0.0``.
    order : str
        C, or F where the first dimension varies fastest within a chunk.
    shard : Shard, optional
        Where a file holds several chunks.
    siblings : tuple of str
        Folders of the arrays of the other bands. A chunk that all of them lack was left out, as
        writers may do where there is nothing; a chunk that one of them lacks has been lost.
    """

    folder: str
    query: str
    document: str
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: str
    codecs: tuple[Codec, ...] = ()
    prefix: str = ""
    separator: str = "."
    order: str = "C"
    shard: Shard | None = None
    siblings: tuple[str, ...] = ()

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of a decoded chunk."""
        return math.prod(self.chunk) * np.dtype(self.dtype).itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """How many chunks there are along each dimension."""
        return tuple(-(-size // edge) for size, edge in zip(self.shape, self.chunk, strict=True))

    @property
    def chunks_per_shard(self) -> tuple[int, ...]:
        """How many chunks a file has along each dimension."""
        if self.shard is None:
            return (1,) * len(self.chunk)
        return tuple(
            whole // edge for whole, edge in zip(self.shard.shape, self.chunk, strict=True)
        )

    def key(self, index: Sequence[int]) -> str:
        """Return the name of the file that holds a chunk, relative to the array's folder."""
        numbers = (
            str(number // count) for number, count in zip(index, self.chunks_per_shard, strict=True)
        )
        return self.separator.join((*([self.prefix] if self.prefix else []), *numbers))

    def file(self, index: Sequence[int], folder: str = "") -> str:
        """Return the name under which GDAL opens the file that holds a chunk."""
        return f"{folder or self.folder}/{self.key(index)}{self.query}"


def read_array(store: Store, node: Node) -> Array:
    """Read what a store says of an array.

    Raises
    ------
    InputError
        It is none, or one that cannot be read here: it names the field.
    """
    said = store.say(node.path)
    try:
        read = _read3 if node.zarr_format == 3 else _read2  # noqa: PLR2004  the version's number
        array = read(store, node)
    except MALFORMED as error:
        raise InputError(f"{said}: no readable metadata of an array: {error!r}") from error
    _refuse_sizes(said, array)
    check(said, array.codecs)
    return array


def _refuse_sizes(said: str, array: Array) -> None:
    """Reject sizes that cannot be."""
    sizes = [array.shape, array.chunk, *([array.shard.shape] if array.shard else [])]
    if len({len(size) for size in sizes}) != 1 or min(min(size, default=0) for size in sizes) < 1:
        raise InputError(f"{said}: chunks of {array.chunk} in an array of {array.shape}")
    if array.shard and any(
        whole % edge for whole, edge in zip(array.shard.shape, array.chunk, strict=True)
    ):
        raise InputError(
            f"{said}: shards of {array.shard.shape} are no whole number of chunks of {array.chunk}"
        )
    if array.chunk_nbytes > LARGEST_CHUNK_NBYTES:
        raise InputError(f"{said}: chunks of {array.chunk} are too large to be decoded at once")


def _read2(store: Store, node: Node) -> Array:
    """Read ``.zarray``."""
    fields = node.fields
    dtype = np.dtype(fields["dtype"])
    encoders = [*(fields.get("filters") or []), *filter(None, [fields.get("compressor")])]
    return Array(
        store.file(node.path).removesuffix(store.query),
        store.query,
        node.document,
        _sizes(fields["shape"]),
        _sizes(fields["chunks"]),
        dtype.str,
        tuple(_codec(str(each["id"]), each) for each in encoders),
        separator=_separator(fields.get("dimension_separator") or "."),
        order=_order(str(fields.get("order") or "C")),
    )


def _read3(store: Store, node: Node) -> Array:
    """Read ``zarr.json``."""
    fields = node.fields
    said = store.say(node.path)
    grid = fields["chunk_grid"]
    if grid["name"] != "regular":
        raise InputError(f"{said}: chunk_grid {grid['name']!r}, where 'regular' is known")
    keys = fields["chunk_key_encoding"]
    name, configuration = keys["name"], keys.get("configuration") or {}
    if name not in {"default", "v2"}:
        raise InputError(f"{said}: chunk_key_encoding {name!r} is not known")
    separator = configuration.get("separator") or {"default": "/", "v2": "."}[name]
    if fields.get("storage_transformers"):
        raise InputError(f"{said}: storage_transformers are not known")
    chunk, shard = _sizes(grid["configuration"]["chunk_shape"]), None
    codecs = fields["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        if len(codecs) > 1:
            raise InputError(f"{said}: codec {codecs[1]['name']!r} after sharding_indexed")
        sharding = codecs[0]["configuration"]
        shard = _shard(said, chunk, sharding)
        chunk, codecs = _sizes(sharding["chunk_shape"]), sharding["codecs"]
    order, codecs = _transposed(said, codecs, len(chunk))
    endian = _endian(said, codecs)
    return Array(
        store.file(node.path).removesuffix(store.query),
        store.query,
        node.document,
        _sizes(fields["shape"]),
        chunk,
        endian + np.dtype(str(fields["data_type"])).str[1:],
        tuple(_codec3(each) for each in codecs if each["name"] != "bytes"),
        prefix="c" if name == "default" else "",
        separator=_separator(separator),
        order=order,
        shard=shard,
    )


def _shard(said: str, shape: tuple[int, ...], sharding: Mapping[str, Any]) -> Shard:
    """Read how a shard's index is stored."""
    names = [codec["name"] for codec in sharding["index_codecs"]]
    if names not in (["bytes"], ["bytes", CHECKSUM]):
        raise InputError(f"{said}: index_codecs {', '.join(names)} are not known")
    if _endian(said, sharding["index_codecs"]) != "<":
        raise InputError(f"{said}: a shard index that is big-endian is not known")
    return Shard(
        shape, checked=CHECKSUM in names, at_end=sharding.get("index_location", "end") == "end"
    )


def _transposed(
    said: str, codecs: Sequence[Mapping[str, Any]], dimensions: int
) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """Return the order within a chunk, and the codecs without the one that changes it."""
    if codecs[0]["name"] != "transpose":
        return "C", codecs
    order = list(codecs[0]["configuration"]["order"])
    natural = list(range(dimensions))
    if order not in (natural, natural[::-1]):
        raise InputError(f"{said}: codec transpose of order {order} is not known")
    return ("C" if order == natural else "F"), codecs[1:]


def _endian(said: str, codecs: Sequence[Mapping[str, Any]]) -> str:
    """Return numpy's sign of the byte order."""
    found = [codec.get("configuration") or {} for codec in codecs if codec["name"] == "bytes"]
    if len(found) != 1:
        raise InputError(f"{said}: {len(found)} codecs 'bytes', where there must be one")
    return {"little": "<", "big": ">"}[found[0].get("endian", "little")]


def _codec(name: str, configuration: Mapping[str, Any]) -> Codec:
    return Codec(name, json.dumps(dict(configuration), sort_keys=True))


def _codec3(fields: Mapping[str, Any]) -> Codec:
    """Return a codec of version 3 under numcodecs' name, with its configuration."""
    name = str(fields["name"]).removeprefix("numcodecs.")
    return _codec(name, {**(fields.get("configuration") or {}), "id": name})


def _order(order: str) -> str:
    if order not in {"C", "F"}:
        raise ValueError(f"order {order!r}")
    return order


def _separator(text: str) -> str:
    if text not in {".", "/"}:
        raise ValueError(f"separator {text!r}")
    return text


def _sizes(values: Sequence[Any]) -> tuple[int, ...]:
    """Read whole numbers."""
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ValueError(f"{values} are no whole numbers")
    return tuple(values)
