"""The colours of a window: the observations of its products, made one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.image.composite import Composite, First, Median, add_counts
from s2rgb_mpi.inputs.band_file import Memory
from s2rgb_mpi.inputs.clear import ClearMask
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.product import RGB_BANDS
from s2rgb_mpi.inputs.warp.warper import Piece, Warper
from s2rgb_mpi.ranks.parts import ChunkParts, part_of, places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.image.composite import Inside
    from s2rgb_mpi.plan.plan import Patch, Plan
    from s2rgb_mpi.ranks.chunk_exchange import ChunkExchange, Part, Place
    from s2rgb_mpi.timing import Tally


class Rendered(NamedTuple):
    """The colours of a window, and what is counted in it."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4); 0 in all bands where no product has data."""
    counts: dict[int, NDArray[np.uint32]]
    """For the offset check: counts of the DN of a sample, by the number of the product."""
    overlaps: dict[int, NDArray[np.uint32]]
    """For the overlap check: colours above and below, by the number of the lower product."""
    pixels: NDArray[np.uint64]
    """How many observations of each product are in the window."""
    sources: NDArray[np.unsignedinteger[Any]] | None
    """Which product each pixel is from, counted from 1; None where several make one pixel."""


class Renderer:
    """Renders the windows of a share.

    A source chunk is read for the first window that needs it. One that is wholly hidden by products
    above it, or wholly cloudy, is never read.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows to be rendered, each once.
    tally : Tally
        The times are added here.
    exchange : ChunkExchange, optional
        If other shares need source chunks of this one.
    """

    def __init__(
        self, plan: Plan, share: Sequence[int], tally: Tally, exchange: ChunkExchange | None = None
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._memory = Memory()
        self._parts = ChunkParts(plan, share, tally, self._memory, exchange)
        self._warpers: dict[int, Warper] = {}
        self._masks: dict[int, ClearMask] = {}

    def close(self, *, wait: bool = True) -> None:
        """Stop reading ahead, and optionally wait for open requests."""
        self._parts.close(wait=wait)

    def add(self, share: Sequence[int]) -> None:
        """Add windows to those to be rendered."""
        self._parts.add(share)

    def render(self, number: int) -> Rendered:
        """Return the colours of one window.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        # Not as soon as the last window is done: one that is dealt then may need them again.
        for member in self._parts.close_unneeded():
            self._warpers.pop(member, None)
            self._masks.pop(member, None)
        patches = list(places(self._plan, number))
        try:
            return self._rendered(number, patches)
        except ReadError as error:
            raise ReadError(f"window {number} {error}") from error
        finally:
            self._parts.release(patches)

    def _rendered(self, number: int, patches: Sequence[tuple[Place, Patch]]) -> Rendered:
        """Add the observations of all products: the clear ones, then cloudy ones if needed."""
        window = self._plan.windows[number]
        composite = self._composite(window)
        counts: dict[int, NDArray[np.uint32]] = {}

        def add(place: Place, patch: Patch, clear: NDArray[np.bool_] | None) -> None:
            rgba, counted = self._coloured(place, patch)
            with self._tally.stage("render", number):
                add_counts(counts, patch.member, counted)
                composite.add(patch.member, _inside(window, patch), rgba, clear)

        hidden = []  # where nothing clear is needed
        for place, patch in patches:
            inside = _inside(window, patch)
            clear = self._clear(patch, number) if composite.needs(inside) else None
            if composite.needs(inside, clear):
                add(place, patch, clear)
            else:
                hidden.append((place, patch))
        for place, patch in hidden:
            if composite.needs_cloudy(patch.member, _inside(window, patch)):
                add(place, patch, np.zeros((patch.target.height, patch.target.width), np.bool_))
        with self._tally.stage("render", number):
            rgba = composite.image()
            sources = composite.sources if isinstance(composite, First) else None
            return Rendered(rgba, counts, composite.overlaps, composite.pixels(), sources)

    def _composite(self, window: Window) -> Composite:
        """Return the empty image of a window."""
        job = self._plan.job
        kind = Median if job.composite == "median" else First
        shape, products = (window.height, window.width), len(self._plan.scene.members)
        return kind(shape, products, keeps_cloudy=job.clouds == "avoid")

    def _coloured(self, place: Place, patch: Patch) -> Part:
        """Return the colours of a patch, RGBA of the shape of its target; and their counts."""
        if self._plan.scene.members[patch.member].product.warp is None:
            (key,) = patch.keys
            return self._parts.take(key, place, part_of(patch, key))
        source = self._array("source", patch.source)
        for key in patch.keys:
            part = part_of(patch, key)
            inside = part.moved(-patch.source.col_off, -patch.source.row_off).slices
            for band, values in zip(source, self._parts.take(key, place, part), strict=True):
                band[inside] = values
        with self._tally.stage("render", place[0]):
            out = self._array("resampled", patch.target)
            out[:] = 0
            self._warper(patch.member).warp(source, self._piece(patch), out)
            return self._parts.colours[patch.member].colour(list(out))

    def _clear(self, patch: Patch, number: int) -> NDArray[np.bool_] | None:
        """Return which pixels of a patch are clear; None if nobody wants to know."""
        job = self._plan.job
        if job.clouds == "keep":
            return None
        product = self._plan.scene.members[patch.member].product
        with self._tally.stage("read", number):
            clear = self._read_clear(patch)
        if product.warp is None:
            return clear
        with self._tally.stage("render", number):
            return self._warper(patch.member).nearest(clear, self._piece(patch))

    def _read_clear(self, patch: Patch) -> NDArray[np.bool_]:
        """Read which source pixels of a patch are clear; once more if that fails, as for bands."""
        try:
            return self._mask(patch.member).read(patch.source)
        except ReadError:
            product = self._plan.scene.members[patch.member].product
            forget(each.path for each in product.classifications)
            self._masks.pop(patch.member, None)
            return self._mask(patch.member).read(patch.source)

    def _mask(self, member: int) -> ClearMask:
        """Return the clear pixels of a product."""
        if member not in self._masks:
            product = self._plan.scene.members[member].product
            self._masks[member] = ClearMask(product, self._plan.job.cloudy)
        return self._masks[member]

    def _warper(self, member: int) -> Warper:
        """Return the warper of a product."""
        if member not in self._warpers:
            self._warpers[member] = Warper(self._plan.scene.members[member].product)
        return self._warpers[member]

    def _piece(self, patch: Patch) -> Piece:
        """Return what a warper fills for a patch, in pixels of the product."""
        member = self._plan.scene.members[patch.member]
        return Piece(patch.target.moved(-member.col_off, -member.row_off), patch.source)

    def _array(self, use: str, window: Window) -> NDArray[np.uint16]:
        """Return an array for the three bands of a window; the next patch overwrites it."""
        return self._memory.array(0, use, "uint16", (len(RGB_BANDS), window.height, window.width))


def _inside(window: Window, patch: Patch) -> Inside:
    """Return the rows and columns of a patch in its window."""
    return patch.target.moved(-window.col_off, -window.row_off).slices
