"""Who does what, and what it costs in bytes; made before any pixel is read."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from s2rgb_mpi import __version__, offsets, seams
from s2rgb_mpi.edges import window_edge
from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.geotiff import made_by
from s2rgb_mpi.grid import Window, interleave, reduced
from s2rgb_mpi.protocol import LARGEST_PAYLOAD, header_nbytes
from s2rgb_mpi.scene import cells
from s2rgb_mpi.shares import arrange, cut, in_common

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.job import Job
    from s2rgb_mpi.scene import Cell, Scene

LIBRARIES_NBYTES = 90_000_000
"""Resident memory of a rank that has imported everything and done nothing, bytes (measured)."""

CACHE_NBYTES = 16_000_000
"""GDAL's block cache per rank, bytes; its own default is 5 % of the machine per process."""

DECODER_NBYTES_PER_PIXEL = 12
"""What OpenJPEG holds besides the pixels while it decodes a tile, bytes (measured)."""

RECEIVE_NBYTES = 64_000_000
"""Payloads that the writer lets be under way at once, bytes; always at least one."""

BLOCKS_IN_FLIGHT = 2
"""Blocks that a worker may have sent and not yet delivered."""


@dataclass(frozen=True)
class Plan:
    """A run, ready to be run: every rank holds the same one.

    Parameters
    ----------
    job : Job
        What was asked.
    scene : Scene
        What is read, and where it lies.
    edge : tuple of int
        ``(width, height)`` of a window that no border cuts, pixels.
    cell_edges : tuple of tuple of int
        The same of the pieces that each product is read in: whole source blocks.
    windows : tuple of Window
        All of them, on a Z-order curve, so that neighbours stay together in every share.
    levels : int
        How many reduced levels the file has.
    whole_levels : int
        Up to this level the tiles lie wholly inside a window, and workers encode them.
    done : frozenset of int
        Windows that an earlier run has left in the part file; they are not dealt again.
    """

    job: Job
    scene: Scene
    edge: tuple[int, int]
    cell_edges: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]
    levels: int
    whole_levels: int
    done: frozenset[int] = frozenset()

    @property
    def part_path(self) -> Path:
        """The file that holds the blocks while the run lasts."""
        return self._beside("part")

    @property
    def journal_path(self) -> Path:
        """The file that says which blocks are safely in the part file."""
        return self._beside("journal")

    @property
    def sealed_path(self) -> Path:
        """The file that becomes the output by its name alone."""
        return self._beside("sealed")

    @property
    def lock_path(self) -> Path:
        """The file that keeps other runs from this output."""
        return self._beside("lock")

    def _beside(self, suffix: str) -> Path:
        return self.job.output.with_name(f"{self.job.output.name}.{suffix}")

    @property
    def grid(self) -> Grid:
        """Where the output's pixels lie."""
        return self.scene.grid

    @property
    def fields(self) -> dict[str, str]:
        """All that decides the bytes of the file, by name: the same for any number of ranks.

        Files count by their names, sizes and times, not by the folder they lie in: inputs may be
        copied to another disk between two runs, if their times are kept.
        """
        job, grid = self.job, self.grid
        fields = {
            "program": f"s2rgb_mpi {__version__}",
            "library": made_by(),
            "crs": grid.crs,
            "extent": f"{grid.transform}, {grid.width} x {grid.height}",
            "window": f"{self.edge[0]} x {self.edge[1]}",
            "preset": job.stretch.preset,
            **asdict(job.stretch),
            **asdict(job.profile),
        }
        for number, product in enumerate((member.product for member in self.scene.members), 1):
            fields[f"product {number}"] = f"{product.name} {product.resampling}"
            for band in product.bands:
                name = f"{band.name} of product {number}"
                fields[name] = f"{PurePosixPath(band.path).name}, {band.number}, {band.stamp}"
                fields[f"offset of {name}"] = f"{band.calibration}, {band.stored}"
        return {name: str(value) for name, value in fields.items()}

    @property
    def digest(self) -> str:
        """SHA-256 of :attr:`fields`."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at before the start."""
        return tuple(text for member in self.scene.members for text in member.product.warnings)

    @property
    def room(self) -> int:
        """The largest number of pieces that a block can have."""
        tile = self.job.profile.tile
        tiles = sum(
            -(-reduced(self.edge[0], level) // tile) * -(-reduced(self.edge[1], level) // tile)
            for level in range(self.whole_levels + 1)
        )
        layers = 2 if self.job.profile.mask == "internal" else 1
        return tiles * layers + self.levels - self.whole_levels + 2 * len(self.scene.members)

    @property
    def payload_nbytes(self) -> int:
        """The largest payload of a block, bytes."""
        profile = self.job.profile
        pixels = self.edge[0] * self.edge[1] * 4 / 3
        counts = len(self.scene.members) * (offsets.NBYTES + seams.NBYTES)
        return math.ceil(pixels * (profile.bands * profile.worst_ratio + 1 / 8)) + counts + 4096

    def worker_nbytes(self, workers: int) -> int:
        """Return the memory that a worker needs at the most, bytes.

        Parameters
        ----------
        workers : int
            Between how many the windows are dealt: it tells how many cells one has to keep.
        """
        pixels = self.edge[0] * self.edge[1]
        stored = max(
            sum(band.stored.nbytes_per_pixel for band in member.product.bands)
            for member in self.scene.members
        )
        arrays = pixels * (stored + 3 * 4 + DECODER_NBYTES_PER_PIXEL)
        shares = self.deal(workers)
        passed = self.passed_nbytes(shares)
        kept = max(self.kept_nbytes(share) + passed[w] for w, share in enumerate(shares))
        sent = BLOCKS_IN_FLIGHT * self.payload_nbytes
        return LIBRARIES_NBYTES + CACHE_NBYTES + arrays + kept + sent

    def cells(self, window: Window) -> Iterator[tuple[int, Cell]]:
        """List the cells that show in a window, by the number of their product, top first."""
        for number, (member, edge) in enumerate(
            zip(self.scene.members, self.cell_edges, strict=True)
        ):
            for cell in cells(member, self.grid, edge, window):
                yield number, cell

    def kept_nbytes(self, share: Sequence[int]) -> int:
        """Return the most that parts of cells can take which later windows of the share show."""
        shown: defaultdict[tuple[int, Window], dict[int, int]] = defaultdict(dict)
        for number in share:
            window = self.windows[number]
            for member, cell in self.cells(window):
                part = cell.target.overlap(window)
                shown[member, cell.source][number] = part.width * part.height * 3 if part else 0
        # A cell is read for the first window that shows it; each later one then takes its part.
        change: Counter[int] = Counter()
        for parts in shown.values():
            first, *later = parts
            change[first] += sum(parts[number] for number in later)
            change.subtract({number: parts[number] for number in later})
        return max(itertools.accumulate(change[number] for number in share), default=0)

    def writer_nbytes(self, workers: int) -> int:
        """Return the memory that the writer needs at the most, bytes.

        Parameters
        ----------
        workers : int
            Each has a line with one header, and may leave tiles open: of a share along the curve
            two a level, the one it begins in and the one it is at; of another one, all.
        """
        tile = self.job.profile.tile
        shares = self.deal(workers)
        open_tiles = 0
        for level in range(self.whole_levels + 1, self.levels + 1):
            width, height = self.grid.at_level(level)
            by_share = (
                2
                if sorted(share) in (share, share[::-1])
                else len({self._tile(n, level) for n in share}) + 2
                for share in shares
            )
            open_tiles += min(sum(by_share), -(-width // tile) * -(-height // tile))
        received = max(RECEIVE_NBYTES, self.payload_nbytes)
        headers = workers * header_nbytes(self.room)
        return LIBRARIES_NBYTES + received + headers + open_tiles * tile * tile * 3

    def _tile(self, number: int, level: int) -> tuple[int, int]:
        """Return the tile of a level that a window begins in."""
        place, tile = self.windows[number].at_level(level), self.job.profile.tile
        return place.row_off // tile, place.col_off // tile

    @property
    def output_nbytes(self) -> int:
        """The size that the file cannot exceed, bytes."""
        profile = self.job.profile
        tile = profile.tile
        tiles = sum(
            -(-width // tile) * -(-height // tile)
            for width, height in map(self.grid.at_level, range(self.levels + 1))
        )
        raw = tile * tile * (profile.bands * profile.worst_ratio + 1 / 8)
        return math.ceil(tiles * (raw + 64)) + 1_000_000

    def cut(self, workers: int) -> list[list[int]]:
        """Cut the windows to be done into one share per worker, runs of neighbours.

        All shares are to cost about the same.

        Parameters
        ----------
        workers : int
            At least 1.

        Returns
        -------
        list of list of int
            Numbers of windows; every number once that is not in `done`. Some are empty if
            there are more workers than windows.
        """
        costs = {
            number: self._cost(window)
            for number, window in enumerate(self.windows)
            if number not in self.done
        }
        return cut(costs, workers)

    def deal(self, workers: int) -> list[list[int]]:
        """Return what :meth:`cut` does, each share in the order of work."""
        shares = self.cut(workers)
        common = in_common(shares, self.sources)

        def walks(worker: int) -> Iterator[list[int]]:
            share = shares[worker]
            # Backwards where that keeps less: of a cell across two windows the later part is kept.
            for walk in (share, share[::-1]):
                yield arrange(worker, walk, common, self.sources) if common else walk

        return [min(walks(worker), key=self.kept_nbytes) for worker in range(workers)]

    def sources(self, number: int) -> list[tuple[int, Window]]:
        """List what is read for a window: numbers of products, and places in them."""
        return [(member, cell.source) for member, cell in self.cells(self.windows[number])]

    def passed_nbytes(self, shares: Sequence[Sequence[int]]) -> list[int]:
        """Return the most that parts of cells can take that pass between workers, bytes.

        All that a worker gets from others, and all that it gives to others, may be there at once.
        """
        common = in_common(shares, self.sources)
        totals = [0] * len(shares)
        for owner, share in enumerate(shares if common else ()):
            for number in share:
                window = self.windows[number]
                for member, cell in self.cells(window):
                    part = cell.target.overlap(window)
                    for user in common.get((member, cell.source), ()):
                        if part and user <= owner:
                            totals[user] += part.width * part.height * 3
        return totals

    def _cost(self, window: Window) -> int:
        """Predict the work of a window, ns: of what its products have there, until it is full."""
        cost, left = 0.0, 1.0
        for member in self.scene.members:
            shown = member.visible(window)
            if shown is None:
                continue
            cost += left * member.product.cost(shown.moved(-member.col_off, -member.row_off))
            left -= shown.width * shown.height / (window.width * window.height)
            if left <= 0:  # what lies below is hidden, but for "no data" that nobody knows yet
                break
        return 1 + round(cost)


def make_plan(job: Job, scene: Scene) -> Plan:
    """Cut the scene's grid into windows, and refuse what cannot be done.

    Parameters
    ----------
    job : Job
        What was asked.
    scene : Scene
        What is there.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        A window's pixels do not halve evenly down to the last level, or its block is too
        large for one message.
    """
    grid, tile = scene.grid, job.profile.tile
    levels = grid.overview_levels(tile) if job.profile.layout == "cog" else 0
    # Windows follow the blocks of the first product, as if they were those of the whole scene.
    edge = window_edge(job, scene.members[0].product.block, grid)
    sizes = (grid.width, grid.height)
    for length, size in zip(edge, sizes, strict=True):
        if length < size and length % 2**levels:
            raise PlanError(
                f"a window edge of {length} pixels cannot be halved {levels} times;"
                f" choose --window and --tile as powers of 2"
            )
    whole = [
        level
        for level in range(levels + 1)
        if all(
            length >= size or (length >> level) % tile == 0
            for length, size in zip(edge, sizes, strict=True)
        )
    ]
    windows = sorted(
        grid.windows(*edge),
        key=lambda window: interleave(window.col_off // edge[0], window.row_off // edge[1]),
    )
    plan = Plan(
        job=job,
        scene=scene,
        edge=edge,
        cell_edges=tuple(
            window_edge(job, member.product.block, member.product.grid) for member in scene.members
        ),
        windows=tuple(windows),
        levels=levels,
        whole_levels=max(whole),
    )
    if plan.payload_nbytes > LARGEST_PAYLOAD:
        raise PlanError(f"windows of {edge[0]} x {edge[1]} pixels are too large for one message")
    return plan
