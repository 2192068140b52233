"""STAC: items of catalogues and saved searches, each item a product."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.classification import SCL_RESOLUTIONS
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.eopf import as_arrays, open_eopf
from s2rgb_mpi.inputs.files.remote import beginning, fetch, gdal_name, is_remote, scheme
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.product import RESOLUTIONS, Choice, Product
from s2rgb_mpi.inputs.source_size import choose
from s2rgb_mpi.inputs.stac.assets import find_assets, has_assets
from s2rgb_mpi.inputs.stac.classes import find_classifications
from s2rgb_mpi.inputs.stac.documents import content_of, features_of, page_of
from s2rgb_mpi.inputs.stac.fields import (
    baseline_of,
    cloud_cover,
    georeference_of,
    nodata_of,
    stated_by,
)
from s2rgb_mpi.inputs.zarr.store import find_store
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s2rgb_mpi.inputs.stac.assets import Asset
    from s2rgb_mpi.inputs.zarr.store import Store

MALFORMED = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""The errors of reading fields that an item lacks, or has with other types."""

_VSICURL = re.compile(r"(/vsicurl(?:_streaming)?/)(https?://.*)", re.DOTALL)
_ENDINGS = re.compile(r"/(?:items|search)/*$|/items/")
"""Endings of the paths under which STAC APIs serve items."""

_STORE = re.compile(r".*\.zarr(\.zip)?/*", re.IGNORECASE)

_L1C = re.compile(r"(?:^|.*[-_])l1c(?:[-_].*|$)", re.IGNORECASE)


def is_stac(name: str) -> bool:
    """Return whether an input is a STAC item or search: by its name, or else by what is in it.

    Parameters
    ----------
    name : str
        A path, a URL, or a name of GDAL's own.
    """
    path = shown(name) if is_remote(name) else name
    if path.lower().endswith((".json", ".geojson")):
        return True
    if not is_remote(name):
        return not path.lower().endswith((".zip", ".xml")) and _holds_items(name)
    if scheme(name) not in {"http", "https"}:
        return False
    # Without an ending, only the answer shows whether it is JSON.
    return bool(_ENDINGS.search(path)) or (not posixpath.splitext(path)[1] and _holds_items(name))


def open_stac(href: str, choice: Choice | None = None) -> list[Product]:
    """Read the Sentinel-2 product of a STAC item, or those of a saved search.

    Parameters
    ----------
    href : str
        Path or URL of an item, of a FeatureCollection or a list of items.
    choice : Choice, optional
        Resolution, level, and what the user states of the values.

    Returns
    -------
    list of Product
        In the order given; at least one. See :func:`~s2rgb_mpi.inputs.stac.assets.find_assets`
        for the assets that are taken.

    Raises
    ------
    InputError
        It cannot be read, is no item, or lacks an asset; or pystac is not installed.
    """
    choice = choice or Choice()
    content = content_of(href)
    features = features_of(href, content)
    several = len(features) > 1
    products = []
    for number, feature in enumerate(features, 1):
        said = href
        if several:
            identifier = feature.get("id") if isinstance(feature, dict) else None
            said = f"{href}: item {number} ({identifier})"
        products.append(_product(said, href, _item(said, feature), choice))
    page = page_of(href, content, len(features))
    return [replace(each, warnings=(*each.warnings, *page)) for each in products]


def _product(said: str, href: str, item: Any, choice: Choice) -> Product:
    """Return the product of an item; `said` is the beginning of error messages."""
    properties = item.properties
    try:
        _refuse_l1c(item, choice)
        assets = {key: asset.to_dict() for key, asset in item.assets.items()}
        store = _store(assets, href, choice)
        listed = {
            size: [_listed(asset, properties, href) for asset in find_assets(assets, size)]
            for size in ([] if store else _sizes(assets, choice))
        }
        classes = [
            _listed(asset, properties, href)
            for asset in (find_classifications(assets) if choice.clouds else ())
        ]
    except (UsageError, InputError, *MALFORMED) as error:
        raise InputError(f"{said}: {error}") from error

    def joined(size: int) -> Product:
        return join(str(item.id), as_arrays(listed[size], size), choice)

    if store:
        product = replace(open_eopf(store, choice), name=str(item.id))
    else:
        size = choose(choice, listed.__contains__, lambda: joined(choice.resolution).grid)
        product = joined(size)
        if choice.clouds:
            product = classified(
                product,
                (as_arrays([each], SCL_RESOLUTIONS[0])[0] for each in classes),
                choice,
                advice="the item has no asset scl or SCL_20m",
            )
    return replace(
        product,
        cloud_cover=cloud_cover(properties) if product.cloud_cover is None else product.cloud_cover,
        sensing_time=str(properties.get("datetime") or properties.get("start_datetime") or ""),
        baseline=baseline_of(properties) or product.baseline,
        is_sentinel_2=_is_sentinel_2(properties),
    )


