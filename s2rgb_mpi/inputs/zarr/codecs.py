"""What chunks of Zarr arrays are encoded with, and their decoding (by numcodecs)."""

from __future__ import annotations

import json
import math
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKSUM = "crc32c"
_CHECKSUM_NBYTES = 4

_BLOSC_SIZES = struct.Struct("<4xI4xI")
"""In the header of Blosc: bytes decoded and encoded (c-blosc, README_CHUNK_FORMAT.rst)."""

_BLOSC_HEADER_NBYTES = 16

_BROKEN = (RuntimeError, ValueError, TypeError, OSError, EOFError, MemoryError, zlib.error)
"""What codecs say of bytes that they have not written."""

MISSING = (
    "reading Zarr stores needs numcodecs and google-crc32c: pip install 's2rgb-mpi[zarr]', or both"
    " by these names"
)


class Codec(NamedTuple):
    """One step of encoding."""

    name: str
    """numcodecs' name of it."""
    configuration: str
    """JSON, with the name as ``id``."""


def check(said: str, codecs: tuple[Codec, ...]) -> None:
    """Make sure that codecs are known here.

    Raises
    ------
    InputError
        Names the one that is not, or the library that is missing.
    """
    for codec in codecs:
        try:
            made(codec)
        except ImportError as error:
            raise InputError(f"{said}: {MISSING}") from error
        except Exception as error:
            raise InputError(
                f"{said}: codec {codec.name!r} is not known: {codec.configuration}"
            ) from error


@cache
def made(codec: Codec) -> Any:
    """Return the codec, ready to decode."""
    if codec.name == CHECKSUM:
        import google_crc32c  # noqa: PLC0415  an extra

        return google_crc32c
    import numcodecs  # noqa: PLC0415  likewise

    numcodecs.blosc.use_threads = False  # the ranks are the parallelism
    configuration = json.loads(codec.configuration)
    if codec.name == "blosc" and isinstance(configuration.get("shuffle"), str):
        # Version 3 has words where version 2 has numbers.
        configuration["shuffle"] = ["noshuffle", "shuffle", "bitshuffle"].index(
            configuration["shuffle"]
        )
        configuration.pop("typesize", None)
    if codec.name == "zstd":
        configuration.pop("checksum", None)  # a frame says itself whether it has one
    return numcodecs.get_codec(configuration)


def decode(
    data: bytes | bytearray,
    codecs: tuple[Codec, ...],
    shape: tuple[int, ...],
    dtype: str,
    order: str,
) -> NDArray[Any]:
    """Decode a chunk.

    Parameters
    ----------
    data : bytes
        As it lies in its file.
    codecs : tuple of Codec
        In the order of encoding.
    shape : tuple of int
        Of the chunk.
    dtype : str
        numpy's, with the byte order.
    order : str
        C or F.

    Returns
    -------
    ndarray
        Read-only, of this shape and type.

    Raises
    ------
    RuntimeError
        The bytes are not those of such a chunk.
    """
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    decoded: Any = data
    for codec in reversed(codecs):
        try:
            decoded = _step(codec, decoded)
        except _BROKEN as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise RuntimeError(f"damaged: {codec.name} cannot decode it: {words}") from error
    values = (
        np.frombuffer(decoded, dtype=np.uint8)
        if not isinstance(decoded, np.ndarray)
        else (np.ascontiguousarray(decoded).reshape(-1).view(np.uint8))
    )
    if values.size != expected:
        raise RuntimeError(
            f"damaged: {values.size} bytes, where a chunk of {shape} of {np.dtype(dtype).name} has"
            f" {expected}"
        )
    array = values.view(dtype)
    return array.reshape(shape) if order == "C" else array.reshape(shape[::-1]).T


def _step(codec: Codec, data: Any) -> Any:
    """Undo one step of encoding."""
    own = made(codec)
    if codec.name == CHECKSUM:
        return checked(data)
    if codec.name == "blosc":
        _refuse_cut(data)
    return own.decode(data)


def _refuse_cut(data: Any) -> None:
    """Reject what is not as long as its header says: numcodecs would read beyond its end."""
    if len(data) < _BLOSC_HEADER_NBYTES:
        raise ValueError(f"{len(data)} bytes are no Blosc buffer")
    _, nbytes = _BLOSC_SIZES.unpack_from(data)
    if nbytes != len(data):
        raise ValueError(f"{len(data)} bytes, where its header says {nbytes}")


def checked(data: Any) -> Any:
    """Return what a CRC-32C follows, without it.

    Raises
    ------
    ValueError
        It is another one.
    """
    body, stored = data[:-_CHECKSUM_NBYTES], bytes(data[-_CHECKSUM_NBYTES:])
    crc = made(Codec(CHECKSUM, "{}")).value(bytes(body))
    if crc.to_bytes(_CHECKSUM_NBYTES, "little") != stored:
        raise ValueError("its CRC-32C is another one")
    return body
