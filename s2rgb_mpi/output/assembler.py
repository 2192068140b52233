"""The image in the making: blocks in, and in the end the finalised file."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import OutputError, ProtocolError, StrictError, named
from s2rgb_mpi.image.block import Block, Kind
from s2rgb_mpi.image.encode import Encoder
from s2rgb_mpi.image.overviews import Assembly
from s2rgb_mpi.image.radiometry import RGBA
from s2rgb_mpi.output import journal
from s2rgb_mpi.output.geotiff.copying import Copies
from s2rgb_mpi.output.geotiff.finalise import finalise
from s2rgb_mpi.output.geotiff.log import Layer, TileLog
from s2rgb_mpi.output.journal import Journal
from s2rgb_mpi.output.paths import final_path, journal_path, part_path
from s2rgb_mpi.output.source_map import SourceMap
from s2rgb_mpi.output.tags import tags, tiling_scheme
from s2rgb_mpi.output.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.image.block import Piece
    from s2rgb_mpi.output.totals import Written
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.timing import Tally


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
        self._open: list[TileLog | Journal] = [self._log, self._journal]
        self._encoder = Encoder(plan.job.profile)
        self._assembly = Assembly(plan.grid, plan.job.profile.tile)
        self._totals = Totals(plan)
        self._map = SourceMap(plan, self._log)
        self._missing = set(range(len(plan.windows)))
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

    def close(self) -> None:
        """Close the partial file and the journal, and end its thread; again: nothing."""
        while self._open:
            self._open.pop().close()

    def finish(
        self,
        copy: Callable[[Copies], None] = Copies.run,
        attend: Callable[[], None] = lambda: None,
    ) -> Written:
        """Finalise the file and give it its name.

        Parameters
        ----------
        copy : callable, optional
            Has the tiles copied into the image.
        attend : callable, optional
            Called again and again while the map of sources is written; what it raises ends the
            work.

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
        warnings = self._totals.warnings()
        if job.strict and warnings:
            raise StrictError("; ".join(warnings))
        with self._tally.stage("finalise"):
            nbytes = finalise(
                self._log,
                final_path(plan),
                grid=plan.grid,
                profile=job.profile,
                tags=tags(plan) | self._totals.tags(),
                tiling=tiling_scheme(plan),
                histogram=self._totals.histogram,
                copy=copy,
            )
            if job.source_map is not None:
                self._map.write(job.source_map, self._totals.pixels, attend)
            with named(job.output):
                if job.output.exists() and not job.output.is_file():
                    raise OutputError(f"{job.output}: is not a regular file any more")
                final_path(plan).replace(job.output)
                _flush_folder(job.output.parent)
            # In this order: a journal without its image would have it all made again.
            self.close()
            for path in (journal_path(plan), part_path(plan)):
                path.unlink(missing_ok=True)
        return self._totals.written(nbytes)

    def _take(self, block: Block, offset: int) -> None:
        """Enter a block that lies in the partial file from an offset on."""
        with self._tally.stage("append", block.window):
            self._note(block.window, block.pieces, offset)
        with self._tally.stage("overviews", block.window):
            self._join(block, offset)
        self._totals.add(block)
        self._missing.remove(block.window)

    def _note(self, window: int, pieces: Sequence[Piece], offset: int) -> None:
        """Note where tiles lie among pieces of a window that stand one after the other."""
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
            elif piece.kind is Kind.SOURCES:
                self._map.note(window, offset, len(piece.data), piece.crc32)
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
                self._note(block.window, pieces, begin)

    def _part(self, place: Window, offset: int, nbytes: int, crc32: int) -> NDArray[np.uint8]:
        """Read a part of a level from the partial file."""
        raw = np.frombuffer(self._log.read(offset, nbytes, crc32), dtype=np.uint8)
        return raw.reshape(place.height, place.width, RGBA)


def _flush_folder(folder: Path) -> None:
    """Return only when a file's new name is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
