"""More workers than cores: they sleep as long as decoding took; everything else is real.

    mpirun -n RANKS python tests/bench/replay.py play RECORD.npz SCENE.tif OUTPUT.tif REPORT.json

Some windows are decoded, coloured and encoded once, four neighbours at a time, and their seconds
noted. Then the program runs as it is on a scene with so many windows a worker: it is planned,
dealt, packed, checked, sent, received, appended and finalised, but where a worker would decode and
encode it sleeps for the noted seconds, and takes the noted tiles. So two cores show what the
writer, the messages and the coordinator do with 126 workers, which need no cores to sleep.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

# As in the program: before GDAL is imported.
os.environ.update(GDAL_NUM_THREADS="1", OPJ_NUM_THREADS="1", GDAL_CACHEMAX="16")

import numpy as np
from osgeo import gdal, osr

from s2rgb_mpi import gdalenv
from s2rgb_mpi.image.block import Block, Kind, Piece
from s2rgb_mpi.image.overviews import Assembly
from s2rgb_mpi.image.profile import Profile
from s2rgb_mpi.inputs.mosaic import lay_out
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.safe import open_safe
from s2rgb_mpi.plan.job import Job
from s2rgb_mpi.plan.levels import joined_tiles
from s2rgb_mpi.plan.partition import Share
from s2rgb_mpi.plan.plan import make_plan
from s2rgb_mpi.ranks import worker
from s2rgb_mpi.ranks.blocks import BlockMaker
from s2rgb_mpi.timing import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan.plan import Plan

gdal.UseExceptions()

EDGE = 1024
"""Of a window, pixels."""

RECORDED = 3
"""Squares of 2 x 2 windows that are recorded, and shown again and again."""

JOINED_LEVEL = 2
"""The level of which a square of windows has one tile."""

WINDOWS_PER_WORKER = 20
"""About as many as a run on a large mosaic has."""


class Outcome(NamedTuple):
    """Of one replay."""

    workers: int
    windows: int
    window_seconds: float
    """Mean of what a worker sleeps for a window."""
    wall_seconds: float
    """From the moment all ranks have met to the finalised file."""
    efficiency: float
    """Time slept, over workers times wall time."""
    working_efficiency: float
    """The same of the time before the image is finalised."""
    busy: float
    """Of the wall time, what the writer spends with blocks (receive, append, overviews)."""
    handling_seconds: float
    """What a block costs the writer."""
    finalise_seconds: float
    append_mb_per_second: float
    """While the writer appends."""
    plain_mb_per_second: float
    """A plain sequential write of as many bytes, in pieces of a block, to the same disk."""


def record(safe: Path, folder: Path, layout: str) -> Path:
    """Decode and encode some windows in the middle of a product; keep tiles and seconds.

    The scene is given so many levels as the largest replay has, so that all of them are there.
    """
    path = folder / f"record-{layout}.npz"
    (product,) = open_safe(str(safe))
    profile = Profile(layout=layout)
    job = Job((str(safe),), folder / "none.tif", profile=profile)
    plan = make_plan(job, lay_out([product]))
    squares: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for number, window in enumerate(plan.windows):
        if window[2:] == plan.edge:
            col, row = _place(window)
            squares[col // 2, row // 2].append(number)
    whole = [numbers for numbers in squares.values() if len(numbers) == 4]
    whole.sort(key=lambda numbers: sum(product.cost(plan.windows[n]) for n in numbers))
    dense = whole[len(whole) // 2 :]
    plan = replace(plan, levels=plan.levels and 8)  # deeper than the scene: parts become tiny
    rows: list[tuple[int, int, int, int, int, int]] = []
    data, seconds, histograms = [], [], []
    for numbers in dense[:: -(-len(dense) // RECORDED)]:
        maker = BlockMaker(plan, Share(numbers), Tally("worker"))
        for number in numbers:
            begin = time.process_time()
            block = maker.make(number)
            seconds.append(time.process_time() - begin)
            histograms.append(block.histogram)
            window = plan.windows[number]
            for piece in block.pieces:
                if piece.kind is Kind.TILE and piece.level > JOINED_LEVEL:
                    continue  # of a product that is not larger than a square
                row, col = _corner(plan, window, piece)
                place = len(seconds) - 1, int(piece.kind), piece.level, piece.row - row
                rows.append((*place, piece.col - col, len(piece.data)))
                data.append(np.frombuffer(piece.data, dtype=np.uint8))
    np.savez(path, rows=np.array(rows), seconds=seconds, histograms=histograms)
    np.save(path.with_suffix(".data.npy"), np.concatenate(data))
    return path


def _place(window: Window) -> tuple[int, int]:
    """Return column and row of a window, counted in windows."""
    return window.col_off // EDGE, window.row_off // EDGE


def _index(col: int, row: int, cols: int, recorded: int) -> int:
    """Return which recorded window is shown in a place of the scene: squares stay together."""
    square = (row // 2 * cols + col // 2) % (recorded // 4)
    return 4 * square + row % 2 * 2 + col % 2


def replays(
    safe: Path, folder: Path, counts: Sequence[int], layout: str, per_worker: int
) -> list[Outcome]:
    """Record, and replay with so many workers each."""
    # Not above: it keeps MPI from starting, which the ranks of a replay need.
    from bench.measure import run  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    made = record(safe, folder, layout)
    outcomes = []
    for workers in counts:
        scene, report, output = (folder / name for name in ("scene.tif", "told.json", "out.tif"))
        _make_scene(scene, workers * per_worker)
        words = ["mpirun", "-n", workers + 2, sys.executable, __file__, "play", made]
        run([*words, scene, output, report, layout])
        outcomes.append(_outcome(json.loads(report.read_text()), np.load(made)["seconds"], output))
        output.unlink()
    return outcomes


def _outcome(told: dict[str, Any], seconds: Any, output: Path) -> Outcome:
    """Compute what is to be known of a replay from its report."""
    ranks = told["ranks"]
    writer = ranks[-1]["seconds"]
    wall = told["times"]["wall_seconds"]
    slept = sum(rank["seconds"]["read"] for rank in ranks)
    windows = sum(rank["windows"] for rank in ranks)
    handling = writer["receive"] + writer["append"] + writer["overviews"]
    nbytes = output.stat().st_size
    return Outcome(
        workers=len(ranks) - 2,
        windows=windows,
        window_seconds=float(np.mean(seconds)),
        wall_seconds=wall,
        efficiency=slept / (wall * (len(ranks) - 2)),
        working_efficiency=slept / ((wall - writer["finalise"]) * (len(ranks) - 2)),
        busy=handling / wall,
        handling_seconds=handling / windows,
        finalise_seconds=writer["finalise"],
        append_mb_per_second=nbytes / 1e6 / writer["append"],
        plain_mb_per_second=_plain(output.with_name("plain"), nbytes, nbytes // windows),
    )


def _plain(path: Path, nbytes: int, piece: int) -> float:
    """Return how fast so many bytes are written, piece by piece, and are on the disk, MB/s."""
    data = os.urandom(piece)
    begin = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(nbytes // piece):
            file.write(data)
        os.fsync(file.fileno())
    seconds = time.monotonic() - begin
    path.unlink()
    return nbytes / 1e6 / seconds


def _make_scene(path: Path, windows: int) -> None:
    """Make a sparse raster of at least so many windows: a header and no pixels."""
    cols = round(windows**0.5)
    size = cols * EDGE, -(-windows // cols) * EDGE
    options = ["TILED=YES", f"BLOCKXSIZE={EDGE}", f"BLOCKYSIZE={EDGE}", "SPARSE_OK=TRUE"]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), *size, 3, gdal.GDT_UInt16, options)
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32632)
    dataset.SetProjection(crs.ExportToWkt())
    dataset.SetGeoTransform((300_000, 10, 0, 5_000_000, 0, -10))
    for number, name in enumerate(("B04", "B03", "B02"), start=1):
        dataset.GetRasterBand(number).SetDescription(name)


def _corner(plan: Plan, window: Any, piece: Piece) -> tuple[int, int]:
    """Return what row and column of a piece are counted from, in its window."""
    place = window.at_level(piece.level)
    if piece.kind in (Kind.TILE, Kind.MASK):
        tile = plan.job.profile.tile
        return place.row_off // tile, place.col_off // tile
    return (place.row_off, place.col_off) if piece.kind is Kind.PART else (0, 0)


class _Tape:
    """The recorded windows, in every rank; their tiles are mapped, so that ranks share them."""

    def __init__(self, path: Path) -> None:
        record = np.load(path)
        self.seconds = record["seconds"]
        self._histograms = record["histograms"]
        data = np.load(path.with_suffix(".data.npy"), mmap_mode="r")
        self._pieces: list[list[Piece]] = [[] for _ in self.seconds]
        self._joined: dict[int, Piece] = {}
        begin = 0
        for index, kind, level, row, col, nbytes in record["rows"].tolist():
            part: Any = data[begin : begin + nbytes].data
            piece = Piece.of(Kind(kind), part, level=level, row=row, col=col)
            if kind == Kind.TILE and level == JOINED_LEVEL:
                self._joined[index // 4] = piece
            else:
                self._pieces[index].append(piece)
            begin += nbytes

    def block(self, plan: Plan, number: int, tally: Tally, assembly: Assembly) -> Block:
        """Return the block of a window, after the time that it took."""
        window = plan.windows[number]
        index = _index(*_place(window), -(-plan.grid.width // EDGE), len(self.seconds))
        with tally.stage("read", number):
            time.sleep(self.seconds[index])
        pieces = []
        for piece in self._pieces[index]:
            if piece.level <= plan.levels:
                row, col = _corner(plan, window, piece)
                pieces.append(piece._replace(row=piece.row + row, col=piece.col + col))
        # The tiles that span windows are all like the smallest of them.
        joined = self._joined[index // 4]
        for level in plan.joined_levels:
            pieces += [
                joined._replace(level=level, row=tile.row, col=tile.col)
                for tile in assembly.add(level, window.at_level(level), None)
            ]
        tally.windows += 1
        return Block(number, pieces, self._histograms[index])


class _Player:
    """Stands in for `BlockMaker`; recorded windows need no source chunks of other shares."""

    def __init__(
        self, tape: _Tape, plan: Plan, share: Share, tally: Tally, _: object = None
    ) -> None:
        self._tape, self._plan, self._tally = tape, plan, tally
        joined = joined_tiles(plan, share.whole)
        self._assembly = Assembly(plan.grid, plan.job.profile.tile, joined)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, windows: Sequence[int]) -> None:
        pass

    def make(self, number: int) -> Block:
        return self._tape.block(self._plan, number, self._tally, self._assembly)


def play(record_path: Path, scene: Path, output: Path, report: Path, layout: str) -> int:
    """Run one rank of the program, without the pixels."""
    from s2rgb_mpi import __main__ as program  # noqa: PLC0415  MPI starts here
    from s2rgb_mpi.plan import prepare  # noqa: PLC0415

    tape = _Tape(record_path)
    vars(worker)["BlockMaker"] = partial(_Player, tape)

    def costed(name: str, choice: Any) -> list[Any]:
        """Open the scene; the cost of a block is the time slept for it."""
        product = open_multiband(name, choice)
        cols, rows = product.grid.width // EDGE, product.grid.height // EDGE
        ns = [round(1e9 * seconds) for seconds in tape.seconds]
        places = ((col, row) for row in range(rows) for col in range(cols))
        return [replace(product, costs=tuple(ns[_index(*at, cols, len(ns))] for at in places))]

    vars(prepare)["open_products"] = costed
    words = [str(scene), "-o", str(output), "--overwrite", "--layout", layout, "-q"]
    return program.main([*words, "--report", str(report)])


if __name__ == "__main__":
    gdalenv.configure()
    if sys.argv[1] == "play":
        *paths, layout = sys.argv[2:]
        record_path, scene, output, report = map(Path, paths)
        sys.exit(play(record_path, scene, output, report, layout))
    safe, folder, layout, per_worker, *counts = sys.argv[1:]
    for outcome in replays(
        Path(safe), Path(folder), list(map(int, counts)), layout, int(per_worker)
    ):
        print(json.dumps(outcome._asdict()), flush=True)
