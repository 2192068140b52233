"""Dates of one scene for the benchmark: as STAC items of local COGs, and as products of ESA's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from osgeo import gdal

from bench.inputs import BANDS, cog
from s2rgb_mpi.testing.dates import day, sky
from s2rgb_mpi.testing.product import EPSG, ORIGINS
from s2rgb_mpi.testing.safe import read_scl, to_dn, write_safe
from s2rgb_mpi.testing.scl import Classification
from s2rgb_mpi.testing.sky import Cloud, Sky
from s2rgb_mpi.testing.texture import Scene

KEYS = ("red", "green", "blue")
GRANULE = "32TMT"
QUANTIFICATION = 10_000
CLOUDY = (3, 8, 9, 10)
WINDOW = 1024
"""Edge of a window of the program, pixels."""

FRONT = Sky(clouds=(Cloud(0.5, 0.5, 0.23, level=0.6, contrast=0.8),))
"""One cloud, which with its shadow lies over a third of the windows of a whole granule."""

CLEAR = Sky(clouds=())


class Pair(NamedTuple):
    """Two dates, the second one clear."""

    cloudy: Path
    """The first date, with clouds over a third of its windows."""
    clear: Path
    """The same without clouds."""
    second: Path

    def needed(self) -> tuple[int, int]:
        """Return over how many windows the first date is cloudy, and how many there are."""
        cloudy = np.isin(read_scl(self.cloudy), CLOUDY)
        edge = WINDOW // 2
        parts = [
            bool(cloudy[row : row + edge, col : col + edge].any())
            for row in range(0, cloudy.shape[0], edge)
            for col in range(0, cloudy.shape[1], edge)
        ]
        return int(sum(parts)), len(parts)


def pair(folder: Path, size: int) -> Pair:
    """Return two dates; make those that are missing. No pixel of them is outside the swath."""
    products = []
    for name, above, number in (("cloudy", FRONT, 0), ("clear", CLEAR, 0), ("second", CLEAR, 2)):
        found = sorted((folder / name).glob("*.SAFE"))
        products.append(
            found[0]
            if found
            else write_safe(
                folder / name,
                width=size,
                height=size,
                nodata_fraction=0.0,
                sky=above,
                scl=(20,),
                **day(number),
            )
        )
    return Pair(*products)


def items(folder: Path, size: int, count: int) -> list[Path]:
    """Return STAC items of so many dates with moving clouds; make those that are missing."""
    paths = []
    for number in range(count):
        path = folder / f"{number}.json"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            assets = _write_cogs(folder / str(number), size, number)
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(_item(assets, number)))
            draft.rename(path)
        paths.append(path)
    return paths


def _write_cogs(folder: Path, size: int, number: int) -> dict[str, Path]:
    """Write the bands and the classification of a date as COGs, by the keys of Earth Search."""
    folder.mkdir(parents=True, exist_ok=True)
    above = sky(number)
    scene = Scene(size, size, nodata_fraction=0.05, texture="auto", seed=0, sky=above)
    classification = Classification(size, size, missed=0)
    raw = {
        key: _create(folder / f"{band}.raw", size, 10)
        for key, band in zip(KEYS, BANDS, strict=True)
    }
    raw["scl"] = _create(folder / "SCL.raw", -(-size // 2), 20, gdal.GDT_Byte)
    offset = day(number)["offset"]
    for row, reflectance in scene.strips(classification):
        dn = to_dn(reflectance, offset=offset, quantification=QUANTIFICATION)
        for key, values in zip(KEYS, dn, strict=True):
            raw[key].WriteArray(values, 0, row)
    raw["scl"].WriteArray(classification.classes())
    assets = {}
    for key in list(raw):
        path = Path(raw.pop(key).GetDescription())  # closed here: it is the only reference
        assets[key] = cog(path, folder)
        path.unlink()
    return assets


def _create(path: Path, size: int, metres: int, kind: int = gdal.GDT_UInt16) -> gdal.Dataset:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), size, size, 1, kind)
    easting, northing = ORIGINS[GRANULE]
    dataset.SetGeoTransform((easting, metres, 0, northing, 0, -metres))
    dataset.SetProjection(f"EPSG:{EPSG}")
    return dataset


def _item(assets: dict[str, Path], number: int) -> dict[str, Any]:
    """Make the item of a date, with what readers need of Earth Search's."""
    at = day(number)
    offset = (at["offset"] or 0) / QUANTIFICATION
    listed = {key: _asset(path, key, offset) for key, path in assets.items()}
    ring = gdal.Info(str(assets["red"]), format="json")["wgs84Extent"]
    cols, rows = zip(*ring["coordinates"][0], strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            f"https://stac-extensions.github.io/{name}/v{version}/schema.json"
            for name, version in (("projection", "1.1.0"), ("raster", "1.1.0"))
        ],
        "id": f"S2A_T{GRANULE}_{at['date'].replace('-', '')}T103041_L2A",
        "geometry": ring,
        "bbox": [min(cols), min(rows), max(cols), max(rows)],
        "properties": {
            "datetime": f"{at['date']}T10:30:41.024Z",
            "proj:epsg": EPSG,
            "s2:processing_baseline": at["baseline"],
        },
        "links": [],
        "assets": listed,
    }


def _asset(path: Path, key: str, offset: float) -> dict[str, Any]:
    dataset = gdal.Open(str(path))
    x, dx, _, y, _, dy = dataset.GetGeoTransform()
    band = {"nodata": 0, "data_type": "uint8", "spatial_resolution": dx}
    if key != "scl":
        band |= {"data_type": "uint16", "scale": 1 / QUANTIFICATION, "offset": offset}
    return {
        "href": str(path),
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "proj:shape": [dataset.RasterYSize, dataset.RasterXSize],
        "proj:transform": [dx, 0, x, 0, dy, y],
        "raster:bands": [band],
    }
