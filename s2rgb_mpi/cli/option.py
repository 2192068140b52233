"""One definition of an option: its name, values and help, and the field that it fills.

The parser, job files, the job and the table of the documentation are made of these definitions.
The default is that of the field.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi import __version__
from s2rgb_mpi.plan.job import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Option:
    """One option of the command line, which is a key of job files too.

    Parameters
    ----------
    name : str
        With its dashes, or without them where the values follow no name, as PRODUCT. Without
        dashes, and with underscores between its words, it is the name of the field.
    fills : type, optional
        The class that has the field and, as its value there, the default. An option whose default
        is False takes no value. Of one that fills nothing `parse` knows the meaning.
    help : str
        What it means, its unit, and its default, for which ``{default}`` may stand.
    read : callable
        From the text of a value to the value; a `ValueError` names `read`.
    metavar : str or tuple of str, optional
        What stands for the value in the help; by default the choices.
    choices : tuple, optional
        The values that there are.
    nargs : int or str, optional
        How many values it takes, as argparse counts them; one by default.
    counts : tuple of int
        How many of them there may be, where `nargs` is "+".
    short : str, optional
        A second name.
    repeated : bool
        Whether it may be given several times, for a tuple of tuples.
    rivals : str, optional
        The name of a set of options of which only one may be given.
    in_file : bool
        Whether a job file may have it.
    action : str, optional
        What argparse does by itself: "help" or "version".
    """

    name: str
    fills: type[Any] | None
    help: str
    read: Callable[[str], Any] = str
    metavar: str | tuple[str, ...] | None = None
    choices: tuple[Any, ...] | None = None
    nargs: int | str | None = None
    counts: tuple[int, ...] = ()
    short: str | None = None
    repeated: bool = False
    rivals: str | None = None
    in_file: bool = True
    action: str | None = None

    @property
    def key(self) -> str:
        """Its name in a job file."""
        return self.name.lstrip("-")

    @property
    def field(self) -> str:
        """The name of what it fills."""
        return self.key.replace("-", "_")

    @property
    def names(self) -> tuple[str, ...]:
        """Its names on the command line, the short one first."""
        return (self.name,) if self.short is None else (self.short, self.name)

    @property
    def is_positional(self) -> bool:
        """Whether its values follow no name."""
        return self.key == self.name

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.action is not None or self.default is False

    @property
    def default(self) -> Any:
        """The value of its field where it is not given; None where there is no such value."""
        return getattr(self.fills, self.field, None)

    @property
    def text(self) -> str:
        """Its help, with its default."""
        default = self.default
        return self.help.format(default=f"{default:g}" if isinstance(default, float) else default)

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add it to a parser of argparse, which leaves out what is not given."""
        settings: dict[str, Any] = {"help": self.text.replace("%", "%%")}
        settings["default"] = argparse.SUPPRESS
        if self.is_flag:
            settings["action"] = self.action or "store_true"
            if self.action == "version":
                settings["version"] = f"s2rgb_mpi {__version__}"
        else:
            settings |= {"type": self.read, "metavar": self.metavar, "choices": self.choices}
            settings |= {"nargs": self.nargs, "action": "append" if self.repeated else "store"}
            if self.counts:
                settings |= {"action": _Counted, "counts": self.counts}
        parser.add_argument(*self.names, **settings)


class _Counted(argparse.Action):
    """Adds groups of values to a list; each group has one of several numbers of them."""

    def __init__(self, *, counts: tuple[int, ...], **settings: Any) -> None:
        super().__init__(**settings)
        self._counts = counts

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  argparse gives it
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Add one group."""
        if len(values) not in self._counts:
            numbers = " or ".join(map(str, self._counts))
            raise argparse.ArgumentError(self, f"expected {numbers} arguments, not {len(values)}")
        groups = getattr(namespace, self.dest, None) or []
        setattr(namespace, self.dest, [*groups, values])


class Group(NamedTuple):
    """Options under a heading of the help."""

    title: str
    options: tuple[Option, ...]
    description: str | None = None

    def add_to(self, parser: argparse._ActionsContainer) -> None:
        """Add its options to a parser or group of argparse."""
        rivals: dict[str, argparse._MutuallyExclusiveGroup] = {}
        for option in self.options:
            if option.rivals is None:
                option.add_to(parser)
            else:
                if option.rivals not in rivals:
                    rivals[option.rivals] = parser.add_mutually_exclusive_group()
                option.add_to(rivals[option.rivals])


def auto(kind: type) -> Callable[[str], float | None]:
    """Return a reader of numbers for an option whose default, `auto`, is None."""

    def read(text: str) -> float | None:
        return None if text == "auto" else kind(text)

    read.__name__ = f"auto or {kind.__name__}"  # what argparse calls a text it cannot read
    return read


def auto_or_metres(text: str) -> int | str:
    """Read metres, or ``auto``."""
    return text if text == AUTO else int(text)


auto_or_metres.__name__ = "auto or int"


def band_file(text: str) -> str:
    """Return the text, unless it is an option: argparse of Python 3.13 takes one as a file."""
    if text.startswith("-"):
        raise argparse.ArgumentTypeError(f"expected 3 or 4 arguments, and {text} is an option")
    return text


def numbers(text: str) -> tuple[int, ...]:
    """Read numbers with commas between them."""
    return tuple(map(int, text.split(",")))


numbers.__name__ = "R,G,B"  # what argparse calls a text it cannot read


def words(text: str) -> tuple[str, ...]:
    """Read words with commas between them."""
    return tuple(text.split(","))


def values(text: str) -> tuple[float, ...]:
    """Read pixel values with commas between them; nan and inf are dropped: never data."""
    found = [int(part) if _WHOLE.fullmatch(part) else float(part) for part in text.split(",")]
    return tuple(number for number in found if math.isfinite(number))


values.__name__ = "VALUE[,VALUE ...]"

_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
"""Whole numbers stay whole: float64 has not all of those of 64 bits."""
