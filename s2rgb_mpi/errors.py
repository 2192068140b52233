"""Every way the program can fail, drawn as a tree; each leaf knows its exit code.

::

    S2RGBError
    ├── UsageError      2   the command line asks for something that cannot be
    ├── InputError      2   a product, band file or metadata file is not what it must be
    ├── PlanError       2   the job does not fit: window, tile, memory
    ├── LaunchError     2   the ranks that were started are not the ranks that met
    ├── StrictError     2   what would have been a warning, but for --strict
    ├── OutputError     4   the output cannot be written
    ├── ReadError       5   a window of a band could not be read once the run was under way
    ├── ProtocolError   5   a message between ranks is not what was agreed
    └── RankError       5   another rank failed; carries that rank's own words and exit code
"""


class S2RGBError(Exception):
    """What the user is told in one line; ``str(error)`` is that line."""

    exit_code = 5


class UsageError(S2RGBError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class InputError(S2RGBError):
    """A product, a band file or a metadata file is not what it must be."""

    exit_code = 2


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


class ReadError(S2RGBError):
    """A window of a band could not be read once the run was under way."""


class ProtocolError(S2RGBError):
    """A message between ranks is not what was agreed."""


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
