"""Sorts whole arrays, element by element: for medians."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


def in_order(arrays: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Sort arrays of one shape, element by element.

    Parameters
    ----------
    arrays : sequence of ndarray
        At least one; they are overwritten.

    Returns
    -------
    list of ndarray
        In every place the first has the least value, the last one the greatest.

    Notes
    -----
    Batcher's odd-even merge sort (doi:10.1145/1468075.1468121), whose comparisons do not depend on
    the values: each is one minimum and one maximum of whole arrays.
    """
    found = list(arrays)
    spare = np.empty_like(found[0])
    for one, other in _comparisons(len(found)):
        np.minimum(found[one], found[other], out=spare)
        np.maximum(found[one], found[other], out=found[other])
        found[one], spare = spare, found[one]
    return found


def _comparisons(count: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs that Batcher's sort of so many values compares."""
    run = 1
    while run < count:
        step = run
        while step:
            for begin in range(step % run, count - step, 2 * step):
                for one in range(begin, min(begin + step, count - step)):
                    other = one + step
                    if one // (2 * run) == other // (2 * run):
                        yield one, other
            step //= 2
        run *= 2
