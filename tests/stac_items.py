"""STAC items for tests, and band files beside them."""

import json
from pathlib import Path
from typing import Any

from rasters import scene, write_raster

BANDS = ("B04", "B03", "B02")
KEYS = {
    "colours": ("red", "green", "blue"),
    "names": BANDS,
    "sizes": ("B04_10m", "B03_10m", "B02_10m"),
}


def make_item(
    assets: dict[str, Any],
    properties: Any = None,
    fields: Any = None,
    *,
    name: str = "S2A_32TMT",
) -> dict[str, Any]:
    """Make an item of assets by key: each an href, or a mapping; the fields are for all of them."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "properties": {"datetime": "2022-06-13T10:30:41Z", **(properties or {})},
        "links": [{"rel": "self", "href": "https://example.com/elsewhere/item.json"}],
        "assets": {
            key: {**(fields or {}), **(asset if isinstance(asset, dict) else {"href": asset})}
            for key, asset in assets.items()
        },
    }


def named(keys: str = "names", ending: str = "tif") -> dict[str, str]:
    """Return the three assets under the keys of some catalogue."""
    return {key: f"{band}.{ending}" for key, band in zip(KEYS[keys], BANDS, strict=True)}


def write_json(path: Path, content: Any) -> str:
    """Write JSON; return the path."""
    path.write_text(json.dumps(content))
    return str(path)


def write_bands(folder: Path, values: Any = None, **options: Any) -> Path:
    """Write a file for each of three bands, of a scene unless (height, width, 3) is given."""
    for number, band in enumerate(BANDS):
        one = (scene() if values is None else values)[..., number]
        write_raster(folder / f"{band}.tif", one, **options)
    return folder
