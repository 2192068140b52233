#!/usr/bin/env bash
# A GeoTIFF of 16-bit floats is read as numpy float16 by new GDAL, and arithmetic on it loses digits.
#
# Expected: NBITS=16 is a matter of storage: bands are Float32 when read, as in older GDAL.
# Happens:  the band's type is Float16 and ReadAsArray gives float16. Reflectance 0.2345 times 10,000 is 2344 in it
#           (2344.97 in float32: neighbours are 2 apart there), and 7 times 10,000 is infinity. No error.
#           Band.GetMetadataItem("NBITS", "IMAGE_STRUCTURE"), 16 before, is None.
# Instead:  ask for float32: ReadAsArray(buf_type=gdal.GDT_Float32).
# Seen in:  GDAL 3.13.3; 3.6.2 gives Float32. Float16 came with GDAL 3.11.
# Meets:    who computes with the arrays that ReadAsArray gives, after an upgrade, on files that did not change.
# Documented: the type is; the creation option's description still says "float32 (16)".
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
with gdal.GetDriverByName("GTiff").Create("half.tif", 2, 1, 1, gdal.GDT_Float32, ["NBITS=16"]) as dataset:
    dataset.WriteArray(np.array([[0.2345, 7]], np.float32))

with gdal.Open("half.tif") as dataset:
    band = dataset.GetRasterBand(1)
    name, nbits = gdal.GetDataTypeName(band.DataType), band.GetMetadataItem("NBITS", "IMAGE_STRUCTURE")
    default, single = dataset.ReadAsArray(), dataset.ReadAsArray(buf_type=gdal.GDT_Float32)

print(f"GDAL {gdal.__version__}: made as Float32 with NBITS=16, read as {name}, NBITS {nbits}")
with np.errstate(over="ignore"):
    scaled = default * 10000
print(f"ReadAsArray() * 10000:                          {scaled.ravel()} ({scaled.dtype})")
print(f"ReadAsArray(buf_type=gdal.GDT_Float32) * 10000: {(single * 10000).ravel()} ({single.dtype})")
lost = scaled[0, 0] == 2344 and np.isinf(scaled[0, 1])
kept = abs(single[0, 0] * 10000 - 2344.97) < 0.01
sys.exit(not (name == "Float16" and nbits is None and default.dtype == np.float16 and lost and kept))
PYTHON
