"""The offset check: whether a product's pixels agree with the calibration that is used.

Since processing baseline 04.00 ESA writes DN that are 1000 higher, and says so in the metadata
(BOA_ADD_OFFSET -1000). Copies of such products exist whose metadata lack the offset, and others
whose pixels had it applied while the metadata still ask for it. Both are seen in the pixels:
almost every scene has dark water, shade or forest, whose reflectance is near 0 and not near 0.1,
and not far below 0.

Values may also have another unit than they are taken for, such as floats that are DN, or be none
at all: differences below 0 that wrapped around in uint16, an unnamed value of "no data". All of
them have reflectance that no surface and no cloud has.

Workers `count` the digital numbers of a sample, the writer adds them up in an `OffsetCheck`, and
`judge` compares them with the calibration that was used. Sums of whole numbers do not depend on
who counted what.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.image.checks.findings import (
    DARK_DN,
    DARK_SHARE,
    FLOOR_SHARE,
    HIGHEST,
    NEGATIVE,
    Finding,
    Verdict,
)
from s2rgb_mpi.image.radiometry import DN_COUNT, NODATA_DN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.image.radiometry import Calibration

SAMPLE_STEP = 4
"""One pixel in so many rows and columns is counted: enough for shares of a hundredth.

Windows begin at multiples of 16, so the sample is the same however the image is cut.
"""

BIN_DN = 10
"""Width of a fine bin, DN: small beside the hundreds of DN that distinguish the cases."""

FINE_DN = 4000
"""DN from here on share coarse bins: no floor of valid pixels lies there."""

CODED_DN = 2**15
"""ESA's codestreams have 15 bits: none of their DN is as high as this."""

