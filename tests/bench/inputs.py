"""The inputs of the contestants: full-size products, made once and kept, and the expected image."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from osgeo import gdal

import reference
from s2rgb_mpi.inputs.safe import open_safe
from s2rgb_mpi.testing.eopf import write_eopf
from s2rgb_mpi.testing.safe import write_safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.product import Product

gdal.UseExceptions()

BANDS = ("B04", "B03", "B02")

OFFSET = -1000
"""BOA_ADD_OFFSET of the products, DN."""

STRIP_ROWS = 1024
"""Rows that are held at once; whole source tiles."""


class Inputs(NamedTuple):
    """One scene in all forms that contestants need."""

    safe: Path
    """As ESA's: JPEG 2000."""
    cogs: tuple[Path, Path, Path]
    """The same bands as Earth Search has them: DEFLATE, predictor 2, blocks of 1024."""
    half: Path
    """A SAFE product that is half without data."""
    stack: Path
    """A VRT of three bands over the JPEG 2000 files."""
    cog_stack: Path
    """The same over the COGs."""
    scaled: Path
    """A VRT of uint16 that has 0 to 65,535 where `stack` has reflectance 0 to 1."""
    size: int
    """Edge of a product, pixels."""
    truth: Path
    """The expected pixels: an array file of shape (height, width, 3), uint8."""
    url: str = ""
    """Where a server has the COGs, for contestants that read from one."""


def make(folder: Path, size: int) -> Inputs:
    """Make the missing files.

    Parameters
    ----------
    folder : Path
        Where all of it is kept, a folder of its own for each size.
    size : int
        Edge of a product, pixels.
    """
    folder = folder.resolve() / str(size)
    land = safe(folder / "land", size, nodata_fraction=0.05)
    (product,) = open_safe(str(land))
    cogs = tuple(cog(Path(band.path), folder / "cogs") for band in product.bands)
    inputs = Inputs(
        safe=land,
        cogs=(cogs[0], cogs[1], cogs[2]),
        half=safe(folder / "half", size, nodata_fraction=0.5),
        stack=folder / "stack.vrt",
        cog_stack=folder / "cog_stack.vrt",
        scaled=folder / "scaled.vrt",
        size=size,
        truth=folder / "truth.npy",
    )
    _stack([band.path for band in product.bands], inputs.stack)
    _stack([str(path) for path in cogs], inputs.cog_stack)
    _scale(inputs.stack, inputs.scaled)
    if not inputs.truth.exists():
        _tell_truth(inputs, product)
    return inputs


def neighbours(cogs: tuple[Path, Path, Path], folder: Path, edge: int) -> list[list[Path]]:
    """Copy a granule's bands to the places of its neighbours, `edge` x `edge` of them in all.

    The pixels are the same everywhere, which does not matter to readers: as many source blocks lie
    across borders, and overlap, as with ESA's products.
    """
    granules = []
    step = 100_020  # the distance of two granules that makes neighbours overlap by 9.8 km, metres
    for number in range(edge * edge):
        bands = []
        for cog in cogs:
            path = folder / f"{number // edge}{number % edge}_{cog.name}"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True)
                draft = path.with_suffix(".draft")
                shutil.copyfile(cog, draft)
                options = ["IGNORE_COG_LAYOUT_BREAK=YES"]
                dataset = gdal.OpenEx(str(draft), gdal.OF_UPDATE, open_options=options)
                x, dx, a, y, b, dy = dataset.GetGeoTransform()
                east, south = number % edge * step, number // edge * step
                dataset.SetGeoTransform((x + east, dx, a, y - south, b, dy))
                dataset = None
                draft.rename(path)
            bands.append(path)
        granules.append(bands)
    return granules


