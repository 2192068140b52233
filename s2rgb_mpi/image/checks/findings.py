"""What the pixels of a product say of its calibration, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FLOOR_SHARE = 0.01
"""A band's floor is where this share of its pixels is reached. Less would be swath edges and
artefacts of the atmospheric correction: of a true B01 with +1000 in it 0.6 % are below 1000."""

NEGATIVE = -0.04
"""Reflectance below this is no dark water. Atmospheric correction overdoes it by 0.01 to 0.03; an
offset that is applied twice puts water, shade and forest at -0.1 to -0.05."""

DARK_SHARE = 0.99
DARK_DN = 10
"""Where at least this share of all three bands lies below this DN, the image is all but black. Not
even water in shade is that dark in three bands: either a scale of DN was applied to reflectance,
or values such as 0.0 mean no data."""

HIGHEST = 3.2767
"""Reflectance above this there is not: the largest DN in 15 bits, of which 10,000 are one unit."""


class Finding(StrEnum):
    """What the pixels say of the calibration."""

    AGREES = "agrees"
    MISSING = "looks missing"
    DOUBLED = "looks applied twice"
    HIGH = "values too high"
    SCALED = "looks like reflectance, not DN"
    BLACK = "all but black"
    UNKNOWN = "undecided"

    @property
    def contradicts(self) -> bool:
        """Whether it is reported as a warning."""
        return self in (
            Finding.MISSING,
            Finding.DOUBLED,
            Finding.HIGH,
            Finding.SCALED,
            Finding.BLACK,
        )


@dataclass(frozen=True)
class Verdict:
    """What the pixels of one product say of the calibration that was used.

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
    high : tuple of float
        Share of the pixels whose reflectance is above HIGHEST, red, green, blue.
    offset : int
        What was added to red, DN; products have one offset for all three bands.
    advice : int
        The offset that the pixels would agree with, DN; `offset` itself unless they contradict it.
    unit : float
        Stored units of red per unit of reflectance.
    dtype : str
        numpy's name of the stored values' type.
    """

    finding: Finding
    pixels: int
    floors: tuple[int, ...]
    negative: tuple[float, ...]
    high: tuple[float, ...]
    offset: int
    advice: int
    unit: float
    dtype: str

    def tag(self) -> str:
        """Format it for the file's metadata: the finding, and the numbers that it rests on."""
        if not self.pixels:
            return f"{self.finding} (no valid pixel of it is shown)"
        evidence = f"{self._floors()}; {self._negative()}"
        if self.finding is Finding.HIGH:
            evidence = self._high()
        return f"{self.finding} ({self.pixels} pixels: {evidence})"

    def warning(self, name: str) -> str:
        """Format it for the user, in one line.

        Parameters
        ----------
        name : str
            The product's.
        """
        if self.finding is Finding.HIGH:
            return (
                f"{name}: the values are too high: {self._high()} (B04, B03, B02; the"
                f" quantification in use is {self.unit:g}); {self._ways()}"
            )
        if self.finding is Finding.SCALED:
            return (
                f"{name}: the pixels look like reflectance already, not like DN: at least"
                f" {100 * DARK_SHARE:g} % of each band are below DN {DARK_DN}; if so,"
                " --quantification 1 --offset 0 puts it right"
            )
        if self.finding is Finding.BLACK:
            return (
                f"{name}: the image is all but black: at least {100 * DARK_SHARE:g} % of each band"
                f" are below DN {DARK_DN}, or below 0; --nodata VALUE, such as 0 or -9999, puts it"
                " right if that means no data"
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

    def _ways(self) -> str:
        """Return the options that put values right which are too high, by what they may be."""
        meant = {10_000: "DN"} | ({100: "percent"} if self.dtype.startswith("float") else {})
        ways = [
            f"--quantification {units} if they are {what}"
            for units, what in meant.items()
            if units > self.unit
        ] or ["--quantification N if they are scaled otherwise"]
        ways.append("--nodata VALUE if they mean no data")
        if self.dtype == "uint16":
            ways.append("a new file if they were below 0 and wrapped around")
        return f"to put it right: {', '.join(ways)}"

    def _floors(self) -> str:
        floors = ", ".join(map(str, self.floors))
        return f"their darkest {100 * FLOOR_SHARE:g} % end at DN {floors}"

    def _negative(self) -> str:
        return f"{_percent(self.negative)} % have a reflectance below {NEGATIVE:g}"

    def _high(self) -> str:
        return f"{_percent(self.high)} % of the pixels have a reflectance above {HIGHEST:g}"


def _percent(shares: tuple[float, ...]) -> str:
    return ", ".join(f"{100 * share:.3g}" for share in shares)
