#!/usr/bin/env bash
# Chunks of a Zarr array that hold its fill value alone have no file, though consolidated metadata look complete.
#
# Expected: a store has a file for every chunk of its grid; one that is missing has been lost.
# Happens:  zarr-python 3 leaves out chunks that are fill value alone, by default (array.write_empty_chunks), and so
#           does all that writes by way of it, such as xarray and ESA's converter of Sentinel-2 products (EOPF CPM).
#           zarr-python 2 wrote them by default. Nothing in the metadata tells which of the two a writer did.
# Instead:  a reader must take a missing file for fill value, and cannot know whether it has been lost. Where arrays
#           have no data in the same places, as bands of a satellite do, one that lacks a chunk which others have is
#           damaged.
# Seen in:  zarr 3.1.6 and 3.4.2; eopf 3.0.0, with zarr 3.4.2.
# Meets:    who copies stores, or checks them, by counting files.
# Documented: the setting, yes; that stores of versions 2 and 3 differ in it, in the guide to migration.
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
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: zarr==3.4.2 numcodecs==0.17.1 ||
    cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys
import warnings
from pathlib import Path

import numpy as np
import zarr

warnings.simplefilter("ignore")
values = np.zeros((400, 400), dtype=np.uint16)
values[:, 200:] = 1000  # the other half is no data
for zarr_format in (2, 3):
    top = f"v{zarr_format}.zarr"
    group = zarr.open_group(top, mode="w", zarr_format=zarr_format)
    array = group.create_array("b04", shape=values.shape, chunks=(200, 200), dtype="uint16", fill_value=0)
    array[:] = values
    zarr.consolidate_metadata(top)
    files = [path for path in Path(top, "b04").rglob("*") if path.is_file() and path.name[0] not in ".z"]
    print(f"zarr {zarr.__version__}, format {zarr_format}: {len(files)} of 4 chunks have a file")
    assert (zarr.open_group(top, mode="r")["b04"][:] == values).all()
    if len(files) != 2:
        sys.exit(1)
PYTHON
