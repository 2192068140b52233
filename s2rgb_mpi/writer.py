"""The last rank, the writer (the aggregator): receive, append, seal."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi import __version__
from s2rgb_mpi.encode import Encoder
from s2rgb_mpi.errors import OutputError, ProtocolError, StrictError
from s2rgb_mpi.geotiff import Layer, TileLog, seal
from s2rgb_mpi.news import News, Written
from s2rgb_mpi.offsets import OffsetCheck
from s2rgb_mpi.overviews import Assembly
from s2rgb_mpi.plan import RECEIVE_NBYTES
from s2rgb_mpi.protocol import (
    END_OF_SHARE,
    Block,
    Header,
    Kind,
    Piece,
    Tag,
    header_nbytes,
    unpack,
    unpack_header,
)
from s2rgb_mpi.seams import SeamCheck
from s2rgb_mpi.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.report import Tally


def run(comm: Any, plan: Plan, workers: Sequence[int], tally: Tally) -> Written:
    """Receive every block of the plan, append it, and seal the file at the end.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        The run's communicator.
    plan : Plan
        The same on every rank.
    workers : sequence of int
        The ranks that send.
    tally : Tally
        Filled here.

    Returns
    -------
    Written
    """
    output = Output(plan, tally)
    news = News(comm)
    for block in receive(comm, plan, workers, tally):
        output.place(block)
        with tally.stage("append", block.window):
            news.add(block, windows=output.windows, nbytes=output.nbytes)
    with tally.stage("idle"):
        news.flush()
    return output.written(output.finish())


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
        self._log = TileLog(plan.part_path, plan.grid, plan.job.profile, plan.levels)
        self._encoder = Encoder(plan.job.profile)
        self._assembly = Assembly(plan.grid, plan.job.profile.tile)
        self._histogram = np.zeros((3, 256), dtype=np.int64)
        products = [member.product for member in plan.scene.members]
        self._check = OffsetCheck(
            [(product.name, [band.calibration for band in product.bands]) for product in products]
        )
        self._seams = SeamCheck([product.name for product in products], plan.job.stretch)
        self._missing = set(range(len(plan.windows)))
        self._empty: list[int] = []

    @property
    def windows(self) -> int:
        """How many windows are placed."""
        return len(self._plan.windows) - len(self._missing)

    @property
    def nbytes(self) -> int:
        """How many bytes are in the part file."""
        return self._log.nbytes

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at: where the pixels contradict the offset."""
        return self._check.warnings() + self._seams.warnings()

    def place(self, block: Block) -> None:
        """Append a block's tiles, and join its parts with those of its neighbours.

        Raises
        ------
        ProtocolError
            The window is not one of the plan, or came before.
        """
        if block.window not in self._missing:
            raise ProtocolError(f"window {block.window} came twice, or is not in the plan")
        tiles = [piece for piece in block.pieces if piece.kind in (Kind.TILE, Kind.MASK)]
        with self._tally.stage("append", block.window):
            self._append(tiles)
            self._histogram += block.histogram
        with self._tally.stage("overviews", block.window):
            self._join(block)
        for piece in block.pieces:
            if piece.kind is Kind.COUNTS:
                self._check.add(piece.row, piece.data)
            if piece.kind is Kind.SEAM:
                self._seams.add(piece.row, piece.data)
        if not block.pieces:
            self._empty.append(block.window)
        self._missing.remove(block.window)

    def finish(self) -> int:
        """Seal the file, give it its name, and return its size in bytes.

        Raises
        ------
        ProtocolError
            A window is missing.
        StrictError
            The pixels contradict the offset, and the job is strict.
        OutputError
            The file cannot be written.
        """
        plan, job = self._plan, self._plan.job
        if self._missing:
            raise ProtocolError(f"{len(self._missing)} windows never came")
        if job.strict and self.warnings:
            raise StrictError("; ".join(self.warnings))
        with self._tally.stage("seal"):
            nbytes = seal(
                self._log,
                plan.sealed_path,
                grid=plan.grid,
                profile=job.profile,
                tags=tags(plan) | self._verdicts(),
                histogram=self._histogram,
            )
            try:
                plan.sealed_path.replace(job.output)
            except OSError as error:
                raise OutputError(f"{job.output}: {error.strerror}") from error
            self._log.remove()
        return nbytes

    def _verdicts(self) -> dict[str, str]:
        """Return the metadata items that say what the pixels told of the offsets."""
        items = {"S2RGB_OFFSET_CHECK": self._check.tag(), "S2RGB_OVERLAP_CHECK": self._seams.tag()}
        return {name: value for name, value in items.items() if value}

    def written(self, nbytes: int) -> Written:
        """Return what there is to tell of a finished file of that size."""
        verdicts = [verdict.tag() for _, verdict in self._check.verdicts()]
        return Written(nbytes, self._histogram, self._empty, verdicts, self.warnings)

    def _append(self, tiles: Sequence[Piece]) -> None:
        """Write tiles at the end of the part file, and note where each one lies."""
        offset = self._log.append(b"".join(piece.data for piece in tiles))
        for piece in tiles:
            layer = Layer(piece.level, mask=piece.kind is Kind.MASK)
            self._log.note(layer, piece.row, piece.col, offset=offset, nbytes=len(piece.data))
            offset += len(piece.data)

    def _join(self, block: Block) -> None:
        """Put the block's parts into the tiles that span windows; append those now whole."""
        plan = self._plan
        window = plan.windows[block.window]
        parts = {piece.level: piece for piece in block.pieces if piece.kind is Kind.PART}
        for level in range(plan.whole_levels + 1, plan.levels + 1):
            place = window.at_level(level)
            pixels = None
            if level in parts:
                raw = np.frombuffer(parts[level].data, dtype=np.uint8)
                pixels = raw.reshape(place.height, place.width, 3)
            for tile in self._assembly.add(level, place, pixels):
                self._append(
                    [
                        Piece(
                            Kind.MASK if encoded.mask else Kind.TILE,
                            level,
                            tile.row,
                            tile.col,
                            encoded.data,
                        )
                        for encoded in self._encoder.encode(tile.rgb)
                    ]
                )


