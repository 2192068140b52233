"""All options of the command line, in the groups of the documentation, and their parser."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from s2rgb_mpi.cli import input_options, output_options
from s2rgb_mpi.cli.option import Group, Option
from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = """\
Turn the bands B04, B03, B02 of a Sentinel-2 L2A product into one 8-bit true-colour GeoTIFF.

  mpirun -n 16 s2rgb-mpi PRODUCT -o OUTPUT.tif
  srun         s2rgb-mpi PRODUCT -o OUTPUT.tif     inside a Slurm allocation
  s2rgb-mpi PRODUCT -o OUTPUT.tif                  one process, the same file
"""

EXIT_CODES = """\
exit codes: 0 done; 2 usage or input; 3 done, with windows left empty (listed); 4 the output could
not be written; 5 a rank failed; 75 stopped by a signal, --resume continues
"""

GENERAL = Group(
    "options",
    (
        Option(
            "--help",
            None,
            "show this help message and exit",
            short="-h",
            in_file=False,
            action="help",
        ),
        Option(
            "--version",
            None,
            "show program's version number and exit",
            in_file=False,
            action="version",
        ),
    ),
)

GROUPS = (GENERAL, *input_options.GROUPS, *output_options.GROUPS)
"""Every option, once: the parser, job files, the job and the documentation's table follow."""

OPTIONS = {option.key: option for group in GROUPS for option in group.options}
"""Every option by its name in a job file."""


class _Parser(argparse.ArgumentParser):
    """Raises usage errors in place of printing them: only rank 0 speaks, and only once."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, but let values of --nodata begin with a minus sign."""
        return super().parse_known_args(_joined(sys.argv[1:] if args is None else args), namespace)

    def error(self, message: str) -> NoReturn:
        unknown = message.partition(_UNKNOWN)[2].split()
        meant = dict.fromkeys(closest(word) for word in unknown if word.startswith("--"))
        names = " and ".join(f"--{name}" for name in meant if name)
        raise UsageError(f"{message}{names and f'; did you mean {names}?'} (see --help)")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Shows the values of an option by name, those in brackets as optional."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        if isinstance(action.metavar, tuple):
            return " ".join(action.metavar)
        return super()._format_args(action, default_metavar)


_UNKNOWN = "unrecognized arguments: "
"""What argparse says before options that it does not know, and their values."""


def closest(name: str) -> str:
    """Return the name of the option, as a job file has it, that a mistyped name is most like.

    Parameters
    ----------
    name : str
        With or without its dashes and ``=VALUE``.

    Returns
    -------
    str
        Empty if none is like it.
    """
    key = name.partition("=")[0].lstrip("-").replace("_", "-").lower()
    names = [each.key for each in OPTIONS.values() if not each.is_positional]
    begun = [each for each in names if key and each.startswith(key)]
    alike = difflib.get_close_matches(key, begun, 1, cutoff=0) or difflib.get_close_matches(
        key, names, 1
    )
    return alike[0] if alike else ""


_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
"""How lists of values begin that argparse would take for options; -10000 alone it knows."""


def _joined(args: Sequence[str]) -> list[str]:
    """Join --nodata and a value that begins with a minus sign to one word."""
    words: list[str] = []
    for word in args:
        if words and words[-1] == "--nodata" and _NEGATIVE.match(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; what is not given is not in what it returns."""
    parser = _Parser(
        prog="s2rgb-mpi",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=_Formatter,
        allow_abbrev=False,
        add_help=False,
    )
    for group in GROUPS:
        is_general = group is GENERAL  # for which argparse has a heading of its own
        group.add_to(
            parser if is_general else parser.add_argument_group(group.title, group.description)
        )
    return parser
