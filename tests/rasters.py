"""Rasters of any type for tests, and scenes to put into them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from osgeo import gdal, gdal_array, osr

from s2rgb_mpi.testing.jp2 import jp2_options

gdal.UseExceptions()
osr.UseExceptions()

TRANSFORM = (399960.0, 10.0, 0.0, 5300040.0, 0.0, -10.0)
COLOURS = {
    "red": gdal.GCI_RedBand,
    "green": gdal.GCI_GreenBand,
    "blue": gdal.GCI_BlueBand,
    "alpha": gdal.GCI_AlphaBand,
}


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


def add_mask(path: str, valid: NDArray[np.bool_], *, inside: bool = True) -> None:
    """Give a raster one mask for all of its bands: inside the file, or in a file beside it."""
    before = gdal.GetConfigOption("GDAL_TIFF_INTERNAL_MASK")
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES" if inside else "NO")
    try:
        dataset = gdal.OpenEx(path, gdal.OF_UPDATE)
        dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
        dataset.GetRasterBand(1).GetMaskBand().WriteArray(np.where(valid, 255, 0).astype(np.uint8))
        dataset = None
    finally:
        gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", before)


def write_item(folder: Path, assets: Mapping[str, Any]) -> str:
    """Write a STAC item with these assets."""
    item: dict[str, object] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "i",
        "geometry": None,
        "links": [],
    }
    properties = {"datetime": "2022-06-13T10:30:41Z"}
    path = folder / "item.json"
    rest: dict[str, object] = {"properties": properties, "assets": assets}
    path.write_text(json.dumps(item | rest))
    return str(path)


def write_jp2(
    path: Path,
    values: NDArray[np.uint16],
    *,
    epsg: int | None = 32632,
    transform: Sequence[float] = TRANSFORM,
    tile: int = 128,
) -> str:
    """Write DN, (height, width), as ESA codes them; without EPSG code they lie nowhere."""
    height, width = values.shape
    memory = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_UInt16)
    memory.GetRasterBand(1).WriteArray(values)
    georeference = f"GMLJP2={'NO' if epsg is None else 'YES'}"
    if epsg is not None:
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(epsg)
        memory.SetSpatialRef(crs)
        memory.SetGeoTransform(transform)
    options = [each for each in jp2_options(10, tile) if not each.startswith("GMLJP2=")]
    path.parent.mkdir(parents=True, exist_ok=True)
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(
        str(path), memory, options=[*options, georeference]
    )
    Path(f"{path}.aux.xml").unlink(missing_ok=True)
    return str(path)


def copy_jp2(path: Path, raster: str, tile: int = 128) -> str:
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
