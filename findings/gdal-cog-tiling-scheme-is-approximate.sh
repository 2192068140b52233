#!/usr/bin/env bash
# GDAL's COG driver with a tiling scheme moves pixels, and has no option against it.
#
# Expected: WARP_RESAMPLING=NEAREST takes the pixel of the source in which the centre of the new one lies, as
#           "gdalwarp -r near -et 0" does on the same grid.
# Happens:  7 % of the pixels are those of a neighbour: the driver warps with gdalwarp's default, positions within 0.125
#           pixels. It has no creation option for the threshold, nor for other options of the warper.
# Instead:  gdalwarp -of COG -co TILING_SCHEME=... -et 0, whose pixels are exact (3.13.3).
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who compares a web-optimized COG with another one of the same data, pixel by pixel, or needs classes and
#           counts in their places.
# Documented: the threshold is for gdalwarp; not that the COG driver uses it.
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
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
    gdal-wheel==3.13.3 numpy==2.5.5 || cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
crs = osr.SpatialReference()
crs.ImportFromEPSG(32632)
source = gdal.GetDriverByName("MEM").Create("", 1000, 1000, 1, gdal.GDT_UInt16)
source.SetSpatialRef(crs)
source.SetGeoTransform((399960, 10, 0, 5300040, 0, -10))
source.GetRasterBand(1).SetNoDataValue(0)
source.WriteArray((1 + np.arange(1000 * 1000).reshape(1000, 1000) % 60000).astype(np.uint16))

tiles = "TILING_SCHEME=GoogleMapsCompatible"
gdal.Translate("cog.tif", source, format="COG", creationOptions=[tiles, "WARP_RESAMPLING=NEAREST"])
with gdal.Open("cog.tif") as cog:
    pixels = cog.ReadAsArray()
    west, width, _, north, _, height = cog.GetGeoTransform()
south, east = north + height * pixels.shape[0], west + width * pixels.shape[1]


def warp(threshold):
    return gdal.Warp(
        "",
        source,
        format="MEM",
        dstSRS="EPSG:3857",
        outputBounds=(west, south, east, north),
        width=pixels.shape[1],
        height=pixels.shape[0],
        resampleAlg="near",
        errorThreshold=threshold,
    ).ReadAsArray()


exact, usual = warp(0), warp(0.125)
moved = np.mean(pixels[exact > 0] != exact[exact > 0])
print(f"GDAL {gdal.__version__}: {moved:.1%} of the driver's pixels are not those of -et 0")
print(f"all are those of -et 0.125: {np.array_equal(pixels, usual)}")
sys.exit(0 if 0.01 < moved < 0.2 and np.array_equal(pixels, usual) else 1)
PYTHON
