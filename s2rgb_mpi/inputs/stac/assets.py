"""STAC assets: finds red, green and blue by the keys of assets and the bands that they list."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.naming import COLOURS, CORRECTIONS, NAME, OTHER, described_band, named_band
from s2rgb_mpi.inputs.product import RESOLUTIONS, RGB_BANDS
from s2rgb_mpi.inputs.source_size import possible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SIZE = re.compile(r"(?:^|[_/-])r?(\d+)m(?=$|[_./-])", re.IGNORECASE)
"""A resolution in a key such as ``SR_20m``, or in a path such as ``R20m/T32TMT_…_B04_20m.jp2``."""

_PICTURES = re.compile(
    r"(?:^|[_-])(?:visual|tci|true[_-]?colou?r|overview|preview|thumbnail|quicklook|browse|pvi)"
    r"(?=$|[_-])",
    re.IGNORECASE,
)
_TRUE_COLOUR = re.compile(r"true[\s_-]*colou?r", re.IGNORECASE)
_PICTURE_ROLES = {"visual", "overview", "thumbnail", "mask"}
_NO_RASTER = re.compile(
    r"image/(?:png|jpe?g|gif|webp|svg)|text/|application/(?:(?:geo\+)?json|xml|pdf|zip)"
)
_LEAST_SIZE = 0.5
"""Pixel sizes below are degrees, not metres."""


@dataclass(frozen=True)
class Asset:
    """Where the pixels of one band are.

    Parameters
    ----------
    band : str
        ESA's name, such as B04.
    key : str
        Of the asset in the item.
    fields : mapping
        Of the asset.
    index : int
        Of the band among those of the asset, from 0.
    count : int
        How many bands the asset lists; 1 where it lists none.
    correction : str
        One of :data:`CORRECTIONS`.
    resolution : float, optional
        Pixel size, metres.
    in_name : bool
        Whether the resolution is part of the name.
    rank : tuple of int
        Among the assets of the same band, lowest first; equal ranks are ambiguous.
    """

    band: str
    key: str
    fields: Mapping[str, Any]
    index: int = 0
    count: int = 1
    correction: str = ""
    resolution: float | None = None
    in_name: bool = False
    rank: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of the band in the asset's list; empty if there is none."""
        listed = listed_bands(self.fields)
        return str(listed[self.index].get("name") or "") if listed else ""


def find_assets(assets: Mapping[str, Mapping[str, Any]], resolution: int) -> list[Asset]:
    """Find the assets of red, green and blue.

    A key that names a band (``red``, ``B04_10m``, ``nbart_red`` …) is preferred to the bands that
    an asset lists (``bands``, STAC 1.1, or ``eo:bands``) by common name, name or description. Where
    an asset lists several, their positions are the band numbers. True-colour images, previews and
    masks are never bands.

    Parameters
    ----------
    assets : mapping of str to mapping
        The item's, by key.
    resolution : int
        Metres: 10, 20 or 60. Assets whose names have no resolution are those of 10 m, unless
        others at 10 m are there.

    Returns
    -------
    list of three Asset
        Red, green, blue.

    Raises
    ------
    InputError
        A band is missing, or several assets may be it: lists the assets.
    """
    found = list(_candidates(assets))
    chosen = _choose(found, resolution)
    if chosen is not None:
        return chosen
    names = ", ".join(_usual_keys(resolution))
    others = [size for size in RESOLUTIONS if all(_of_bands(found, size))]
    raise InputError(
        f"none of the assets {names} in this item; it has {', '.join(assets) or 'none'}"
        f"{possible(others)}"
    )


def has_assets(assets: Mapping[str, Mapping[str, Any]], resolution: int) -> bool:
    """Return whether :func:`find_assets` finds red, green and blue of a resolution."""
    return _choose(list(_candidates(assets)), resolution) is not None


