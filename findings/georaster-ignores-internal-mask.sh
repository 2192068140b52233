#!/usr/bin/env bash
# georaster and geotiff.js take pixels that a GeoTIFF's internal mask excludes for valid ones.
#
# Expected: what the mask (a bitmask in the same file) excludes is no data, or there is a hint that there is a mask.
# Happens:  the values are those below the mask, in GDAL's files 0: black where GDAL's viewers are transparent.
#           noDataValue and getGDALNoData() are null. An alpha band, though, is given as a fourth band.
# Instead:  an alpha band, or a nodata value, in files for browsers.
# Seen in:  georaster 1.6.0 (with its geotiff 1.0.0-beta.13), geotiff.js 3.0.5.
# Meets:    who shows COGs made with -co COMPRESS=JPEG -mask in a browser: JPEG has no alpha band.
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

command -v node npm >/dev/null || cannot_run "no Node.js with npm"
npm install --no-package-lock --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error \
    georaster@1.6.0 geotiff@3.0.5 >npm.log || cannot_run "npm could not install the packages"

venv/bin/python -I - <<'PYTHON'
import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
crs = osr.SpatialReference()
crs.ImportFromEPSG(32632)
valid = np.repeat(np.array([[0, 255]], np.uint8), 16, axis=1).repeat(32, axis=0)
with gdal.GetDriverByName("GTiff").Create("masked.tif", 32, 32, 3, gdal.GDT_Byte) as dataset:
    dataset.SetSpatialRef(crs)
    dataset.SetGeoTransform((600000, 10, 0, 5300000, 0, -10))
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(valid)
    dataset.WriteArray(np.stack([valid // 255 * 200] * 3))
with gdal.Open("masked.tif") as dataset:
    mask = dataset.GetRasterBand(1).GetMaskBand().ReadAsArray()
    print(f"GDAL {gdal.__version__}: mask {mask[5, 5]} at the left, {mask[5, 25]} at the right")
PYTHON

cat >see.mjs <<'NODE'
import { readFileSync } from "node:fs";
import parse from "georaster";
import { fromArrayBuffer } from "geotiff";

const bytes = new Uint8Array(readFileSync("masked.tif")).buffer;
const raster = await parse(bytes);
const values = raster.values.map((band) => band[5][5]);
const image = await (await fromArrayBuffer(bytes)).getImage();
const rasters = (await image.readRasters()).map((band) => band[5 * 32 + 5]);
console.log("georaster values at the left:        ", values, "noDataValue", raster.noDataValue);
console.log("geotiff.js readRasters() at the left:", rasters, "getGDALNoData()", image.getGDALNoData());
const black = [...values, ...rasters].join() === "0,0,0,0,0,0";
process.exit(black && (raster.noDataValue ?? image.getGDALNoData()) === null ? 0 : 1);
NODE
node see.mjs
