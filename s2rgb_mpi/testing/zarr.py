"""Zarr stores of version 2 and 3, written by a few lines: groups, arrays, shards, consolidated."""

from __future__ import annotations

import json
import zipfile
from itertools import product as combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Encode = Callable[[NDArray[Any]], bytes]

_EMPTY = 2**64 - 1  # a shard's index has it in place of offset and size of what is left out
_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def blosc() -> Any:
    """Return the codec of ESA's sample service and of the EOPF Explorer."""
    import numcodecs  # noqa: PLC0415  an extra

    return numcodecs.Blosc("zstd", clevel=3, shuffle=numcodecs.Blosc.BITSHUFFLE)


def zstd() -> Any:
    """Return the codec of ESA's converter 3."""
    import numcodecs  # noqa: PLC0415  likewise

    return numcodecs.Zstd(level=0)


def _fields3(codec: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return what version 3 says of a codec."""
    if codec.codec_id == "zstd":
        return {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
    configuration = {
        "typesize": dtype.itemsize,
        "cname": "zstd",
        "clevel": 3,
        "shuffle": "bitshuffle",
        "blocksize": 0,
    }
    return {"name": "blosc", "configuration": configuration}


class ZarrWriter:
    """Writes one store.

    Parameters
    ----------
    top : Path
        Its folder; made here.
    version : int
        2 or 3.
    codec : Codec
        Of numcodecs, for all arrays.
    leaves_out : bool
        Whether chunks without data have no file.
    """

    def __init__(self, top: Path, version: int, codec: Any, *, leaves_out: bool) -> None:
        self._top = top
        self._is_v2 = version == 2  # noqa: PLR2004  the version's number
        self._codec = codec
        self._leaves_out = leaves_out
        self._documents: dict[str, Any] = {}

    def group(self, path: str, attributes: dict[str, Any] | None = None) -> None:
        """Write a group."""
        own = {"zarr_format": 2} if self._is_v2 else {"zarr_format": 3, "node_type": "group"}
        self._node(path, ".zgroup", own, attributes or {})

    def array(
        self,
        path: str,
        values: NDArray[Any],
        dimensions: list[str],
        attributes: dict[str, Any] | None = None,
        *,
        chunk: tuple[int, ...] | None = None,
        sharded: bool = False,
    ) -> None:
        """Write an array; NaN of floats and 0 of integers is what is left out.

        Parameters
        ----------
        path : str
            In the store.
        values : ndarray
            Of any shape.
        dimensions : list of str
            Their names.
        attributes : dict, optional
            The user's.
        chunk : tuple of int, optional
            Elements; by default the array is one chunk.
        sharded : bool
            Whether all chunks lie in one file (version 3).
        """
        chunk = chunk or values.shape
        chunks = list(self._chunks(values, chunk))
        if self._is_v2:
            named = {"_ARRAY_DIMENSIONS": dimensions} | (attributes or {})
            self._node(path, ".zarray", self._fields2(values, chunk), named)
        else:
            fields = self._fields3(values, chunk, dimensions, sharded=sharded)
            self._node(path, "", fields, attributes or {})
        if sharded:
            _write_shard(self._top / path / "c/0/0", [data for _, data in chunks])
            return
        for index, data in chunks:
            if data is not None:
                numbers = list(map(str, index))
                file = ".".join(numbers) if self._is_v2 else "/".join(["c", *numbers])
                (self._top / path / file).parent.mkdir(parents=True, exist_ok=True)
                (self._top / path / file).write_bytes(data)

    def consolidate(self) -> None:
        """Write the metadata of all that is in the store to its root, which is written already."""
        if self._is_v2:
            content = {"zarr_consolidated_format": 1, "metadata": self._documents}
            _write_json(self._top / ".zmetadata", content)
            return
        inner = {path: fields for path, fields in self._documents.items() if path}
        inline = {"kind": "inline", "must_understand": False, "metadata": inner}
        root = self._documents[""] | {"consolidated_metadata": inline}
        _write_json(self._top / "zarr.json", root)

    def _fields2(self, values: NDArray[Any], chunk: tuple[int, ...]) -> dict[str, Any]:
        return {
            "zarr_format": 2,
            "shape": list(values.shape),
            "chunks": list(chunk),
            "dtype": values.dtype.str,
            "compressor": self._codec.get_config(),
            "fill_value": _fill(values),
            "order": "C",
            "filters": None,
        }

    def _fields3(
        self, values: NDArray[Any], chunk: tuple[int, ...], dimensions: list[str], *, sharded: bool
    ) -> dict[str, Any]:
        codecs: list[Any] = [_LITTLE, _fields3(self._codec, values.dtype)]
        file: Sequence[int] = chunk
        if sharded:
            pairs = zip(values.shape, chunk, strict=True)
            file = [-(-size // edge) * edge for size, edge in pairs]
            configuration = {
                "chunk_shape": list(chunk),
                "codecs": codecs,
                "index_codecs": [_LITTLE, {"name": "crc32c"}],
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": configuration}]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(values.shape),
            "data_type": values.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(file)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": _fill(values),
            "codecs": codecs,
            "dimension_names": dimensions,
            "storage_transformers": [],
        }

    def _chunks(
        self, values: NDArray[Any], chunk: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], bytes | None]]:
        """Encode an array chunk by chunk; None for those that are left out."""
        counts = [range(-(-size // edge)) for size, edge in zip(values.shape, chunk, strict=True)]
        is_float = values.dtype.kind == "f"
        for index in combinations(*counts):
            begins = [number * edge for number, edge in zip(index, chunk, strict=True)]
            part = values[tuple(slice(b, b + e) for b, e in zip(begins, chunk, strict=True))]
            if self._leaves_out and (np.isnan(part).all() if is_float else not part.any()):
                yield index, None
                continue
            # At the edges they are as large as elsewhere.
            whole = np.full(chunk, np.nan if is_float else 0, dtype=values.dtype)
            whole[tuple(slice(size) for size in part.shape)] = part
            yield index, bytes(self._codec.encode(whole))

    def _node(
        self, path: str, name: str, fields: dict[str, Any], attributes: dict[str, Any]
    ) -> None:
        """Write what is said of a group or an array, and keep it for the root."""
        folder = self._top / path
        folder.mkdir(parents=True, exist_ok=True)
        if not self._is_v2:
            self._documents[path] = fields | {"attributes": attributes}
            _write_json(folder / "zarr.json", self._documents[path])
            return
        prefix = f"{path}/" if path else ""
        for own, document in ((name, fields), (".zattrs", attributes)):
            self._documents[prefix + own] = document
            _write_json(folder / own, document)


def _fill(values: NDArray[Any]) -> Any:
    """Return the fill value as metadata write it."""
    return "NaN" if values.dtype.kind == "f" else 0


def _write_shard(file: Path, chunks: Sequence[bytes | None]) -> None:
    """Write chunks into one file, with an index behind them."""
    import google_crc32c  # noqa: PLC0415  an extra

    entries, end = [], 0
    for data in chunks:
        entries.append((_EMPTY, _EMPTY) if data is None else (end, len(data)))
        end += len(data or b"")
    index = np.array(entries, dtype="<u8").tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    crc = int(google_crc32c.value(index)).to_bytes(4, "little")
    file.write_bytes(b"".join(filter(None, chunks)) + index + crc)


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def zip_store(store: Path, archive: Path) -> Path:
    """Store a folder in a zip, with the store's files at the top as zarr-python has it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for path in sorted(store.rglob("*")):
            if path.is_file():
                target.write(path, path.relative_to(store))
    return archive
