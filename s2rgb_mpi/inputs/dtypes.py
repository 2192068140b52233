"""Data types of pixels, by GDAL's names and by numpy's."""

from __future__ import annotations

import math

from osgeo import gdal

_NUMPY = {"byte": "uint8", "float16": "float32"}
"""Types that have another name in numpy, or are read as another type: products with DN need more
digits than float16 has. GDAL has that type since 3.11; older releases read it as Float32."""


def numpy_name(raster: gdal.Band) -> str:
    """Return numpy's name of the type in which a band is read."""
    name = str(gdal.GetDataTypeName(raster.DataType).lower())
    return _NUMPY.get(name, name)


def gdal_type(dtype: str) -> int:
    """Return GDAL's number for a type with numpy's name."""
    return int(gdal.GetDataTypeByName({"uint8": "Byte"}.get(dtype, dtype)))


def largest_shift(dtype: str, offset: int) -> int:
    """Return how far below 0 DN are read, because an offset raises them.

    Parameters
    ----------
    dtype : str
        numpy's name of the type.
    offset : int
        DN that are added to the values.

    Returns
    -------
    int
        0 for unsigned types, and for an offset that is not above 0. At most the number that raises
        the lowest int16 to 0; for other types the range of DN.
    """
    if dtype.startswith("uint"):
        return 0
    return max(0, min(offset, 2**15 if dtype == "int16" else 2**16 - 2))


def can_hold(dtype: str, value: float) -> bool:
    """Return whether a pixel of a type can have a value that is finite.

    GDAL writes 70,000, -9999 or NaN into the tag of a uint16 file without an error.
    """
    if not math.isfinite(value):
        return False
    if dtype.startswith("float"):
        return True
    bits = int(dtype.lstrip("uint"))
    least, most = (0, 2**bits) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return least <= value < most and value == int(value)
