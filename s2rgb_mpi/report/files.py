"""How files are written: beside their place, then renamed, so that none is ever half there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from s2rgb_mpi.errors import OutputError, UsageError
from s2rgb_mpi.plan.path_fields import followed


def check(option: str, path: Path) -> None:
    """Reject a path that cannot be written to, before hours of work.

    Parameters
    ----------
    option : str
        What the user gave it to, for the message.
    path : Path
        The file to be.

    Raises
    ------
    UsageError
        The folder is not there or cannot be written to, or the path is something else than a
        file (a rename onto /dev/null would take its place).
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{option} {path}: is not a regular file")
    target = followed(path)
    try:
        handle, proof = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        Path(proof).unlink()
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from error


def write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    OutputError
        It could not be written; what was there before still is.
    """
    target = followed(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(target)
    except OSError as error:
        with suppress(OSError):  # its folder may be removed, or not writable any more
            beside.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}; the image is whole") from error
