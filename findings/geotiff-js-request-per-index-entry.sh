#!/usr/bin/env bash
# geotiff.js fetches every tile of a COG by three requests: two of them for 4 bytes of its index.
#
# Expected: one request a tile, or fewer: offsets and sizes of tiles lie side by side at the beginning of the file, and
#           OpenLayers documents a blockSize of 65536 bytes, by which they would be fetched together.
# Happens:  fromUrl(url) has no blocks. TileOffsets and TileByteCounts are read entry by entry, each by an HTTP request
#           of 4 bytes, before the tile itself: 48 requests for 16 tiles.
# Instead:  fromUrl(url, { blockSize: 65536 }); in OpenLayers sourceOptions: { blockSize: 65536 }, which is not its
#           default though its documentation says so.
# Seen in:  geotiff.js 3.0.5, and by it ol 10.11.0.
# Meets:    who shows COGs with many tiles in a browser: a view of a map takes three times the requests, and each waits
#           for the one before.
# Documented: the entries are, as deferred arrays; not that each is a request. OpenLayers documents another default.
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

command -v node npm >/dev/null || cannot_run "no Node.js with npm"
npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    geotiff@3.0.5 >npm.log || cannot_run "npm could not install the package"

venv/bin/python -I - <<'PYTHON'
import numpy as np
from osgeo import gdal

gdal.UseExceptions()
noise = np.random.default_rng(0).integers(0, 255, (4096, 4096), dtype=np.uint8)
image = gdal.GetDriverByName("MEM").Create("", 4096, 4096, 1, gdal.GDT_Byte)
image.WriteArray(noise)
options = ["BLOCKSIZE=128", "COMPRESS=DEFLATE"]
gdal.GetDriverByName("COG").CreateCopy("cog.tif", image, options=options)
print(f"GDAL {gdal.__version__}: a COG of 32 x 32 tiles")
PYTHON

cat >see.mjs <<'NODE'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { fromUrl } from "geotiff";

const file = readFileSync("cog.tif");
const sizes = [];
const server = createServer((request, response) => {
  const [first, last] = request.headers.range.replace("bytes=", "").split("-").map(Number);
  const part = file.subarray(first, last + 1);
  sizes.push(part.length);
  response.writeHead(206, {
    "Content-Range": `bytes ${first}-${first + part.length - 1}/${file.length}`,
    "Content-Length": part.length,
  });
  response.end(part);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/cog.tif`;

async function count(options) {
  const image = await (await fromUrl(url, options)).getImage();
  sizes.length = 0;
  await image.readRasters({ window: [2048, 2048, 2560, 2560] });
  const few = sizes.filter((size) => size <= 8).length;
  console.log(`${JSON.stringify(options)}: ${sizes.length} requests for 16 tiles, ${few} of at most 8 bytes`);
  return [sizes.length, few];
}

const [plain, few] = await count({});
const [blocks] = await count({ blockSize: 65536 });
server.close();
process.exit(plain === 48 && few === 32 && blocks <= 16 ? 0 : 1);
NODE
node see.mjs
