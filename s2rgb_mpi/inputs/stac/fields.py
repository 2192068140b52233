"""Fields of a STAC item: scale and offset, processing baseline, georeference."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.baseline import BASELINE_OFFSET, has_offset
from s2rgb_mpi.inputs.calibration import DN_PER_UNIT, Stated, from_scale
from s2rgb_mpi.inputs.stac.georeference import Georeference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""True where the offset is in the pixels already (Earth Search v1 and v0)."""

BASELINES = {
    "s2:processing_baseline": r"(\d{1,2})\.(\d{1,2})",
    "sentinel:processing_baseline": r"(\d{1,2})\.(\d{1,2})",
    "eopf:baseline": r"(\d{1,2})\.(\d{1,2})",
    "processing:version": r"(\d\d)\.(\d\d)",
}
"""Where catalogues keep the processing baseline, and its form. The last is the version of any
processor: only what has ESA's form is a baseline."""

_JP2_KEY = re.compile(r".*[_-]jp2", re.IGNORECASE)


def stated_by(
    properties: Mapping[str, Any], asset: Mapping[str, Any], key: str = "", index: int = 0
) -> Stated:
    """Read scale and offset of one band of an asset, as an item states them.

    Parameters
    ----------
    properties : mapping
        Of the item.
    asset : mapping
        Fields of the asset.
    key : str
        Of the asset in the item.
    index : int
        Of the band among those of the asset, from 0.

    Returns
    -------
    Stated
        See the table of :func:`~s2rgb_mpi.inputs.calibration.settle`. Its source is the field that
        states the offset.

    Raises
    ------
    UsageError
        A scale or an offset is not a number, or the scale is not above 0.

    Notes
    -----
    Scale and offset are looked up field by field: a band that repeats only the scale does not
    take the offset of its asset away (STAC 1.1, common metadata, "bands").

    Earth Search v1 has a flag and an offset in ``raster:bands`` at once, and means the flag
    (Element84/earth-search#23); c1 and CDSE mean the offset. Where the flag is wrong for an
    item (Element84/earth-search#66 and #71), only ``--offset`` helps. The flag is about the COGs:
    assets such as ``red-jp2`` are ESA's own files, in which the offset still is (#56).
    """
    scale, scale_field = _number(properties, asset, index, "raster:scale")
    offset, offset_field = _number(properties, asset, index, "raster:offset")
    source = offset_field
    if scale_field and scale_field.replace("scale", "offset") != offset_field:
        source += f", {scale_field}"
    stated = from_scale(source, scale=scale, offset=offset)
    flag = next((name for name in FLAGS if properties.get(name) is True), None)
    if flag is not None and not _JP2_KEY.fullmatch(key):
        stated = Stated(f"{flag} of the STAC item", 0.0, stated.quantification)
    elif stated.offset is None:
        stated = _stated_by_baseline(properties, stated)
    data_type, _ = _field(properties, asset, index, "data_type")
    if "int" in str(data_type or ""):  # then the statements do not describe floats
        return replace(stated, floats=Stated())
    return stated


def nodata_of(
    properties: Mapping[str, Any], asset: Mapping[str, Any], index: int = 0
) -> float | None:
    """Return the stored value that an item states to be "no data" in one band of an asset.

    Parameters
    ----------
    properties, asset, index
        As for :func:`stated_by`.

    Returns
    -------
    int or float, optional
        STAC allows the words "nan", "inf" and "-inf" too; None where nothing is stated.

    Raises
    ------
    UsageError
        It is not a number.
    """
    value, _ = _field(properties, asset, index, "nodata")
    if isinstance(value, int):  # exact in any type
        return value
    return _number(properties, asset, index, "nodata")[0]


def baseline_of(properties: Mapping[str, Any]) -> str:
    """Return the processing baseline in ESA's form, NN.NN; empty if no field has one."""
    return next(iter(_baseline(properties)), "")


def cloud_cover(properties: Mapping[str, Any]) -> float | None:
    """Return the share of clouds that an item states, percent; None if it does not."""
    value = properties.get("eo:cloud_cover")
    return float(value) if isinstance(value, int | float) and value is not True else None


def georeference_of(properties: Mapping[str, Any], asset: Mapping[str, Any]) -> Georeference:
    """Read CRS and transform of an asset; its own fields precede those of the item.

    Parameters
    ----------
    properties : mapping
        Of the item.
    asset : mapping
        Fields of the asset.

    Returns
    -------
    Georeference
        The fields unchanged: they are checked only if the file has no CRS.
    """
    places = (asset, properties)
    crs, field = next(
        (
            (fields[name], name)
            for fields in places
            for name in ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson")
            if fields.get(name) is not None
        ),
        (None, ""),
    )
    transform, shape = (
        next((fields[name] for fields in places if fields.get(name) is not None), None)
        for name in ("proj:transform", "proj:shape")
    )
    return Georeference(crs, field, transform, shape)


def _stated_by_baseline(properties: Mapping[str, Any], stated: Stated) -> Stated:
    """Derive the offset from the processing baseline, for items that state no offset.

    Elsewhere the baseline never decides, for there the product's own offset list is at hand. An
    item of Planetary Computer has only this number, and untouched DN behind it. It is about DN:
    assets of floats, which hold reflectance, have no offset.
    """
    found = _baseline(properties)
    if not found:
        return stated
    baseline, field = found
    in_esas_form = "{:02}.{:02}".format(*map(int, baseline.split(".")))
    return Stated(
        f"processing baseline {baseline} ({field} of the STAC item)",
        BASELINE_OFFSET if has_offset(in_esas_form) else 0.0,
        stated.quantification or DN_PER_UNIT,
        floats=stated,
    )


def _baseline(properties: Mapping[str, Any]) -> tuple[str, str] | tuple[()]:
    """Return the processing baseline and its field, or nothing."""
    for field, form in BASELINES.items():
        text = str(properties.get(field))
        if re.fullmatch(form, text):
            return text, field
    return ()


def _number(
    properties: Mapping[str, Any], asset: Mapping[str, Any], index: int, name: str
) -> tuple[float | None, str]:
    """Return a number that is stated for a band, and the name of its field."""
    value, field = _field(properties, asset, index, name)
    if value is None:
        return None, ""
    try:
        return float(value), field
    except (TypeError, ValueError) as error:
        raise UsageError(f"{field}: {value!r} is not a number") from error


def _field(
    properties: Mapping[str, Any], asset: Mapping[str, Any], index: int, name: str
) -> tuple[Any, str]:
    """Return a value that is stated for a band, and the name of its field; null is no value.

    The band's own entry precedes its asset, the asset precedes the item.
    """
    for fields, place, inner in (
        # Inside raster:bands (STAC 1.0) the names have no prefix.
        *_entries(asset, index, "raster:bands", name.removeprefix("raster:")),
        *_entries(asset, index, "bands", name),
        (asset, "asset", name),
        (properties, "STAC item", name),
    ):
        if fields.get(inner) is not None:
            at = f"{place}.{inner} of the asset" if "[" in place else f"{inner} of the {place}"
            return fields[inner], at
    return None, ""


def _entries(
    asset: Mapping[str, Any], index: int, name: str, inner: str
) -> Iterator[tuple[Mapping[str, Any], str, str]]:
    """Yield the entry of a band in a list of an asset; a single entry holds for all bands."""
    entries = asset.get(name) or []
    at = index if len(entries) > 1 else 0
    if at < len(entries) and isinstance(entries[at], dict):
        yield entries[at], f"{name}[{at}]", inner