SHAPE = (3, FINE_DN // BIN_DN + 3)
"""Counts of one product: bands; fine bins, and three coarse ones."""

NBYTES = SHAPE[0] * SHAPE[1] * 4
"""What one product's counts take on the wire, bytes."""

ADDED = 0.1
"""What ESA adds since baseline 04.00, as reflectance: 1000 DN of 10,000."""

LEAST_PIXELS = 500
"""Fewer counted pixels give no result: a hundredth of them is a handful of neighbours."""

FLOOR_RANGE = (0.09, 0.125)
"""Where the darkest band's floor lies if ADDED is still in it, as reflectance. Without it, it is at
-0.01 to 0.02: at 0.02 where there is neither water nor shade, only forest."""

HIGHEST_FLOOR = 0.15
"""No band's floor is above this then: forest alone begins below 0.05 in green. Deserts, whose blue
begins near 0.1 too, are much brighter in red."""

MOST_NEGATIVE = 0.02
"""The share of pixels that may be below NEGATIVE, in the band that has the fewest. One band alone
may have many: blue over shaded snow. A true B01 of lakes and mountains has 0.1 %; real patches
with the offset applied twice have 10 % and more in each of the three."""

MOSTLY_HIGH = 0.5
"""The share of a band's pixels above HIGHEST that nothing explains: the densest clouds and fresh
snow have 1.2 to 2, and a sensor is never saturated all over."""

PARTLY_HIGH = 0.02
"""The same where pixels cannot be saturated ones, which are white anyway: uint16 between 15 bits
and the last value, and all types that hold more than uint16. Real products have none."""

MOST_UNITS = 10_000.0
"""DN per unit of reflectance beyond which the bins are too coarse to find high values."""


class Counted(NamedTuple):
    """A product whose pixels are counted."""

    name: str
    calibrations: Sequence[Calibration]
    """Red, green, blue."""
    dtype: str = "uint16"
    """numpy's name of the type in which the values are stored."""
    gain: float = 1.0
    """DN per stored unit."""


class OffsetCheck:
    """The counts of a whole run, product by product, and what they say.

    Parameters
    ----------
    products : sequence of Counted
        In the order of their numbers.
    """

    def __init__(self, products: Sequence[Counted]) -> None:
        self._products = products
        self._counts = np.zeros((len(products), *SHAPE), dtype=np.int64)

    def add(self, product: int, counts: bytes | memoryview) -> None:
        """Add what :func:`count` gave for one window, as bytes, to a product by its number."""
        self._counts[product] += np.frombuffer(counts, dtype="<u4").reshape(SHAPE)

    def verdicts(self) -> list[tuple[str, Verdict]]:
        """Judge each product by what was added so far: its name, and the verdict."""
        return [
            (product.name, judge(counts, product))
            for product, counts in zip(self._products, self._counts, strict=True)
        ]

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each product whose pixels contradict its calibration."""
        return tuple(
            verdict.warning(name)
            for name, verdict in self.verdicts()
            if verdict.finding.contradicts
        )

    def tag(self) -> str:
        """Return all verdicts as one metadata item; several are distinguished by name."""
        verdicts = self.verdicts()
        if len(verdicts) == 1:
            return verdicts[0][1].tag()
        return "; ".join(f"{name} {verdict.tag()}" for name, verdict in verdicts)


def bins(dn: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the bin of :func:`count` that each code belongs to.

    Parameters
    ----------
    dn : ndarray, shape (65536,), float64
        The digital number of every code.

    Returns
    -------
    ndarray, shape (65536,), int16
        The last code is in the last bin, whatever its DN: larger ones were clipped to it.
    """
    fine = FINE_DN // BIN_DN
    numbers = np.where(dn < FINE_DN, np.maximum(dn, 0) // BIN_DN, fine + (dn >= CODED_DN))
    numbers[-1] = fine + 2
    return numbers.astype(np.int16)


def count(
    codes: Sequence[NDArray[np.uint16]], of_codes: Sequence[NDArray[np.int16]] | None = None
) -> NDArray[np.uint32]:
    """Count the digital numbers of a sample of a window's pixels.

    Parameters
    ----------
    codes : sequence of three ndarray, shape (height, width), uint16
        Red, green, blue; 0, "no data", is not counted.
    of_codes : sequence of three ndarray, shape (65536,), int16, optional
        From :func:`bins`; those of DN by default.

    Returns
    -------
    ndarray, shape SHAPE, uint32
        Pixels per BIN_DN DN; from FINE_DN on, in coarse bins: to CODED_DN, above it, and the last
        code, which is that of saturated pixels, and of what is clipped when it is read.
    """
    counts = np.zeros(SHAPE, dtype="<u4")
    if of_codes is None:
        of_codes = (bins(np.arange(DN_COUNT, dtype=np.float64)),) * 3
    for row, band, numbers in zip(counts, codes, of_codes, strict=True):
        sample = band[::SAMPLE_STEP, ::SAMPLE_STEP].reshape(-1)
        table = np.bincount(sample, minlength=DN_COUNT)
        table[NODATA_DN] = 0
        row[:] = np.bincount(numbers, weights=table, minlength=SHAPE[1])
    return counts


def judge(counts: NDArray[np.int64], product: Counted) -> Verdict:
    """Compare what was counted in a whole product with the calibration that was used.

    Parameters
    ----------
    counts : ndarray, shape SHAPE, int64
        Sum of what :func:`count` gave.
    product : Counted
        What is known of it.

    Returns
    -------
    Verdict
        UNKNOWN where too few pixels are valid, or none is dark enough.

    Notes
    -----
    The trouble is real: Element84/earth-search#9, #66 and #71, torchgeo#3224,
    microsoft/PlanetaryComputer#134.
    """
    calibrations = product.calibrations
    pixels = counts.sum(axis=1)
    floors = BIN_DN * (np.cumsum(counts, axis=1) <= FLOOR_SHARE * pixels[:, None]).sum(axis=1)
    offsets = np.array([calibration.offset for calibration in calibrations])
    units = np.array([calibration.quantification for calibration in calibrations])
    below = np.array(
        [
            band[: max(0, int(bound))].sum()
            for band, bound in zip(counts, (NEGATIVE * units - offsets) // BIN_DN, strict=True)
        ]
    )
    negative = below / np.maximum(pixels, 1)
    high = np.array([_high(band, one) for band, one in zip(counts, calibrations, strict=True)])
    # A value of uint16 that is the last of all may be that of a saturated pixel.
    partly = high - counts[:, -1] if product.dtype == "uint16" else high
    enough = pixels.min() >= LEAST_PIXELS
    finding = Finding.UNKNOWN
    if (high > MOSTLY_HIGH * pixels).any() or (enough and (partly > PARTLY_HIGH * pixels).any()):
        finding = Finding.HIGH
    elif enough and not product.dtype.startswith("uint") and _is_black(counts, offsets):
        is_scaled = product.dtype.startswith("float") and units[0] / product.gain > 1
        finding = Finding.SCALED if is_scaled else Finding.BLACK
    elif enough:
        finding = _find((floors + offsets) / units, negative, known=bool(offsets.min() < 0))
    offset = calibrations[0].offset
    advice = {
        Finding.MISSING: offset - round(ADDED * calibrations[0].quantification),
        Finding.DOUBLED: 0,
    }
    return Verdict(
        finding=finding,
        pixels=int(pixels.min()),
        floors=tuple(floors.tolist()),
        negative=tuple(negative.tolist()),
        high=tuple((high / np.maximum(pixels, 1)).tolist()),
        offset=offset,
        advice=advice.get(finding, offset),
        unit=float(units[0] / product.gain),
        dtype=product.dtype,
    )


def _high(band: NDArray[np.int64], calibration: Calibration) -> int:
    """Count the pixels of a band whose reflectance is above HIGHEST, or at least some of them."""
    if calibration.quantification > MOST_UNITS:
        return 0
    first = math.ceil((HIGHEST * calibration.quantification - calibration.offset) / BIN_DN)
    return int(band[max(0, first) if first < FINE_DN // BIN_DN else -2 :].sum())


def _is_black(counts: NDArray[np.int64], offsets: NDArray[np.float64]) -> bool:
    """Return whether nearly all pixels of all bands are below DARK_DN, and no offset lifts them."""
    dark = counts[:, : DARK_DN // BIN_DN].sum(axis=1) >= DARK_SHARE * counts.sum(axis=1)
    return bool(dark.all() and offsets.max() <= 0)


def _find(floors: NDArray[np.float64], negative: NDArray[np.float64], *, known: bool) -> Finding:
    """Judge by floors (reflectance) and negative shares; is an offset known at all."""
    darkest = floors.min()
    if negative.min() > MOST_NEGATIVE:  # never without an offset: DN are not negative
        return Finding.DOUBLED
    if darkest < FLOOR_RANGE[0]:
        return Finding.AGREES
    if not known and darkest <= FLOOR_RANGE[1] and floors.max() <= HIGHEST_FLOOR:
        return Finding.MISSING
    return Finding.UNKNOWN
