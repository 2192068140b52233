#!/usr/bin/env bash
# A transformer to the dataset's own geographic CRS changes longitudes by 360 degrees.
#
# Expected: from EPSG:4326 to EPSG:4326 nothing changes: DST_SRS can as well be left out.
# Happens:  with DST_SRS the source gets a central meridian, the middle of the dataset, and all longitudes are
#           wrapped to within 180 degrees of it: with a dataset of 1 degree at -180, the pixel at 179.97 is
#           said to be at -180.03, and 179.97 to be in column -3 instead of 35997. Without DST_SRS they are not.
# Instead:  INSERT_CENTER_LONG=FALSE among the options (gdalwarp -to INSERT_CENTER_LONG=FALSE).
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who asks a transformer where a point is that the dataset need not hold: footprints at the antimeridian.
# Documented: INSERT_CENTER_LONG in GDALCreateGenImgProjTransformer2(); not where the wrapping shows.
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

from osgeo import gdal, osr

gdal.UseExceptions()
crs = osr.SpatialReference()
crs.ImportFromEPSG(4326)
crs.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
dataset = gdal.GetDriverByName("MEM").Create("", 100, 100, 1)
dataset.SetSpatialRef(crs)
dataset.SetGeoTransform((-180, 0.01, 0, 10, 0, -0.01))

print(f"GDAL {gdal.__version__}: dataset in EPSG:4326, longitudes -180 to -179, columns of 0.01 degrees")
seen = []
for options in [], ["DST_SRS=EPSG:4326"], ["DST_SRS=EPSG:4326", "INSERT_CENTER_LONG=FALSE"]:
    transformer = gdal.Transformer(dataset, None, options)
    _, (longitude, _, _) = transformer.TransformPoint(0, 35997, 50)
    _, (column, _, _) = transformer.TransformPoint(1, 179.97, 9.5)
    seen.append((round(longitude, 2), round(column)))
    print(f"{options}: column 35997 is at {longitude:.2f}, longitude 179.97 in column {column:.0f}")
sys.exit(seen != [(179.97, 35997), (-180.03, -3), (179.97, 35997)])
PYTHON
