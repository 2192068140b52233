"""Every way the program can fail: a tree of exceptions, each with its exit code.

::

    S2RGBError
    ├── UsageError      2   options or arguments are invalid, or contradict each other
    ├── InputError      2   a product, band file or metadata file is invalid or unreadable
    │   └── AbsentError 2   a file does not exist, or a server does not deliver it
    ├── PlanError       2   impossible sizes of image, window or tile
    ├── LaunchError     2   the number of ranks differs from that which the launcher started
    ├── StrictError     2   with --strict: an error that would otherwise be a warning
    ├── OutputError     4   the output cannot be written
    │   └── TakenError  4   another run is writing the output
    ├── ReadError       5   a window of a band cannot be read during the run
    ├── ProtocolError   5   a message between ranks is invalid
    ├── SilenceError    5   a rank has sent no message for too long
    ├── LostError       5   another rank has died, and the run cannot continue without it
    ├── RankError       5   another rank failed: its message and exit code
    └── StopError      75   a signal stopped the run; it can be resumed
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from s2rgb_mpi.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class S2RGBError(Exception):
    """A failure in one line for the user; ``str(error)`` is that line.

    The line contains no secrets, even if it was made from a URL with a signature: it is printed,
    sent between ranks, and written into the partial file and the report.
    """

    exit_code = 5

    def __init__(self, *words: object) -> None:
        super().__init__(*(redact(word) if isinstance(word, str) else word for word in words))


class UsageError(S2RGBError):
    """Options or arguments are invalid, or contradict each other."""

    exit_code = 2


class InputError(S2RGBError):
    """A product, a band file or a metadata file is invalid or unreadable."""

    exit_code = 2


class AbsentError(InputError):
    """A file does not exist, or a server does not deliver it."""


class PlanError(S2RGBError):
    """Impossible sizes of image, window or tile."""

    exit_code = 2


class LaunchError(S2RGBError):
    """The number of ranks differs from that which the launcher started."""

    exit_code = 2


class StrictError(S2RGBError):
    """With --strict: an error that would otherwise be a warning.

    Exit code 2, like other errors of the input, although some are found only at the end of a run.
    """

    exit_code = 2


class OutputError(S2RGBError):
    """The output cannot be written."""

    exit_code = 4


class TakenError(OutputError):
    """Another run is writing the output: the files beside it belong to that run."""


class ReadError(S2RGBError):
    """A window of a band cannot be read during the run."""


class ProtocolError(S2RGBError):
    """A message between ranks is invalid."""


class SilenceError(S2RGBError):
    """A rank has sent no message for too long."""


class StopError(S2RGBError):
    """A signal stopped the run; `--resume` continues it. Exit code EX_TEMPFAIL of sysexits.h."""

    exit_code = 75


class RankError(S2RGBError):
    """Another rank failed.

    Parameters
    ----------
    message : str
        That rank's error message.
    exit_code : int
        The exit code of its failure.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Return the message, without the exit code."""
        return str(self.args[0])


class LostError(S2RGBError):
    """Another rank has died. Only with `--survive`: without it MPI ends all ranks.

    Parameters
    ----------
    rank : int or None
        Its number; None if unknown.
    ranks : int
        Number of ranks of the run; the last one is the writer.
    """

    def __init__(self, rank: int | None, ranks: int) -> None:
        name = f"rank {'?' if rank is None else rank}"
        super().__init__(
            f"the writer, {name}, was lost" if rank == ranks - 1 else f"{name} was lost"
        )
        self.rank = rank


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn the system's error about an output file into one line with its path.

    Raises
    ------
    OutputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