def _store(assets: Mapping[str, Mapping[str, Any]], href: str, choice: Choice) -> Store | None:
    """Open the EOPF store that an item has in place of assets for the bands; None without."""
    if has_assets(assets, choice.resolution):
        return None
    names = [str(fields.get("href")) for fields in assets.values()]
    stores = [name for name in names if _STORE.fullmatch(urlsplit(name).path)]
    return find_store(_absolute(stores[0], href)) if len(stores) == 1 else None


def _sizes(assets: Mapping[str, Mapping[str, Any]], choice: Choice) -> list[int]:
    """Return the resolutions of which assets are needed, or may be, metres."""
    others = () if choice.output is None else RESOLUTIONS
    return [
        choice.resolution,
        *(size for size in others if size != choice.resolution and has_assets(assets, size)),
    ]


def _is_sentinel_2(properties: Mapping[str, Any]) -> bool:
    """Return whether an item says that it comes from Sentinel-2."""
    names = ("constellation", "platform", "eo:platform", "eo:constellation")
    said = [str(properties.get(name) or "").lower() for name in names]
    return any("sentinel2" in re.sub("[-_ ]", "", name) for name in said)


def _listed(asset: Asset, properties: Mapping[str, Any], href: str) -> Listed:
    """Return the band of an asset, with the item's statements on it."""
    path = _absolute(asset.fields["href"], href)
    number, count = (asset.index + 1, asset.count) if asset.count > 1 else (None, 0)
    if number and "zarr" in str(asset.fields.get("type")):  # a group of arrays, by their names
        path, number, count = f"{path.rstrip('/')}/{asset.name}", None, 0
    return Listed(
        asset.band,
        gdal_name(path),
        number,
        metadata=stated_by(properties, asset.fields, asset.key, asset.index),
        nodata=nodata_of(properties, asset.fields, asset.index),
        count=count,
        georeference=georeference_of(properties, asset.fields),
    )


def _item(said: str, content: Any) -> Any:
    """Read an item."""
    try:
        import pystac  # noqa: PLC0415  an extra, and slow to import
    except ImportError as error:
        raise InputError(f"{said}: reading STAC items needs pystac: pip install pystac") from error
    if not isinstance(content, dict) or content.get("type") != "Feature":
        raise InputError(f"{said}: not a STAC item: no Feature")
    assets = content.get("assets")
    if not isinstance(assets, dict) or not assets:
        raise InputError(f"{said}: not a STAC item with files: it has no assets")
    # Searches omit fields that were not requested. Assets without a file are ignored.
    content = {"stac_version": "1.0.0", "geometry": None, "links": [], **content}
    content["assets"] = {
        key: asset
        for key, asset in assets.items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
    try:
        # Not migrated to the newest STAC version, which would move the fields that are read here.
        return pystac.Item.from_dict(content, migrate=False)
    except (pystac.STACError, pystac.STACTypeError, *MALFORMED) as error:
        raise InputError(f"{said}: not a STAC item: {error}") from error


def _refuse_l1c(item: Any, choice: Choice) -> None:
    """Reject a top-of-atmosphere product, unless --allow-l1c is given."""
    said = {
        str(item.properties.get("processing:level")).upper(),
        str(item.properties.get("s2:product_type")).upper().removeprefix("S2MSI"),
        str(item.properties.get("product:type")).upper().removeprefix("S02MSI"),
    }
    if (said & {"1C", "L1C"} or _L1C.fullmatch(str(item.collection_id))) and not choice.allow_l1c:
        raise InputError("Level-1C (top of atmosphere); Level-2A is needed, or --allow-l1c")


def _holds_items(name: str) -> bool:
    """Return whether a file or an answer is GeoJSON or STAC, and not a server's error message."""
    if beginning(name).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"{", b"["):
        return False
    return bool(re.search(rb'"(stac_version|Feature|FeatureCollection)"', fetch(name)))


def _absolute(href: str, base: str) -> str:
    """Resolve an asset's reference against the place of the item."""
    if urlsplit(href).scheme or href.startswith("/"):
        return href
    if scheme(base) in {"http", "https"}:
        return urljoin(base, href)
    base = gdal_name(base)
    if base.startswith("/vsicurl?"):
        base = shown(base)
    remote = _VSICURL.fullmatch(base)
    if remote:
        return remote[1] + urljoin(remote[2], href)
    folder = posixpath.dirname(base)
    if not base.startswith("/vsi"):
        return posixpath.normpath(posixpath.join(folder, href))
    while href.startswith(("./", "../")):  # by hand: two slashes mean something in GDAL's names
        step, _, href = href.partition("/")
        folder = posixpath.dirname(folder) if step == ".." else folder
    return posixpath.join(folder, href)