def listed_bands(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the bands that an asset lists, as STAC 1.1 or the EO extension before it has them."""
    bands = fields.get("bands") or fields.get("eo:bands") or []
    return [band if isinstance(band, dict) else {"name": str(band)} for band in bands]


def _usual_keys(resolution: int) -> list[str]:
    """Return the keys that the asset of red has in most catalogues."""
    band = RGB_BANDS[0]
    if resolution == RESOLUTIONS[0]:
        return [COLOURS[band], band, f"{band}_{resolution}m"]
    return [f"{band}_{resolution}m", f"{COLOURS[band]}_{resolution}m"]


def _choose(found: Sequence[Asset], resolution: int) -> list[Asset] | None:
    """Return red, green and blue of the first correction that has all three, or None.

    Raises
    ------
    InputError
        Several assets may be a band.
    """
    for correction in CORRECTIONS:
        bands = _of_bands([each for each in found if each.correction == correction], resolution)
        if all(bands):
            return [_first(assets) for assets in bands]
    return None


def _of_bands(
    found: Sequence[Asset], resolution: int
) -> list[list[tuple[float, tuple[int, ...], Asset]]]:
    """Group assets with their scores by band; those of other resolutions are left out."""
    return [
        [
            (*score, asset)
            for asset in found
            if asset.band == band
            for score in _score(asset, resolution)
        ]
        for band in RGB_BANDS
    ]


def _score(asset: Asset, resolution: int) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Yield the place of an asset among those of its band, lowest first.

    Nothing is yielded for an asset of another resolution.
    """
    finest = RESOLUTIONS[0]
    size = round(asset.resolution or finest)
    if resolution == size:
        yield 0, asset.rank
    elif resolution == finest and not asset.in_name:  # such as the 30 m of another product
        yield size, asset.rank


def _first(scored: Sequence[tuple[float, tuple[int, ...], Asset]]) -> Asset:
    """Return the asset with the lowest score; two of them are an error."""
    best = min(each[:2] for each in scored)
    assets = [asset for *score, asset in scored if tuple(score) == best]
    if len(assets) > 1:
        keys = ", ".join(dict.fromkeys(asset.key for asset in assets))
        band = assets[0].band
        raise InputError(
            f"which asset is {COLOURS[band]} ({band})? It may be each of {keys}; --rgb takes the"
            " files themselves"
        )
    return assets[0]


def _candidates(assets: Mapping[str, Mapping[str, Any]]) -> Iterator[Asset]:
    """Yield an asset for each of its bands that may be red, green or blue."""
    for key, fields in assets.items():
        if _is_picture(key, fields):
            continue
        named, listed = NAME.fullmatch(key), listed_bands(fields)
        names = [str(band.get("name") or "") for band in listed]
        if [name.lower() for name in names] == [f"b{n}" for n in range(1, len(names) + 1)]:
            names = [""] * len(names)  # positions, as rio-stac writes them, not ESA's names
        for index, (name, band) in enumerate(zip(names, listed, strict=True)):
            parsed = NAME.fullmatch(name)
            meaning = _meaning(name, band)
            if named and len(listed) == 1:
                _refuse_contradiction(key, named_band(named), meaning, band)
                continue
            if meaning in RGB_BANDS:
                asset = Asset(meaning, key, fields, index, len(listed))
                yield _ranked(asset, parsed, tier=1 if len(listed) == 1 else 2)
        if named and len(listed) <= 1:
            yield _ranked(Asset(named_band(named), key, fields), named, tier=0)


def _ranked(asset: Asset, parsed: re.Match[str] | None, tier: int) -> Asset:
    """Add the resolution and the rank of an asset.

    Parameters
    ----------
    asset : Asset
        Without them.
    parsed : re.Match, optional
        The name of the band, matched by ``NAME``.
    tier : int
        Where the band was found: 0 in the asset's key, 1 in its list of one band, 2 of several.
    """
    said = _SIZE.search(asset.key) or (_SIZE.search(parsed[0]) if parsed else None)
    colour = COLOURS[asset.band]
    kind = f"{asset.fields.get('type')} {asset.fields.get('href')}".lower()
    return replace(
        asset,
        correction=((parsed and parsed["correction"]) or "").lower(),
        resolution=float(said[1]) if said else _pixel_size(asset.fields, asset.index),
        in_name=said is not None,
        rank=(
            tier,
            bool(parsed and parsed["copy"]),
            said is not None,
            not (parsed and parsed["colour"]),
            not asset.key.startswith((colour, asset.band)),
            "jp2" in kind,
            "zarr" in kind,
        ),
    )


def _meaning(name: str, band: Mapping[str, Any]) -> str:
    """Return which band a listed one is, as :func:`described_band` does."""
    common = str(band.get("eo:common_name") or band.get("common_name") or "").lower()
    if common:
        return next((each for each, colour in COLOURS.items() if colour == common), OTHER)
    texts = (name, str(band.get("description") or ""))
    return next(filter(None, map(described_band, texts)), "")


def _refuse_contradiction(key: str, band: str, meaning: str, listed: Mapping[str, Any]) -> None:
    """Reject an asset whose key names one band and whose list another."""
    if meaning not in ("", band):
        words = [listed.get(name) for name in ("name", "eo:common_name", "common_name")]
        listed_as = ", ".join(str(word) for word in words if word)
        raise InputError(f"asset {key}: by its key it is {band}, by its list of bands {listed_as}")


def _pixel_size(fields: Mapping[str, Any], index: int) -> float | None:
    """Return the edge of a pixel, metres, as an asset states it; None if it does not."""
    bands = [fields.get(name) or [] for name in ("bands", "raster:bands")]
    inner = [band[index] for band in bands if index < len(band) and isinstance(band[index], dict)]
    transform = fields.get("proj:transform") or []
    path = urlsplit(str(fields.get("href") or "")).path
    in_path = _SIZE.findall(path)
    sizes = (
        *(band.get(f"{prefix}spatial_resolution") for band in inner for prefix in ("raster:", "")),
        fields.get("raster:spatial_resolution"),
        transform[0] if transform else None,
        *(band.get("gsd") for band in inner),
        fields.get("gsd"),
        in_path[-1] if in_path else None,
    )
    numbers = (abs(float(size)) for size in sizes if size is not None)
    return next((size for size in numbers if size >= _LEAST_SIZE), None)


def _is_picture(key: str, fields: Mapping[str, Any]) -> bool:
    """Return whether an asset is a coloured picture, a mask, or no raster, whatever it lists."""
    bands = fields.get("raster:bands") or []
    types = {band.get("data_type") for band in bands} | {fields.get("data_type")}
    return bool(
        _PICTURES.search(key)
        or _TRUE_COLOUR.search(str(fields.get("title") or ""))
        or _PICTURE_ROLES & set(fields.get("roles") or ())
        or _NO_RASTER.match(str(fields.get("type") or ""))
        or "uint8" in types
    )
