"""The end of a run on rank 0: its account, and the files that are made of it."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from osgeo import gdal

from s2rgb_mpi import __version__
from s2rgb_mpi.errors import OutputError
from s2rgb_mpi.image.radiometry import make_lut
from s2rgb_mpi.image.statistics import statistics
from s2rgb_mpi.output.geotiff.quicklook import quicklook
from s2rgb_mpi.plan.describe_product import describe_product
from s2rgb_mpi.plan.identity import digest
from s2rgb_mpi.plan.levels import output_nbytes
from s2rgb_mpi.plan.memory import worker_nbytes, writer_nbytes
from s2rgb_mpi.report.files import write
from s2rgb_mpi.report.html import page
from s2rgb_mpi.report.json_report import record
from s2rgb_mpi.report.run_record import Account, BandAccount
from s2rgb_mpi.report.stac_item import stac_item
from s2rgb_mpi.report.summary import summary
from s2rgb_mpi.report.trace import trace
from s2rgb_mpi.timing import synchronise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.product import Band, Product
    from s2rgb_mpi.output.totals import Written
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.report.console import Report
    from s2rgb_mpi.report.outputs import Wanted
    from s2rgb_mpi.report.run_record import About
    from s2rgb_mpi.timing import Tally


def conclude(
    plan: Plan,
    wanted: Wanted,
    report: Report,
    about: About,
    *,
    shares: Sequence[Sequence[int]],
    tallies: Sequence[Tally],
    written: Written,
) -> None:
    """Print the summary of the run, and write the requested files.

    Parameters
    ----------
    plan : Plan
        What was done.
    wanted : Wanted
        The files to be made.
    report : Report
        The summary is said there.
    about : About
        Of the program.
    shares : sequence of sequence of int
        The windows of every worker, by number.
    tallies : sequence of Tally
        Of all ranks, closed.
    written : Written
        The finished file, as the writer describes it.

    Raises
    ------
    OutputError
        A file, or the log, could not be written: names each. The image and the other files are
        there.
    """
    warnings = [*report.warnings, *written.warnings]
    account = draw_up(
        plan, about, shares=shares, tallies=tallies, written=written, warnings=warnings
    )
    report.done(summary(account))
    for text in written.warnings:  # last of all, where they are seen
        report.warning(text)
    problems = [report.log_error] if report.log_error else []
    for path, content in _files(plan, wanted, account):
        try:
            write(path, content())
        except OutputError as error:
            problems.append(str(error))
    if problems:
        raise OutputError("; ".join(problems))


def _files(
    plan: Plan, wanted: Wanted, account: Account
) -> Iterator[tuple[Path, Callable[[], bytes]]]:
    """Yield the files to be written, and what makes the content of each."""
    picture = cache(partial(quicklook, str(plan.job.output)))
    makers: list[tuple[Path | None, Callable[[], bytes]]] = [
        (wanted.report, lambda: record(account)),
        (wanted.trace, lambda: trace(account)),
        (wanted.quicklook, picture),
        (wanted.html, lambda: page(account, picture())),
    ]
    if wanted.stac is not None:
        makers.append((wanted.stac, partial(stac_item, plan, account, wanted.stac)))
    yield from ((path, maker) for path, maker in makers if path is not None)


def draw_up(
    plan: Plan,
    about: About,
    *,
    shares: Sequence[Sequence[int]],
    tallies: Sequence[Tally],
    written: Written,
    warnings: Sequence[str],
) -> Account:
    """Gather the account of a run that is over; the parameters are those of `conclude`."""
    wall, synchronised = synchronise(tallies)
    job, grid = plan.job, plan.grid
    return Account(
        command=list(about.command),
        job=_asked(job),
        inputs=[
            _input(member.product, verdict, pixels)
            for member, verdict, pixels in zip(
                plan.scene.members, written.verdicts, written.pixels, strict=True
            )
        ],
        grid=asdict(grid),
        plan={
            "digest": digest(plan),
            "edge": plan.edge,
            "levels": plan.levels,
            "tiling": None if plan.tiling is None else asdict(plan.tiling),
            "workers": len(shares),
            "worker_nbytes": worker_nbytes(plan, shares),
            "writer_nbytes": writer_nbytes(plan, len(shares)),
            "output_nbytes": output_nbytes(plan),
        },
        output={
            "path": str(job.output),
            "nbytes": written.nbytes,
            "layout": job.profile.layout,
            "compress": job.profile.compress,
        },
        windows=plan.windows,
        empty=written.empty,
        bands=[
            _band(band, job, counts, pixels=grid.width * grid.height)
            for band, counts in zip(
                # The curve of the product on top: the others' offsets are among the inputs.
                plan.scene.members[0].product.bands,
                written.histogram,
                strict=True,
            )
        ],
        tallies=synchronised,
        wall=wall,
        ended=datetime.now(UTC),
        versions={
            "s2rgb_mpi": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "gdal": gdal.VersionInfo("RELEASE_NAME"),
            "mpi4py": about.mpi4py,
            # Open MPI's continues with its package's builder, MPICH's with its configuration.
            "mpi": about.mpi.splitlines()[0].split(", package")[0].strip("\0 "),
        },
        slurm_job_id=about.slurm_job_id,
        warnings=list(warnings),
        damaged=written.damaged,
        resumed=len(plan.done),
    )


def _asked(job: Job) -> dict[str, Any]:
    """Return every field of a job, as JSON has them."""
    asked: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(job).items()
    }
    asked["stretch"] = {"preset": job.stretch.preset, **asdict(job.stretch)}
    return asked


def _input(product: Product, verdict: str, pixels: int) -> dict[str, Any]:
    """Return what a product says of itself, and what its pixels say of its offset."""
    return {
        **asdict(describe_product(product)),
        "sensing_time": product.sensing_time,
        "baseline": product.baseline,
        "offset_check": verdict,
        "pixels": pixels,
    }


def _band(band: Band, job: Job, counts: NDArray[np.int64], *, pixels: int) -> BandAccount:
    """Return what became of a band."""
    found = statistics(counts, pixels)
    return BandAccount(
        name=band.name,
        histogram=counts.tolist(),
        statistics={"valid_percent": 0.0} if found is None else found._asdict(),
        curve=_curve(band, job),
    )


def _curve(band: Band, job: Job) -> list[tuple[int, float]]:
    """Return the least reflectance that becomes each value, "no data" left out."""
    dn = band.stored.dn_of_codes()
    lut = make_lut(band.calibration, job.stretch, darkest=job.darkest, dn=dn)
    values, first = np.unique(lut[1:], return_index=True)  # code 0 is no data
    reflectance = (dn[1 + first] + band.calibration.offset) / band.calibration.quantification
    return list(zip(values.tolist(), reflectance.tolist(), strict=True))
