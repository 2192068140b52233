#!/usr/bin/env bash
# Neighbouring datasets warped with the same options can end up 180 m apart.
#
# Expected: one pair of CRSs, one coordinate operation: the corner that two datasets share stays shared.
# Happens:  GDAL chooses the operation for each source dataset by the area of that dataset. Does it touch the
#           target's area of use, the operation is the exact one; does it lie just outside, a ballpark one is
#           taken without a warning: no change of datum at all, 82 m and 159 m off for EPSG:2056 (Switzerland).
# Instead:  give all the same area (gdalwarp -to AREA_OF_INTEREST=west,south,east,north), or have an error
#           (-to ALLOW_BALLPARK=NO).
# Seen in:  GDAL 3.6.2 and 3.13.3 (PROJ 9).
# Meets:    who warps tiles one by one to a national grid and mosaics them across the border.
# Documented: AREA_OF_INTEREST, its default and ALLOW_BALLPARK, in GDALCreateGenImgProjTransformer2(); that
#           neighbours are torn apart, no.
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
crs.ImportFromEPSG(32632)


def corner(north, row, *options):
    """Return where a corner of a dataset of 1 km² is in EPSG:2056: its west end at ``row`` of 100."""
    dataset = gdal.GetDriverByName("MEM").Create("", 100, 100, 1)
    dataset.SetSpatialRef(crs)
    dataset.SetGeoTransform((460000, 10, 0, north, 0, -10))
    _, (x, y, _) = gdal.Transformer(dataset, None, ["DST_SRS=EPSG:2056", *options]).TransformPoint(0, 0, row)
    return x, y


print(f"GDAL {gdal.__version__}: a point of EPSG:32632, corner of two datasets, in EPSG:2056")
distances = []
for options in (), ("AREA_OF_INTEREST=8.4,47.7,8.6,47.9",):
    south, north = corner(5296000, 0, *options), corner(5297000, 100, *options)
    distances.append((south[0] - north[0], south[1] - north[1]))
    print(*options or ["by default"], sep="\n")
    print(f"  southern dataset: {south[0]:.1f} {south[1]:.1f}")
    print(f"  northern dataset: {north[0]:.1f} {north[1]:.1f}")
(dx, dy), same = distances
print(f"by default {dx:.0f} m and {dy:.0f} m apart")
sys.exit(not (50 < abs(dx) < 150 and 100 < abs(dy) < 200 and same == (0, 0)))
PYTHON
