"""Rank 0, the coordinator: finds the product, makes the plan, hears what the others say."""

from __future__ import annotations

import os
import pickle
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2rgb_mpi import signals
from s2rgb_mpi.errors import (
    LaunchError,
    LostError,
    ProtocolError,
    RankError,
    StrictError,
    UsageError,
)
from s2rgb_mpi.geotiff import check_codec
from s2rgb_mpi.memory import resident_nbytes
from s2rgb_mpi.plan import make_plan
from s2rgb_mpi.product import Choice, impossible, open_bands, open_products
from s2rgb_mpi.protocol import Tag
from s2rgb_mpi.report import followed
from s2rgb_mpi.scene import lay_out, warp_out
from s2rgb_mpi.waiting import until
from s2rgb_mpi.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s2rgb_mpi.job import Job
    from s2rgb_mpi.lock import Lock
    from s2rgb_mpi.news import Written
    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.product import Product
    from s2rgb_mpi.report import Report, Tally
    from s2rgb_mpi.scene import Scene
    from s2rgb_mpi.survival import Survivors

_LAUNCHERS = (
    # How many ranks the launcher started, and which of them this is; the innermost first.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("SLURM_NTASKS", "SLURM_PROCID"),
)

_SPECIAL_STEPS = 0xFFFFFFF0
"""Slurm numbers the batch script and the interactive shell from here on: no parallel steps."""


def check_launch(size: int, environ: Mapping[str, str]) -> None:
    """Refuse to run alone where the launcher started several.

    With an MPI library that does not know the launcher every process becomes "rank 0 of 1",
    and all of them would write the same file (open-mpi/ompi#13523).

    Parameters
    ----------
    size : int
        Of the communicator.
    environ : mapping
        The process's environment.

    Raises
    ------
    LaunchError
        Without words on all but one of the processes, so that it is said once.
    """
    if size > 1:
        return
    in_step = int(environ.get("SLURM_STEP_ID", _SPECIAL_STEPS)) < _SPECIAL_STEPS
    known = [names for names in _LAUNCHERS if names[0] in environ]
    known = [names for names in known if in_step or not names[0].startswith("SLURM")]
    count, speaks = 1, environ.get("PMIX_RANK") == "1"
    if known:
        count, speaks = int(environ[known[0][0]]), environ.get(known[0][1], "0") == "0"
    elif int(environ.get("PMIX_RANK", "0")) > 0:
        count = int(environ["PMIX_RANK"]) + 1
    if count > 1:
        raise LaunchError(
            f"the launcher started {count} processes or more, but each of them is alone: it and"
            " the MPI library of mpi4py do not know each other; use that library's own mpirun,"
            " or under Slurm srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
            if speaks
            else ""
        )


def prepare(job: Job) -> Plan:
    """Look at the product and the output, and make the plan; no pixel is read.

    Raises
    ------
    S2RGBError
        Whatever can be known before the start.
    """
    libraries_nbytes = resident_nbytes()  # before anything else is in it
    check_codec(job.profile)
    job = replace(job, output=followed(job.output))
    _check_output(job)
    plan = replace(make_plan(job, _scene(job)), libraries_nbytes=libraries_nbytes)
    problems = plan.problems
    if job.strict and problems:
        raise StrictError(f"{'; '.join(problems)} (--strict)")
    return plan


def _scene(job: Job) -> Scene:
    """Lay the products out on their own grid, or on another one if that was asked for."""
    products = _open(job)
    _keep_inputs(job, products)
    # Of all products, whichever of them --bounds will show: each may have values of its own.
    warnings = impossible(products, job.nodata)
    products = [replace(each, warnings=(*each.warnings, *warnings)) for each in products]
    if job.crs is None and job.resolution is None:
        return lay_out(products, job.bounds, job.bounds_crs)
    return warp_out(
        products,
        crs=job.crs,
        resolution=job.resolution,
        resampling=job.resampling or "nearest",
        bounds=job.bounds,
        bounds_crs=job.bounds_crs,
        step=job.window,
    )


def _keep_inputs(job: Job, products: Sequence[Product]) -> None:
    """Refuse to replace a file that is read, or the archive that it lies in."""
    bands = (band.path for product in products for band in product.bands)
    for name in dict.fromkeys((*job.products, *bands)):
        with suppress(OSError):  # most names of GDAL's own are no files
            if Path(name).samefile(job.output):
                raise UsageError(f"{job.output}: is a file of the input; name another output")


def _check_output(job: Job) -> None:
    """Refuse an output that cannot be made, before hours of work."""
    folder = job.output.parent
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder to write into")
    if job.output.is_dir():
        raise UsageError(f"{job.output}: is a folder, not a file")
    if job.output.exists() and not job.output.is_file():
        # It would be replaced by a file: a device that others use, or one end of a pipe.
        raise UsageError(f"{job.output}: is not a regular file; name a file for the image")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: this folder cannot be written to")
    if job.output.exists() and not job.overwrite and not job.resume:
        raise UsageError(f"{job.output}: exists already; --overwrite replaces it")


