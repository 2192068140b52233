"""Who does what, and what it costs in bytes; made before any pixel is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.grid import Window, interleave, reduced
from s2rgb_mpi.protocol import LARGEST_PAYLOAD, header_nbytes

if TYPE_CHECKING:
    from pathlib import Path

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.job import Job
    from s2rgb_mpi.product import Product

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

LARGEST_SOURCE_BLOCK = 4096
"""Source blocks with longer edges are cut by windows: whole ones would not fit in memory."""


@dataclass(frozen=True)
class Plan:
    """A run, ready to be run: every rank holds the same one.

    Parameters
    ----------
    job : Job
        What was asked.
    product : Product
        What is read.
    part_path, sealed_path : Path
        The files that exist while the run lasts, beside the output.
    edge : tuple of int
        ``(width, height)`` of a window that no border cuts, pixels.
    windows : tuple of Window
        All of them, on a Z-order curve, so that neighbours stay together in every share.
    levels : int
        How many reduced levels the file has.
    whole_levels : int
        Up to this level the tiles lie wholly inside a window, and workers encode them.
    """

    job: Job
    product: Product
    part_path: Path
    sealed_path: Path
    edge: tuple[int, int]
    windows: tuple[Window, ...]
    levels: int
    whole_levels: int

    @property
    def grid(self) -> Grid:
        """Where the output's pixels lie."""
        return self.product.grid

    @property
    def room(self) -> int:
        """The largest number of pieces that a block can have."""
        tile = self.job.profile.tile
        tiles = sum(
            -(-reduced(self.edge[0], level) // tile) * -(-reduced(self.edge[1], level) // tile)
            for level in range(self.whole_levels + 1)
        )
        layers = 2 if self.job.profile.mask == "internal" else 1
        return tiles * layers + self.levels - self.whole_levels

    @property
    def payload_nbytes(self) -> int:
        """The largest payload of a block, bytes."""
        profile = self.job.profile
        pixels = self.edge[0] * self.edge[1] * 4 / 3
        return math.ceil(pixels * (profile.bands * profile.worst_ratio + 1 / 8)) + 4096

    @property
    def worker_nbytes(self) -> int:
        """The memory that a worker needs at the most, bytes."""
        pixels = self.edge[0] * self.edge[1]
        stored = sum(band.stored.nbytes_per_pixel for band in self.product.bands)
        arrays = pixels * (stored + 3 * 4 + DECODER_NBYTES_PER_PIXEL)
        return LIBRARIES_NBYTES + CACHE_NBYTES + arrays + BLOCKS_IN_FLIGHT * self.payload_nbytes

    def writer_nbytes(self, workers: int) -> int:
        """Return the memory that the writer needs at the most, bytes.

        Parameters
        ----------
        workers : int
            Each has a line with one header, and may leave two tiles a level open: the one its
            share begins in and the one it is at.
        """
        tile = self.job.profile.tile
        open_tiles = 0
        for level in range(self.whole_levels + 1, self.levels + 1):
            width, height = self.grid.at_level(level)
            open_tiles += min(2 * workers, -(-width // tile) * -(-height // tile))
        received = max(RECEIVE_NBYTES, self.payload_nbytes)
        headers = workers * header_nbytes(self.room)
        return LIBRARIES_NBYTES + received + headers + open_tiles * tile * tile * 3

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

    def deal(self, workers: int) -> list[list[int]]:
        """Cut the windows into one share per worker, runs of neighbours of about equal cost.

        Parameters
        ----------
        workers : int
            At least 1.

        Returns
        -------
        list of list of int
            Numbers of windows; every number once. Some are empty if there are more workers
            than windows.
        """
        costs = [window.width * window.height for window in self.windows]
        total, before = sum(costs), 0
        shares: list[list[int]] = [[] for _ in range(workers)]
        for number, cost in enumerate(costs):
            # The worker in whose stretch of the total cost the middle of this window lies.
            shares[(2 * before + cost) * workers // (2 * total)].append(number)
            before += cost
        return shares


def make_plan(job: Job, product: Product, part_id: str) -> Plan:
    """Cut the product's grid into windows, and refuse what cannot be done.

    Parameters
    ----------
    job : Job
        What was asked.
    product : Product
        What is there.
    part_id : str
        What tells this run's temporary files from those of another.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        A window's pixels do not halve evenly down to the last level, or its block is too
        large for one message.
    """
    grid, tile = product.grid, job.profile.tile
    levels = grid.overview_levels(tile) if job.profile.layout == "cog" else 0
    edge = _window_edge(job, product)
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
        product=product,
        part_path=job.output.with_name(f"{job.output.name}.part-{part_id}"),
        sealed_path=job.output.with_name(f"{job.output.name}.sealed-{part_id}"),
        edge=edge,
        windows=tuple(windows),
        levels=levels,
        whole_levels=max(whole),
    )
    if plan.payload_nbytes > LARGEST_PAYLOAD:
        raise PlanError(f"windows of {edge[0]} x {edge[1]} pixels are too large for one message")
    return plan


def describe(plan: Plan, ranks: int) -> str:
    """Say in words what a run with so many ranks would do, and what it would cost."""
    grid, job = plan.grid, plan.job
    workers = max(1, ranks - 2)
    shares = [len(share) for share in plan.deal(workers)]
    lines = {
        "product": plan.product.name,
        **{
            band.name: f"{band.path}, offset {band.calibration.offset},"
            f" quantification {band.calibration.quantification:g}"
            for band in plan.product.bands
        },
        "offset": f"stated by {plan.product.offset_source}",
        "grid": f"{grid.width} x {grid.height} pixels of {grid.transform[1]:g} from"
        f" {grid.transform[0]:.10g}, {grid.transform[3]:.10g}",
        "windows": f"{len(plan.windows)} of {plan.edge[0]} x {plan.edge[1]} pixels;"
        f" source blocks {plan.product.block[0]} x {plan.product.block[1]}",
        "shares": f"{workers} workers, {min(shares)} to {max(shares)} windows each",
        "levels": f"{plan.levels} overviews",
        "memory": f"at most {plan.worker_nbytes / 1e6:.0f} MB a worker,"
        f" {plan.writer_nbytes(workers) / 1e6:.0f} MB the writer",
        "output": f"{job.output}, {job.profile.layout}, {job.profile.compress},"
        f" at most {plan.output_nbytes / 1e6:.0f} MB, twice that while it is sealed",
    }
    return "\n".join(f"{name:8} {text}" for name, text in lines.items())


def _window_edge(job: Job, product: Product) -> tuple[int, int]:
    """Choose ``(width, height)`` of a window: whole output tiles of whole source blocks.

    A source stored in strips gets windows as wide as the image, and less high, so that no
    strip is decoded twice and a window still has about ``job.window`` squared pixels.
    """
    grid, tile = product.grid, job.profile.tile
    block_width, block_height = product.block
    if block_width >= grid.width:
        width = _multiple(tile, grid.width)
    else:
        width = _multiple(_step(tile, block_width), job.window)
    if grid.height <= min(block_height, LARGEST_SOURCE_BLOCK):
        return width, _multiple(tile, grid.height)
    return width, _multiple(_step(tile, block_height), -(-(job.window**2) // width))


def _step(tile: int, block: int) -> int:
    """Return what a window's edge must be a multiple of; blocks that are too large are cut."""
    step = math.lcm(tile, block)
    return step if step <= LARGEST_SOURCE_BLOCK else tile


def _multiple(step: int, least: int) -> int:
    """Return the smallest multiple of ``step`` that is not below ``least``."""
    return -(-least // step) * step
