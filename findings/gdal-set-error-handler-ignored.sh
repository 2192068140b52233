#!/usr/bin/env bash
# gdal.SetErrorHandler() is ignored where errors are exceptions.
#
# Expected: gdal.SetErrorHandler("CPLQuietErrorHandler") keeps warnings off standard error, with and without
#           gdal.UseExceptions(), as it did up to GDAL 3.6.
# Happens:  with exceptions the handler that was set is passed over, and GDAL's own prints the warning. Some
#           warnings quote whole URLs, so signatures in them reach logs that a handler was to keep them from.
# Instead:  gdal.PushErrorHandler(), in each thread, is heard in both modes.
# Seen in:  GDAL 3.13.3, and 3.10.3 (not 3.6.2).
# Meets:    who silences or redirects GDAL's warnings in a program that uses exceptions, GDAL 4's default.
# Documented: SetErrorHandler() of the Python API, "the error handler for all threads"; the exception to it, no.
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

cat >warn.py <<'PYTHON'
import sys

from osgeo import gdal

mode, handler = sys.argv[1:]
gdal.UseExceptions() if mode == "exceptions" else gdal.DontUseExceptions()
if handler != "none":
    getattr(gdal, handler)("CPLQuietErrorHandler")
# The option is called COMPRESS: a warning, and the file is made.
gdal.GetDriverByName("GTiff").Create("/vsimem/a.tif", 1, 1, options=["COMPRESSION=DEFLATE"])
PYTHON

venv/bin/python -I -c 'from osgeo import gdal; print("GDAL", gdal.__version__)'
seen=
for mode in errors exceptions; do
    for handler in none SetErrorHandler PushErrorHandler; do
        lines=$(venv/bin/python -I warn.py $mode $handler 2>&1 | wc -l)
        echo "$mode, $handler: $lines lines of warnings"
        seen+="$lines "
    done
done
[ "$seen" = "1 0 0 1 1 0 " ]
