"""An image of any size from a small one: the small one as it is, and patches of it around.

Image quilting (Efros and Freeman 2001, doi:10.1145/383259.383296): each patch is the one of many
that fits best to what is above and to the left of it, and is cut out along a seam where the two
differ least.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.testing.lattice import bilinear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PATCH = 480
"""Edge of a patch, pixels."""

OVERLAP = 192
"""Pixels that it shares with each neighbour, in which the seams run."""

STEP = PATCH - OVERLAP
"""From one patch to the next, pixels."""

_FEATHER = 16  # pixels over which a patch fades in behind its seam
_CANDIDATES = 400
_CELL = 32  # edge of a pixel of the small copies on which candidates are compared
_CELLS = PATCH // _CELL
_FINE = 4  # pixels of a step of a seam
_SEAMS = slice(0, (OVERLAP - _FEATHER) // _FINE)  # where seams run, in such steps
_SHIFT = _FEATHER // _FINE
_FLAT = 20  # cost of a seam where nothing differs, as of 20 DN: short ways are good ones
_FAR = 2**50


class Quilt:
    """An image of any size, made from top to bottom.

    Parameters
    ----------
    source : ndarray, shape (bands, rows, cols), int16
        At least `PATCH` rows and columns. Its largest square of whole patches is the upper left
        corner of the image, but for `OVERLAP` pixels at its lower and right edge.
    width : int
        Of the image, pixels.
    rng : numpy.random.Generator
        Same state, same pixels, on any machine: only whole numbers are summed up and compared.
    """

    def __init__(self, source: NDArray[np.int16], width: int, rng: np.random.Generator) -> None:
        self._edge = (min(source.shape[1:]) - OVERLAP) // STEP * STEP + OVERLAP
        self._source = source[:, : self._edge, : self._edge]
        self._turned = [np.rot90(self._source, turns, axes=(1, 2)) for turns in range(4)]
        self._small = [_small(turned) for turned in self._turned]
        self._used = np.zeros(self._small[0].shape[1:], np.int64)
        self._rng, self._width = rng, width
        self._cols = range(0, width, STEP)
        self._canvas = np.zeros((len(source), PATCH, self._cols[-1] + PATCH), np.int16)

    def bands(self) -> Iterator[NDArray[np.int16]]:
        """Make the image, and never end.

        Yields
        ------
        ndarray, shape (bands, STEP, width), int16
            The next rows; they are overwritten when those after them are made.
        """
        canvas, row = self._canvas, 0
        while True:
            seam = None
            for col in self._cols:
                there = canvas[:, :, col : col + PATCH]
                if max(row, col) + PATCH <= self._edge:
                    patch = self._source[:, row : row + PATCH, col : col + PATCH]
                else:
                    patch = self._choose(there, below=row > 0, beside=col > 0)
                seam = self._lay(patch, there, seam, below=row > 0, beside=col > 0)
            yield canvas[:, :STEP, : self._width]
            canvas[:, :OVERLAP] = canvas[:, STEP:].copy()
            row += STEP

    def _choose(self, canvas: NDArray[np.int16], *, below: bool, beside: bool) -> NDArray[np.int16]:
        """Return the candidate that differs least from what is there; fresh ones are preferred."""
        known = np.zeros((_CELLS, _CELLS), bool)
        known[: OVERLAP // _CELL] |= below
        known[:, : OVERLAP // _CELL] |= beside
        rows, cols = np.nonzero(known)
        there = _small(canvas)[:, rows, cols]
        size = len(self._used)
        places = self._rng.integers(0, size - _CELLS + 1, (4, _CANDIDATES // 4, 2))
        best = None
        for turns, (small, draws) in enumerate(zip(self._small, places, strict=True)):
            first = draws[:, 0] * size + draws[:, 1]
            cells = first[:, np.newaxis] + (rows * size + cols)
            step = small.reshape(len(small), -1)[:, cells] - there[:, np.newaxis]
            cost = (step * step).sum(axis=(0, 2)) * (_CELLS**2 + self._uses(turns, draws))
            at = int(cost.argmin())
            if best is None or cost[at] < best[0]:
                best = cost[at], turns, *map(int, draws[at])
        assert best is not None  # noqa: S101  there are always candidates
        _, turns, row, col = best
        np.rot90(self._used, turns)[row : row + _CELLS, col : col + _CELLS] += 1
        row, col = row * _CELL, col * _CELL
        return self._turned[turns][:, row : row + PATCH, col : col + PATCH]

    def _uses(self, turns: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how often the cells of candidates are in use, all together."""
        used = np.rot90(self._used, turns)
        total = np.pad(used, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        top, left = places.T
        below, right = top + _CELLS, left + _CELLS
        uses: NDArray[np.int64] = total[below, right] - total[top, right]
        return uses - total[below, left] + total[top, left]

    def _lay(
        self,
        patch: NDArray[np.int16],
        canvas: NDArray[np.int16],
        begin: int | None,
        *,
        below: bool,
        beside: bool,
    ) -> int | None:
        """Lay a patch over what is above and beside it, in place.

        The seam below what is above begins at step `begin`, and ends at the one that is returned.
        """
        step = patch[:, ::_FINE, ::_FINE].astype(np.int64) - canvas[:, ::_FINE, ::_FINE]
        cost = (np.abs(step).sum(axis=0) + _FLAT) * self._rugged(PATCH // _FINE)
        opacity = np.ones((PATCH, PATCH), np.float32)
        if beside:
            opacity[:, :OVERLAP] *= _fade(_seam(cost[:, _SEAMS]))
        end = None
        if below:
            # The patch beside ends where the overlap does: from there its seam is continued.
            first = OVERLAP // _FINE if beside else 0
            seam = _seam(cost[_SEAMS, first:].T, begin)
            opacity[:OVERLAP] *= _fade(np.concatenate([np.full(first, seam[0]), seam])).T
            end = int(seam[-1])
        above, rest = slice(0, OVERLAP), slice(OVERLAP, PATCH)
        for area in (above, slice(None)), (rest, above):
            old, new = canvas[:, *area], patch[:, *area]
            old += np.rint(opacity[area] * (new - old)).astype(np.int16)
        canvas[:, rest, rest] = patch[:, rest, rest]
        return end

    def _rugged(self, size: int) -> NDArray[np.int64]:
        """Return factors of the cost, shape (size, size), hills and valleys of several widths.

        Where land meets water all ways are alike, and the straight one would be a straight coast.
        """
        factor = np.full((size, size), 16, np.float32)
        for width in (4, 8, 16, 32):
            hills = self._rng.random((size // width + 2, size // width + 2), np.float32)
            at = np.arange(size) / width
            factor *= 1 + np.float32(math.sqrt(width)) * bilinear(hills, at, at)
        return factor.astype(np.int64)


def _small(image: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return the means of cells, each of every fourth row and column in it."""
    bands, rows, cols = image.shape
    edge = _CELL // 4
    cells = image[:, 1::4, 1::4].reshape(bands, rows // _CELL, edge, cols // _CELL, edge)
    return cells.sum(axis=(2, 4), dtype=np.int64) // edge**2


def _fade(seam: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the opacity of a patch to the right of a seam, where the overlap is."""
    steps = np.arange(len(seam))
    line = np.interp(np.arange(PATCH) / _FINE, steps, seam * _FINE).astype(np.float32)
    return np.clip((np.arange(OVERLAP) - line[:, np.newaxis]) / np.float32(_FEATHER), 0, 1)


def _seam(cost: NDArray[np.int64], begin: int | None = None) -> NDArray[np.intp]:
    """Return the column of the cheapest way from the first row to the last, one a row.

    It begins left of the column in which another ended, by as much as that one fades in, so that
    nothing is seen of the edge behind it.
    """
    total = cost.copy()
    if begin is not None:
        total[0, np.arange(cost.shape[1]) != begin - _SHIFT] = _FAR
    above = np.full(cost.shape[1] + 2, _FAR, np.int64)
    for row in range(1, len(cost)):
        above[1:-1] = total[row - 1]
        total[row] += np.minimum(np.minimum(above[:-2], above[2:]), above[1:-1])
    seam = np.empty(len(cost), np.intp)
    seam[-1] = total[-1, _SHIFT:].argmin() + _SHIFT
    for row in range(len(cost) - 2, -1, -1):
        low = max(seam[row + 1] - 1, 0)
        seam[row] = low + total[row, low : seam[row + 1] + 2].argmin()
    return seam