def tags(plan: Plan) -> dict[str, str]:
    """Return the metadata items of the file: what it was made from, and how.

    Nothing of the run is in them (no date, no host), so that the same job gives the same bytes.
    """
    curve = plan.job.stretch
    items = {"TIFFTAG_SOFTWARE": f"s2rgb_mpi {__version__}", "S2RGB_PRESET": curve.preset}
    for name, value in asdict(curve).items():  # black, white and gamma, where they mean something
        items[f"S2RGB_{name.upper()}"] = f"{value:g}"
    members = plan.scene.members
    for number, product in enumerate((member.product for member in members), start=1):
        end = f"_{number}" if len(members) > 1 else ""
        items[f"S2RGB_PRODUCT{end}"] = product.name
        items[f"S2RGB_SENSING_TIME{end}"] = product.sensing_time
        items[f"S2RGB_PROCESSING_BASELINE{end}"] = product.baseline
        for band in product.bands:
            place = f"{band.name}{end}"
            items[f"S2RGB_OFFSET_{place}"] = str(band.calibration.offset)
            items[f"S2RGB_QUANTIFICATION_{place}"] = f"{band.calibration.quantification:g}"
    return {name: value for name, value in items.items() if value}


class _Line:
    """The line to one worker: a header is awaited, then the payload that it announces.

    The source is always named: some MPI libraries lose messages to receives from any source.
    """

    def __init__(self, comm: Any, worker: int, room: int) -> None:
        self._comm = comm
        self._worker = worker
        self._message = np.empty(header_nbytes(room), dtype=np.uint8)
        self._payload = np.empty(0, dtype=np.uint8)
        self._request: Any = None
        self.listen()

    def listen(self) -> None:
        """Post the receive of the next header."""
        self._request = self._comm.Irecv(self._message, source=self._worker, tag=Tag.HEADER)

    def heard(self) -> Header | None:
        """Return the header, once it is in."""
        return unpack_header(self._message) if self._request.Test() else None

    def fetch(self, header: Header) -> None:
        """Post the receive of the payload, of exactly its size; an empty one is never sent."""
        self._payload = np.empty(header.nbytes, dtype=np.uint8)
        self._request = None
        if header.nbytes:
            self._request = self._comm.Irecv(self._payload, source=self._worker, tag=Tag.BLOCK)

    def fetched(self, header: Header) -> Block | None:
        """Return the block, once its payload is in."""
        if self._request is not None and not self._request.Test():
            return None
        return unpack(header, self._payload)


def receive(comm: Any, plan: Plan, workers: Sequence[int], tally: Tally) -> Iterator[Block]:
    """Give the blocks of all workers as they arrive, until every share has ended.

    Payloads are only asked for while fewer than :data:`RECEIVE_NBYTES` are under way: memory
    is bounded at any number of ranks, and workers are held back by their synchronous sends.

    Yields
    ------
    Block
        Checked by its CRC-32.
    """
    listening = [_Line(comm, worker, plan.room) for worker in workers]
    announced: deque[tuple[_Line, Header]] = deque()
    fetching: dict[_Line, Header] = {}
    held = 0
    patience = Patience()
    while listening or announced or fetching:
        with tally.stage("idle") as look:  # one that finds nothing is part of the wait
            for line in list(listening):
                header = line.heard()
                if header is not None:
                    look.name = "receive"
                    listening.remove(line)
                    if header.window != END_OF_SHARE:
                        announced.append((line, header))
                    patience.reset()
            while announced and (not held or held + announced[0][1].nbytes <= RECEIVE_NBYTES):
                line, header = announced.popleft()
                held += header.nbytes
                line.fetch(header)
                fetching[line] = header
        for line, header in list(fetching.items()):
            with tally.stage("idle") as look:
                block = line.fetched(header)
                look.name = "idle" if block is None else "receive"
            if block is not None:
                held -= header.nbytes
                del fetching[line]
                line.listen()
                listening.append(line)
                patience.reset()
                yield block
        with tally.stage("idle"):
            patience.pause()
