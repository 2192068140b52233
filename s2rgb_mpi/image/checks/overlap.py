"""The overlap check: whether the products of a mosaic agree where they show the same ground.

An offset that one product has and its neighbour lacks is a step of a tenth of reflectance along
their border. Where a worker paints a product beneath others, and both have data, it counts the
colours of both; the writer adds the counts up, and their medians are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from s2rgb_mpi.image.radiometry import Calibration, make_lut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.image.radiometry import Curve

SHAPE = (2, 3, 256)
"""Counts of one product: what lies above it and itself, bands, values."""

NBYTES = 2 * 3 * 256 * 4
"""What one product's counts take on the wire, bytes."""

SAMPLE_STEP = 4
"""One pixel in so many rows and columns is counted, as for the offset check."""

LEAST_PIXELS = 500
"""Fewer common pixels give no result, as for the offset check."""

MOST_DIFFERENCE = 0.05
"""Reflectance by which medians may differ in all three bands: half of the offset looked for.
Another day, another sun and thin cloud seldom differ by that much in all three the same way."""


def count(
    above: NDArray[np.uint8], below: NDArray[np.uint8], common: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Count the colours of two images of one place.

    Parameters
    ----------
    above, below : ndarray, shape (height, width, 4), uint8
        As :func:`~s2rgb_mpi.image.radiometry.colour` fills them.
    common : ndarray, shape (height, width), bool
        Where both have data, and are clear if clouds are looked at.

    Returns
    -------
    ndarray, shape SHAPE, uint32
        Pixels of a sample per value.
    """
    return count_all(sampled(above), sampled(below), sampled(common))


def sampled(array: NDArray[Any]) -> NDArray[Any]:
    """Return the rows and columns of an array that are counted, without a copy."""
    return array[::SAMPLE_STEP, ::SAMPLE_STEP]


def count_all(
    above: NDArray[np.uint8], below: NDArray[np.uint8], common: NDArray[np.bool_]
) -> NDArray[np.uint32]:
    """Count the colours of samples; the parameters are those of :func:`count`."""
    return np.array(
        [
            [np.bincount(image[..., band][common], minlength=256) for band in range(3)]
            for image in (above, below)
        ],
        dtype="<u4",
    )


class OverlapCheck:
    """The counts of a whole run, product by product, and what they say.

    Parameters
    ----------
    names : sequence of str
        The products, the one on top first.
    curve : Curve
        How reflectance became colour: medians of colours are turned back by it.
    """

    def __init__(self, names: Sequence[str], curve: Curve) -> None:
        self._names = names
        self._counts = np.zeros((len(names), *SHAPE), dtype=np.int64)
        # The first DN that has a colour stands for it; DN 0 is none.
        first = 1 + np.searchsorted(make_lut(Calibration(), curve)[1:], np.arange(256))
        self._reflectance = first / Calibration().quantification

    def add(self, product: int, counts: bytes | memoryview) -> None:
        """Add what :func:`count` gave for one window, as bytes, to the product below."""
        self._counts[product] += np.frombuffer(counts, dtype="<u4").reshape(SHAPE)

    def differences(self) -> dict[str, NDArray[np.float64]]:
        """Return by how much each product is brighter than those above it.

        Returns
        -------
        dict of str to ndarray, shape (3,), float64
            Reflectance, red, green, blue; products with too few common pixels are left out.
        """
        found = {}
        for name, counts in zip(self._names, self._counts, strict=True):
            if counts[0, 0].sum() >= LEAST_PIXELS:
                half = counts.sum(axis=2, keepdims=True) / 2
                medians = (np.cumsum(counts, axis=2) < half).sum(axis=2)
                above, below = self._reflectance[medians]
                found[name] = below - above
        return found

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each product that differs as by an offset."""
        return tuple(
            f"{name}: where it overlaps the products above it, its reflectance is higher by"
            f" {_numbers(difference)} (B04, B03, B02; medians): the offset of one of them may be"
            " wrong; --dry-run shows which are in use"
            for name, difference in self.differences().items()
            if np.abs(difference).min() > MOST_DIFFERENCE
            and np.abs(np.sign(difference).sum()) == len(difference)
        )

    def tag(self) -> str:
        """Return the differences as one metadata item; empty where nothing overlaps."""
        return "; ".join(
            f"{name} {_numbers(difference)}" for name, difference in self.differences().items()
        )


def _numbers(difference: NDArray[np.float64]) -> str:
    return ", ".join(f"{number:z.3f}" for number in difference)
