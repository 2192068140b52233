"""The offset check: whether a product's pixels agree with the offset that is added to them.

Since processing baseline 04.00 ESA writes DN that are 1000 higher, and says so in the metadata
(BOA_ADD_OFFSET -1000). Copies of such products exist whose metadata lack the offset, and others
whose pixels had it applied while the metadata still ask for it. Both are seen in the pixels:
almost every scene has dark water, shade or forest, whose reflectance is near 0 and not near 0.1,
and not far below 0.

Workers `count` the digital numbers of a sample, the writer adds them up in an `OffsetCheck`, and
`judge` compares them with the calibration that was used. Sums of whole numbers do not depend on
who counted what.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.radiometry import DN_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.radiometry import Calibration

SAMPLE_STEP = 4
"""One pixel in so many rows and columns is counted: enough for shares of a hundredth.

Windows begin at multiples of 16, so the sample is the same however the image is cut.
"""

BIN_DN = 10
"""Width of a fine bin, DN: small beside the hundreds of DN that tell the cases apart."""

FINE_DN = 4000
"""DN from here on share the last bin: no floor of valid pixels lies there."""

SHAPE = (3, FINE_DN // BIN_DN + 1)
"""Counts of one product: bands, bins."""

NBYTES = SHAPE[0] * SHAPE[1] * 4
"""What one product's counts take on the wire, bytes."""

ADDED = 0.1
"""What ESA adds since baseline 04.00, as reflectance: 1000 DN of 10,000."""

LEAST_PIXELS = 500
"""Fewer counted pixels tell nothing: a hundredth of them is a handful of neighbours."""

FLOOR_SHARE = 0.01
"""A band's floor is where this share of its pixels is reached. Less would be swath edges and
artefacts of the atmospheric correction: of a true B01 with +1000 in it 0.6 % are below 1000."""

FLOOR_RANGE = (0.09, 0.125)
"""Where the darkest band's floor lies if ADDED is still in it, as reflectance. Without it, it is at
-0.01 to 0.02: at 0.02 where there is neither water nor shade, only forest."""

HIGHEST_FLOOR = 0.15
"""No band's floor is above this then: forest alone begins below 0.05 in green. Deserts, whose blue
begins near 0.1 too, are much brighter in red."""

NEGATIVE = -0.04
"""Reflectance below this is no dark water. Atmospheric correction overdoes it by 0.01 to 0.03; an
offset that is applied twice puts water, shade and forest at -0.1 to -0.05."""

MOST_NEGATIVE = 0.02
"""The share of pixels that may be below NEGATIVE, in the band that has the fewest. One band alone
may have many: blue over shaded snow. A true B01 of lakes and mountains has 0.1 %; real patches
with the offset applied twice have 10 % and more in each of the three."""


SCALED_SHARE = 0.99
"""Where at least this share of all three bands lies in the first bin, the numbers are no DN: a
scale was applied to reflectance. Not even water in shade is that dark in three bands."""


class Finding(StrEnum):
    """What the pixels say of the offset."""

    AGREES = "agrees"
    MISSING = "looks missing"
    DOUBLED = "looks applied twice"
    SCALED = "looks like reflectance, not DN"
    UNKNOWN = "cannot be told"

    @property
    def contradicts(self) -> bool:
        """Whether the user should be told."""
        return self in (Finding.MISSING, Finding.DOUBLED, Finding.SCALED)


@dataclass(frozen=True)
class Verdict:
    """What the pixels of one product say of the offset that was added to them.

    Parameters
    ----------
    finding : Finding
        In one word.
    pixels : int
        Valid pixels that were counted, in the band that has the fewest.
    floors : tuple of int
        The DN below which lies FLOOR_SHARE of the pixels, red, green, blue; in steps of BIN_DN.
    negative : tuple of float
        Share of the pixels whose reflectance is below NEGATIVE, red, green, blue.
    offset : int
        What was added to red, DN; products have one offset for all three bands.
    advice : int
        The offset that the pixels would agree with, DN; `offset` itself unless they contradict.
    """

    finding: Finding
    pixels: int
    floors: tuple[int, ...]
    negative: tuple[float, ...]
    offset: int
    advice: int

    def tag(self) -> str:
        """Say it in the file's metadata: the finding, and the numbers that it rests on."""
        return f"{self.finding} ({self.pixels} pixels: {self._floors()}; {self._negative()})"

    def warning(self, name: str) -> str:
        """Say it to the user, in one line.

        Parameters
        ----------
        name : str
            The product's.
        """
        if self.finding is Finding.SCALED:
            return (
                f"{name}: the pixels look like reflectance already, not like DN: at least"
                f" {100 * SCALED_SHARE:g} % of each band are below {BIN_DN}; if so,"
                " --quantification 1 --offset 0 puts it right"
            )
        if self.finding is Finding.DOUBLED:
            looks, evidence = f"offset {self.offset} had been applied before", self._negative()
        else:
            added = self.offset - self.advice
            looks, evidence = f"ESA's +{added} were still in them", self._floors()
        return (
            f"{name}: the pixels look as if {looks}: {evidence} (B04, B03, B02; the offset"
            f" in use is {self.offset}); if so, --offset {self.advice} puts it right"
        )

    def _floors(self) -> str:
        floors = ", ".join(map(str, self.floors))
        return f"their darkest {100 * FLOOR_SHARE:g} % end at DN {floors}"

    def _negative(self) -> str:
        shares = ", ".join(f"{100 * share:.3g}" for share in self.negative)
        return f"{shares} % have a reflectance below {NEGATIVE:g}"


