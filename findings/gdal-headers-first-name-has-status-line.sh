#!/usr/bin/env bash
# GetFileMetadata(url, "HEADERS") puts the status line into the name of the first header: its value is not found.
#
# Expected: a header is found by its name, as in GDAL 3.6: headers["ETag"].
# Happens:  the first one of the answer stands under a name like "HTTP/1.1 200 OK\r\nETag". Which one is first is the
#           server's choice: often Date or Server, but also ETag or Last-Modified.
# Instead:  take what follows the last line break of each name, and compare without regard to case.
# Seen in:  GDAL 3.13.3; not in 3.6.2.
# Meets:    who asks by ETag whether a file on a server has changed.
# Documented: the domain, yes; this, no.
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
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from osgeo import gdal

gdal.UseExceptions()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response_only(200)  # without Server and Date, which the library would put first
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
headers = gdal.GetFileMetadata(f"/vsicurl/http://127.0.0.1:{server.server_port}/a.tif", "HEADERS")
print(f"GDAL {gdal.__version__}: names {list(headers)}; ETag: {headers.get('ETag')}")
first = next(iter(headers))
sys.exit(not (first.startswith("HTTP/") and first.endswith("\nETag") and "ETag" not in headers))
PYTHON
