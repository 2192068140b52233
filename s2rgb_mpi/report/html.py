"""The page: one HTML file with everything in it, no script, and nothing from elsewhere."""

from __future__ import annotations

import base64
import shlex
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.report.facts import facts
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

    names = [str(product["name"]) for product in account.inputs]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    rows = {f"rank {tally.rank} {tally.role}": tally.spans or () for tally in account.tallies}
    text = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return text.substitute(
        title=escape(names[0] + more),
        facts=_table(("", ""), facts(account), kind="text"),
        warnings="\n".join(
            f'<p class="warning"><strong>warning:</strong> {escape(each)}</p>'
            for each in account.warnings
        ),
        verdict=escape(account.verdict.sentence),
        quicklook=_data("image/png", quicklook),
        summary="\n".join(f"<li>{escape(line)}</li>" for line in summary(account)[:-1]),
        gantt=_data("image/svg+xml", charts.gantt(rows, wall=account.wall)),
        ranks=_ranks(account),
        histograms=_data("image/svg+xml", charts.histograms(account.bands)),
        bands=_bands(account),
        products=_products(account),
        files=_files(account),
        versions=_table(("", ""), account.versions.items(), kind="text"),
        command=_command(account),
    ).encode()


def _data(kind: str, content: bytes) -> str:
    """Return a file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], kind: str = "numbers") -> str:
    """Return a table that scrolls where it is too wide; every cell is escaped here."""
    lines = [f'<div class="scroll"><table class="{kind}">']
    if any(head):
        lines.append(_row("th", head))
    return "\n".join([*lines, *(_row("td", row) for row in rows), "</table></div>"])


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
    """Return the statistics of every band, and how many of its pixels were clipped."""
    formats = {"minimum": ".0f", "maximum": ".0f", "mean": ".2f", "stddev": ".2f"}
    return _table(
        ("band", *formats, "darkest, %", "saturated, %", "valid, %"),
        (
            (
                band.name,
                *(
                    f"{band.statistics[name]:{form}}" if name in band.statistics else "–"
                    for name, form in formats.items()
                ),
                *(f"{100 * share:.2f}" for share in (band.darkest_share, band.saturated_share)),
                f"{band.statistics['valid_percent']:.2f}",
            )
            for band in account.bands
        ),
    )


def _products(account: Account) -> str:
    """Return every product with its date, and what its pixels say of its offset."""
    return _table(
        ("product", "sensing time", "baseline", "pixels", "offset from", "offset check"),
        (
            (
                product["name"],
                product["sensing_time"] or "–",
                product["baseline"] or "–",
                f"{product['pixels']:,}",
                product["offset_source"],
                product["offset_check"],
            )
            for product in account.inputs
        ),
        kind="text names",
    )


def _files(account: Account) -> str:
    """Return every band file with the numbers that its digital numbers were read by."""
    return _table(
        ("band", "offset, DN", "quantification, DN", "no data", "file"),
        (
            (
                band["name"],
                f"{band['offset']:.10g}",
                f"{band['quantification']:.10g}",
                ", ".join(map(str, (*band["nodata"], *band["masks"]))) or "–",
                band["path"],
            )
            for product in account.inputs
            for band in product["bands"]
        ),
        kind="files",
    )


def _command(account: Account) -> str:
    """Return the command line with the number of ranks; nothing for a call from Python."""
    if not account.command:
        return ""
    ranks = len(account.tallies)
    launcher = f"mpirun -n {ranks} " if ranks > 1 else ""
    line = f"{launcher}s2rgb-mpi {shlex.join(account.command)}"
    return f"<h2>Command line</h2>\n<p><code>{escape(line)}</code></p>"
