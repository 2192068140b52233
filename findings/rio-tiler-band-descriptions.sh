#!/usr/bin/env bash
# rio-tiler's images name all bands after the last one.
#
# Expected: Reader.read().band_descriptions are the descriptions of the bands read, in their order.
# Happens:  each band has the description of the last one: ["B02 blue", "B02 blue", "B02 blue"]; so do preview()
#           and part(). Reader.info().band_descriptions and the pixels are right.
# Instead:  take them from info(), or from Reader.dataset.descriptions.
# Seen in:  rio-tiler 9.4.12 (rasterio 1.5.2).
# Meets:    who labels a legend, statistics or a copy by an image's band_descriptions.
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
    rio-tiler==9.4.12 rasterio==1.5.2 numpy==2.5.5 || cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys

import numpy as np
import rasterio
import rio_tiler
from rio_tiler.io import Reader

names = ["B04 red", "B03 green", "B02 blue"]
where = {"crs": "EPSG:32632", "transform": rasterio.transform.from_origin(600000, 5300000, 10, 10)}
with rasterio.open("named.tif", "w", "GTiff", 64, 64, 3, dtype="uint8", **where) as dataset:
    for number, name in enumerate(names, start=1):
        dataset.set_band_description(number, name)
        dataset.write(np.full((64, 64), number, np.uint8), number)

with Reader("named.tif") as reader:
    image, preview, info = reader.read(), reader.preview(), reader.info()

print(f"rio-tiler {rio_tiler.__version__}: the file's bands are {names}")
print(f"read():    {image.band_descriptions}, pixels {image.data[:, 0, 0].tolist()}")
print(f"preview(): {preview.band_descriptions}")
print(f"info():    {[name for _, name in info.band_descriptions]}")
last = [names[-1]] * 3
right = [name for _, name in info.band_descriptions] == names and image.data[:, 0, 0].tolist() == [1, 2, 3]
sys.exit(not (right and image.band_descriptions == last and preview.band_descriptions == last))
PYTHON
