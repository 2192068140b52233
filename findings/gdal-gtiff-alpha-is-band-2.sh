#!/usr/bin/env bash
# ALPHA=YES makes the second of four bands the alpha band, unless the type is Byte.
#
# Expected: a GeoTIFF of four bands created with ALPHA=YES is red, green, blue, alpha, whatever its type.
# Happens:  alpha is the first band after those of the photometric interpretation. For four bands of Byte that is RGB
#           by itself, for four of UInt16 (or five of Byte) MINISBLACK: gray, alpha, undefined, undefined. Viewers
#           then take green for the opacity.
# Instead:  give PHOTOMETRIC=RGB too, or set all bands' color interpretations.
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who goes from 8-bit to 16-bit RGBA with the same creation options.
# Documented: "first extrasample" (GTiff driver, ALPHA); that the type decides which one that is, elsewhere.
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

gdal.UseExceptions()


def colours(data_type, *options):
    """Return the color interpretations of the bands of a new GeoTIFF of four bands."""
    gdal.GetDriverByName("GTiff").Create("four.tif", 8, 8, 4, data_type, list(options)).Close()
    with gdal.Open("four.tif") as dataset:
        bands = map(dataset.GetRasterBand, range(1, 5))
        names = [gdal.GetColorInterpretationName(band.GetColorInterpretation()) for band in bands]
    print(f"{gdal.GetDataTypeName(data_type)} {' '.join(options)}: {', '.join(names)}")
    return names


print(f"GDAL {gdal.__version__}")
byte = colours(gdal.GDT_Byte, "ALPHA=YES")
uint16 = colours(gdal.GDT_UInt16, "ALPHA=YES")
rgb = colours(gdal.GDT_UInt16, "ALPHA=YES", "PHOTOMETRIC=RGB")
wanted = ["Red", "Green", "Blue", "Alpha"]
sys.exit(not (byte == rgb == wanted and uint16 == ["Gray", "Alpha", "Undefined", "Undefined"]))
PYTHON
