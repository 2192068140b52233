"""A plan as plain values, and as JSON (--dry-run --json)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.inputs.source_size import title, unit
from s2rgb_mpi.plan.deal import deal
from s2rgb_mpi.plan.describe_product import describe_product, product_text
from s2rgb_mpi.plan.levels import output_nbytes
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.warp.web_tiles import Tiling
    from s2rgb_mpi.plan.advice import Advice
    from s2rgb_mpi.plan.describe_product import ProductDescription
    from s2rgb_mpi.plan.plan import Plan

SCHEMA_VERSION = 1
"""Version of the JSON: raised when a key is removed or changes its meaning, not for new keys."""


@dataclass(frozen=True)
class OutputDescription:
    """The file to be written; `largest_nbytes` bounds its size, bytes."""

    path: str
    layout: str
    compress: str
    largest_nbytes: int


@dataclass(frozen=True)
class Description:
    """The work of a run, and its costs.

    Parameters
    ----------
    inputs : tuple of (ProductDescription, (int, int))
        Products, the one on top first, and the column and row of the grid that each begins at.
    grid : Grid
        Grid of the output.
    windows : int
        Number of windows.
    window : tuple of int
        ``(width, height)`` of an uncut window, pixels.
    levels : int
        Number of overviews.
    tiling : Tiling, optional
        How the image lies on the tiles of web maps.
    ranks, workers : int
        Number of all ranks, and of the workers among them.
    windows_per_worker : tuple of int
        The number of windows of the smallest share and of the largest.
    worker_nbytes, writer_nbytes : int
        The memory that a rank of either role needs at most.
    output : OutputDescription
        The file to be written.
    warnings : tuple of str
        Warnings about the plan.
    advice : Advice, optional
        If requested.
    """

    inputs: tuple[tuple[ProductDescription, tuple[int, int]], ...]
    grid: Grid
    windows: int
    window: tuple[int, int]
    levels: int
    tiling: Tiling | None
    ranks: int
    workers: int
    windows_per_worker: tuple[int, int]
    worker_nbytes: int
    writer_nbytes: int
    output: OutputDescription
    warnings: tuple[str, ...] = ()
    advice: Advice | None = None


def describe(
    plan: Plan, ranks: int, *, warnings: Sequence[str] = (), advice: Advice | None = None
) -> Description:
    """Describe the work of a run, and its costs.

    Parameters
    ----------
    plan : Plan
        The plan of the job.
    ranks : int
        Number of all ranks of the run.
    warnings : sequence of str
        Warnings about the plan.
    advice : Advice, optional
        If requested.
    """
    workers = max(1, ranks - 2)
    dealt = deal(plan, workers)
    shares = [len(share) for share in dealt]
    output, profile = plan.job.output, plan.job.profile
    return Description(
        inputs=tuple(
            (describe_product(member.product), (member.col_off, member.row_off))
            for member in plan.scene.members
        ),
        grid=plan.grid,
        windows=len(plan.windows),
        window=plan.edge,
        levels=plan.levels,
        tiling=plan.tiling,
        ranks=ranks,
        workers=workers,
        windows_per_worker=(min(shares), max(shares)),
        worker_nbytes=worker_nbytes(plan, dealt),
        writer_nbytes=writer_nbytes(plan, workers),
        output=OutputDescription(
            shown(str(output)), profile.layout, profile.compress, output_nbytes(plan)
        ),
        warnings=tuple(warnings),
        advice=advice,
    )


def as_fields(description: Description) -> dict[str, Any]:
    """Return a description as a JSON object; `advice` is in it only if requested."""
    fields = {"schema_version": SCHEMA_VERSION, **asdict(description)}
    fields["inputs"] = [
        {"col_off": col_off, "row_off": row_off, **asdict(product)}
        for product, (col_off, row_off) in description.inputs
    ]
    if description.advice is None:
        del fields["advice"]
    return fields


def as_text(description: Description) -> str:
    """Return a description as text, one subject a line."""
    grid, output = description.grid, description.output
    width, height = description.window
    products = (f"\n{product_text(product, place)}" for product, place in description.inputs)
    lines = {
        "products": f"{len(description.inputs)}{''.join(products)}",
        "grid": f"{grid.width} x {grid.height} pixels of {grid.transform[1]:.10g}"
        f" {unit(grid.crs) or 'units'} from {grid.transform[0]:.10g}, {grid.transform[3]:.10g}",
        "CRS": title(grid.crs),
        "windows": f"{description.windows} of {width} x {height} pixels",
        "shares": _shares(description),
        "levels": f"{description.levels} overview{'' if description.levels == 1 else 's'}",
        "tiles": str(description.tiling or ""),
        "memory": f"at most {description.worker_nbytes / 1e6:.0f} MB a worker,"
        f" {description.writer_nbytes / 1e6:.0f} MB the writer",
        "output": f"{output.path}, {output.layout}, {output.compress},"
        f" at most {output.largest_nbytes / 1e6:.0f} MB, twice that while it is finalised",
    }
    text = "\n".join(f"{name:8} {words}" for name, words in lines.items() if words)
    return text if description.advice is None else f"{text}\n{description.advice}"


def _shares(description: Description) -> str:
    (least, most), workers = description.windows_per_worker, description.workers
    windows = f"{'' if least == most else f'{least} to '}{most} window{'s' if most > 1 else ''}"
    return f"1 worker, {windows}" if workers == 1 else f"{workers} workers, {windows} each"
