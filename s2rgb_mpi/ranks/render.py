"""A window's colours: the first valid pixel of the products that lie there."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.heap import give_back
from s2rgb_mpi.image.checks import boa_offset, overlap
from s2rgb_mpi.image.radiometry import RGBA, colour, make_lut, valid
from s2rgb_mpi.inputs.ahead import Ahead, is_served
from s2rgb_mpi.inputs.files.remote import forget
from s2rgb_mpi.inputs.reader import Memory, Source
from s2rgb_mpi.plan.reading import reading_order
from s2rgb_mpi.ranks.cell_exchange import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.inputs.mosaic import Cell
    from s2rgb_mpi.plan.plan import Plan
    from s2rgb_mpi.ranks.cell_exchange import CellExchange
    from s2rgb_mpi.timing import Tally


GIVE_BACK_WINDOWS = 20
"""After so many windows what is free is given back: far less often than it is needed again."""


class Rendered(NamedTuple):
    """A window's colours, and what was seen on the way."""

    rgba: NDArray[np.uint8]
    """Shape (height, width, 4); 0 in all bands where no product has data."""
    counts: dict[int, NDArray[np.uint32]]
    """For the offset check: the DN of a sample, by the number of the product."""
    overlaps: dict[int, NDArray[np.uint32]]
    """For the overlap check: colours above and below, by the number of the product below."""


