"""The plan of a run: its windows, and the source chunks of each; made before any pixel is read."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from s2rgb_mpi.errors import PlanError
from s2rgb_mpi.grid import Window, interleave
from s2rgb_mpi.image.block import LARGEST_PAYLOAD
from s2rgb_mpi.inputs.mosaic import check_size, chunks
from s2rgb_mpi.inputs.warp.warper import Warper
from s2rgb_mpi.plan.levels import payload_nbytes
from s2rgb_mpi.plan.window_size import chunk_edge, least_edge, window_edge
from s2rgb_mpi.plan.work import works

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.mosaic import Member, Scene
    from s2rgb_mpi.inputs.warp.warper import Piece
    from s2rgb_mpi.inputs.warp.web_tiles import Tiling
    from s2rgb_mpi.plan.job import Job
    from s2rgb_mpi.plan.partition import Key
    from s2rgb_mpi.plan.work import Work


class Patch(NamedTuple):
    """A part of a window that is filled from one product in one step."""

    member: int
    """The number of the product."""
    target: Window
    """The part, in pixels of the image."""
    source: Window
    """The source pixels that it needs, in pixels of the product's own grid."""
    chunks: tuple[Window, ...]
    """The source chunks that contain these, in the same pixels."""

    @property
    def keys(self) -> list[Key]:
        """The chunks, identified among those of all products."""
        return [(self.member, chunk) for chunk in self.chunks]


@dataclass(frozen=True)
class Plan:
    """All decisions of a run; every rank has the same plan.

    Parameters
    ----------
    job : Job
        The inputs, the output and the options.
    scene : Scene
        The products, and their positions.
    edge : tuple of int
        ``(width, height)`` of an uncut window, pixels.
    chunk_edges : tuple of tuple of int
        ``(width, height)`` of an uncut source chunk of each product, in pixels of its own grid.
    windows : tuple of Window
        All windows, along a Z-order curve, so that neighbours are in the same share.
    levels : int
        Number of reduced levels of the file.
    whole_levels : int
        The highest level whose tiles lie wholly inside a window; workers encode these.
    done : frozenset of int
        Windows that an earlier run has written into the partial file; they are not dealt again.
    libraries_nbytes : int
        Resident memory of a rank before its work, bytes; 0 where it was not measured.
    pieces : mapping of tuple of int to tuple of Piece
        The pieces of each resampled product, by the numbers of the product and of a window.
    needed : mapping of tuple of int to float, optional
        Where clouds are looked at: the predicted share of a window for which a product is decoded,
        by the numbers of both.
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
    needed: Mapping[tuple[int, int], float] | None = field(default=None, repr=False)

    @property
    def grid(self) -> Grid:
        """The grid of the output."""
        return self.scene.grid

    @property
    def hides(self) -> bool:
        """Whether nothing of a product is needed where products above it have data."""
        return self.job.composite == "first" and self.job.clouds == "keep"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings before the start."""
        return (*self.problems, *self.scene.notes)

    @property
    def problems(self) -> tuple[str, ...]:
        """The warnings that are errors with --strict."""
        products = (text for member in self.scene.members for text in member.product.warnings)
        # A warning that several products have is listed once.
        return tuple(dict.fromkeys((*products, *self.scene.warnings)))

    @property
    def joined_levels(self) -> range:
        """The levels whose tiles span windows: they are joined from the parts of these."""
        return range(self.whole_levels + 1, self.levels + 1)

    @property
    def tiling(self) -> Tiling | None:
        """How the image and its levels lie on the tiles of web maps, if it is made for them."""
        tiling = self.scene.tiling
        return None if tiling is None else replace(tiling, levels=self.levels)

    def patches(self, number: int) -> Iterator[Patch]:
        """Yield the patches of a window, product by product, the one on top first."""
        for member in self._shown[number]:
            each = self.scene.members[member]
            if each.product.warp is None:
                yield from self._aligned(member, each, self.windows[number])
                continue
            whole = Window(0, 0, *each.product.unwarped.grid.size)
            for piece in self.pieces.get((member, number), ()):
                needed = tuple(chunks(piece.source, self.chunk_edges[member], whole))
                target = piece.target.moved(each.col_off, each.row_off)
                yield Patch(member, target, piece.source, needed)

    @cached_property
    def _shown(self) -> list[list[int]]:
        """The products of each window: most windows show one or two, of however many there are."""
        image = Window(0, 0, self.grid.width, self.grid.height)
        shown: list[list[int]] = [[] for _ in self.windows]
        numbers = {window[:2]: number for number, window in enumerate(self.windows)}
        warped = sorted(self.pieces)  # by product, and by window
        for member, each in enumerate(self.scene.members):
            if each.product.warp is not None:
                here = range(bisect_left(warped, (member,)), bisect_left(warped, (member + 1,)))
                for place in here:
                    shown[warped[place][1]].append(member)
                continue
            visible = each.visible(image)
            for window in () if visible is None else chunks(visible, self.edge, image):
                shown[numbers[window[:2]]].append(member)
        return shown

    def _aligned(self, number: int, member: Member, window: Window) -> Iterator[Patch]:
        """Yield the patches of a product that is not resampled, one per source chunk.

        So a chunk that is hidden by other products is not read at all.
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
        """List the source chunks that a window needs, without repetition."""
        if number not in self._sources:
            keys = (key for patch in self.patches(number) for key in patch.keys)
            self._sources[number] = list(dict.fromkeys(keys))
        return self._sources[number]

    @cached_property
    def _sources(self) -> dict[int, list[Key]]:
        """What :meth:`sources` has found: dealing asks for the same again and again."""
        return {}

    @cached_property
    def work(self) -> list[Work]:
        """The predicted work of every window."""
        return works(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to other ranks: not what can be found there again."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def make_plan(job: Job, scene: Scene) -> Plan:
    """Cut the scene's grid into windows, and reject impossible sizes.

    Parameters
    ----------
    job : Job
        The options.
    scene : Scene
        The products, and their positions.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        The image is far larger than its input, the edges of a window cannot be halved down to the
        last level, or a block is too large for one message.
    """
    check_size(scene)
    grid, tile = scene.grid, job.profile.tile
    profile = job.profile
    has_levels = profile.layout == "cog" and profile.overviews == "auto"
    levels = grid.overview_levels(tile) if has_levels else 0
    if scene.tiling is not None:  # further levels would not be whole tiles
        levels = min(levels, scene.tiling.levels)
    # Windows follow the blocks of the first product, as if they were those of the whole scene.
    products = [member.product for member in scene.members]
    least = least_edge(job, products)
    edge = window_edge(tile, least, products[0], grid)
    sizes = (grid.width, grid.height)
    for length, size in zip(edge, sizes, strict=True):
        if length < size and length.bit_count() == 1:
            # Such an edge is halved down to one pixel: there overviews of a very large image end.
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
    """Find the pieces of each window in the products that are resampled."""
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
