"""Before a run: the plan in words; how many ranks, how much memory, and the lines that start it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.mosaic import Member
    from s2rgb_mpi.inputs.product import Warp
    from s2rgb_mpi.plan.plan import Plan

SHARE_MPX = 8.0
"""The least that a worker should have to do, millions of pixels: several times its start-up."""

EVEN_SHARES = 0.9
"""How much of the workers' time the longest share may leave to them, at the least."""

MEMORY_RESERVE = 1.2
MEMORY_STEP = 50_000_000
"""Memory is asked for with a reserve, in round numbers, bytes: a scheduler ends who exceeds it."""


def describe(plan: Plan, ranks: int) -> str:
    """Say in words what a run with so many ranks would do, and what it would cost."""
    grid, job = plan.grid, plan.job
    workers = max(1, ranks - 2)
    dealt = plan.deal(workers)
    shares = [len(share) for share in dealt]
    lines = {
        "products": "".join(f"\n{_describe_member(member)}" for member in plan.scene.members),
        "grid": f"{grid.width} x {grid.height} pixels of {grid.transform[1]:g} from"
        f" {grid.transform[0]:.10g}, {grid.transform[3]:.10g}",
        "windows": f"{len(plan.windows)} of {plan.edge[0]} x {plan.edge[1]} pixels",
        "shares": f"{workers} workers, {min(shares)} to {max(shares)} windows each",
        "levels": f"{plan.levels} overviews",
        "memory": f"at most {worker_nbytes(plan, dealt) / 1e6:.0f} MB a worker,"
        f" {writer_nbytes(plan, workers) / 1e6:.0f} MB the writer",
        "output": f"{job.output}, {job.profile.layout}, {job.profile.compress},"
        f" at most {plan.output_nbytes / 1e6:.0f} MB, twice that while it is sealed",
    }
    return "\n".join(f"{name:8} {text}" for name, text in lines.items())


def _describe_member(member: Member) -> str:
    """Say in words what a product is and where it lies."""
    product = member.product
    width, height = product.unwarped.block
    place = f"at column {member.col_off}, row {member.row_off}"
    lines = [
        f"  {product.name} {place}, blocks of {width} x {height}",
        f"    offset stated by {product.offset_source}",
    ]
    lines += [
        f"    {band.name} {shown(band.path)}, offset {band.calibration.offset},"
        f" quantification {band.calibration.quantification:g}, no data"
        f" {', '.join(map(str, (*band.stored.nodata, *band.stored.masks))) or 'what is not finite'}"
        for band in product.bands
    ]
    if product.warp is not None:
        lines += _describe_warp(product.warp)
    return "\n".join(lines)


def _describe_warp(warp: Warp) -> list[str]:
    """Return lines that describe how a product is resampled, as options of gdalwarp."""
    x, y = warp.scale
    lines = [f"    resampled: -r {warp.gdal_resampling} -wo XSCALE={x:.17g} -wo YSCALE={y:.17g}"]
    if warp.operation is not None:
        lines += [f"    by {warp.operation}:", f"    -ct '{warp.operation.definition}'"]
    return lines


def workers_for(plan: Plan) -> int:
    """Return how many workers a run is worth: as many as have enough to do, in even shares."""
    pixels = plan.grid.width * plan.grid.height
    most = min(len(plan.windows), max(1, int(pixels / 1e6 / SHARE_MPX)))
    return max(count for count in range(1, most + 1) if _evenness(plan, count) >= EVEN_SHARES)


def _evenness(plan: Plan, workers: int) -> float:
    """Return the mean share of so many workers as a part of the longest, in pixels."""
    shares = [
        sum(plan.windows[number].width * plan.windows[number].height for number in share)
        for share in plan.cut(workers)
    ]
    return sum(shares) / (workers * max(shares))


def rank_nbytes(plan: Plan, workers: int) -> int:
    """Return the memory to ask for, for every rank alike, bytes; it is enough for fewer too.

    How much a worker keeps of a mosaic depends on where its share ends, so doublings are looked at.
    """
    counts = {workers} | {2**power for power in range(workers.bit_length())}
    needs = [worker_nbytes(plan, plan.deal(count)) for count in counts]
    most = max(*needs, writer_nbytes(plan, workers)) * MEMORY_RESERVE
    return -(-int(most) // MEMORY_STEP) * MEMORY_STEP


def advise(plan: Plan, argv: Sequence[str], *, python: str) -> str:
    """Say what to ask a machine or a scheduler for.

    Parameters
    ----------
    plan : Plan
        Of the job.
    argv : sequence of str
        The command line, without the program.
    python : str
        The interpreter to start.

    Returns
    -------
    str
        Lines; those that start the job can be pasted into a shell. Where URLs lose their query
        strings, which may be secrets, a line says so.
    """
    workers = workers_for(plan)
    here = min(workers, os.cpu_count() or 1)
    given = [each for each in argv if each not in ("--dry-run", "--advise")]
    arguments = list(map(shown, given))
    program = shlex.join([python, "-m", "s2rgb_mpi", *arguments])
    memory = rank_nbytes(plan, workers)
    step = f"srun --mpi=pmix {program}"
    longest = max(len(share) for share in plan.cut(workers))
    lines = {
        "ranks": f"{workers + 2}: {workers} workers of at most {longest} windows each,"
        " the coordinator and the writer",
        "memory": f"{memory // 10**6} MB a rank, {memory * (workers + 2) / 1e9:.1f} GB in all",
        "here": f"mpirun -n {here + 2} {program}",
        "Slurm": f"sbatch --ntasks={workers + 2} --mem-per-cpu={memory // 10**6}M"
        f" --wrap {shlex.quote(step)}",
    }
    if arguments != given:
        lines["URLs"] = "without what follows their ?, and passwords: put these back in the lines"
    return "\n".join(f"{name:8} {text}" for name, text in lines.items())
