"""The page: one HTML file with everything in it, no script, and nothing from elsewhere."""

from __future__ import annotations

import base64
import shlex
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.report.summary import summary
from s2rgb_mpi.timing import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s2rgb_mpi.report.run_record import Account


def page(account: Account, quicklook: bytes) -> bytes:
    """Put a run on a page.

    Parameters
    ----------
    account : Account
        Whose tallies have spans.
    quicklook : bytes
        A PNG.

    Returns
    -------
    bytes
        HTML, UTF-8; it forbids the browser to load anything.
    """
    from s2rgb_mpi.report import charts  # noqa: PLC0415  matplotlib is for those who ask for it

    rows = {f"rank {tally.rank} {tally.role}": tally.spans or () for tally in account.tallies}
    text = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return text.substitute(
        title=escape(str(account.inputs[0]["name"])),
        verdict=escape(account.verdict.sentence),
        warnings="\n".join(f'<p class="warning">{escape(each)}</p>' for each in account.warnings),
        quicklook=_data("image/png", quicklook),
        summary="\n".join(f"<li>{escape(line)}</li>" for line in summary(account)[:-1]),
        gantt=_data("image/svg+xml", charts.gantt(rows, wall=account.wall)),
        ranks=_ranks(account),
        histograms=_data("image/svg+xml", charts.histograms(account.bands)),
        bands=_bands(account),
        inputs=_inputs(account),
        versions=_table(("", ""), account.versions.items(), kind="text"),
        command=escape(shlex.join(account.command)),
    ).encode()


def _data(kind: str, content: bytes) -> str:
    """Return a file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "numbers") -> str:
    """Return a table; every cell is escaped here."""
    lines = [f'<table class="{kind}">']
    if any(head):
        lines.append(_row("th", head))
    return "\n".join([*lines, *(_row("td", row) for row in rows), "</table>"])


def _row(cell: str, values: Sequence[Any]) -> str:
    cells = "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"


def _ranks(account: Account) -> str:
    """Return the seconds of every rank and stage; stages without any time are left out."""
    stages = [stage for stage in STAGES if any(t.seconds.get(stage) for t in account.tallies)]
    return _table(
        ("rank", "role", "machine", "windows", *stages, "peak, MB"),
        (
            (
                tally.rank,
                tally.role,
                tally.host,
                tally.windows,
                *(f"{tally.seconds.get(stage, 0.0):.2f}" for stage in stages),
                f"{tally.peak_nbytes / 1e6:.0f}",
            )
            for tally in account.tallies
        ),
    )


def _bands(account: Account) -> str:
    """Return the statistics of every band."""
    names = ("minimum", "maximum", "mean", "stddev", "valid_percent")
    return _table(
        ("band", *(name.replace("_percent", ", %") for name in names)),
        (
            (
                band.name,
                *(f"{band.statistics[n]:.5g}" if n in band.statistics else "–" for n in names),
            )
            for band in account.bands
        ),
    )


def _inputs(account: Account) -> str:
    """Return every band file with the numbers that its digital numbers were read by."""
    return _table(
        ("band", "offset, DN", "quantification, DN", "no data", "file"),
        (
            (
                band["name"],
                band["offset"],
                band["quantification"],
                ", ".join(map(str, (*band["nodata"], *band["masks"]))) or "–",
                band["path"],
            )
            for product in account.inputs
            for band in product["bands"]
        ),
        kind="files",
    )
