"""The command line: argv to a `Job`. No MPI here, so usage is tested in-process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s2rgb_mpi.cli import jobfile
from s2rgb_mpi.cli.options import OPTIONS, make_parser
from s2rgb_mpi.cli.order import Order
from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.image.radiometry import PRESETS, Curve, Stretch
from s2rgb_mpi.plan.job import WEB_TILE, Job
from s2rgb_mpi.report.outputs import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUTS = {"products", "rgb"}
"""What is read: the command line's replaces the job file's as a whole."""


def parse(argv: Sequence[str]) -> Order:
    """Read the command line.

    Parameters
    ----------
    argv : sequence of str
        Without the program's name.

    Returns
    -------
    Order

    Raises
    ------
    UsageError
        The command line is not what `--help` describes.
    SystemExit
        After `--help` or `--version`.
    """
    given = _given(argv)
    tile = WEB_TILE if "web_optimized" in given else Profile.tile
    job = Job(
        **{"products": ()} | _fields(Job, given),
        stretch=_curve(given),
        profile=Profile(**{"tile": tile} | _fields(Profile, given)),
    )
    order = Order(job, wanted=Wanted(**_fields(Wanted, given)), **_fields(Order, given))
    for name in ("advise", "json"):
        if getattr(order, name) and not order.dry_run:
            raise UsageError(f"--{name} goes with --dry-run")
    return order


def _given(argv: Sequence[str]) -> dict[str, Any]:
    """Return the options that are given: those of the job file, and those of the command line."""
    parser = make_parser()
    given = vars(parser.parse_intermixed_args(argv))
    file = given.pop("job", None)
    if file is not None:
        words = jobfile.words(file)
        try:
            in_file = vars(parser.parse_args(words))
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from error
        if INPUTS & given.keys():
            in_file = {name: value for name, value in in_file.items() if name not in INPUTS}
        given = in_file | given
    if "output" not in given:
        names = "-o/--output" if INPUTS & given.keys() else "PRODUCT, -o/--output"
        raise UsageError(f"the following arguments are required: {names} (see --help)")
    return {name: _frozen(value) for name, value in given.items()}


def _frozen(value: Any) -> Any:
    """Return a tuple in place of a list, as frozen values have them."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _fields(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Return those of the given options that fill fields of a class."""
    names = {option.field for option in OPTIONS.values() if option.fills is kind}
    return {name: value for name, value in given.items() if name in names}


def _curve(given: dict[str, Any]) -> Curve:
    """Return the preset, with those of its options that were given."""
    fields = _fields(Stretch, given)
    preset = fields.pop("preset", Stretch.preset)
    if preset == Stretch.preset:
        return Stretch(**fields)
    if fields:
        name = next(option.name for option in OPTIONS.values() if option.field in fields)
        raise UsageError(f"--preset {preset} is fixed: it takes no {name}")
    return PRESETS[preset]()
