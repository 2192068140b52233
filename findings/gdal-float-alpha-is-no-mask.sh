#!/usr/bin/env bash
# GDAL's mask leaves out an alpha band if it is of floats, or if a nodata value is set.
#
# Expected: a band beside an alpha band has that for its mask (GMF_ALPHA), and what is transparent is not valid.
# Happens:  an alpha band of Float32 is ignored: GMF_ALL_VALID, and the mask is 255 all over. With a nodata value on
#           the band the mask is that of the value alone, also for integers, and alpha does not count.
# Instead:  read the alpha band itself, and combine.
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who asks the mask which pixels are valid, whatever the file: gdal_translate -b mask, rasterio.
# Documented: the order of rules in GDALRasterBand::GetMaskBand() and its types of alpha; not in what builds on it.
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


def mask(data_type, nodata=None):
    """Return the mask of a gray band of ones beside an alpha band whose second pixel is transparent."""
    dataset = gdal.GetDriverByName("MEM").Create("", 2, 1, 2, data_type)
    gray, alpha = dataset.GetRasterBand(1), dataset.GetRasterBand(2)
    alpha.SetColorInterpretation(gdal.GCI_AlphaBand)
    gray.Fill(1)
    alpha.WriteArray(np.array([[255, 0]]))
    if nodata is not None:
        gray.SetNoDataValue(nodata)
    pixels = gray.GetMaskBand().ReadAsArray()[0].tolist()
    print(f"{gdal.GetDataTypeName(data_type)}, nodata {nodata}: flags {gray.GetMaskFlags()}, mask {pixels}")
    return gray.GetMaskFlags(), pixels


print(f"GDAL {gdal.__version__}: a gray band of ones, alpha 255 and 0")
byte, byte_nodata, single = mask(gdal.GDT_Byte), mask(gdal.GDT_Byte, 9), mask(gdal.GDT_Float32)
right = (gdal.GMF_PER_DATASET | gdal.GMF_ALPHA, [255, 0])
ignored = byte_nodata == (gdal.GMF_NODATA, [255, 255]) and single == (gdal.GMF_ALL_VALID, [255, 255])
sys.exit(not (byte == right and ignored))
PYTHON
