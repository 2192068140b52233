"""One calibration from the statements of several sources; no offset is applied twice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.image.radiometry import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

DN_PER_UNIT = 10_000.0
"""DN per unit of reflectance where nothing else is stated, and of bands that hold reflectance."""

NOBODY = "no statement"
"""The source of an offset of 0 that is not stated anywhere."""


@dataclass(frozen=True)
class Stated:
    """The statements of one source about a band's values; None where it states nothing.

    Parameters
    ----------
    source : str
        Description of the source, for the user.
    offset : float, optional
        Added to the stored value first, in its units (DN).
    quantification : float, optional
        Stored units (DN) per unit of reflectance.
    floats : Stated, optional
        The statement that holds where pixels are floats, if it is another one: ESA's offsets are
        for integers only.

    Raises
    ------
    UsageError
        The quantification is not above 0.
    """

    source: str = NOBODY
    offset: float | None = None
    quantification: float | None = None
    floats: Stated | None = None

    def __post_init__(self) -> None:
        """Reject a quantification that cannot be divided by, and an offset that is not a number."""
        if self.quantification is not None and not 0 < self.quantification < math.inf:
            raise UsageError(f"quantification must be above 0, not {self.quantification:g}")
        if self.offset is not None and not math.isfinite(self.offset):
            raise UsageError(f"offset must be a number, not {self.offset:g}")


def from_scale(source: str, *, scale: float | None, offset: float | None) -> Stated:
    """Convert ``reflectance = stored * scale + offset`` to ESA's offset and quantification.

    Parameters
    ----------
    source : str
        Description of the source, for the user.
    scale, offset : float, optional
        As STAC's raster extension and GDAL's band tags have them; None where they are missing.

    Raises
    ------
    UsageError
        The scale is not above 0.
    """
    if scale is not None and not 0 < scale < math.inf:
        raise UsageError(f"scale must be above 0, not {scale:g}")
    if offset is None:
        return Stated(source, None, None if scale is None else 1 / scale)
    return Stated(source, offset / (scale or 1.0), None if scale is None else 1 / scale)


class Settled(NamedTuple):
    """The result: calibration, DN per stored unit, and the source of the offset."""

    calibration: Calibration
    gain: float
    source: str


def settle(user: Stated, metadata: Stated, tags: Stated, *, holds_reflectance: bool) -> Settled:
    """Choose one offset and one quantification: the first that is stated; all others are ignored.

    ========================  =============================================================
    source, by precedence     its statement
    ========================  =============================================================
    1. the user               ``--offset``, ``--quantification``
    2. a SAFE product's XML   its offset list; without a list the offset is 0; of a tile of the
                              AWS buckets without its product's metadata the baseline
       an EOPF store          add_offset and scale_factor of its arrays
    3. a STAC item            a flag that the offset has been applied (0); else the offset of the
                              asset or its band; else, of integers, its processing baseline
    4. GDAL's band tags       scale and offset in the TIFF; those of an array in a Zarr store
    5. none                   offset 0; 10,000 DN per unit, or 1 in a band of floats
    ========================  =============================================================

    Scale and offset that are stated for floats are applied to these. But if the same source states
    that the pixels are integers, floats are taken for reflectance, and nothing is applied. An
    offset below 1 without a scale is in units of reflectance.

    A product has either 2 or 3. Offsets are never added up: there are files with the offset applied
    that are published with a flag in the item, an offset in the item *and* one in the TIFF.

    Parameters
    ----------
    user, metadata, tags : Stated
        Rows 1, 2 or 3, and 4 of the table.
    holds_reflectance : bool
        Whether the stored values are floats: a gain turns them into DN of 1/10,000. The user's
        offset is in DN; the user's quantification is in stored units.

    Returns
    -------
    Settled
        The gain is 1 where stored values are DN.
    """
    if holds_reflectance and user.quantification in (None, 1):  # else, by the user's statement, DN
        metadata, tags = (each.floats or each for each in (metadata, tags))
    first = next((each for each in (user, metadata, tags) if each.offset is not None), Stated())
    offset, source = first.offset or 0.0, first.source
    quantification = _quantification((user, metadata, tags))
    if not holds_reflectance:
        quantification = quantification or DN_PER_UNIT
        if first.quantification is None and abs(offset) < 1:  # in reflectance, not in DN
            offset *= quantification
        return Settled(Calibration(round(offset), quantification), 1.0, source)
    gain = DN_PER_UNIT / (quantification or 1.0)
    stored_in_dn = source == user.source and user.quantification is None
    dn = round(offset if stored_in_dn else offset * gain)
    return Settled(Calibration(dn, DN_PER_UNIT), gain, source)


def _quantification(sources: Sequence[Stated]) -> float | None:
    """Return the first quantification that is stated."""
    return next((each.quantification for each in sources if each.quantification is not None), None)
