"""A job in a file (--job FILE.toml): the options of the command line, under their names."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

PRODUCTS = "products"
"""The name of what has none on the command line: PRODUCT ..."""

NOT_HERE = {"job", "help", "version", "survive"}
"""Options that mean nothing in a file; the last is needed before MPI starts, when none is read."""


def words(path: Path, parser: argparse.ArgumentParser) -> list[str]:
    """Read a job file as the words of a command line.

    Parameters
    ----------
    path : Path
        TOML: a key is the name of an option without its dashes, or ``products``; the value is a
        string, a number, or a list where the option takes several; true where it takes none.
    parser : argparse.ArgumentParser
        Of the command line.

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
    # argparse has no other way to ask for what a parser knows.
    actions = {
        option.removeprefix("--"): action
        for action in parser._actions  # noqa: SLF001
        for option in action.option_strings
        if option.startswith("--")
    }
    found: list[str] = []
    # Products first: argparse takes them in one piece only.
    for key, value in sorted(content.items(), key=lambda item: item[0] != PRODUCTS):
        name = key.replace("_", "-")
        if name in NOT_HERE:
            raise UsageError(f"{path}: {key} has to stand on the command line")
        if name != PRODUCTS and name not in actions:
            raise UsageError(f"{path}: there is no option {key!r}; names are those of --help")
        try:
            found += _words(name, actions.get(name), value)
        except TypeError as error:
            raise UsageError(f"{path}: {key} = {value!r}: {error}") from error
    return found


def _words(name: str, action: argparse.Action | None, value: Any) -> Iterator[str]:
    """Return the words of one option; a `TypeError` names the type that its value should have."""
    values = value if isinstance(value, list) else [value]
    if action is None:
        yield from map(_word, values)
    elif action.nargs == 0:
        if not isinstance(value, bool):
            raise TypeError("must be true or false")
        if value:
            yield f"--{name}"
    elif isinstance(action.nargs, int):
        # One that may be repeated: a list of lists.
        for group in values if values and isinstance(values[0], list) else [values]:
            yield f"--{name}"
            yield from map(_word, group)
    else:
        yield f"--{name}={','.join(map(_word, values))}"


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError("must be a string or a number, or a list of these")
    return str(value)
