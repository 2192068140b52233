"""A dask pipeline: rioxarray reads, dask colours, odc-geo writes a Cloud Optimized GeoTIFF.

dask_cog.py WORKERS OFFSET RED GREEN BLUE OUTPUT LEVEL
"""

from __future__ import annotations

import sys

import numpy as np
import rioxarray
import xarray
from dask.distributed import Client
from dask_rgb import EDGE, coloured, save


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
        save(rgb, output, int(level), client)


if __name__ == "__main__":
    main()
