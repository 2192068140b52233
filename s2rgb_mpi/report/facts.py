"""The image in a few lines: when it was sensed, where it lies, how it was coloured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s2rgb_mpi.inputs.source_size import title, unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s2rgb_mpi.report.run_record import Account


def facts(account: Account) -> list[tuple[str, str]]:
    """Describe the image.

    Parameters
    ----------
    account : Account
        Of the run.

    Returns
    -------
    list of (str, str)
        A name and its value, in the order in which they are shown.
    """
    grid = account.grid
    dates = sorted({str(each["sensing_time"] or "unknown")[:10] for each in account.inputs})
    # The first words; the numbers stand beside each product.
    checks = dict.fromkeys(str(each["offset_check"]).partition(" (")[0] for each in account.inputs)
    x, y = (abs(grid["transform"][place]) for place in (1, 5))
    edge = f"{x:.10g}" if x == y else f"{x:.10g} x {y:.10g}"
    return [
        ("sensing date", ", ".join(dates)),
        ("CRS", title(grid["crs"])),
        ("pixel size", f"{edge} {unit(grid['crs'])}".strip()),
        ("image size", f"{grid['width']} x {grid['height']} pixels"),
        ("valid pixels", f"{account.valid_percent:.2f} %"),
        ("colour", _colour(account.job["stretch"])),
        ("offset check", ", ".join(checks)),
        ("made", f"{account.ended:%Y-%m-%d %H:%M %Z}"),
    ]


def _colour(stretch: Mapping[str, Any]) -> str:
    """Format a preset and its settings."""
    settings = (f"{name} {value:g}" for name, value in stretch.items() if name != "preset")
    return ", ".join((str(stretch["preset"]), *settings))
