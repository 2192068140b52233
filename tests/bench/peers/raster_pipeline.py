"""`gdal raster pipeline` of GDAL 3.11 and later, as wheels have it: without its command.

raster_pipeline.py STACK OUTPUT OFFSET LEVEL
"""

from __future__ import annotations

import sys

from osgeo import gdal

gdal.UseExceptions()
gdal.SetConfigOption("GDAL_NUM_THREADS", "ALL_CPUS")

stack, output, offset, level = sys.argv[1:]
black = -int(offset)
options = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "PHOTOMETRIC=RGB", "COMPRESS=DEFLATE"]
options += [f"ZLEVEL={level}", "PREDICTOR=2", "NUM_THREADS=ALL_CPUS"]
gdal.Run(
    "raster",
    "pipeline",
    pipeline=(
        f"read {stack} ! scale --input-min {black} --input-max {black + 10_000} --output-min 0"
        f" --output-max 255 --exponent {1 / 2.2} --output-data-type Byte"
        f" ! write --overwrite {' '.join(f'--creation-option {one}' for one in options)} {output}"
    ),
)
