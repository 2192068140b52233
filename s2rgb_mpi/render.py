"""A window's colours: the first valid pixel of the products that lie there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi import offsets, seams
from s2rgb_mpi.errors import ReadError
from s2rgb_mpi.product import forget
from s2rgb_mpi.radiometry import colour, make_lut, valid
from s2rgb_mpi.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Window
    from s2rgb_mpi.plan import Plan
    from s2rgb_mpi.report import Tally


class Rendered(NamedTuple):
    """A window's colours, and what was seen on the way."""

    rgb: NDArray[np.uint8]
    """Shape (height, width, 3); 0 in all bands where no product has data."""
    counts: dict[int, NDArray[np.uint32]]
    """For the offset check: the DN of a sample, by the number of the product."""
    seams: dict[int, NDArray[np.uint32]]
    """For the overlap check: colours above and below, by the number of the product below."""


class Renderer:
    """Renders the windows of a share, and decodes no source block twice for it.

    Products are read in cells of whole blocks. Where the blocks of a product do not line up with
    the windows, a cell shows in up to four of them: it is kept until the last window of the share
    that may need it is done. A cell that is wholly hidden by products before it is never read.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    share : sequence of int
        Numbers of the windows that will be asked for, each once.
    tally : Tally
        Filled here.
    """

    def __init__(self, plan: Plan, share: Sequence[int], tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._sources: dict[int, Source] = {}
        self._calibrations = [
            [band.calibration for band in member.product.bands] for member in plan.scene.members
        ]
        self._luts = [
            [make_lut(calibration, plan.job.stretch) for calibration in calibrations]
            for calibrations in self._calibrations
        ]
        self._uses = Counter(
            (member, cell.source)
            for number in share
            for member, cell in plan.cells(plan.windows[number])
        )
        self._kept: dict[tuple[int, Window], list[NDArray[np.uint16]]] = {}

    def render(self, number: int) -> Rendered:
        """Give the colours of one window.

        Raises
        ------
        ReadError
            Names the window and the file.
        """
        window = self._plan.windows[number]
        rgb = np.zeros((window.height, window.width, 3), dtype=np.uint8)
        rendered = Rendered(rgb, {}, {})
        shown_here = list(self._plan.cells(window))
        for position, (member, cell) in enumerate(shown_here):
            shown = cell.target.overlap(window)
            assert shown is not None  # noqa: S101  `cells` lists no other
            place = shown.moved(-window.col_off, -window.row_off).slices
            if member == 0 or not valid(rgb[place]).all():
                try:
                    dn = self._read(number, member, cell.source)
                except ReadError as error:
                    for other, left in shown_here[position:]:
                        self._release(other, left.source)
                    raise ReadError(f"window {number} {error}") from error
                inside = shown.moved(-cell.target.col_off, -cell.target.row_off).slices
                part = [band[inside] for band in dn]
                with self._tally.stage("render", number):
                    self._paint(rendered, member, part, rgb[place])
            self._release(member, cell.source)
        return rendered

    def _paint(
        self,
        rendered: Rendered,
        member: int,
        dn: Sequence[NDArray[np.uint16]],
        target: NDArray[np.uint8],
    ) -> None:
        """Colour the pixels of a part of the window that are still empty; count what is seen."""
        _add(rendered.counts, member, offsets.count(dn, self._calibrations[member]))
        if member == 0:
            colour(dn, self._luts[member], target)
            return
        fresh = np.empty_like(target)
        colour(dn, self._luts[member], fresh)
        if target.any():
            _add(rendered.seams, member, seams.count(target, fresh))
        empty = ~valid(target)
        target[empty] = fresh[empty]

    def _read(self, number: int, member: int, cell: Window) -> list[NDArray[np.uint16]]:
        """Read a cell, or return it as it was read for an earlier window.

        If that fails, the product is opened anew and read once more.
        """
        if (member, cell) in self._kept:
            return self._kept[member, cell]
        try:
            dn = self._fetch(number, member, cell)
        except ReadError:
            forget(band.path for band in self._plan.scene.members[member].product.bands)
            self._sources.pop(member, None)
            dn = self._fetch(number, member, cell)
        with self._tally.stage("read", number):
            if self._uses[member, cell] > 1:
                dn = self._kept[member, cell] = [band.copy() for band in dn]
        return dn

    def _fetch(self, number: int, member: int, cell: Window) -> list[NDArray[np.uint16]]:
        """Read a cell, of a product that may have to be opened first."""
        if member not in self._sources:
            with self._tally.stage("open", number):
                self._sources[member] = Source(self._plan.scene.members[member].product)
        with self._tally.stage("read", number):
            return self._sources[member].read(cell)

    def _release(self, member: int, cell: Window) -> None:
        """Count down the windows that may still need a cell; drop it after the last."""
        self._uses[member, cell] -= 1
        if not self._uses[member, cell]:
            self._kept.pop((member, cell), None)


def _add(sums: dict[int, NDArray[np.uint32]], member: int, counts: NDArray[np.uint32]) -> None:
    """Add the counts of a cell to those of the window."""
    sums[member] = sums[member] + counts if member in sums else counts
