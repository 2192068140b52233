#!/usr/bin/env bash
# A JPEG 2000 file read at a coarser resolution is shifted to the south-east of a GeoTIFF of the same pixels.
#
# Expected: two lossless files with the same pixels and georeferencing give the same image after gdalwarp -tr.
# Happens:  the JP2 drivers offer the reduced levels of the codestream as overviews, and gdalwarp and RasterIO use
#           them by themselves. A sample of the level of factor k is the wavelet's low-pass around pixel k*i,
#           but GDAL places it in the middle of pixels k*i to k*i + k - 1: (k - 1) / 2 pixels too far south-east,
#           5 m of 10 m pixels at 20 m, 35 m at 80 m. A GeoTIFF without overviews is resampled from all pixels.
# Instead:  gdalwarp -ovr NONE.
# Seen in:  GDAL 3.6.2 and 3.13.3 (JP2OpenJPEG).
# Meets:    who makes small images of Sentinel-2 bands (JP2) and compares or mixes them with GeoTIFFs (COG).
# Documented: the use of the levels, yes (JP2OpenJPEG driver); the shift, no.
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
size, pixel, step = 640, 10, 4  # DN grow by 4 from one pixel to the next, so that a shift can be read off them
row, column = np.indices((size, size))
crs = osr.SpatialReference()
crs.ImportFromEPSG(32632)


def shift_of_jp2(grow, **options):
    """Return how many metres along ``grow`` the image from JP2 lies beyond the one from GeoTIFF."""
    dn = (1000 + step * grow).astype(np.uint16)
    source = gdal.GetDriverByName("MEM").Create("", size, size, 1, gdal.GDT_UInt16)
    source.SetSpatialRef(crs)
    source.SetGeoTransform((600000, pixel, 0, 5300000, 0, -pixel))
    source.WriteArray(dn)
    gdal.GetDriverByName("GTiff").CreateCopy("twin.tif", source)
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy("twin.jp2", source, options=["QUALITY=100", "REVERSIBLE=YES"])
    kinds = "tif", "jp2"
    assert all((gdal.Open(f"twin.{kind}").ReadAsArray() == dn).all() for kind in kinds)
    warped = [gdal.Warp("", f"twin.{kind}", format="MEM", resampleAlg="average", **options) for kind in kinds]
    tif, jp2 = (dataset.ReadAsArray()[2:-2, 2:-2].mean() for dataset in warped)
    return float(tif - jp2) / step * pixel


print(f"GDAL {gdal.__version__}: image from JP2 against image from GeoTIFF, 10 m pixels, gdalwarp -r average")
seen = []
for metres in 20, 40, 80:
    east, south = (shift_of_jp2(grow, xRes=metres, yRes=metres) for grow in (column, row))
    seen.append(abs(east - (metres - 10) / 2) < 0.5 and abs(south - (metres - 10) / 2) < 0.5)
    print(f"-tr {metres}: {east:.1f} m further east, {south:.1f} m further south")
without = shift_of_jp2(column, xRes=80, yRes=80, overviewLevel="NONE")
print(f"-tr 80 -ovr NONE: {without:.1f} m further east")
sys.exit(not (all(seen) and abs(without) < 0.5))
PYTHON
