#!/usr/bin/env bash
# A Blosc buffer that has been cut off is decoded all the same: bytes beyond its end are taken for its own.
#
# Expected: numcodecs' Blosc.decode() raises for a buffer that is shorter than its header says.
# Happens:  the length of the buffer is not looked at: c-blosc goes by the header, and reads on behind the end. Mostly
#           that fails later; where little is missing the result is a whole chunk, some of it made of what lay there.
# Instead:  compare bytes 12 to 15 of the header (the length, little-endian) with the length of the buffer.
# Seen in:  numcodecs 0.16.6 and 0.17.1.
# Meets:    who reads Zarr stores of which a download ended early.
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
venv/bin/pip install -q --disable-pip-version-check --only-binary :all: numcodecs==0.17.1 numpy==2.5.5 ||
    cannot_run "pip could not install the packages"

venv/bin/python -I - <<'PYTHON'
import sys

import numcodecs
import numpy as np

values = np.random.default_rng(1).normal(2000, 300, (244, 244)).astype(np.uint16)
whole = numcodecs.Blosc("lz4", clevel=5, shuffle=1).encode(values)
stated = int.from_bytes(whole[12:16], "little")
try:
    decoded = numcodecs.Blosc().decode(whole[:-1])
except RuntimeError as error:
    print(f"numcodecs {numcodecs.__version__}: refused: {error}")
    sys.exit(1)
print(
    f"numcodecs {numcodecs.__version__}: {len(whole) - 1} bytes, whose header says {stated}, became {len(decoded)},"
    f" as many as there were ({values.nbytes})"
)
sys.exit(not (stated == len(whole) and len(decoded) == values.nbytes))
PYTHON
