"""Clouds by the scene classification (SCL): which classes are cloudy, and what lies near them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

NODATA_CLASS, LAST_CLASS = 0, 11
"""The classes are 0 to 11, and 0 is "no data"."""

CLASSES = {
    "saturated": (1,),
    "shadow": (3,),
    "vegetation": (4,),
    "bare": (5,),
    "water": (6,),
    "unclassified": (7,),
    "cloud": (8, 9),
    "cirrus": (10,),
    "snow": (11,),
    "strict": (1, 3, 7, 8, 9, 10),
}
"""Names of classes. Class 2 has none: it was "dark features", and is "cast shadow" of mountains
since processing baseline 04.00 (Sentinel-2 Products Specification Document, SCL)."""

DEFAULT_CLASSES = (3, 8, 9, 10)
"""Cloud shadow, cloud of medium and of high probability, thin cirrus."""

MOST_BUFFER = 5000.0
"""The widest buffer around clouds, metres: each window is read with a margin of that width."""


@dataclass(frozen=True)
class Clouds:
    """Which pixels are cloudy.

    Parameters
    ----------
    classes : tuple of int
        Classes of the scene classification, 1 to 11.
    buffer : float
        Pixels as far from these are cloudy too, metres, rounded up to whole pixels of the
        classification.
    """

    classes: tuple[int, ...] = DEFAULT_CLASSES
    buffer: float = 0.0

    def radius(self, pixel: float) -> int:
        """Return the buffer in whole pixels of an edge, metres."""
        return math.ceil(round(self.buffer / pixel, 6))

    def table(self) -> NDArray[np.bool_]:
        """Return for each class whether it is cloudy, shape (12,)."""
        table = np.zeros(LAST_CLASS + 1, dtype=np.bool_)
        table[list(self.classes)] = True
        return table


def read_classes(given: int | str | Iterable[int | str]) -> tuple[int, ...]:
    """Read classes as users name them.

    Parameters
    ----------
    given : int, str or iterable of these
        Numbers, or names of :data:`CLASSES`.

    Returns
    -------
    tuple of int
        In ascending order, each once.

    Raises
    ------
    UsageError
        There is no such class, or it is 0, or there is none at all.
    """
    found: set[int] = set()
    for each in [given] if isinstance(given, int | str) else given:
        text = str(each).strip().lower()
        if text in CLASSES:
            found.update(CLASSES[text])
        elif re.fullmatch(r"0+", text):
            raise UsageError("--cloud-classes 0: class 0 is no data, which is never cloudy")
        elif text.isascii() and text.isdecimal() and int(text) <= LAST_CLASS:
            found.add(int(text))
        else:
            raise UsageError(
                f"--cloud-classes {each}: not a class; they are 1 to {LAST_CLASS}, or"
                f" {', '.join(CLASSES)}"
            )
    if not found:
        raise UsageError("--cloud-classes: at least one class is needed")
    return tuple(sorted(found))


def dilated(cloudy: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Widen areas by a disc.

    Parameters
    ----------
    cloudy : ndarray, shape (height, width), bool
        Nothing outside is cloudy.
    radius : int
        Largest distance between the centres of two pixels, pixels.

    Returns
    -------
    ndarray, shape (height, width), bool
        Whether a cloudy pixel is that near. Of each column the distance to its nearest cloudy pixel
        is found first, so that the work grows with the radius, not with its square.
    """
    if not radius or not cloudy.any():
        return cloudy
    height, width = cloudy.shape
    radius = min(radius, height + width)  # further than any pixel is
    distance = np.full((height, width), radius + 1, dtype=np.min_scalar_type(radius + 2))
    distance[cloudy] = 0
    for row in range(1, height):
        np.minimum(distance[row], distance[row - 1] + 1, out=distance[row])
    for row in range(height - 2, -1, -1):
        np.minimum(distance[row], distance[row + 1] + 1, out=distance[row])
    near = np.zeros_like(cloudy)
    for step in range(min(radius, width - 1) + 1):
        reach = distance <= math.isqrt(radius**2 - step**2)
        near[:, step:] |= reach[:, : width - step]
        near[:, : width - step] |= reach[:, step:]
    return near


def any_of(
    values: NDArray[np.bool_], begins: NDArray[np.intp], ends: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return whether any value in each of some ranges of rows is True.

    Parameters
    ----------
    values : ndarray, shape (rows, columns), bool
        The rows.
    begins, ends : ndarray, shape (ranges,), int
        The first row of each range, and the first after it; none is empty.

    Returns
    -------
    ndarray, shape (ranges, columns), bool
    """
    found = values[begins]
    for step in range(1, int((ends - begins).max())):
        found |= values[np.minimum(begins + step, ends - 1)]
    return found