class OffsetCheck:
    """The counts of a whole run, product by product, and what they say.

    Parameters
    ----------
    products : sequence of (str, sequence of three Calibration)
        Name and calibrations of each product, in the order of their numbers.
    """

    def __init__(self, products: Sequence[tuple[str, Sequence[Calibration]]]) -> None:
        self._products = products
        self._counts = np.zeros((len(products), *SHAPE), dtype=np.int64)

    def add(self, product: int, counts: bytes | memoryview) -> None:
        """Add what :func:`count` gave for one window, as bytes, to a product by its number."""
        self._counts[product] += np.frombuffer(counts, dtype="<u4").reshape(SHAPE)

    def verdicts(self) -> list[tuple[str, Verdict]]:
        """Judge each product by what was added so far: its name, and the verdict."""
        return [
            (name, judge(counts, calibrations))
            for (name, calibrations), counts in zip(self._products, self._counts, strict=True)
        ]

    def warnings(self) -> tuple[str, ...]:
        """Return a line for each product whose pixels contradict its offset."""
        return tuple(
            verdict.warning(name)
            for name, verdict in self.verdicts()
            if verdict.finding.contradicts
        )

    def tag(self) -> str:
        """Return all verdicts as one metadata item; several are told apart by name."""
        verdicts = self.verdicts()
        if len(verdicts) == 1:
            return verdicts[0][1].tag()
        return "; ".join(f"{name} {verdict.tag()}" for name, verdict in verdicts)


def count(
    dn: Sequence[NDArray[np.uint16]], calibrations: Sequence[Calibration]
) -> NDArray[np.uint32]:
    """Count the digital numbers of a sample of a window's pixels.

    Parameters
    ----------
    dn : sequence of three ndarray, shape (height, width), uint16
        Digital numbers: red, green, blue.
    calibrations : sequence of three Calibration
        Of the same bands; their no-data DN are not counted.

    Returns
    -------
    ndarray, shape SHAPE, uint32
        Pixels per BIN_DN DN; the last bin has all from FINE_DN on.
    """
    counts = np.zeros(SHAPE, dtype="<u4")
    for row, numbers, calibration in zip(counts, dn, calibrations, strict=True):
        sample = numbers[::SAMPLE_STEP, ::SAMPLE_STEP].reshape(-1)
        table = np.bincount(sample, minlength=DN_COUNT)
        table[calibration.nodata] = 0
        row[:-1] = table[:FINE_DN].reshape(-1, BIN_DN).sum(axis=1)
        row[-1] = table[FINE_DN:].sum()
    return counts


def judge(counts: NDArray[np.int64], calibrations: Sequence[Calibration]) -> Verdict:
    """Compare what was counted in a whole product with the calibration that was used.

    Parameters
    ----------
    counts : ndarray, shape SHAPE, int64
        Sum of what :func:`count` gave.
    calibrations : sequence of three Calibration
        Red, green, blue.

    Returns
    -------
    Verdict
        UNKNOWN where too few pixels are valid, or none is dark enough to tell.

    Notes
    -----
    The trouble is real: Element84/earth-search#9, #66 and #71, torchgeo#3224,
    microsoft/PlanetaryComputer#134.
    """
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
    finding = Finding.UNKNOWN
    if pixels.min() >= LEAST_PIXELS and (counts[:, 0] >= SCALED_SHARE * pixels).all():
        finding = Finding.SCALED
    elif pixels.min() >= LEAST_PIXELS:
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
        offset=offset,
        advice=advice.get(finding, offset),
    )


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
