"""Rasters of any type for tests, and scenes to put into them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, gdal_array, osr

gdal.UseExceptions()
osr.UseExceptions()

TRANSFORM = (399960.0, 10.0, 0.0, 5300040.0, 0.0, -10.0)
COLOURS = {"red": gdal.GCI_RedBand, "green": gdal.GCI_GreenBand, "blue": gdal.GCI_BlueBand}


def write_raster(
    path: Path,
    values: NDArray[Any],
    *,
    epsg: int | None = 32632,
    transform: Sequence[float] = TRANSFORM,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    descriptions: Sequence[str] = (),
    colours: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> str:
    """Write values, (height, width) or (height, width, band), of any type; return the path."""
    layers = values.reshape(*values.shape[:2], -1)
    kind = gdal_array.NumericTypeCodeToGDALTypeCode(values.dtype)
    height, width, count = layers.shape
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(path), width, height, count, kind, list(options)
    )
    if epsg is not None:
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(epsg)
        dataset.SetSpatialRef(crs)
        dataset.SetGeoTransform(transform)
    for number in range(1, count + 1):
        band = dataset.GetRasterBand(number)
        if nodata is not None:
            band.SetNoDataValue(nodata)
        if scale is not None:
            band.SetScale(scale)
        if offset is not None:
            band.SetOffset(offset)
        if descriptions:
            band.SetDescription(descriptions[number - 1])
        if colours:
            band.SetColorInterpretation(COLOURS.get(colours[number - 1], gdal.GCI_Undefined))
        if metadata:
            band.SetMetadata(dict(metadata))
        band.WriteArray(layers[:, :, number - 1])
    return str(path)


def write_jp2(path: Path, raster: str, tile: int = 128) -> str:
    """Write a raster once more as JPEG 2000, without loss, with reduced levels as ESA's have."""
    options = [
        "REVERSIBLE=YES",
        "QUALITY=100",
        "YCBCR420=NO",
        f"BLOCKXSIZE={tile}",
        f"BLOCKYSIZE={tile}",
    ]
    gdal.Translate(str(path), raster, format="JP2OpenJPEG", creationOptions=options)
    return str(path)


def scene(height: int = 150, width: int = 200, *, darkest: int = 1) -> NDArray[np.uint16]:
    """Make DN (height, width, 3), uint16, with a corner and single values without data."""
    rng = np.random.default_rng(1)
    dn = rng.integers(darkest, 12_000, size=(height, width, 3), dtype=np.uint16)
    dn[: height // 5, : width // 5] = 0
    dn[rng.random((height, width)) < 0.01] = 0
    return dn
