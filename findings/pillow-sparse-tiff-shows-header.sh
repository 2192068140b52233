#!/usr/bin/env bash
# Pillow shows the file's own header where a sparse TIFF has no pixels.
#
# Expected: a tile or strip that was left out (offset and byte count 0, GDAL's SPARSE_OK=TRUE) is read as zeros, or
#           refused.
# Happens:  where the file is not compressed, it is read from offset 0: the pixels are "II*" and what follows in the
#           file, without an error; so are strips. Where it is compressed, there is an error.
# Instead:  files for such readers are written dense (SPARSE_OK=FALSE, GDAL's default).
# Seen in:  Pillow 13.0.0.
# Meets:    who makes thumbnails of GDAL's sparse GeoTIFFs, scenes with empty borders above all.
# Documented: sparse files by GDAL (GTiff driver); TIFF 6.0 does not know them.
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
    gdal-wheel==3.13.3 numpy==2.5.5 Pillow==13.0.0 || cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys

import numpy as np
import PIL
from osgeo import gdal
from PIL import Image

gdal.UseExceptions()


def empty_half(*options):
    """Return the first pixels of an empty tile or strip as Pillow and as GDAL read them."""
    options = ["SPARSE_OK=TRUE", *options]
    with gdal.GetDriverByName("GTiff").Create("sparse.tif", 256, 512, 1, gdal.GDT_Byte, options) as dataset:
        dataset.WriteArray(np.full((256, 256), 200, np.uint8))
    with gdal.Open("sparse.tif") as dataset:
        right = dataset.ReadAsArray()[256, :8].tolist()
    with Image.open("sparse.tif") as image:
        try:
            return np.asarray(image)[256, :8].tolist(), right
        except OSError as error:
            return f"error: {error}", right


print(f"Pillow {PIL.__version__}, GDAL {gdal.__version__}: pixels in the half that was never written")
results = []
for options in (), ("TILED=YES",), ("TILED=YES", "COMPRESS=DEFLATE"):
    pillow, right = empty_half(*options)
    results.append(pillow)
    print(f"{' '.join(options) or 'strips'}: Pillow {pillow}, GDAL {right}")
strips, tiles, compressed = results
sys.exit(not (strips[:3] == tiles[:3] == list(b"II*") and str(compressed).startswith("error")))
PYTHON
