"""Who does what; made before any pixel is read."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from s2rgb_mpi import __version__, offsets, seams
from s2rgb_mpi.edges import window_edge
from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.geotiff import made_by
from s2rgb_mpi.grid import Window, interleave, reduced
from s2rgb_mpi.overviews import whole_tiles
from s2rgb_mpi.protocol import LARGEST_PAYLOAD
from s2rgb_mpi.radiometry import RGBA
from s2rgb_mpi.redact import file_name, redact
from s2rgb_mpi.scene import cells, check_size
from s2rgb_mpi.shares import arrange, crossings, cut, in_common

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.job import Job
    from s2rgb_mpi.product import Warp
    from s2rgb_mpi.scene import Cell, Scene
    from s2rgb_mpi.shares import Crossing


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
    libraries_nbytes : int
        Resident memory of a rank that has done nothing yet, bytes; 0 where it was not measured.
    """

    job: Job
    scene: Scene
    edge: tuple[int, int]
    cell_edges: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]
    levels: int
    whole_levels: int
    done: frozenset[int] = frozenset()
    libraries_nbytes: int = 0

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
        copied to another disk between two runs, if their times are kept. The query string of a
        URL does not count, for signatures expire and are renewed; and no value has one.
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
            fields[f"product {number}"] = product.name
            if product.warp is not None:
                fields[f"resampling of product {number}"] = _describe(product.warp)
            for band in product.bands:
                name = f"{band.name} of product {number}"
                fields[name] = f"{file_name(band.path)}, {band.number}, {band.stamp}"
                stored = band.stored
                fields[f"no data of {name}"] = f"{stored.nodata}, {stored.masks}"
                fields[f"offset of {name}"] = (
                    f"{band.calibration.offset}, quantification {band.calibration.quantification},"
                    f" {stored.dtype}, {stored.gain} DN per unit, {stored.shift} when read"
                )
        return {name: redact(str(value)) for name, value in fields.items()}

    @property
    def digest(self) -> str:
        """SHA-256 of :attr:`fields`."""
        return hashlib.sha256(json.dumps(self.fields, sort_keys=True).encode()).hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at before the start."""
        return (*self.problems, *self.scene.notes)

    @property
    def problems(self) -> tuple[str, ...]:
        """Those of the warnings that are errors with --strict."""
        products = (text for member in self.scene.members for text in member.product.warnings)
        # What holds for several products, once.
        return tuple(dict.fromkeys((*products, *self.scene.warnings)))

    @property
    def joined_levels(self) -> range:
        """The levels whose tiles span windows: they are joined from the parts of each."""
        return range(self.whole_levels + 1, self.levels + 1)

    def joined(self, share: Sequence[int]) -> set[tuple[int, int, int]]:
        """Find the tiles that span windows of a share and no others: level, row, col."""
        tile = self.job.profile.tile
        return {
            key
            for level in self.joined_levels
            for key in whole_tiles(
                self.grid, tile, level, (self.windows[n].at_level(level) for n in share)
            )
        }

    @property
    def room(self) -> int:
        """The largest number of pieces that a block can have."""
        tile = self.job.profile.tile
        tiles = sum(
            -(-reduced(self.edge[0], level) // tile) * -(-reduced(self.edge[1], level) // tile)
            for level in range(self.whole_levels + 1)
        )
        layers = 2 if self.job.profile.mask == "internal" else 1
        parts = len(self.joined_levels) + 2 * len(self.scene.members)
        return (tiles + self._joined_at_once) * layers + parts

    @property
    def payload_nbytes(self) -> int:
        """The largest payload of a block, bytes."""
        profile = self.job.profile
        encoded = profile.bands * profile.worst_ratio + 1 / 8
        window = self.edge[0] * self.edge[1]
        # Reduced levels are encoded, or RGBA as they are.
        pixels = window * encoded + window / 3 * max(encoded, RGBA)
        joined = self._joined_at_once * profile.tile**2 * encoded
        counts = len(self.scene.members) * (offsets.NBYTES + seams.NBYTES)
        return math.ceil(pixels + joined) + counts + 4096

    @property
    def _joined_at_once(self) -> int:
        """The most tiles that one window can make whole: all that it can lie in."""
        tile = self.job.profile.tile
        return sum(
            math.prod(
                _most_across(min(reduced(length, level), size), tile)
                for length, size in zip(self.edge, self.grid.at_level(level), strict=True)
            )
            for level in self.joined_levels
        )

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
                shown[member, cell.source][number] = part.width * part.height * RGBA if part else 0
        # A cell is read for the first window that shows it; each later one then takes its part.
        change: Counter[int] = Counter()
        for parts in shown.values():
            first, *later = parts
            change[first] += sum(parts[number] for number in later)
            change.subtract({number: parts[number] for number in later})
        return max(itertools.accumulate(change[number] for number in share), default=0)

    @property
    def output_nbytes(self) -> int:
        """The size that the file cannot exceed, bytes."""
        profile = self.job.profile
        raw = profile.tile**2 * (profile.bands * profile.worst_ratio + 1 / 8)
        return math.ceil(self.tiles * (raw + 64)) + 1_000_000

    @property
    def tiles(self) -> int:
        """How many tiles the image and its reduced levels have; a mask has as many again."""
        tile = self.job.profile.tile
        return sum(
            -(-width // tile) * -(-height // tile)
            for width, height in map(self.grid.at_level, range(self.levels + 1))
        )

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

    def crossings(
        self, shares: Sequence[Sequence[int]], ranks: Sequence[int]
    ) -> list[dict[tuple[int, Window], Crossing]]:
        """Say for the share of each rank which cells show in others too.

        None do where workers may be lost: then no one may need another.
        """
        if self.job.survive:
            return [{} for _ in shares]
        return crossings(shares, ranks, self.sources)

    def sources(self, number: int) -> list[tuple[int, Window]]:
        """List what is read for a window: numbers of products, and places in them."""
        return [(member, cell.source) for member, cell in self.cells(self.windows[number])]

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


def _describe(warp: Warp) -> str:
    """Return all that decides how a product is resampled."""
    operation = None if warp.operation is None else warp.operation.definition
    source = warp.source.grid
    place = f"from {source.crs}, {source.transform}"
    return f"{warp.resampling}, {warp.scale}, {operation}, {place}"


def _most_across(length: int, tile: int) -> int:
    """Return the most tiles that a stretch of an edge can lie in, beginning at its multiples."""
    return -(-length // tile) + (length % tile > 0 and tile % length > 0)


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
        The image is out of all proportion to its input, a window's pixels do not halve evenly down
        to the last level, or its block is too large for one message.
    """
    check_size(scene)
    grid, tile = scene.grid, job.profile.tile
    profile = job.profile
    has_levels = profile.layout == "cog" and profile.overviews == "auto"
    levels = grid.overview_levels(tile) if has_levels else 0
    # Windows follow the blocks of the first product, as if they were those of the whole scene.
    edge = window_edge(job, scene.members[0].product.block, grid)
    sizes = (grid.width, grid.height)
    for length, size in zip(edge, sizes, strict=True):
        if length < size and length.bit_count() == 1:
            # Such an edge halves down to one pixel: of a very large image the overviews end there.
            levels = min(levels, length.bit_length() - 1)
    for length, size in zip(edge, sizes, strict=True):
        if length < size and length % 2**levels:
            raise PlanError(
                f"a window edge of {length} pixels cannot be halved {levels} times, as overviews of"
                f" {grid.width} x {grid.height} pixels need it; choose --window and --tile as"
                " powers of 2, or --layout tiled"
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
