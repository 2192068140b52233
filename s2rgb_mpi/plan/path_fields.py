"""Fields of frozen dataclasses that take paths as users of Python have them: str or Path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar, cast

from s2rgb_mpi.errors import UsageError

AnyPath: TypeAlias = str | os.PathLike[str]
Inputs: TypeAlias = AnyPath | Iterable[AnyPath]
BandFiles: TypeAlias = Iterable[AnyPath] | Iterable[Iterable[AnyPath]]

BAND_FILES = (3, 4)
"""How many files make a product: red, green and blue, and perhaps the scene classification."""

_Given = TypeVar("_Given")
_Kept = TypeVar("_Kept")


class Converted(Generic[_Given, _Kept]):
    """A field that keeps another type than it is given.

    A descriptor, so that type checkers know both types; dataclasses take its default from it.

    Parameters
    ----------
    read : callable
        From what is given to what is kept; a `TypeError` says what it must be.
    default : optional
        One value that is kept where none is given; without it the field has to be given.
    """

    def __init__(self, read: Callable[[_Given], _Kept], *default: _Kept) -> None:
        self._read = read
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> _Kept:
        if instance is not None:
            return cast("_Kept", vars(instance)[self._name])
        if not self._default:
            raise AttributeError(self._name)
        return self._default[0]

    def __set__(self, instance: object, value: _Given) -> None:
        try:
            vars(instance)[self._name] = self._read(value)
        except TypeError as error:
            raise UsageError(f"{self._name} = {value!r}: {error}") from error


def file(path: AnyPath) -> Path:
    """Read the path of one file."""
    return Path(_text(path))


def optional_file(path: AnyPath | None) -> Path | None:
    """Read the path of a file that need not be."""
    return None if path is None else file(path)


def inputs(paths: Inputs) -> tuple[str, ...]:
    """Read one path or several; URLs are texts, for a Path would spoil them."""
    return tuple(map(_text, [paths] if _is_path(paths) else _items(paths, "a str, a Path")))


def band_files(groups: BandFiles) -> tuple[tuple[str, ...], ...]:
    """Read the paths of three files, or four with the scene classification, or several groups."""
    found = _items(groups, "three of str or Path")
    if found and all(map(_is_path, found)):
        found = [found]
    read = tuple(tuple(map(_text, _items(group, "three of str or Path"))) for group in found)
    if any(len(group) not in BAND_FILES for group in read):
        raise TypeError(
            "must be three files, red, green and blue, or four with the scene classification, or a"
            " list of such groups"
        )
    return read


def followed(path: Path) -> Path:
    """Return the path that is written: the target of a symbolic link, not the link.

    Raises
    ------
    UsageError
        The links form a loop.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise UsageError(f"{path}: a symbolic link that leads in a circle")
    return target


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)


def _text(path: object) -> str:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError("must be a str or a Path")
    return text


def _items(values: object, one: str) -> list[Any]:
    if _is_path(values) or not isinstance(values, Iterable):
        raise TypeError(f"must be {one}, or a list of these")
    return list(values)
