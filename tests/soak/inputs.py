"""Small products for the long run: a few of ESA's kind, and GeoTIFFs of any size."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from osgeo import gdal

from geotiffs import TRANSFORM, make_grid
from s2rgb_mpi.grid import Window
from s2rgb_mpi.testing.safe import write_safe

PRODUCTS: dict[str, tuple[dict[str, Any], ...]] = {
    "granule": ({"width": 611, "height": 389, "tile": 128},),
    "large": ({"width": 1100, "height": 900, "tile": 256, "seed": 3},),
    "edge of the swath": ({"width": 420, "height": 500, "tile": 128, "nodata_fraction": 0.6},),
    "zip": ({"width": 300, "height": 240, "tile": 64, "zipped": True},),
    "two dates": (
        {"width": 450, "height": 380, "tile": 128, "nodata_fraction": 0.5, "seed": 1},
        {"width": 450, "height": 380, "tile": 128, "nodata_fraction": 0.1, "seed": 2},
    ),
}
"""Arguments of `write_safe`; several products are a mosaic."""

GEOTIFFS = "GeoTIFFs"


class Input(NamedTuple):
    """What a round reads."""

    kind: str
    """Of `PRODUCTS`, or `GEOTIFFS`."""
    bounds: tuple[float, float, float, float] | None
    """West, south, east and north of a part of a product, metres in its own CRS."""
    places: tuple[tuple[int, int, int, int], ...]
    """Column, row, width and height of each GeoTIFF, the one on top first."""
    seed: int
    """Of the pixels of GeoTIFFs."""

    @property
    def is_safe(self) -> bool:
        """Whether it consists of SAFE products."""
        return self.kind != GEOTIFFS


def draw(rng: random.Random) -> Input:
    """Draw an input: a product, whole or a part of it; or GeoTIFFs of random sizes and places."""
    kind = rng.choice((*PRODUCTS, GEOTIFFS, GEOTIFFS))
    bounds, places = None, []
    if kind == GEOTIFFS:
        for number in range(rng.choice((1, 1, 2, 3))):
            col, row = (rng.randint(-200, 300) if number else 0 for _ in range(2))
            places.append((col, row, rng.randint(1, 700), rng.randint(1, 500)))
    elif rng.random() < 0.3:
        size = PRODUCTS[kind][0]
        left, right = sorted(rng.sample(range(size["width"] + 1), 2))
        top, bottom = sorted(rng.sample(range(size["height"] + 1), 2))
        west, north = TRANSFORM[0], TRANSFORM[3]
        bounds = west + 10 * left, north - 10 * bottom, west + 10 * right, north - 10 * top
    return Input(kind, bounds, tuple(places), rng.getrandbits(31))


def make(source: Input, folder: Path) -> list[str]:
    """Make what is not there yet; return the arguments that name it."""
    if source.is_safe:
        arguments = [
            str(_product(folder, source.kind, n)) for n in range(len(PRODUCTS[source.kind]))
        ]
        if source.bounds is not None:
            bounds = map(str, source.bounds)
            arguments += ["--bounds", *bounds, "--bounds-crs", "EPSG:32632"]
        return arguments
    rng = np.random.default_rng(source.seed)
    arguments = []
    for number, place in enumerate(source.places):
        below = folder / f"geotiffs-{source.seed}" / str(number)
        arguments += ["--rgb", *_bands(below, rng, Window(*place))]
    return arguments


def _product(folder: Path, kind: str, number: int) -> Path:
    below = folder / f"{kind}-{number}"
    settings = PRODUCTS[kind][number]
    found = sorted(below.glob("*.zip" if settings.get("zipped") else "*.SAFE"))
    return found[0] if found else write_safe(below, texture="synthetic", **settings)


def _bands(folder: Path, rng: np.random.Generator, place: Window) -> list[str]:
    """Write three bands of noise, in which an area and single pixels have no data."""
    paths = [folder / f"{name}.tif" for name in ("red", "green", "blue")]
    if folder.is_dir():
        return list(map(str, paths))
    folder.mkdir(parents=True)
    dn = rng.integers(1, 12_000, (3, place.height, place.width), dtype=np.uint16)
    top, left = rng.integers(0, place.height), rng.integers(0, place.width)
    dn[:, top : top + place.height // 2, left : left + place.width // 2] = 0
    dn[:, rng.random(dn.shape[1:]) < 0.02] = 0
    grid = make_grid(1, 1).part(place)
    driver = gdal.GetDriverByName("GTiff")
    for path, band in zip(paths, dn, strict=True):
        blocks = ["TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64"]
        dataset = driver.Create(str(path), place.width, place.height, 1, gdal.GDT_UInt16, blocks)
        dataset.SetProjection(grid.crs)
        dataset.SetGeoTransform(grid.transform)
        dataset.WriteArray(band)
    return list(map(str, paths))
