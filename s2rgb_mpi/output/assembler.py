"""The image in the making: blocks in, and in the end the finalised file."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import OutputError, ProtocolError, StrictError, named
from s2rgb_mpi.image.block import Block, Kind
from s2rgb_mpi.image.checks.boa_offset import Counted, OffsetCheck
from s2rgb_mpi.image.checks.overlap import OverlapCheck
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.overviews import Assembly
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.geotiff.copying import Copies
from s2rgb_mpi.output.geotiff.finalise import finalise
from s2rgb_mpi.output.geotiff.log import Layer, TileLog
from s2rgb_mpi.output.journal import Journal
from s2rgb_mpi.output.paths import final_path, journal_path, part_path
from s2rgb_mpi.output.tags import tags, tiling_scheme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.image.block import Piece
    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.timing import Tally


NOTHING = (
    "no pixel is valid: the whole image is nodata; check --bounds, --nodata and the nodata values"
    " that the input states"
)
"""What is said of an image in which there is nothing."""


class Written(NamedTuple):
    """The finished file, as the report describes it."""

    nbytes: int
    """Its size."""
    histogram: NDArray[np.int64]
    """Valid pixels per value and band, shape (3, 256)."""
    empty: list[int]
    """The windows in which no pixel is valid."""
    verdicts: list[str]
    """What the pixels say of each product's offset."""
    warnings: tuple[str, ...]
    """What the user should look at: where the pixels contradict the offset."""
    damaged: dict[int, str]
    """Why windows could not be read and were left empty, by their numbers."""


