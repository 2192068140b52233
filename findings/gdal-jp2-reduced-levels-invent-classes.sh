#!/usr/bin/env bash
# A classification in JPEG 2000 read at a coarser resolution by nearest neighbour has classes that are not in it.
#
# Expected: nearest neighbour takes values from pixels, so 3, 4 and 9 remain 3, 4 and 9.
# Happens:  the JP2 drivers offer the reduced levels of the codestream as overviews, and RasterIO and gdalwarp use them
#           by themselves. These are the wavelet's low-pass, so class numbers are averaged and overshoot: between cloud
#           (9), its shadow (3) and vegetation (4) of Sentinel-2's scene classification come water (6) and snow (11).
#           A GeoTIFF without overviews keeps its classes; -r mode makes no difference to the JP2.
# Instead:  gdalwarp -ovr NONE, or reading all pixels and taking every n-th.
# Seen in:  GDAL 3.6.2 and 3.13.3 (JP2OpenJPEG); rasterio 1.5.2 (GDAL 3.12.2), whose read(out_shape=...) does the same.
# Meets:    who makes small maps, statistics or cloud masks of SCL_20m.jp2 as ESA delivers it.
# Documented: the use of the levels, yes (JP2OpenJPEG driver, gdalwarp -ovr); that nearest neighbour then averages, no.
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
from osgeo import gdal

gdal.UseExceptions()
SHADOW, VEGETATION, CLOUD = 3, 4, 9
size, factor = 640, 4
rows, columns = np.indices((size, size))
classes = np.full((size, size), VEGETATION, np.uint8)
for row, column, radius in (150, 200, 60), (400, 420, 90), (500, 150, 40):
    for number, shift in (SHADOW, 20), (CLOUD, 0):
        classes[(rows - row - shift) ** 2 + (columns - column - shift) ** 2 < radius**2] = number
source = gdal.GetDriverByName("MEM").Create("", size, size)
source.SetGeoTransform((600000, 20, 0, 5300000, 0, -20))
source.WriteArray(classes)
gdal.GetDriverByName("GTiff").CreateCopy("scl.tif", source)
gdal.GetDriverByName("JP2OpenJPEG").CreateCopy("scl.jp2", source, options=["QUALITY=100", "REVERSIBLE=YES"])


def found(values):
    """Return which classes there are."""
    return np.unique(values).tolist()


def coarser(file, **options):
    """Return the classes of an image of 80 m that gdalwarp makes."""
    return found(gdal.Warp("", file, format="MEM", xRes=20 * factor, yRes=20 * factor, **options).ReadAsArray())


print(f"GDAL {gdal.__version__}: classes in pixels of 20 m, and in pixels of 80 m by nearest neighbour")
true = [SHADOW, VEGETATION, CLOUD]
seen = []
for file, is_kept in ("scl.tif", True), ("scl.jp2", False):
    dataset = gdal.Open(file)
    read = found(dataset.ReadAsArray(buf_xsize=size // factor, buf_ysize=size // factor))
    warped = coarser(file, resampleAlg="near")
    print(f"{file}: {found(dataset.ReadAsArray())}; read {read}; gdalwarp -r near {warped}")
    seen += [found(dataset.ReadAsArray()) == true, (read == true) is is_kept, (warped == true) is is_kept]
mode, without = coarser("scl.jp2", resampleAlg="mode"), coarser("scl.jp2", resampleAlg="near", overviewLevel="NONE")
print(f"scl.jp2: gdalwarp -r mode {mode}; gdalwarp -r near -ovr NONE {without}")
sys.exit(not (all(seen) and mode != true and without == true))
PYTHON
