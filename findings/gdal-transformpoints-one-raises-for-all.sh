#!/usr/bin/env bash
# One point that cannot be transformed fails the whole batch, or does not, depending on what is wrong with it.
#
# Expected: Transformer.TransformPoints gives a success of 1 or 0 for each point, as its result is made for.
# Happens:  with UseExceptions() a point too far from the projection, or infinite, has success 0 and the others
#           their coordinates; one at latitude 91 raises an error, and nothing is given for any.
# Instead:  sort such points out before, or transform them with gdal.DontUseExceptions().
# Seen in:  GDAL 3.6.2 and 3.13.3 (PROJ 9).
# Meets:    who transforms grids of points that reach beyond a pole, to learn which of them can be transformed.
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

from osgeo import gdal

options = ["SRC_SRS=EPSG:4326", "DST_SRS=EPSG:32633"]
points = {"too far": (100.0, 0.0, 0.0), "infinite": (10.0, float("inf"), 0.0), "latitude 91": (10.0, 91.0, 0.0)}


def successes(point):
    """Return the successes of a good point and of this one, transformed together, or the error."""
    try:
        return gdal.Transformer(None, None, options).TransformPoints(0, [(10.0, 45.0, 0.0), point])[1]
    except RuntimeError as error:
        return f"raised: {error}"


print(f"GDAL {gdal.__version__}: success of (10, 45) and of a second point")
gdal.UseExceptions()
seen = {name: successes(point) for name, point in points.items()}
for name, success in seen.items():
    print(f"UseExceptions(), {name}: {success}")
gdal.DontUseExceptions()
gdal.PushErrorHandler("CPLQuietErrorHandler")
quiet = successes(points["latitude 91"])
print(f"DontUseExceptions(), latitude 91: {quiet}")
flags = all(list(success) == [1, 0] for success in (seen["too far"], seen["infinite"], quiet))
sys.exit(not (flags and str(seen["latitude 91"]).startswith("raised")))
PYTHON
