"""What the dask peers share: the curve, and a Cloud Optimized GeoTIFF by odc-geo."""

from __future__ import annotations

from typing import Any

import numpy as np
from dask.distributed import Client
from numpy.typing import NDArray
from odc.geo.cog import save_cog_with_dask
from odc.geo.xr import ODCExtension  # noqa: F401  registers the accessor that it needs

EDGE = 1024
"""Of a piece of the arrays, pixels: a source tile."""


def coloured(dn: NDArray[np.uint16], offset: int) -> NDArray[np.uint8]:
    """Colour pieces of shape (band, rows, cols); the same curve as everybody's, in float32."""
    reflectance = (dn.astype(np.float32) + np.float32(offset)) / np.float32(10_000)
    return curve(reflectance, (dn != 0).any(axis=0, keepdims=True))


def curve(reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Colour reflectance of shape (band, rows, cols) where it is valid, (1, rows, cols)."""
    value = np.floor(255 * np.clip(reflectance, 0, 1) ** np.float32(1 / 2.2) + np.float32(0.5))
    return np.where(valid, np.clip(value, 1, 255), 0).astype(np.uint8)


def save(rgb: Any, output: str, level: int, client: Client) -> None:
    """Write an xarray.DataArray of dimensions band, y and x, uint8, with its georeference."""
    rgb = rgb.assign_coords(band=[1, 2, 3])
    rgb.attrs = {"nodata": 0}
    saved = save_cog_with_dask(
        rgb,
        output,
        compression="deflate",
        predictor=2,
        level=level,
        blocksize=[512],
        overview_resampling="average",
        client=client,
    )
    client.compute(saved, sync=True)
