#!/usr/bin/env bash
# Blocks of a GeoTIFF on a server are fetched again though GDAL has their bytes, where several are read at once.
#
# Expected: what /vsicurl/ has read is in its cache (CPL_VSIL_CURL_CACHE_SIZE) and is not asked for again.
# Happens:  a read of several blocks of a GeoTIFF that lie apart in the file goes by ReadMultiRange(), which asks the
#           server for all of them, and neither looks into the cache nor fills it. A read of one block does both.
# Instead:  GDAL_HTTP_MULTIRANGE=SERIAL reads block by block, by way of the cache.
# Seen in:  GDAL 3.6.2 and 3.13.3.
# Meets:    who reads ranges ahead, or the same blocks twice with a block cache that does not hold them.
# Documented: the option, yes; that it decides about the cache, no.
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
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from osgeo import gdal

gdal.UseExceptions()
values = np.random.default_rng(0).integers(0, 2**16, (1024, 1024), dtype=np.uint16)
options = ["TILED=YES", "BLOCKXSIZE=256", "BLOCKYSIZE=256"]
dataset = gdal.GetDriverByName("GTiff").Create("a.tif", 1024, 1024, 1, gdal.GDT_UInt16, options)
dataset.WriteArray(values)
dataset = None
data = Path("a.tif").read_bytes()
asked = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(span[1]), min(int(span[2]), len(data) - 1)) if span else (0, len(data) - 1)
        asked.append((self.command, first, last))
        self.send_response(206 if span else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if span:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[first : last + 1])

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"/vsicurl/http://127.0.0.1:{server.server_port}/a.tif"


def again(**settings):
    """Read the whole file, then four blocks; return how many bytes were asked for the second time."""
    gdal.VSICurlClearCache()
    with gdal.config_options({"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"} | settings):
        file = gdal.VSIFOpenL(url, "rb")
        assert len(gdal.VSIFReadL(1, len(data), file)) == len(data)
        gdal.VSIFCloseL(file)
        asked.clear()
        assert (gdal.Open(url).ReadAsArray(0, 0, 512, 512) == values[:512, :512]).all()
    return sum(last - first + 1 for method, first, last in asked if method == "GET")


by_itself, serial = again(), again(GDAL_HTTP_MULTIRANGE="SERIAL")
print(f"GDAL {gdal.__version__}: a file of {len(data)} bytes, all of them in the cache, then 2 x 2 of its blocks read")
print(f"asked for again: {by_itself} bytes; with GDAL_HTTP_MULTIRANGE=SERIAL: {serial} bytes")
sys.exit(not (by_itself > 500_000 and serial == 0))
PYTHON
