"""STAC items: which assets, which offsets, as the catalogues of Sentinel-2 state them."""

from __future__ import annotations

import json
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.product.bands import join
from s2rgb_mpi.product.baseline import (
    BASELINE_OFFSET,
    BASELINE_WITHOUT_OFFSET,
    FIRST_BASELINE_WITH_OFFSET,
)
from s2rgb_mpi.product.calibrate import DN_PER_UNIT, Stated, from_scale
from s2rgb_mpi.product.model import RESOLUTIONS, RGB_BANDS, Choice, Listed, Product
from s2rgb_mpi.product.remote import fetch, gdal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOURS = {"B04": "red", "B03": "green", "B02": "blue"}
"""What Earth Search v1 calls the bands."""

FLAGS = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""True where the offset is in the pixels already (Earth Search v1 and v0)."""

BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
"""Where catalogues keep the processing baseline."""

MALFORMED = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""What comes of looking for values where an item has others, or none."""


def open_stac(href: str, choice: Choice | None = None) -> Product:
    """Read what a STAC item says of a Sentinel-2 product.

    Parameters
    ----------
    href : str
        Path or URL of the item.
    choice : Choice, optional
        Resolution, level, and what the user states of the values.

    Returns
    -------
    Product
        Of the assets ``red``, ``green``, ``blue``, or ``B04`` ..., or ``B04_10m`` ...

    Raises
    ------
    InputError
        The item cannot be had, is no item, or lacks an asset; or pystac is not installed.
    """
    choice = choice or Choice()
    item = _item(href)
    listed = []
    try:
        _refuse_l1c(href, item, choice)
        for band in RGB_BANDS:
            asset = _asset(href, item, band, choice.resolution)
            stated = stated_by(item.properties, asset.extra_fields)
            listed.append(Listed(band, gdal_name(_absolute(asset.href, href)), metadata=stated))
    except (UsageError, *MALFORMED) as error:
        raise InputError(f"{href}: {error}") from error
    return replace(
        join(item.id, listed, choice),
        sensing_time=str(item.properties.get("datetime") or ""),
        baseline=_baseline(item.properties),
    )


def stated_by(properties: Mapping[str, Any], asset: Mapping[str, Any]) -> Stated:
    """Read what an item states of the values of one asset.

    Parameters
    ----------
    properties : mapping
        Of the item.
    asset : mapping
        Fields of the asset besides STAC's common ones.

    Returns
    -------
    Stated
        See the table of :func:`~s2rgb_mpi.product.calibrate.settle`.

    Notes
    -----
    Earth Search v1 has a flag and an offset in ``raster:bands`` at once, and means the flag
    (Element84/earth-search#23); c1 and CDSE mean the offset. Where the flag is wrong for an
    item (Element84/earth-search#66 and #71), only ``--offset`` helps.
    """
    scale, offset = _scale_and_offset(asset)
    stated = from_scale("raster:bands of the STAC item", scale=scale, offset=offset)
    flag = next((name for name in FLAGS if properties.get(name) is True), None)
    if flag is not None:
        return Stated(f"{flag} of the STAC item", 0.0, stated.quantification)
    if stated.offset is not None:
        return stated
    return _stated_by_baseline(properties, stated.quantification)


def _stated_by_baseline(properties: Mapping[str, Any], quantification: float | None) -> Stated:
    """Let the processing baseline decide, where the item has nothing better.

    Elsewhere the baseline never decides, for there the product's own offset list is at hand. An
    item of Planetary Computer has only this number, and untouched DN behind it.
    """
    baseline = _baseline(properties)
    try:
        major, minor = map(int, baseline.split("."))
    except ValueError:
        return Stated(quantification=quantification)
    has_offset = FIRST_BASELINE_WITH_OFFSET <= (major, minor) != BASELINE_WITHOUT_OFFSET
    return Stated(
        f"processing baseline {baseline} of the STAC item",
        BASELINE_OFFSET if has_offset else 0.0,
        quantification or DN_PER_UNIT,
    )


def _scale_and_offset(asset: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Read scale and offset of an asset: STAC 1.0 has them in a list, 1.1 in either of two."""
    for fields, prefix in (
        *((band, "") for band in asset.get("raster:bands", [])[:1]),
        *((band, "raster:") for band in asset.get("bands", [])[:1]),
        (asset, "raster:"),
    ):
        scale, offset = fields.get(f"{prefix}scale"), fields.get(f"{prefix}offset")
        if scale is not None or offset is not None:
            return scale, offset
    return None, None


def _baseline(properties: Mapping[str, Any]) -> str:
    """Return the processing baseline, or nothing."""
    return next((str(properties[name]) for name in BASELINES if properties.get(name)), "")


def _item(href: str) -> Any:
    """Read the item."""
    try:
        import pystac  # noqa: PLC0415  an extra, and slow to import
    except ImportError as error:
        raise InputError(f"{href}: reading STAC items needs pystac: pip install pystac") from error
    try:
        content = json.loads(fetch(href))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{href}: not JSON: {error}") from error
    kind = content.get("type") if isinstance(content, dict) else type(content).__name__
    if kind != "Feature":
        raise InputError(f"{href}: a STAC item (Feature) is needed, not {kind}")
    try:
        # As it is: moving it to the newest STAC would move the fields that are asked for here.
        return pystac.Item.from_dict(content, migrate=False)
    except (pystac.STACError, pystac.STACTypeError, *MALFORMED) as error:
        raise InputError(f"{href}: not a STAC item: {error}") from error


def _refuse_l1c(href: str, item: Any, choice: Choice) -> None:
    """Refuse top-of-atmosphere products that nobody asked for."""
    said = {
        str(item.properties.get("processing:level")).upper(),
        str(item.properties.get("s2:product_type")).removeprefix("S2MSI").upper(),
        str(item.collection_id).rpartition("-")[2].removeprefix("l").upper(),
    }
    if said & {"1C", "L1C"} and not choice.allow_l1c:
        raise InputError(
            f"{href}: Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c"
        )


def _asset(href: str, item: Any, band: str, resolution: int) -> Any:
    """Find the asset of a band."""
    keys = [f"{band}_{resolution}m"]
    if resolution == RESOLUTIONS[0]:  # names without a resolution mean the finest
        keys = [COLOURS[band], band, *keys]
    for key in keys:
        if key in item.assets:
            return item.assets[key]
    raise InputError(
        f"{href}: none of the assets {', '.join(keys)} in this item;"
        f" it has {', '.join(item.assets) or 'none'}"
    )


def _absolute(href: str, base: str) -> str:
    """Resolve an asset's reference against the place of the item."""
    if urlsplit(href).scheme or href.startswith("/"):
        return href
    if urlsplit(base).scheme in {"http", "https"}:
        return urljoin(base, href)
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), href))
