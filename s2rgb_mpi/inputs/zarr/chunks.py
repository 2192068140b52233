"""Windows of an array of a Zarr store, read chunk by chunk."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from osgeo import gdal

from s2rgb_mpi.inputs.files.read_ahead import ByteRange
from s2rgb_mpi.inputs.files.remote import forget, is_far, problem_of
from s2rgb_mpi.inputs.files.vsi import VsiFile, status_of
from s2rgb_mpi.inputs.zarr.codecs import checked, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.zarr.arrays import Array

    Index = tuple[int, ...]

_EMPTY = 2**64 - 1
"""What a shard's index has in place of offset and size where a chunk was left out."""

_ENTRY_NBYTES = 16

_GONE = ("HTTP 404", "HTTP 410")
"""What servers say of what is not there."""

_ENCODED_EXTRA_NBYTES = 2**16
"""How much longer than decoded a chunk may be encoded, bytes."""


class LastChunk:
    """The chunk that was decoded last, of all arrays that are read in turn: windows share it."""

    def __init__(self) -> None:
        self.left_out: set[str] = set()
        """Files of chunks that stores have left out."""
        self._key: tuple[str, Index] | None = None
        self._values: NDArray[Any] | None = None

    def get(self, reader: ArrayReader, index: Index) -> NDArray[Any] | None:
        """Return a chunk of an array, decoded now unless it is here; None if it has no data."""
        key = reader.array.folder, index
        if self._key != key:
            self._key = self._values = None  # freed before the next one is decoded
            self._values = reader.chunk(index)
            self._key = key
        return self._values


