"""A dask pipeline: rioxarray reads, dask colours, odc-geo writes a Cloud Optimized GeoTIFF.

dask_cog.py WORKERS OFFSET RED GREEN BLUE OUTPUT LEVEL
"""

from __future__ import annotations

import sys

import numpy as np
import rioxarray
import xarray
from dask.distributed import Client
from numpy.typing import NDArray
from odc.geo.cog import save_cog_with_dask
from odc.geo.xr import ODCExtension  # noqa: F401  registers the accessor that it needs

EDGE = 1024
"""Of a piece of the arrays, pixels: a source tile."""


def coloured(dn: NDArray[np.uint16], offset: int) -> NDArray[np.uint8]:
    """Colour pieces of shape (band, rows, cols); the same curve as everybody's, in float32."""
    reflectance = (dn.astype(np.float32) + np.float32(offset)) / np.float32(10_000)
    value = np.floor(255 * np.clip(reflectance, 0, 1) ** np.float32(1 / 2.2) + np.float32(0.5))
    valid = (dn != 0).any(axis=0, keepdims=True)
    return np.where(valid, np.clip(value, 1, 255), 0).astype(np.uint8)


def main() -> None:
    workers, offset, *paths = sys.argv[1:6]
    output, level = sys.argv[6:]
    # One thread each: reading JPEG 2000 by several threads of one process is one after the other.
    with Client(n_workers=int(workers), threads_per_worker=1, dashboard_address=None) as client:
        bands = [
            rioxarray.open_rasterio(path, chunks={"x": EDGE, "y": EDGE}, lock=False)
            for path in paths
        ]
        dn = xarray.concat(bands, dim="band").chunk({"band": 3})
        rgb = dn.copy(data=dn.data.map_blocks(coloured, int(offset), dtype=np.uint8))
        rgb = rgb.assign_coords(band=[1, 2, 3])
        rgb.attrs = {}
        rgb.rio.write_nodata(0, inplace=True)
        saved = save_cog_with_dask(
            rgb,
            output,
            compression="deflate",
            predictor=2,
            level=int(level),
            blocksize=[512],
            overview_resampling="average",
            client=client,
        )
        client.compute(saved, sync=True)


if __name__ == "__main__":
    main()