def warnings(plan: Plan) -> list[str]:
    """List what the user should look at before the start."""
    folder = plan.job.output.parent
    free = shutil.disk_usage(folder).free
    if free >= plan.output_nbytes:
        return list(plan.warnings)
    short = (
        f"{folder}: {free / 1e6:.0f} MB are free, the image may need up to"
        f" {plan.output_nbytes / 1e6:.0f} MB; a run that finds the disk full can go on (--resume)"
    )
    return [*plan.warnings, short]


def _open(job: Job) -> list[Product]:
    """Read what the inputs say of themselves; the user's word on their values comes first."""
    choice = Choice(
        resolution=job.source_resolution,
        bidx=job.bidx,
        allow_l1c=job.allow_l1c,
        offset=job.offset,
        quantification=job.quantification,
        nodata=job.nodata,
        granule=job.granule,
    )
    if job.rgb:
        return [open_bands(paths, choice) for paths in job.rgb]
    return [product for name in job.products for product in open_products(name, choice)]


class Coordinator:
    """Hears every other rank: news for the progress, a tally at the end, or a failure.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    report : Report
        What is heard is told there.
    plan : Plan
        The same on every rank.
    shares : sequence of sequence of int
        The windows of every rank.
    lock : Lock
        Kept fresh meanwhile.
    survivors : Survivors, optional
        Who goes on with what a lost worker leaves undone; without, nobody is ever lost.
    """

    def __init__(
        self,
        comm: Any,
        report: Report,
        plan: Plan,
        shares: Sequence[Sequence[int]],
        lock: Lock,
        *,
        survivors: Survivors | None = None,
    ) -> None:
        self._comm = comm
        self._report = report
        self._lock = lock
        self._survivors = survivors
        self._watch = Watch(plan, shares, survive=survivors is not None)
        self._lines = {rank: self._listen(rank) for rank in range(1, comm.size)}
        self._arriving: dict[int, tuple[Any, bytearray]] = {}
        self._stops: list[Any] = []
        self._stopping = False
        self.tallies: list[Tally] = []
        self._written: Written | None = None

    def run(self) -> Written | None:
        """Listen until every other rank is done; return what the writer tells of the file.

        Returns
        -------
        Written or None
            None if the run was stopped before the file was whole.
        """
        until(lambda: not self._lines and not self._arriving, attend=self.attend)
        for stop in self._stops:
            with suppress(LostError):
                until(stop.Test)
        if self._written is None and not signals.finishing():
            raise ProtocolError("the writer told nothing of the file")
        return self._written

    def attend(self) -> None:
        """Hear what has come, without waiting.

        Raises
        ------
        RankError
            Another rank failed.
        SilenceError
            Another rank has said nothing for too long.
        """
        self._lock.refresh()
        for rank in [*self._lines, *self._arriving]:
            try:
                self._attend_to(rank)
            except LostError:
                self._lose(rank)
        if signals.finishing() and not self._stopping:
            self._stopping = True
            for rank in range(1, self._comm.size):
                with suppress(LostError):
                    stop = self._comm.isend((Tag.STOP,), dest=rank, tag=Tag.STOP)
                    self._stops.append(stop)
        if self._survivors is not None and self._watch.is_over:
            self._survivors.release()
        self._watch.look()

    def _attend_to(self, rank: int) -> None:
        """Hear what a rank has said, if it has."""
        if rank in self._arriving:
            request, buffer = self._arriving[rank]
            if request.Test():
                del self._arriving[rank]
                self._hear(buffer)
            return
        here, message = self._lines[rank].test()
        if not here:
            return
        del self._lines[rank]
        tag, *words = message
        if tag == Tag.FAILED:
            raise RankError(*words)
        if tag == Tag.DONE:
            self._watch.done(rank)
            buffer = bytearray(words[0])
            arrival = self._comm.Irecv(buffer, source=rank, tag=Tag.TALLY)
            self._arriving[rank] = arrival, buffer
            return
        if tag == Tag.STOP:
            signals.finish()
        elif tag == Tag.BEAT:
            self._watch.heard(rank, [])
        else:
            self._report.advance(*words)
            self._watch.heard(rank, [window for window, _ in words[-1]])
        self._lines[rank] = self._listen(rank)

    def _lose(self, rank: int) -> None:
        """Go on without a worker.

        Raises
        ------
        LostError
            It is the writer.
        RankError
            No other worker is left.
        """
        self._lines.pop(rank, None)
        self._arriving.pop(rank, None)
        lost = LostError(rank, self._comm.size)
        if self._survivors is None or rank == self._comm.size - 1:
            raise lost
        left = self._watch.lost(rank)
        shares = self._survivors.lose(rank, left)
        for worker, share in shares.items():
            self._watch.dealt(worker, share)
            self._report.dealt(worker, share)
        words = f"{lost}; windows that it left undone: {len(left)}"
        if shares:
            words += f", dealt to rank {', '.join(map(str, shares))}"
        self._report.warning(words)

    def _hear(self, buffer: bytearray) -> None:
        """Keep a rank's tally, and what the writer tells of the file."""
        tally, written = pickle.loads(buffer)  # noqa: S301  our own ranks made it
        self.tallies.append(tally)
        if written is not None:
            self._written = written

    def _listen(self, rank: int) -> Any:
        """Post the receive of one rank's next message, whatever its tag."""
        return self._comm.irecv(source=rank)