class Output:
    """The file in the making: what is placed here is in the image once it is finished.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    tally : Tally
        Filled here.
    """

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._log = TileLog(part_path(plan), plan.grid, plan.job.profile, plan.levels)
        self._journal = Journal(journal_path(plan), self._log.flush)
        self._encoder = Encoder(plan.job.profile)
        self._assembly = Assembly(plan.grid, plan.job.profile.tile)
        self._histogram = np.zeros((3, 256), dtype=np.int64)
        products = [member.product for member in plan.scene.members]
        self._offset_check = OffsetCheck([_counted(product) for product in products])
        self._overlap_check = OverlapCheck([product.name for product in products], plan.job.stretch)
        self._missing = set(range(len(plan.windows)))
        self._empty: list[int] = []
        self._damaged: dict[int, str] = {}
        for block, offset in journal.blocks(journal_path(plan), self._log.read):
            self._take(block, offset)

    @property
    def windows(self) -> int:
        """How many windows are placed."""
        return len(self._plan.windows) - len(self._missing)

    @property
    def is_whole(self) -> bool:
        """Whether all windows are placed."""
        return not self._missing

    @property
    def nbytes(self) -> int:
        """How many bytes are in the partial file."""
        return self._log.nbytes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at: pixels that contradict what is known of them, or none."""
        nothing = len({*self._empty, *self._damaged}) == len(self._plan.windows)
        empty = (f"{self._plan.job.output}: {NOTHING}",) if nothing else ()
        return self._offset_check.warnings() + self._overlap_check.warnings() + empty

    @property
    def _damage(self) -> tuple[str, ...]:
        """What the user should look at: the windows that could not be read."""
        return tuple(f"left empty: {cause}" for _, cause in sorted(self._damaged.items()))

    def has(self, window: int) -> bool:
        """Return whether a window's block is placed."""
        return 0 <= window < len(self._plan.windows) and window not in self._missing

    def place(self, block: Block) -> None:
        """Append a block, and join its parts with those of its neighbours.

        Raises
        ------
        ProtocolError
            The window is not one of the plan, or came before.
        """
        if block.window not in self._missing:
            raise ProtocolError(f"window {block.window} came twice, or is not in the plan")
        with self._tally.stage("append", block.window):
            offset = self._log.append(*(piece.data for piece in block.pieces))
            self._journal.add(block, offset)
        self._take(block, offset)
        self.look()

    def look(self) -> None:
        """Begin to bring what was appended to the disk, if it is time."""
        if self._journal.is_due:
            with self._tally.stage("append"):
                self._journal.begin_commit()

    def keep(self) -> None:
        """Bring what was appended to the disk now."""
        with self._tally.stage("append"):
            self._journal.commit()

    def finish(self, copy: Callable[[Copies], None] = Copies.run) -> Written:
        """Finalise the file and give it its name.

        Parameters
        ----------
        copy : callable, optional
            Has the tiles copied into the image.

        Raises
        ------
        ProtocolError
            A window is missing.
        StrictError
            The pixels contradict what is known of them, or none is valid, and the job is strict.
        OutputError
            The file cannot be written.
        """
        plan, job = self._plan, self._plan.job
        self.keep()
        if self._missing:
            raise ProtocolError(f"{len(self._missing)} windows never came")
        if job.strict and self.warnings:
            raise StrictError("; ".join(self.warnings))
        with self._tally.stage("finalise"):
            nbytes = finalise(
                self._log,
                final_path(plan),
                grid=plan.grid,
                profile=job.profile,
                tags=tags(plan) | self._verdicts(),
                tiling=tiling_scheme(plan),
                histogram=self._histogram,
                copy=copy,
            )
            with named(job.output):
                if job.output.exists() and not job.output.is_file():
                    raise OutputError(f"{job.output}: is not a regular file any more")
                final_path(plan).replace(job.output)
                _flush_folder(job.output.parent)
            # In this order: a journal without its image would have it all made again.
            for file, path in ((self._journal, journal_path(plan)), (self._log, part_path(plan))):
                file.close()
                path.unlink(missing_ok=True)
        return self._written(nbytes)

    def _verdicts(self) -> dict[str, str]:
        """Return the metadata items of the checks and of windows that were left empty.

        Windows that could not be read stand there as ``col_off,row_off,width,height``.
        """
        items = {
            "S2RGB_OFFSET_CHECK": self._offset_check.tag(),
            "S2RGB_OVERLAP_CHECK": self._overlap_check.tag(),
            "S2RGB_DAMAGED_WINDOWS": " ".join(
                ",".join(map(str, self._plan.windows[number])) for number in sorted(self._damaged)
            ),
        }
        return {name: value for name, value in items.items() if value}

    def _written(self, nbytes: int) -> Written:
        """Describe a finished file of that size for the report."""
        verdicts = [verdict.tag() for _, verdict in self._offset_check.verdicts()]
        return Written(
            nbytes,
            self._histogram,
            self._empty,
            verdicts,
            self.warnings + self._damage,
            self._damaged,
        )

    def _take(self, block: Block, offset: int) -> None:
        """Enter a block that lies in the partial file from an offset on."""
        with self._tally.stage("append", block.window):
            self._note(block.pieces, offset)
            self._histogram += block.histogram
        with self._tally.stage("overviews", block.window):
            self._join(block, offset)
        for piece in block.pieces:
            if piece.kind is Kind.COUNTS:
                self._offset_check.add(piece.product, piece.data)
            if piece.kind is Kind.OVERLAP:
                self._overlap_check.add(piece.product, piece.data)
            if piece.kind is Kind.CAUSE:
                self._damaged[block.window] = bytes(piece.data).decode(errors="replace")
        if not block.histogram.any():  # no pixel is valid
            self._empty.append(block.window)
        self._missing.remove(block.window)

    def _note(self, pieces: Sequence[Piece], offset: int) -> None:
        """Note where tiles lie among pieces that stand one after the other."""
        for piece in pieces:
            if piece.kind in (Kind.TILE, Kind.MASK):
                self._log.note(
                    Layer(piece.level, mask=piece.kind is Kind.MASK),
                    piece.row,
                    piece.col,
                    offset=offset,
                    nbytes=len(piece.data),
                    crc32=piece.crc32,
                )
            offset += len(piece.data)

    def _join(self, block: Block, offset: int) -> None:
        """Note the block's parts of tiles that span windows; encode those that are now whole.

        Parts are not kept in memory: few are needed, as most such tiles have been encoded by the
        worker that had all of their windows, and they lie in the partial file.
        """
        plan = self._plan
        window = plan.windows[block.window]
        parts = {}
        for piece in block.pieces:
            if piece.kind is Kind.PART:
                place = window.at_level(piece.level)
                nbytes = len(piece.data)
                parts[piece.level] = partial(self._part, place, offset, nbytes, piece.crc32)
            offset += len(piece.data)
        for level in plan.joined_levels:
            place = window.at_level(level)
            for tile in self._assembly.add(level, place, parts.get(level)):
                if self._log.has_any(level, tile.row, tile.col):
                    continue
                pieces = list(self._encoder.pieces(tile.rgba, level, tile.row, tile.col))
                # Not journalled: a resumed run joins them anew, from the parts.
                begin = self._log.append(*(piece.data for piece in pieces))
                self._note(pieces, begin)

    def _part(self, place: Window, offset: int, nbytes: int, crc32: int) -> NDArray[np.uint8]:
        """Read a part of a level from the partial file."""
        raw = np.frombuffer(self._log.read(offset, nbytes, crc32), dtype=np.uint8)
        return raw.reshape(place.height, place.width, RGBA)


def _counted(product: Product) -> Counted:
    """Return what the offset check needs to know of a product."""
    stored = product.bands[0].stored
    calibrations = [band.calibration for band in product.bands]
    return Counted(product.name, calibrations, stored.dtype, stored.gain)


def _flush_folder(folder: Path) -> None:
    """Return only when a file's new name is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
