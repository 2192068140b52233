#!/usr/bin/env bash
# georaster and geotiff.js give YCbCr as if it were RGB.
#
# Expected: the three bands of a GeoTIFF with JPEG inside (PHOTOMETRIC=YCBCR, as most are) are red, green, blue.
# Happens:  georaster's values and geotiff.js's readRasters() are Y, Cb, Cr, without an error or a hint:
#           a red pixel (199, 60, 29) is (98, 89, 200). georaster keeps nothing to tell it by.
# Instead:  geotiff.js's readRGB(); none in georaster.
# Seen in:  georaster 1.6.0 (with its geotiff 1.0.0-beta.13), geotiff.js 3.0.5.
# Meets:    who shows COGs made with COMPRESS=JPEG in a browser.
# Documented: by implication, as readRGB() exists; see geotiffjs/geotiff.js issue 272.
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

command -v node npm >/dev/null || cannot_run "no Node.js with npm"
npm install --no-package-lock --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error \
    georaster@1.6.0 geotiff@3.0.5 >npm.log || cannot_run "npm could not install the packages"

venv/bin/python -I - <<'PYTHON'
import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
crs = osr.SpatialReference()
crs.ImportFromEPSG(32632)
options = ["COMPRESS=JPEG", "PHOTOMETRIC=YCBCR"]
with gdal.GetDriverByName("GTiff").Create("red.tif", 32, 32, 3, gdal.GDT_Byte, options) as dataset:
    dataset.SetSpatialRef(crs)
    dataset.SetGeoTransform((600000, 10, 0, 5300000, 0, -10))
    dataset.WriteArray(np.full((32, 32, 3), (200, 60, 30), np.uint8).transpose(2, 0, 1))
with gdal.Open("red.tif") as dataset:
    print(f"GDAL {gdal.__version__}: {dataset.ReadAsArray()[:, 5, 5].tolist()}")
PYTHON

cat >see.mjs <<'NODE'
import { readFileSync } from "node:fs";
import parse from "georaster";
import { fromArrayBuffer } from "geotiff";

const bytes = new Uint8Array(readFileSync("red.tif")).buffer;
const pixel = 5 * 32 + 5;
const values = (await parse(bytes)).values.map((band) => band[5][5]);
const image = await (await fromArrayBuffer(bytes)).getImage();
const rasters = (await image.readRasters()).map((band) => band[pixel]);
const rgb = (await image.readRGB()).map((band) => band[pixel]);
console.log("georaster values:        ", values);
console.log("geotiff.js readRasters():", rasters);
console.log("geotiff.js readRGB():    ", rgb);

const near = (seen, wanted) => seen.every((value, band) => Math.abs(value - wanted[band]) <= 3);
const ycbcr = [98, 89, 200];
process.exit(near(values, ycbcr) && near(rasters, ycbcr) && near(rgb, [200, 60, 30]) ? 0 : 1);
NODE
node see.mjs
