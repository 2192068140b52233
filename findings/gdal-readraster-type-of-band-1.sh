#!/usr/bin/env bash
# GDAL's Python Dataset.ReadRaster converts what it reads to the type of band 1, also when it reads others.
#
# Expected: with band_list=[2], a UInt16 band is read as UInt16, above all into a numpy array of uint16 (buf_obj).
# Happens:  without buf_type the type is that of band 1. Is that Byte, 3000 is clamped to 255, the bytes of two
#           pixels fill one element of the array and the rest of it is left as it was: 65535, 0. No error.
# Instead:  give buf_type, or use ReadAsArray, which is right.
# Seen in:  GDAL 3.6.2 and 3.13.3 (osgeo.gdal).
# Meets:    who reads some bands of a file whose bands differ in type (VRT, MEM, HDF, netCDF) into own buffers.
# Documented: no; the default stands in gdal.py only.
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
dataset = gdal.GetDriverByName("MEM").Create("", 2, 1, 0)
dataset.AddBand(gdal.GDT_Byte)
dataset.AddBand(gdal.GDT_UInt16)
dataset.GetRasterBand(2).Fill(3000)

default, typed = np.zeros((2, 1, 2), np.uint16)
dataset.ReadRaster(buf_obj=default, band_list=[2])
dataset.ReadRaster(buf_obj=typed, band_list=[2], buf_type=gdal.GDT_UInt16)
array = dataset.ReadAsArray(band_list=[2])

print(f"GDAL {gdal.__version__}: band 2 is UInt16, all 3000; band 1 is Byte")
print(f"ReadRaster(buf_obj, band_list=[2]):                {default.ravel()}")
print(f"ReadRaster(buf_obj, band_list=[2], buf_type=...):  {typed.ravel()}")
print(f"ReadAsArray(band_list=[2]):                        {array.ravel()}")
right = (typed == 3000).all() and (array == 3000).all()
sys.exit(not (right and default.ravel().tolist() == [65535, 0]))
PYTHON
