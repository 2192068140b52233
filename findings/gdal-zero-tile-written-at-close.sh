#!/usr/bin/env bash
# A tile of zeros is not in the file after FlushCache if the file is uncompressed.
#
# Expected: after FlushCache() all tiles that were written are on disk, with an offset, as the default is
#           SPARSE_OK=FALSE.
# Happens:  an uncompressed tile that holds only zeros has no offset (BLOCK_OFFSET_x_y is None) until the dataset is
#           closed, even though the one beside it has; with DEFLATE both have one at once.
# Instead:  close the dataset before asking where its tiles are.
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who writes or copies tiles into a file at the offsets that GDAL gives (parallel writers), or reads a
#           file that another process still holds open.
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
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: \
    gdal-wheel==3.13.3 numpy==2.5.5 || cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys

import numpy as np
from osgeo import gdal

gdal.UseExceptions()


def has_offset(band):
    """Return for the tile of ones and the tile of zeros whether it has an offset."""
    return [band.GetMetadataItem(f"BLOCK_OFFSET_{column}_0", "TIFF") is not None for column in (0, 1)]


print(f"GDAL {gdal.__version__}: a tile of ones and a tile of zeros, whether they have an offset")
seen = []
for compress in "NONE", "DEFLATE":
    options = ["TILED=YES", "SPARSE_OK=FALSE", f"COMPRESS={compress}"]
    with gdal.GetDriverByName("GTiff").Create("tiles.tif", 512, 256, 1, gdal.GDT_Byte, options) as dataset:
        band = dataset.GetRasterBand(1)
        band.WriteArray(np.repeat(np.array([[1, 0]], np.uint8), 256, axis=1).repeat(256, axis=0))
        dataset.FlushCache()
        flushed = has_offset(band)
    with gdal.Open("tiles.tif") as dataset:
        closed = has_offset(dataset.GetRasterBand(1))
    seen += [flushed, closed]
    print(f"COMPRESS={compress}: after FlushCache {flushed}, after closing {closed}")
sys.exit(seen != [[True, False], [True, True], [True, True], [True, True]])
PYTHON
