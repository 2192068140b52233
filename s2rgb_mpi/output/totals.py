"""The totals of an image: what its blocks count, and what the counts say of the products."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.image.block import Block, Kind
from s2rgb_mpi.image.checks.boa_offset import Counted, OffsetCheck
from s2rgb_mpi.image.checks.overlap import OverlapCheck

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.product import Product
    from s2rgb_mpi.plan.plan import Plan

NOTHING = (
    "no pixel is valid: the whole image is nodata; check --bounds, --nodata and the nodata values"
    " that the input states"
)
"""What is said of an image in which there is nothing."""


class Written(NamedTuple):
    """The finished file, as the report describes it."""

    nbytes: int
    """Its size."""
    histogram: NDArray[np.int64]
    """Valid pixels per value and band, shape (3, 256)."""
    empty: list[int]
    """The windows in which no pixel is valid."""
    verdicts: list[str]
    """What the pixels say of each product's offset."""
    warnings: tuple[str, ...]
    """What the user should look at: where the pixels contradict the offset."""
    pixels: list[int]
    """How many pixels are from each product; of a median, how many of its pixels counted."""
    damaged: dict[int, str]
    """Why windows could not be read and were left empty, by their numbers."""


class Totals:
    """The totals while blocks arrive.

    Parameters
    ----------
    plan : Plan
        The same on every rank.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.histogram = np.zeros((3, 256), dtype=np.int64)
        """Valid pixels per value and band."""
        products = [member.product for member in plan.scene.members]
        self._offset_check = OffsetCheck([_counted(product) for product in products])
        self._overlap_check = OverlapCheck([product.name for product in products], plan.job.stretch)
        self._pixels = np.zeros(len(products), dtype=np.uint64)
        self._empty: list[int] = []
        self._damaged: dict[int, str] = {}

    @property
    def pixels(self) -> list[int]:
        """How many pixels are from each product; of a median, how many of its pixels counted."""
        if len(self._pixels) == 1:
            return [int(self.histogram[0].sum())]
        return [int(count) for count in self._pixels]

    def add(self, block: Block) -> None:
        """Add the counts of a block."""
        self.histogram += block.histogram
        for piece in block.pieces:
            if piece.kind is Kind.COUNTS:
                self._offset_check.add(piece.product, piece.data)
            if piece.kind is Kind.OVERLAP:
                self._overlap_check.add(piece.product, piece.data)
            if piece.kind is Kind.PIXELS:
                self._pixels += np.frombuffer(piece.data, dtype="<u8")
            if piece.kind is Kind.CAUSE:
                self._damaged[block.window] = bytes(piece.data).decode(errors="replace")
        if not block.histogram.any():  # no pixel is valid
            self._empty.append(block.window)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should look at: pixels that contradict statements, or none valid."""
        nothing = len({*self._empty, *self._damaged}) == len(self._plan.windows)
        empty = (f"{self._plan.job.output}: {NOTHING}",) if nothing else ()
        return self._offset_check.warnings() + self._overlap_check.warnings() + empty

    def tags(self) -> dict[str, str]:
        """Return the metadata items of the checks, and of windows that were left empty.

        Windows that could not be read stand there as ``col_off,row_off,width,height``.
        """
        several = len(self._pixels) > 1
        items = {
            "S2RGB_OFFSET_CHECK": self._offset_check.tag(),
            "S2RGB_OVERLAP_CHECK": self._overlap_check.tag(),
            "S2RGB_PIXELS": " ".join(map(str, self.pixels)) if several else "",
            "S2RGB_DAMAGED_WINDOWS": " ".join(
                ",".join(map(str, self._plan.windows[number])) for number in sorted(self._damaged)
            ),
        }
        return {name: value for name, value in items.items() if value}

    def written(self, nbytes: int) -> Written:
        """Describe the finished file of that size for the report."""
        verdicts = [verdict.tag() for _, verdict in self._offset_check.verdicts()]
        damage = tuple(f"left empty: {cause}" for _, cause in sorted(self._damaged.items()))
        return Written(
            nbytes,
            self.histogram,
            self._empty,
            verdicts,
            self.warnings() + damage,
            self.pixels,
            self._damaged,
        )


def _counted(product: Product) -> Counted:
    """Return what the offset check needs to know of a product."""
    stored = product.bands[0].stored
    calibrations = [band.calibration for band in product.bands]
    return Counted(product.name, calibrations, stored.dtype, stored.gain)
