"""Several dates of one scene, with clouds that move, and the scene without them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi.testing.safe import write_safe
from s2rgb_mpi.testing.sky import CLOUDS, Cloud, Sky

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_DAY = date(2022, 6, 13)
_REVISIT = timedelta(days=5)  # of the two satellites
_BEFORE_OFFSETS = -2  # years from a date to one whose baseline has no offsets
_BASELINES = (("05.09", -1000), ("02.14", None), ("05.11", -1000), ("04.00", -1000))
_LIGHT = (1.0, 0.9, 1.06, 0.95)

_MOVING = (
    *CLOUDS,
    Cloud(0.36, 0.30, 0.10, level=0.6, contrast=0.8),
    Cloud(0.08, 0.52, 0.07, level=0.8, contrast=0.8),
    Cloud(0.55, 0.12, 0.09, level=0.6, contrast=1.0, density=0.25),  # cirrus
)
_WIND = (0.37, 0.29)  # from date to date, rows and columns; what leaves on one side returns
_FOG = Cloud(0.95, 0.90, 0.015, level=0.5, contrast=0.3)  # lies in the same valley on every date


class Dates(NamedTuple):
    """What `write_dates` has written."""

    products: tuple[Path, ...]
    """One for each date, as numbered in `sky`; in this order they are not in that of their days."""
    truth: Path
    """The first date without clouds, and without an edge of the swath."""


def write_dates(
    folder: str | Path,
    count: int = 3,
    *,
    missed: int = 0,
    nodata_fraction: float = 0.05,
    write: Callable[..., Path] = write_safe,
    **options: Any,
) -> Dates:
    """Write products of one scene on several dates, with their scene classification.

    From date to date clouds move, fog stays, the sun is lower or higher, and the baseline is
    another: every fourth from the second on is of the time before offsets. Every second one has
    half as much outside the swath, as from a neighbouring orbit. Where the scene classification has
    no cloud, shadow or "unclassified", a product has the pixels that it would have without clouds.

    Parameters
    ----------
    folder : path
        Where to put the products; that without clouds gets a folder ``truth`` in it.
    count : int
        Number of dates.
    missed : int
        Width of the rim of clouds and shadows, in pixels of 20 m, that the scene classification
        has as "unclassified"; of clouds that are no wider it sees nothing.
    nodata_fraction : float
        Share of the area of the first date that is outside the swath.
    write : callable
        `write_safe`, or `write_eopf`.
    **options
        Others of its arguments, but not those that differ from date to date: baseline, offset,
        date and sky.

    Returns
    -------
    Dates
        The products, and the one without clouds.

    Raises
    ------
    ValueError
        An argument that no product can have.
    FileExistsError
        A product is there already.
    """
    if count < 1:
        raise ValueError(f"{count} dates are none")
    options = {"scl": (20,)} | options
    products = [
        write(
            folder,
            **day(number),
            sky=sky(number, missed=missed),
            nodata_fraction=nodata_fraction / (1 + number % 2),
            **options,
        )
        for number in range(count)
    ]
    clear = {**options, "sky": Sky(clouds=()), "nodata_fraction": 0.0}
    truth = write(Path(folder) / "truth", **day(0), **clear)
    return Dates(tuple(products), truth)


def sky(number: int, *, missed: int = 0) -> Sky:
    """Return what lies over the land on a date.

    Parameters
    ----------
    number : int
        Of the date, from 0.
    missed : int
        As for `write_dates`.
    """
    down, across = (number * step for step in _WIND)
    moved = (
        cloud._replace(row=(cloud.row + down) % 1, col=(cloud.col + across) % 1)
        for cloud in _MOVING
    )
    return Sky((*moved, _FOG), _LIGHT[number % len(_LIGHT)], number, missed)


def day(number: int) -> dict[str, Any]:
    """Return the day of a date and its baseline, as `write_safe` takes them.

    Parameters
    ----------
    number : int
        Of the date, from 0.

    Returns
    -------
    dict
        ``date``, ``baseline`` and ``offset``.
    """
    baseline, offset = _BASELINES[number % len(_BASELINES)]
    sensed = _FIRST_DAY + number * _REVISIT
    if offset is None:
        sensed = sensed.replace(year=sensed.year + _BEFORE_OFFSETS)
    return {"date": sensed.isoformat(), "baseline": baseline, "offset": offset}
