"""Georeference from other metadata, for files that have none of their own."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from osgeo import gdal, osr

from s2rgb_mpi.errors import UsageError

Transform = tuple[float, float, float, float, float, float]

LONGEST = 60
"""Characters of a CRS that an error repeats."""

_CODE = re.compile(r"[A-Za-z][\w.-]*:[\w.-]+")
_WKT = re.compile(r"\s*[A-Z][A-Z0-9_]*\s*[\[(]")
"""The forms of a CRS. GDAL would open other texts as files or URLs."""


class Georeference(NamedTuple):
    """Fields of STAC's projection extension for one asset, unchanged."""

    crs: Any = None
    field: str = ""
    """Which field states the CRS: proj:code, proj:epsg, proj:wkt2 or proj:projjson."""
    transform: Any = None
    shape: Any = None


def complete(dataset: gdal.Dataset, stated: Georeference) -> tuple[str, Transform | None]:
    """Return the CRS and the geotransform that a file lacks.

    Parameters
    ----------
    dataset : gdal.Dataset
        The file.
    stated : Georeference
        Of its asset.

    Returns
    -------
    tuple of str and tuple of float
        The CRS as WKT, empty where the file has its own or none is stated; and a geotransform in
        GDAL's order, where the file has none either.

    Raises
    ------
    UsageError
        The stated CRS is unknown, the transform is missing, or the shape differs from the file's.
    """
    if dataset.GetSpatialRef() is not None or stated.crs is None:
        return "", None
    wkt = wkt_of(stated.crs, stated.field, "the STAC item")
    if dataset.GetGeoTransform(can_return_null=True) is not None:
        return wkt, None
    try:
        a, b, c, d, e, f = (float(number) for number in list(stated.transform)[:6])
        height, width = (int(number) for number in list(stated.shape)[:2])
    except (TypeError, ValueError) as error:
        raise UsageError(
            "no geotransform, neither in the file nor as proj:transform and proj:shape in the STAC"
            " item"
        ) from error
    if (width, height) != (dataset.RasterXSize, dataset.RasterYSize):
        raise UsageError(
            f"{dataset.RasterXSize} x {dataset.RasterYSize} pixels, but proj:shape says"
            f" {width} x {height}"
        )
    return wkt, (c, a, b, f, d, e)


def wkt_of(stated: Any, field: str, owner: str) -> str:
    """Return a CRS as WKT.

    Parameters
    ----------
    stated : Any
        What a field states: a code, a number of EPSG's, WKT or PROJJSON.
    field : str
        Which one: ``proj:code``, ``proj:epsg``, ``proj:wkt2`` or ``proj:projjson``.
    owner : str
        Whose field it is, in words for the user.

    Raises
    ------
    UsageError
        The CRS is unknown.
    """
    text = json.dumps(stated) if isinstance(stated, dict) else str(stated)
    if field == "proj:epsg":
        text = f"EPSG:{text}"
    words = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    unknown = UsageError(f"{field} of {owner} is no known CRS: {words}")
    if not (_CODE.fullmatch(text) or _WKT.match(text) or isinstance(stated, dict)):
        raise unknown
    crs = osr.SpatialReference()
    try:
        crs.SetFromUserInput(text)
    except RuntimeError as error:
        raise unknown from error
    return str(crs.ExportToWkt())
