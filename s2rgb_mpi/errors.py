"""Every way the program can fail, drawn as a tree; each leaf knows its exit code.

::

    S2RGBError
    ├── UsageError      2   the command line asks for something that cannot be
    ├── InputError      2   a product, band file or metadata file is not what it must be
    │   └── AbsentError 2   there is no such file, or a server does not give it to us
    ├── PlanError       2   the job does not fit: window, tile, memory
    ├── LaunchError     2   the ranks that were started are not the ranks that met
    ├── StrictError     2   what would have been a warning, but for --strict
    ├── OutputError     4   the output cannot be written
    │   └── TakenError  4   another run has taken the output
    ├── ReadError       5   a window of a band could not be read once the run was under way
    ├── ProtocolError   5   a message between ranks is not what was agreed
    ├── SilenceError    5   a rank has said nothing for too long
    ├── LostError       5   another rank has died, and this one cannot do without it
    ├── RankError       5   another rank failed; carries that rank's own words and exit code
    └── StopError      75   a signal asked the run to stop; it can be resumed
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

    The line contains no secrets, even if it was made from a URL with a signature: it goes to the
    terminal, and also into messages between ranks, the partial file and the report.
    """

    exit_code = 5

    def __init__(self, *words: object) -> None:
        super().__init__(*(redact(word) if isinstance(word, str) else word for word in words))


class UsageError(S2RGBError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class InputError(S2RGBError):
    """A product, a band file or a metadata file is not what it must be."""

    exit_code = 2


class AbsentError(InputError):
    """There is no such file, or a server does not give it to us."""


class PlanError(S2RGBError):
    """The job does not fit: window, tile or memory."""

    exit_code = 2


class LaunchError(S2RGBError):
    """The ranks that were started are not the ranks that met."""

    exit_code = 2


class StrictError(S2RGBError):
    """What would have been a warning, but for --strict.

    Exit code 2, like all that is wrong with the input, though it shows only at the end.
    """

    exit_code = 2


class OutputError(S2RGBError):
    """The output cannot be written."""

    exit_code = 4


class TakenError(OutputError):
    """Another run has taken the output: what lies beside it is that run's."""


class ReadError(S2RGBError):
    """A window of a band could not be read once the run was under way."""


class ProtocolError(S2RGBError):
    """A message between ranks is not what was agreed."""


class SilenceError(S2RGBError):
    """A rank has said nothing for too long."""


class StopError(S2RGBError):
    """A signal asked the run to stop; `--resume` continues. EX_TEMPFAIL of sysexits.h."""

    exit_code = 75


class RankError(S2RGBError):
    """Another rank failed.

    Parameters
    ----------
    message : str
        That rank's own words.
    exit_code : int
        The exit code of the failure it met.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Only the words: the exit code is not for reading."""
        return str(self.args[0])


class LostError(S2RGBError):
    """Another rank has died (`--survive`; without it, that is the end of this one too).

    Parameters
    ----------
    rank : int or None
        Which one; None if that is not known.
    ranks : int
        How many there were; the last one is the writer.
    """

    def __init__(self, rank: int | None, ranks: int) -> None:
        name = f"rank {'?' if rank is None else rank}"
        super().__init__(
            f"the writer, {name}, was lost" if rank == ranks - 1 else f"{name} was lost"
        )
        self.rank = rank


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn the system's words on a file of the output into ours, with its path.

    Raises
    ------
    OutputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
