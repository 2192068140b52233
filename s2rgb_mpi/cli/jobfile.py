"""A job in a file (--job FILE.toml): the options of the command line, under their names."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.cli.options import OPTIONS, closest
from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from s2rgb_mpi.cli.option import Option


def words(path: Path) -> list[str]:
    """Read a job file as the words of a command line.

    Parameters
    ----------
    path : Path
        TOML: a key is the name of an option without its dashes, or ``products``; the value is a
        string, a number, or a list where the option takes several; true where it takes none.

    Returns
    -------
    list of str

    Raises
    ------
    UsageError
        The file cannot be read, or has what is no option; names the file.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    positional: list[str] = []
    found: list[str] = []
    for key, value in content.items():
        option = OPTIONS.get(key.replace("_", "-"))
        if option is None:
            meant = closest(key)
            advice = f"did you mean {meant!r}?" if meant else "names are those of --help"
            raise UsageError(f"{path}: there is no option {key!r}; {advice}")
        if not option.in_file:
            raise UsageError(f"{path}: {key} has to stand on the command line")
        try:
            (positional if option.is_positional else found).extend(_words(option, value))
        except TypeError as error:
            raise UsageError(f"{path}: {key} = {value!r}: {error}") from error
    return positional + found  # argparse takes the former in one piece only


def _words(option: Option, value: Any) -> Iterator[str]:
    """Return the words of one option; a `TypeError` names the type that its value should have."""
    values = value if isinstance(value, list) else [value]
    if option.is_positional:
        yield from map(_word, values)
    elif option.is_flag:
        if not isinstance(value, bool):
            raise TypeError("must be true or false")
        if value:
            yield option.name
    elif isinstance(option.nargs, int) or option.repeated:
        # One that may be repeated: a list of lists.
        for group in values if values and isinstance(values[0], list) else [values]:
            yield option.name
            yield from map(_word, group)
    else:
        yield f"{option.name}={','.join(map(_word, values))}"


def _word(value: Any) -> str:
    """Return one value as text; `bool` is no number here."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError("must be a string or a number, or a list of these")
    return str(value)