def large_blocks(cogs: tuple[Path, Path, Path], folder: Path) -> list[Path]:
    """Copy a granule's bands to files with four blocks, of 5504 x 5504 pixels at most."""
    paths = []
    for cog in cogs:
        path = folder / cog.name
        paths.append(path)
        if path.exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        source = gdal.Open(str(cog))
        edge = -(-source.RasterXSize // 2 // 16) * 16
        options = ["TILED=YES", f"BLOCKXSIZE={edge}", f"BLOCKYSIZE={edge}", "NUM_THREADS=ALL_CPUS"]
        draft = path.with_suffix(".draft")
        gdal.Translate(
            str(draft),
            source,
            format="GTiff",
            creationOptions=[*options, "COMPRESS=ZSTD", "PREDICTOR=2"],
        )
        draft.rename(path)
    return paths


def safe(
    folder: Path, size: int, *, nodata_fraction: float, resolutions: Sequence[int] = (10,)
) -> Path:
    """Return the product in a folder; make it if it is not there."""
    found = sorted(folder.glob("*.SAFE"))
    if found:
        return found[0]
    return write_safe(
        folder,
        width=size,
        height=size,
        offset=OFFSET,
        nodata_fraction=nodata_fraction,
        resolutions=resolutions,
    )


def store(folder: Path, size: int) -> Path:
    """Return the scene of the product as an EOPF store; make it if it is not there."""
    found = sorted(folder.glob("*.zarr"))
    return found[0] if found else write_eopf(folder, width=size, height=size, offset=OFFSET)


def cog(source: Path, folder: Path) -> Path:
    """Return a band as COG; make it if it is not there."""
    path = folder / f"{source.stem}.tif"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        raster = gdal.Open(str(source))
        # By way of memory: the 15 bits that JPEG 2000 declares would go along: no predictor for it.
        memory = gdal.GetDriverByName("MEM").Create(
            "", raster.RasterXSize, raster.RasterYSize, 1, raster.GetRasterBand(1).DataType
        )
        memory.SetGeoTransform(raster.GetGeoTransform())
        memory.SetProjection(raster.GetProjection())
        memory.GetRasterBand(1).SetNoDataValue(0)
        memory.WriteArray(raster.ReadAsArray())
        options = ["COMPRESS=DEFLATE", "PREDICTOR=YES", "BLOCKSIZE=1024", "NUM_THREADS=ALL_CPUS"]
        draft = path.with_suffix(".draft")
        gdal.GetDriverByName("COG").CreateCopy(str(draft), memory, options=options)
        draft.rename(path)
    return path


def _stack(paths: list[str], vrt: Path) -> None:
    """Put three band files into one virtual dataset, as `gdalbuildvrt -separate` does."""
    gdal.BuildVRT(str(vrt), paths, separate=True)


def _scale(stack: Path, vrt: Path) -> None:
    """Bring reflectance 0 to 1 to the whole range of uint16, for programs that start from there."""
    scale = [[-OFFSET, 10_000 - OFFSET, 0, 65_535]]
    gdal.Translate(
        str(vrt), str(stack), format="VRT", outputType=gdal.GDT_UInt16, scaleParams=scale
    )
    # Programs go by the blocks of their input: those of a VRT would be 128 pixels.
    blocks = '<VRTRasterBand blockXSize="1024" blockYSize="1024"'
    vrt.write_text(vrt.read_text().replace("<VRTRasterBand", blocks))


def _tell_truth(inputs: Inputs, product: Product) -> None:
    """Compute the image in plain float64, strip by strip."""
    shape = product.grid.height, product.grid.width, 3
    draft = inputs.truth.with_suffix(".draft")
    truth = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
    bands = [gdal.Open(str(path)) for path in inputs.cogs]
    for row in range(0, shape[0], STRIP_ROWS):
        rows = min(STRIP_ROWS, shape[0] - row)
        dn = np.dstack([band.ReadAsArray(0, row, shape[1], rows) for band in bands])
        truth[row : row + rows] = reference.rgb(dn, offset=OFFSET)
    truth.flush()
    draft.rename(inputs.truth)