class Renderer:
    """Renders the windows of a share, and decodes no source block twice for it.

    Products are read in cells of whole blocks. Where the blocks of a product do not line up with
    the windows, a cell shows in up to four of them: for each of those that are still to come, its
    part of the cell is coloured at once, and kept; that takes a third of what the whole cell
    would take as DN. Likewise for windows of other shares. A cell that is wholly hidden by products
    before it is never read.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows that will be asked for, each once.
    tally : Tally
        Filled here.
    exchange : CellExchange, optional
        Where there are other shares whose cells show in this one.
    """

    def __init__(
        self, plan: Plan, share: Sequence[int], tally: Tally, exchange: CellExchange | None = None
    ) -> None:
        self._plan = plan
        self._tally = tally
        self._exchange = exchange
        self._sources: dict[int, Source] = {}
        self._memory = Memory()
        self._luts: list[list[NDArray[np.uint8]]] = []
        self._bins: list[list[NDArray[np.int16]]] = []
        job = plan.job
        for bands in (member.product.bands for member in plan.scene.members):
            dn = [band.stored.dn_of_codes() for band in bands]
            self._luts.append(
                [
                    make_lut(band.calibration, job.stretch, darkest=job.darkest, dn=numbers)
                    for band, numbers in zip(bands, dn, strict=True)
                ]
            )
            self._bins.append(list(map(boa_offset.bins, dn)))
        self._awaited: defaultdict[tuple[int, Window], set[int]] = defaultdict(set)
        self._rendered = 0
        self._uses: Counter[int] = Counter()  # windows and cells of a product still to come
        for number in share:
            for member, cell in plan.cells(plan.windows[number]):
                self._awaited[member, cell.source].add(number)
                self._uses[member] += 1
        self._kept: dict[tuple[int, Window, int], Part] = {}
        products = [member.product for member in plan.scene.members]
        self._ahead: Ahead | None = None
        if any(map(is_served, products)):
            order = reading_order(plan, share, exchange.comes if exchange else lambda _: False)
            self._ahead = Ahead(products, order)

    def close(self, *, patient: bool = True) -> None:
        """Read nothing ahead any more; wait for open requests, unless it is urgent."""
        if self._ahead is not None:
            self._ahead.close(patient=patient)

    def render(self, number: int) -> Rendered:
        """Return the colours of one window.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        window = self._plan.windows[number]
        rgba = np.zeros((window.height, window.width, RGBA), dtype=np.uint8)
        rendered = Rendered(rgba, {}, {})
        # Whatever becomes of this window, nothing is kept for it any longer.
        here = [
            (member, cell, self._take(member, cell, number))
            for member, cell in self._plan.cells(window)
        ]
        for member, cell, kept in here:
            shown = cell.target.overlap(window)
            assert shown is not None  # noqa: S101  `cells` lists no other
            target = rgba[shown.moved(-window.col_off, -window.row_off).slices]
            if member and valid(target).all():
                continue
            try:
                part = kept or self._passed(number, member, cell)
                part = part or self._read(number, member, cell)
            except ReadError as error:
                raise ReadError(f"window {number} {error}") from error
            with self._tally.stage("render", number):
                _paint(rendered, member, part, target)
        if self._exchange is not None:
            for member, cell, _ in here:
                if not self._awaited[member, cell.source]:
                    self._exchange.leave((member, cell.source))
        for member, _, _ in here:
            if not self._uses[member]:  # an open file holds a block or two: megabytes
                self._sources.pop(member, None)
        self._rendered += 1
        if self._kept and self._rendered % GIVE_BACK_WINDOWS == 0:
            give_back()
        return rendered

    def _passed(self, number: int, member: int, cell: Cell) -> Part | None:
        """Return what another worker has of a cell, and keep the parts of later windows."""
        if self._exchange is None:
            return None
        with self._tally.stage("idle", number):
            parts = self._exchange.take((member, cell.source))
        for window in self._awaited[member, cell.source] & parts.keys():
            self._kept[member, cell.source, window] = parts[window]
        return parts.get(number)

    def _read(self, number: int, member: int, cell: Cell) -> Part:
        """Read a cell, keep the parts that later windows show, and return that of this one."""
        dn = self._patient(number, member, cell.source)
        with self._tally.stage("render", number):
            for later in self._awaited[member, cell.source]:
                self._kept[member, cell.source, later] = self._part(later, member, cell, dn)
            if self._exchange is not None:
                key = member, cell.source
                others = self._exchange.later(key)
                parts = {other: self._part(other, member, cell, dn) for other in others}
                self._exchange.give(key, parts)
            return self._part(number, member, cell, dn)

    def _take(self, member: int, cell: Cell, number: int) -> Part | None:
        """Return what is kept of a cell for a window, and keep it no longer."""
        self._awaited[member, cell.source].remove(number)
        self._uses[member] -= 1
        return self._kept.pop((member, cell.source, number), None)

    def _patient(self, number: int, member: int, cell: Window) -> list[NDArray[np.uint16]]:
        """Read a cell; if that fails, open the product anew and try once more."""
        try:
            return self._fetch(number, member, cell)
        except ReadError:
            forget(band.path for band in self._plan.scene.members[member].product.bands)
            self._sources.pop(member, None)
            return self._fetch(number, member, cell)

    def _fetch(self, number: int, member: int, cell: Window) -> list[NDArray[np.uint16]]:
        """Read a cell, of a product that may have to be opened first.

        All products are read into the same memory.
        """
        if member not in self._sources:
            product = self._plan.scene.members[member].product
            if self._ahead is not None:
                with self._tally.stage("network", number):
                    self._ahead.before_open(member)
            with self._tally.stage("open", number):
                self._sources[member] = Source(product, self._memory)
        if self._ahead is not None:
            with self._tally.stage("network", number):
                self._ahead.before_read(member, cell, self._sources)
        with self._tally.stage("read", number):
            return self._sources[member].read(cell)

    def _part(self, number: int, member: int, cell: Cell, dn: Sequence[NDArray[np.uint16]]) -> Part:
        """Colour what a window shows of a cell, and count its DN."""
        shown = cell.target.overlap(self._plan.windows[number])
        assert shown is not None  # noqa: S101  the cell is awaited by windows that show it
        inside = shown.moved(-cell.target.col_off, -cell.target.row_off).slices
        part = [band[inside] for band in dn]
        rgba = np.empty((shown.height, shown.width, RGBA), dtype=np.uint8)
        colour(part, self._luts[member], rgba, darkest=self._plan.job.darkest)
        return Part(rgba, boa_offset.count(part, self._bins[member]))


def _paint(rendered: Rendered, member: int, part: Part, target: NDArray[np.uint8]) -> None:
    """Fill the pixels of a part of the window that are still empty; count what is seen."""
    _add(rendered.counts, member, part.counts)
    if member == 0:
        target[:] = part.rgba
        return
    if not target.any():  # mostly, and far faster than pixel by pixel
        target[:] = part.rgba
        return
    _add(rendered.overlaps, member, overlap.count(target, part.rgba))
    np.copyto(target, part.rgba, where=~valid(target)[..., np.newaxis])


def _add(sums: dict[int, NDArray[np.uint32]], member: int, counts: NDArray[np.uint32]) -> None:
    """Add the counts of a cell to those of the window."""
    sums[member] = sums[member] + counts if member in sums else counts
