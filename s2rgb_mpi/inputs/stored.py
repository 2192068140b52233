"""The values of a band as they are stored in its file, and as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2rgb_mpi.image.radiometry import DN_COUNT

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Alpha(NamedTuple):
    """The band of a file that marks its pixels with data: those where it is not 0."""

    number: int
    dtype: str
    """numpy's name of its type."""


@dataclass(frozen=True)
class Stored:
    """How the values of a band are stored, and how they become DN, 0 for "no data".

    Parameters
    ----------
    dtype : str
        numpy's name of their type. Values of uint16 are DN.
    nodata : tuple of int or float
        The stored values that mean "no data"; values that are not finite always do.
    gain : float
        DN per stored unit: 1 for integers, 10,000 for reflectance.
    shift : int
        How far below 0 DN are read: stored values below 0 are used where an offset raises them.
    has_mask : bool
        Whether the file has a mask, inside or beside it: 0 where there is no data.
    alpha : Alpha, optional
        Another band of the file that marks pixels with data.
    """

    dtype: str = "uint16"
    nodata: tuple[float, ...] = (0,)
    gain: float = 1.0
    shift: int = 0
    has_mask: bool = False
    alpha: Alpha | None = None

    @property
    def step(self) -> float:
        """DN between two codes: 0.5 for floats, so that the median of two DN is exact."""
        return 0.5 if self.dtype.startswith("float") else 1.0

    def dn_of_codes(self) -> NDArray[np.float64]:
        """Return the DN of every 16-bit code that pixels are read as, shape (65536,).

        Code 0 is "no data". Values of uint16 are their own codes; for other types code 1 is DN
        ``-shift``.
        """
        codes = np.arange(DN_COUNT, dtype=np.float64)
        return codes if self.dtype == "uint16" else (codes - 1) * self.step - self.shift

    @property
    def is_dn(self) -> bool:
        """Whether the stored values are DN, and 0 is the only "no data"."""
        plain = self.dtype == "uint16" and self.nodata == (0,)
        return plain and not self.has_mask and self.alpha is None

    @property
    def masks(self) -> tuple[str, ...]:
        """Masks and alpha bands that mark "no data", as text for the user."""
        mask = ("mask",) if self.has_mask else ()
        return mask if self.alpha is None else (*mask, f"alpha band {self.alpha.number}")

    @property
    def nbytes_per_pixel(self) -> int:
        """Memory for one pixel while it is read: as DN, as stored, and the marks of "no data".

        If values are compared, there is one byte for the result, and one for a partial result.
        """
        nbytes = 2 if self.dtype == "uint16" else 2 + _nbytes(self.dtype)
        if not self.is_dn:
            nbytes += 2
        if self.alpha is not None:
            nbytes += _nbytes(self.alpha.dtype)
        return nbytes + self.has_mask


def _nbytes(dtype: str) -> int:
    """Return the bytes of a value by the name of its type."""
    return int("".join(filter(str.isdigit, dtype))) // 8
