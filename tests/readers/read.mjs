// Open GeoTIFFs as a user of a package of Node.js does: read.mjs READER FOLDER FILE..., as read.py.
// Packages are looked up in the current folder.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const require = createRequire(join(process.cwd(), "package.json"));

/** Put the validity behind red, green and blue; `bands` come pixel by pixel. */
function withValidity(width, height, samples, valid) {
  const count = samples.length / width / height;
  const pixels = new Uint8Array(4 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const bands = samples.subarray(count * pixel, count * (pixel + 1));
    pixels.set(bands.subarray(0, 3), 4 * pixel);
    pixels[4 * pixel + 3] = valid(bands) ? 255 : 0;
  }
  return { shape: [height, width, 4], pixels };
}

/** Return a test for valid pixels: by the fourth band, alpha, or else by the value of "no data". */
function rule(count, nodata) {
  if (count === 4) return (bands) => bands[3] === 255;
  return (bands) => nodata === null || bands.some((value) => value !== nodata);
}

const readers = {
  // readRasters would return JPEG's YCbCr as it is stored.
  async "geotiff.js"(path) {
    const tiff = await require("geotiff").fromFile(path);
    const image = await tiff.getImage();
    const samples = await image.readRGB({ interleave: true, enableAlpha: true });
    const [width, height] = [image.getWidth(), image.getHeight()];
    const valid = rule(samples.length / width / height, image.getGDALNoData());
    return withValidity(width, height, samples, valid);
  },

  async georaster(path) {
    const file = readFileSync(path);
    const { buffer, byteOffset, byteLength } = file;
    const raster = await require("georaster")(buffer.slice(byteOffset, byteOffset + byteLength));
    const { width, height, values, noDataValue } = raster;
    const samples = new Uint8Array(values.length * width * height);
    values.forEach((band, number) =>
      band.forEach((line, row) =>
        line.forEach((value, col) => {
          samples[values.length * (row * width + col) + number] = value;
        }),
      ),
    );
    return withValidity(width, height, samples, rule(values.length, noDataValue));
  },

  async sharp(path) {
    const image = require("sharp")(path).raw();
    const { data, info } = await image.toBuffer({ resolveWithObject: true });
    return withValidity(info.width, info.height, data, rule(info.channels, null));
  },
};

const [reader, folder, ...paths] = process.argv.slice(2);
const found = {};
for (const path of paths) {
  const name = basename(path);
  try {
    const { shape, pixels } = await readers[reader](path);
    writeFileSync(join(folder, `${name}.rgba`), pixels);
    found[name] = { shape, names: [] };
  } catch (error) {
    found[name] = { error: String(error?.message ?? error) };
  }
}
writeFileSync(join(folder, "found.json"), JSON.stringify(found));
process.exit(); // georaster leaves its workers running
