"""STAC assets: finds the scene classification by the keys of assets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from s2rgb_mpi.inputs.classification import SCL, SCL_RESOLUTIONS
from s2rgb_mpi.inputs.stac.assets import Asset

if TYPE_CHECKING:
    from collections.abc import Mapping

_COPY = re.compile(r"[_-](?:jp2|cog|tiff?|geotiff)$", re.IGNORECASE)
_CLASSIFICATION = re.compile(
    rf"scl(?:[_-]r?(?:{'|'.join(map(str, SCL_RESOLUTIONS))})m)?(?:{_COPY.pattern})?", re.IGNORECASE
)
"""Keys of the scene classification: ``scl``, ``SCL``, ``SCL_20m``, ``scl-jp2``, ``SCL_60m``."""


def find_classifications(assets: Mapping[str, Mapping[str, Any]]) -> list[Asset]:
    """Find the assets of the scene classification by their keys, the best of each size.

    Returns
    -------
    list of Asset
        That of 20 m first, then that of 60 m; empty without any.
    """
    found = []
    for resolution in SCL_RESOLUTIONS:
        keys = [
            key
            for key in assets
            if _CLASSIFICATION.fullmatch(key)
            and ("60m" in key.lower()) == (resolution != SCL_RESOLUTIONS[0])
        ]
        keys.sort(key=lambda key: bool(_COPY.search(key)))  # as for bands
        found += [Asset(SCL, key, assets[key], resolution=resolution) for key in keys[:1]]
    return found
