"""SAFE products altered by tests: other metadata, other archives."""

import re
import tarfile
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from osgeo import gdal

EXPIRED = '{"detail":"Expired signature!"}'
PAGE = """<!DOCTYPE html><html><head><title>Sign in
</title></head><body>Please <b>sign in</b></body></html>"""
PAM = """<PAMDataset>
  <SRS>EPSG:4326</SRS><GeoTransform>1, 2, 0, 3, 0, -2</GeoTransform>
  <PAMRasterBand band="1">
    <NoDataValue>{nodata}</NoDataValue><Scale>0.5</Scale><Offset>-7</Offset>
    <Metadata><MDI key="BOA_ADD_OFFSET">-123</MDI></Metadata>
  </PAMRasterBand>
</PAMDataset>"""
WORLD_FILE = "1\n0\n0\n-1\n5\n6\n"


def edit(product: Path, *changes: tuple[str, str], file: str = "MTD_MSIL2A.xml") -> None:
    """Change the product's metadata: each change is a pattern, which must occur, and a text."""
    (metadata,) = product.glob(file)
    text = metadata.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
        assert count, pattern
    metadata.write_text(text)


def pack(
    folder: Path,
    archive: Path,
    *,
    top: str | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Put a product into a zip, below `top`; by default below its own name."""
    with zipfile.ZipFile(archive, "w", compression) as store:
        for path in sorted(folder.rglob("*")):
            store.write(path, Path(folder.name if top is None else top) / path.relative_to(folder))
    return archive


def pack_tar(
    folder: Path,
    path: Path,
    *,
    arcname: str | None = None,
    form: int = tarfile.PAX_FORMAT,
    mode: Literal["w", "w:gz"] = "w",
) -> Path:
    """Put a product into a tar, below `arcname`; by default below its own name."""
    with tarfile.open(path, mode, format=form) as store:
        store.add(folder, folder.name if arcname is None else arcname)
    return path


def images(product: Path) -> list[Path]:
    """List the images of a product at 10 m: blue, green, red."""
    return sorted(product.glob("GRANULE/*/IMG_DATA/R10m/*.jp2"))


def add_side_files(product: Path) -> int:
    """Put every kind of side file beside each image; return how many were put there."""
    before = len(list(product.rglob("*")))
    for image in images(product):
        most_common = int(np.bincount(gdal.Open(str(image)).ReadAsArray().ravel())[1:].argmax()) + 1
        # Only now: GDAL would read files that are there already.
        image.with_name(image.name + ".aux.xml").write_text(PAM.format(nodata=most_common))
        for suffix in (".j2w", ".jp2w", ".wld"):
            image.with_suffix(suffix).write_text(WORLD_FILE)
        for suffix, kind in ((".ovr", gdal.GDT_UInt16), (".msk", gdal.GDT_Byte)):
            beside = gdal.GetDriverByName("GTiff").Create(f"{image}{suffix}", 611, 389, 1, kind)
            beside.SetMetadataItem("INTERNAL_MASK_FLAGS_1", "2")
            beside = None
    return len(list(product.rglob("*"))) - before
