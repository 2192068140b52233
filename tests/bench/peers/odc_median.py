"""A dask pipeline from STAC items: odc-stac loads, xarray makes the median, odc-geo writes a COG.

odc_median.py WORKERS OUTPUT LEVEL ITEM [ITEM ...]
"""

from __future__ import annotations

import sys

import numpy as np
import odc.stac
import pystac
import xarray
from dask.distributed import Client
from dask_rgb import EDGE, curve, save
from numpy.typing import NDArray

BANDS = ["red", "green", "blue"]
CLOUDY = [3, 8, 9, 10]


def main() -> None:
    workers, output, level, *paths = sys.argv[1:]
    items = sorted(map(pystac.Item.from_file, paths), key=lambda item: str(item.datetime))
    offsets = [item.assets["red"].extra_fields["raster:bands"][0]["offset"] for item in items]
    with Client(n_workers=int(workers), threads_per_worker=1, dashboard_address=None) as client:
        loaded = odc.stac.load(items, [*BANDS, "scl"], chunks={"x": EDGE, "y": EDGE})
        dn = loaded[BANDS].to_dataarray("band").astype(np.float32)
        offset = xarray.DataArray(np.array(offsets, np.float32), dims="time")
        valid = (dn != 0).any("band")
        clear = valid & ~loaded["scl"].isin(CLOUDY)
        # Where no date is clear all valid ones are taken, as this program does.
        used = clear | (valid & ~clear.any("time"))
        seen = (dn * np.float32(1e-4) + offset).where(used)
        median = seen.chunk({"time": -1}).median("time").transpose("band", "y", "x")
        rgb = median.chunk({"band": 3}).copy()
        rgb.data = rgb.data.map_blocks(_curve, dtype=np.uint8)
        save(rgb.odc.assign_crs(loaded.odc.crs), output, int(level), client)


def _curve(reflectance: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour pieces of shape (band, rows, cols), NaN where there is no data."""
    return curve(reflectance, ~np.isnan(reflectance).all(axis=0, keepdims=True))


if __name__ == "__main__":
    main()