class ArrayReader:
    """Reads windows of a band's array.

    Parameters
    ----------
    array : Array
        Of two dimensions.
    last : LastChunk
        Shared by all arrays that are read in turn.
    """

    def __init__(self, array: Array, last: LastChunk) -> None:
        self.array = array
        self._last = last
        self._indices: dict[str, NDArray[np.uint64] | None] = {}

    def read(self, window: Window, out: NDArray[Any]) -> None:
        """Read a window.

        Parameters
        ----------
        window : Window
            In pixels of the array, and inside it.
        out : ndarray, shape (height, width)
            Filled with the stored values; NaN or 0 where the store has left chunks out.

        Raises
        ------
        RuntimeError
            A chunk is missing or damaged.
        """
        height, width = self.array.chunk
        for index in self._touched(window):
            top, left = index[0] * height, index[1] * width
            rows = slice(
                max(top, window.row_off), min(top + height, window.row_off + window.height)
            )
            cols = slice(
                max(left, window.col_off), min(left + width, window.col_off + window.width)
            )
            part = out[
                rows.start - window.row_off : rows.stop - window.row_off,
                cols.start - window.col_off : cols.stop - window.col_off,
            ]
            values = self._last.get(self, index)
            if values is None:
                part[...] = np.nan if part.dtype.kind == "f" else 0
                continue
            part[...] = values[
                rows.start - top : rows.stop - top, cols.start - left : cols.stop - left
            ]

    def ranges(self, window: Window) -> Iterator[ByteRange]:
        """List the bytes that a window is decoded from, so that they can be read ahead.

        Files of one chunk are listed as long as they may be: they show it when they are opened.
        """
        for index in self._touched(window):
            path = self.array.file(index)
            if self.array.shard is None:
                yield ByteRange(path, 0, self.array.chunk_nbytes + _ENCODED_EXTRA_NBYTES)
                continue
            with suppress(OSError, RuntimeError):  # whoever reads the window will meet it too
                entry = self._entry(index, path)
                if entry is not None:
                    yield ByteRange(path, entry[0], sum(entry))

    def chunk(self, index: Index) -> NDArray[Any] | None:
        """Decode a chunk; None if the store has left it out, as there is no data.

        Raises
        ------
        RuntimeError
            It is missing or damaged: it names the file, relative to the array's folder.
        """
        array = self.array
        try:
            data = self._bytes(index)
            if data is None:
                return None
            return decode(data, array.codecs, array.chunk, array.dtype, array.order)
        except RuntimeError as error:
            raise RuntimeError(f"{array.key(index)}: {error}") from error

    def nbytes(self, index: Index) -> int:
        """Return the bytes of an encoded chunk; 0 if it is missing, or its shard is damaged."""
        path = self.array.file(index)
        if self.array.shard is None:
            status = gdal.VSIStatL(path)
            return 0 if status is None else int(status.size)
        with suppress(OSError, RuntimeError):
            entry = self._entry(index, path)
            return 0 if entry is None else entry[1]
        return 0

    def _touched(self, window: Window) -> Iterator[Index]:
        """List the chunks that a window touches, row by row."""
        height, width = self.array.chunk
        for row in range(window.row_off // height, -(-(window.row_off + window.height) // height)):
            for col in range(window.col_off // width, -(-(window.col_off + window.width) // width)):
                yield row, col

    def _bytes(self, index: Index) -> Any:
        """Read an encoded chunk; None if it was left out."""
        if self.array.file(index) in self._last.left_out:
            return None
        try:
            return self._stored(index, self.array.file(index))
        except OSError as error:
            if self._is_left_out(index):
                return None
            raise RuntimeError(
                "this chunk is missing, and not in the other bands: the store is damaged or"
                " incomplete"
            ) from error

    def _is_left_out(self, index: Index) -> bool:
        """Return whether the store lacks a chunk because there is no data.

        Writers may leave out chunks that have the fill value alone (zarr-python 3 does). Then all
        bands lack it, as they have no data in the same places; where one has it the others have
        lost theirs.

        Raises
        ------
        RuntimeError
            It is there, and cannot be read.
        """
        array = self.array
        file, *others = (array.file(index, each) for each in (array.folder, *array.siblings))
        problem = _problem(file, array.document)
        if problem:
            raise RuntimeError(problem)
        is_left_out = all(not _problem(other, array.document) for other in others)
        if is_left_out:
            self._last.left_out |= {file, *others}
        return is_left_out

    def _stored(self, index: Index, path: str) -> Any:
        """Read an encoded chunk; None if the index of its shard says that it was left out."""
        most = self.array.chunk_nbytes + _ENCODED_EXTRA_NBYTES
        if self.array.shard is None:
            with VsiFile(path) as file:
                nbytes = file.seek(0, os.SEEK_END)
                if nbytes > most:
                    raise RuntimeError(f"damaged: {nbytes} bytes are too many")
                return _read(file, 0, nbytes)
        entry = self._entry(index, path)
        if entry is None:
            return None
        with VsiFile(path) as file:
            if entry[1] > most or sum(entry) > file.seek(0, os.SEEK_END):
                raise RuntimeError("damaged: the shard's index names bytes beyond its end")
            return _read(file, *entry)

    def _entry(self, index: Index, path: str) -> tuple[int, int] | None:
        """Return where a chunk begins in its shard, and how many bytes it has; None if left out."""
        if path not in self._indices:
            self._indices[path] = self._index(path)
        found = self._indices[path]
        assert found is not None  # noqa: S101  a shard that is missing raises
        counts = self.array.chunks_per_shard
        inside = tuple(number % count for number, count in zip(index, counts, strict=True))
        begin, nbytes = map(int, found[np.ravel_multi_index(inside, counts)])
        return None if begin == nbytes == _EMPTY else (begin, nbytes)

    def _index(self, path: str) -> NDArray[np.uint64]:
        """Read the index of a shard: offset and size of every chunk."""
        shard, count = self.array.shard, int(np.prod(self.array.chunks_per_shard))
        assert shard is not None  # noqa: S101  it is asked for where there are shards
        nbytes = count * _ENTRY_NBYTES + (4 if shard.checked else 0)
        with VsiFile(path) as file:
            end = file.seek(0, os.SEEK_END)
            if end < nbytes:
                raise RuntimeError(f"damaged: {end} bytes are no shard")
            data = _read(file, end - nbytes if shard.at_end else 0, nbytes)
        try:
            body = checked(data) if shard.checked else data
        except ValueError as error:
            raise RuntimeError(f"damaged: the shard's index: {error}") from error
        return np.frombuffer(body, dtype="<u8").reshape(count, 2)


def read_line(array: Array) -> NDArray[Any]:
    """Read an array of one dimension whole, such as the coordinates of columns.

    Raises
    ------
    RuntimeError
        A chunk is missing or damaged.
    """
    reader = ArrayReader(array, LastChunk())
    parts: list[NDArray[Any]] = []
    for number in range(array.chunks[0]):
        part = reader.chunk((number,))
        if part is None:
            raise RuntimeError(f"{array.key((number,))}: this chunk is missing")
        parts.append(part)
    return np.concatenate(parts)[: array.shape[0]]


def _read(file: VsiFile, begin: int, nbytes: int) -> Any:
    """Read bytes at a place in one request."""
    file.seek(begin)
    return file.take(nbytes)


def _problem(path: str, document: str) -> str:
    """Return why a file cannot be read; empty if there is none, for sure."""
    unknown = "cannot be read"
    if not is_far(path):
        return "" if status_of(path) is None and status_of(document) is not None else unknown
    problem = problem_of(path)
    if problem.startswith(_GONE):
        return ""
    if path.startswith("/vsicurl/") and not problem.startswith("HTTP 403"):
        return problem or unknown
    # An object store that must not list says 403 for what is not there, and also once a signature
    # has expired: then the metadata are not for us any more either.
    forget([path, document])
    is_absent = status_of(path) is None and status_of(document) is not None
    return "" if is_absent else problem or unknown


def encoded_nbytes(array: Array) -> list[int] | None:
    """Return the bytes of every encoded chunk, row by row; None if that takes many requests.

    Chunks that are missing have none.
    """
    if is_far(array.folder):
        return None
    rows, cols = array.chunks
    reader = ArrayReader(array, LastChunk())
    return [reader.nbytes((row, col)) for row in range(rows) for col in range(cols)]
