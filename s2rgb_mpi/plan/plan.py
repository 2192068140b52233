"""Who does what; made before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.grid import Window, interleave
from s2rgb_mpi.image.block import LARGEST_PAYLOAD
from s2rgb_mpi.inputs.mosaic import check_size, chunks
from s2rgb_mpi.inputs.warp.warper import Warper
from s2rgb_mpi.plan.levels import payload_nbytes
from s2rgb_mpi.plan.window_size import chunk_edge, least_edge, window_edge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.mosaic import Member, Scene
    from s2rgb_mpi.inputs.warp.warper import Piece
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.partition import Key


class Patch(NamedTuple):
    """A part of a window that one product fills at once."""

    member: int
    """The number of the product."""
    target: Window
    """In pixels of the image."""
    source: Window
    """What it needs, in pixels of the product's own grid."""
    chunks: tuple[Window, ...]
    """The source chunks that this lies in, in the same pixels."""

    @property
    def keys(self) -> list[Key]:
        """What the chunks are called among those of all products."""
        return [(self.member, chunk) for chunk in self.chunks]


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
    chunk_edges : tuple of tuple of int
        The same of the source chunks of each product, in pixels of its own grid.
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
    pieces : mapping of tuple of int to tuple of Piece
        Of a product that is resampled, by its number and that of a window.
    """

    job: Job
    scene: Scene
    edge: tuple[int, int]
    chunk_edges: tuple[tuple[int, int], ...]
    windows: tuple[Window, ...]
    levels: int
    whole_levels: int
    done: frozenset[int] = frozenset()
    libraries_nbytes: int = 0
    pieces: Mapping[tuple[int, int], tuple[Piece, ...]] = field(default_factory=dict, repr=False)

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

    def patches(self, number: int) -> Iterator[Patch]:
        """List what is needed for a window, product by product, top first."""
        for member, each in enumerate(self.scene.members):
            if each.product.warp is None:
                yield from self._aligned(member, each, self.windows[number])
                continue
            whole = Window(0, 0, *each.product.unwarped.grid.size)
            for piece in self.pieces.get((member, number), ()):
                needed = tuple(chunks(piece.source, self.chunk_edges[member], whole))
                target = piece.target.moved(each.col_off, each.row_off)
                yield Patch(member, target, piece.source, needed)

    def _aligned(self, number: int, member: Member, window: Window) -> Iterator[Patch]:
        """List what is needed of a product that is not resampled, chunk by chunk.

        A chunk that products before it hide is then not even read.
        """
        here = -member.col_off, -member.row_off
        shown = member.visible(window)
        limits = member.visible(Window(0, 0, self.grid.width, self.grid.height))
        if shown is None or limits is None:
            return
        inside = shown.moved(*here)
        for chunk in chunks(inside, self.chunk_edges[number], limits.moved(*here)):
            source = chunk.overlap(inside)
            if source is not None:
                target = source.moved(member.col_off, member.row_off)
                yield Patch(number, target, source, (chunk,))

    def sources(self, number: int) -> list[Key]:
        """List the source chunks that a window needs, each once."""
        keys = (key for patch in self.patches(number) for key in patch.keys)
        return list(dict.fromkeys(keys))


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
        chunk_edges=tuple(chunk_edge(tile, least, product) for product in products),
        windows=tuple(windows),
        levels=levels,
        whole_levels=max(whole),
        pieces=_pieces(scene, windows),
    )
    if payload_nbytes(plan) > LARGEST_PAYLOAD:
        raise PlanError(f"windows of {edge[0]} x {edge[1]} pixels are too large for one message")
    return plan


def _pieces(scene: Scene, windows: Sequence[Window]) -> dict[tuple[int, int], tuple[Piece, ...]]:
    """Find what each window needs of the products that are resampled."""
    found = {}
    for number, member in enumerate(scene.members):
        if member.product.warp is None:
            continue
        warper = Warper(member.product)
        for at, window in enumerate(windows):
            shown = member.visible(window)
            if shown is not None:
                place = shown.moved(-member.col_off, -member.row_off)
                found[number, at] = tuple(warper.pieces(place))
    return found
