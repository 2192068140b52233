"""Fields of frozen dataclasses as users of Python fill them: types and choices are checked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from numbers import Integral, Real
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check(value: Any, **choices: Sequence[object]) -> None:
    """Check every field of a dataclass by its annotation; called by its ``__post_init__``.

    A whole number may be a float or one of numpy, a tuple may be a list or an array: the field then
    gets the annotated type.

    Parameters
    ----------
    value : dataclass
        A new instance. Fields with a descriptor, which reads by itself, are left alone.
    **choices : sequence
        By a field's name, the values that there are.

    Raises
    ------
    UsageError
        With the name of the field, its value, and what it must be.
    """
    hints = get_type_hints(type(value))
    for field in fields(value):
        given = getattr(value, field.name)
        if hasattr(vars(type(value)).get(field.name), "__set__"):
            continue
        try:
            read = _read(given, hints[field.name])
        except TypeError:
            raise UsageError(f"{field.name} = {_shown(given)}: must be {field.type}") from None
        among = choices.get(field.name)
        if among is not None and read is not None and read not in among:
            words = ", ".join(map(str, among))
            raise UsageError(f"{field.name} = {_shown(given)}: must be {words}")
        object.__setattr__(value, field.name, read)


def _shown(given: object) -> str:
    """Return a value as one line: objects of other libraries have several."""
    return " ".join(repr(given).split())


def _read(given: Any, kind: Any) -> Any:
    """Return a value as the type that is annotated.

    Raises
    ------
    TypeError
        It is of another type.
    """
    if get_origin(kind) in (Union, UnionType):
        return _first(given, get_args(kind))
    if get_origin(kind) is tuple:
        return _items(given, get_args(kind))
    is_number = isinstance(given, Real) and not isinstance(given, bool)
    if kind is float and is_number:
        # Whole numbers stay whole: float64 has not all of those of 64 bits.
        return int(given) if isinstance(given, Integral) else float(given)
    if kind is int and is_number and given == given // 1:
        return int(given)
    if kind in (int, float) or not isinstance(given, kind):
        raise TypeError
    return given


def _first(given: Any, kinds: Iterable[Any]) -> Any:
    """Return a value as the first of some types that it has."""
    for kind in kinds:
        with suppress(TypeError):
            return _read(given, kind)
    raise TypeError


def _items(given: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the items of a list, tuple or array as the types that a tuple is annotated with."""
    if isinstance(given, str | bytes | dict):
        raise TypeError
    items = list(given)
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(items)
    if len(items) != len(kinds):
        raise TypeError
    return tuple(map(_read, items, kinds))
