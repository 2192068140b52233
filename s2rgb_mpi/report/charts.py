"""The pictures of the page: who did what when, and where the colours lie. By matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from s2rgb_mpi.timing import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s2rgb_mpi.report.run_record import BandAccount
    from s2rgb_mpi.timing import Span

COLOURS = {
    # Okabe and Ito's palette, which colour-blind readers can distinguish, and a tenth colour of
    # Tol's; idle time is pale.
    "open": "#999999",
    "network": "#882255",
    "read": "#0072b2",
    "render": "#009e73",
    "encode": "#e69f00",
    "send-wait": "#cc79a7",
    "receive": "#56b4e9",
    "append": "#d55e00",
    "overviews": "#f0e442",
    "finalise": "#333333",
    "idle": "#eeeeee",
}

BAND_COLOURS = ("#c0392b", "#2e8b57", "#2471a3")
CURVE_COLOUR = "#222222"

MARGINS = (-6, 261)
"""Of a histogram: bars at both ends stand clear of the frame."""

TICKS = (0, 64, 128, 192, 255)

MANY_SPANS = 20_000
"""More than so many bars are drawn as one picture inside the SVG: browsers choke on the rest."""


def gantt(rows: Mapping[str, Sequence[Span]], *, wall: float, kind: str = "svg") -> bytes:
    """Draw what every rank did when.

    Parameters
    ----------
    rows : mapping of str to sequence of Span
        The spans of each rank, by the rank's label, from top to bottom.
    wall : float
        The end of the run, seconds.
    kind : str
        File format, ``svg`` or ``png``.

    Returns
    -------
    bytes
        The file.
    """
    figure = Figure(figsize=(10, 1.1 + 0.34 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    raster = sum(map(len, rows.values())) > MANY_SPANS
    stages = [stage for stage in STAGES if any(_of(stage, spans) for spans in rows.values())]
    for place, spans in enumerate(rows.values()):
        for stage in stages:
            axes.broken_barh(
                _of(stage, spans),
                (place - 0.4, 0.8),
                facecolor=COLOURS[stage],
                edgecolor="white",
                linewidth=0.15,
                rasterized=raster,
            )
    axes.set(xlim=(0, wall), ylim=(len(rows) - 0.5, -0.5), xlabel="seconds since all ranks had met")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    figure.legend(
        handles=[Patch(facecolor=COLOURS[stage], label=stage) for stage in stages],
        loc="outside upper center",
        ncols=len(stages),
        frameon=False,
        fontsize="small",
    )
    return _file(figure, kind)


def _of(stage: str, spans: Sequence[Span]) -> list[tuple[float, float]]:
    """Return begin and length of the spans of one stage."""
    return [(span.begin, span.end - span.begin) for span in spans if span.stage == stage]


def histograms(bands: Sequence[BandAccount], *, kind: str = "svg") -> bytes:
    """Draw the histogram of each band, with the curve of its table over it.

    Parameters
    ----------
    bands : sequence of BandAccount
        From left to right.
    kind : str
        File format, ``svg`` or ``png``.

    Returns
    -------
    bytes
        The file.
    """
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    panels = figure.subplots(1, len(bands))
    for axes, band, colour in zip(panels, bands, BAND_COLOURS, strict=True):
        axes.stairs(
            [count / 1e6 for count in band.histogram],
            [value - 0.5 for value in range(257)],
            fill=True,
            color=colour,
            alpha=0.6,
        )
        _ends(axes, band, colour)
        axes.set(xlim=MARGINS, ylim=(0, None), xticks=TICKS, xlabel="value in the image")
        _curve(axes, band, last=axes is panels[-1])
    panels[0].set_ylabel("pixels, millions")
    return _file(figure, kind)


def _ends(axes: Any, band: BandAccount, colour: str) -> None:
    """Mark the bars of clipped pixels, which are too thin to be seen, and state their shares."""
    ends = (band.darkest, 255)
    heights = [band.histogram[value] / 1e6 for value in ends]
    axes.vlines(ends, 0, heights, color=colour, linewidth=2)
    axes.set_title(band.name, loc="left")
    axes.set_title(
        f"{band.darkest_share:.1%} darkest, {band.saturated_share:.1%} saturated",
        loc="right",
        fontsize="small",
    )


def _curve(axes: Any, band: BandAccount, *, last: bool) -> None:
    """Draw which reflectance becomes which value, on an axis of its own at the right."""
    twin = axes.twinx()
    twin.plot(*zip(*band.curve, strict=True), color=CURVE_COLOUR, linewidth=1)
    twin.set_ylim(bottom=0)
    if last:
        twin.set_ylabel("reflectance (line)")


def _file(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file; the same figure always gives the same bytes."""
    stream = io.BytesIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "s2rgb_mpi", "font.size": 9}
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context(settings):
        figure.savefig(stream, format=kind, metadata=metadata, dpi=100)
    return stream.getvalue()
