"""A dask pipeline from an EOPF store: xarray reads, dask colours, odc-geo writes a COG.

dask_store.py WORKERS OFFSET STORE OUTPUT LEVEL
"""

from __future__ import annotations

import sys

import numpy as np
import xarray
from dask.distributed import Client
from dask_rgb import coloured, save

GROUP = "measurements/reflectance/r10m"
BANDS = ("b04", "b03", "b02")


def main() -> None:
    workers, offset, store, output, level = sys.argv[1:]
    with Client(n_workers=int(workers), threads_per_worker=1, dashboard_address=None) as client:
        # DN as they are stored, and pieces as large as the chunks: each is decoded once.
        group = xarray.open_zarr(store, group=GROUP, chunks={}, mask_and_scale=False)
        crs = f"EPSG:{group[BANDS[0]].attrs['proj:epsg']}"
        dn = xarray.concat([group[band] for band in BANDS], dim="band", coords="minimal")
        dn = dn.drop_vars(set(dn.coords) - {"x", "y"}).chunk({"band": 3})
        rgb = dn.copy(data=dn.data.map_blocks(coloured, int(offset), dtype=np.uint8))
        save(rgb.odc.assign_crs(crs), output, int(level), client)


if __name__ == "__main__":
    main()
