#!/usr/bin/env bash
# Arrays of GeoZarr's levels of 120, 360 and 720 m state the shape and the transform of the image of 60 m.
#
# Expected: proj:shape and proj:transform of an array are its own.
# Happens:  the EOPF Explorer's converter of Sentinel-2 products copies both from r60m to the arrays of r120m, r360m and
#           r720m, which it makes of it. spatial:shape and spatial:transform of their groups are right; until 0.10 the
#           latter is that of the first pixel's centre, half a pixel off, in the groups of all sizes. And r720m lacks
#           the last pixel of r360m where there is an odd number, as the 305 of a Sentinel-2 tile.
# Instead:  believe the group where its spatial:shape is that of the array, and x and y before its spatial:transform.
# Seen in:  eopf-geozarr 0.10.1 and 0.12.0, with zarr 3.3.0 and xarray 2026.9.0. Run here: 0.12.0.
# Meets:    who reads the place of a level from its array.
# Documented: no.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cannot_run() {
    echo "cannot run here: $1"
    exit 77
}

for python in python3.{14,13,12} "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-4].*/bin/python3 none; do
    if "$python" -I -c 'import ensurepip, sys; sys.exit(not (3, 12) <= sys.version_info < (3, 15))' 2>/dev/null; then
        break
    fi
done
[ "$python" != none ] || cannot_run "no Python 3.12 to 3.14 with its venv module"
"$python" -I -m venv venv
install() {
    venv/bin/pip install -q --disable-pip-version-check --only-binary :all: "$@" ||
        cannot_run "pip could not install the packages"
}
# Without dependencies: pip looks for minutes for releases of dask, s3fs and boto3 that fit, which are not used here.
install --no-deps eopf-geozarr==0.12.0 s3fs aiobotocore botocore boto3 jmespath s3transfer urllib3 python-dateutil six \
    aioitertools wrapt distributed tornado zict tblib sortedcontainers psutil msgpack pystac cast-value-rs
install zarr==3.3.0 xarray==2026.9.0 'dask[array]==2026.8.0' rioxarray==0.23.0 cf-xarray \
    structlog zarr-cm pydantic-zarr aiohttp fsspec

venv/bin/python -I - <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")
import numpy as np
import structlog
import xarray as xr
import zarr
from eopf_geozarr.s2_optimization.s2_multiscale import create_multiscale_from_datatree
from pyproj import CRS

structlog.configure(logger_factory=lambda *_: structlog.ReturnLogger())


def image(size):
    """Make an image of 12.6 km: 35 pixels of 360 m, as many as are odd."""
    count = 12_600 // size
    centre = size / 2 + size * np.arange(count)
    band = xr.DataArray(
        np.ones((count, count), np.float32),
        dims=("y", "x"),
        coords={"y": 5_300_040 - centre, "x": 399_960 + centre},
        attrs={"proj:shape": [count, count], "proj:transform": [size, 0, 399_960, 0, -size, 5_300_040, 0, 0, 1]},
    )
    return xr.Dataset({"b04": band})


group = "measurements/reflectance"
tree = xr.DataTree.from_dict({f"/{group}/r{size}m": image(size) for size in (10, 20, 60)})
store = zarr.open_group("made.zarr", mode="w", zarr_format=3)
create_multiscale_from_datatree(
    tree,
    output_group=store,
    enable_sharding=False,
    spatial_chunk=256,
    crs=CRS.from_epsg(32632),
    keep_scale_offset=False,
)
for size, count in ((60, 210), (120, 105), (360, 35), (720, 17)):
    level = store[f"{group}/r{size}m"]
    array = level["b04"]
    print(f"{size} m: {array.shape}, proj:shape {array.attrs['proj:shape']}, its group {level.attrs['spatial:shape']}")
    if array.shape != (count, count) or list(level.attrs["spatial:shape"]) != [count, count]:
        sys.exit(1)
    if array.attrs["proj:shape"] != [210, 210] or array.attrs["proj:transform"][0] != 60:
        sys.exit(1)
PYTHON
