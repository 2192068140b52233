"""Who does what; made before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.grid import Window, interleave
from s2rgb_mpi.image.block import LARGEST_PAYLOAD
from s2rgb_mpi.inputs.mosaic import cells, check_size
from s2rgb_mpi.plan.levels import payload_nbytes
from s2rgb_mpi.plan.window_size import cell_edge, least_edge, window_edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.mosaic import Cell, Scene
    from s2rgb_mpi.plan.job import Job


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
    def grid(self) -> Grid:
        """Where the output's pixels lie."""
        return self.scene.grid

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

    def cells(self, window: Window) -> Iterator[tuple[int, Cell]]:
        """List the cells that show in a window, by the number of their product, top first."""
        for number, (member, edge) in enumerate(
            zip(self.scene.members, self.cell_edges, strict=True)
        ):
            for cell in cells(member, self.grid, edge, window):
                yield number, cell

    def sources(self, number: int) -> list[tuple[int, Window]]:
        """List what is read for a window: numbers of products, and places in them."""
        return [(member, cell.source) for member, cell in self.cells(self.windows[number])]


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
    products = [member.product for member in scene.members]
    least = least_edge(job, products)
    edge = window_edge(tile, least, products[0], grid)
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
        cell_edges=tuple(cell_edge(tile, least, product, product.grid) for product in products),
        windows=tuple(windows),
        levels=levels,
        whole_levels=max(whole),
    )
    if payload_nbytes(plan) > LARGEST_PAYLOAD:
        raise PlanError(f"windows of {edge[0]} x {edge[1]} pixels are too large for one message")
    return plan
