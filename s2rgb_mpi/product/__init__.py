"""What is on disk, or elsewhere: products, from their metadata; no pixel is read here.

`locate` finds the product that a name stands for, in one of the places there are (`places`: a
folder; `archives`: a zip or tar, known by its first bytes: `downloads`; `server`: elsewhere).
`safe` reads what ESA's SAFE products say of themselves (`metadata`: their XML; `described`: of
their values; `geocoding`: of their place), `aws` tiles in the layout of the AWS buckets, `stac`
what items of catalogues say (`stac_assets`: which assets are the bands; `stac_fields`: what is
stated of them; `georeference`: of their place), `raster` finds three bands in one file, `rgb` takes
three files. All of them list bands, by what their names mean (`naming`), with what is stated of
their values; `bands` looks at the files (`opening`, `dtypes`, `nodata`) and joins them to a product
(`model`), where `calibrate` settles which statement counts, and `baseline` speaks where nothing
else does. `held` says what GDAL takes in memory to read them. `remote` and `vsi` are the way to
files elsewhere. `transform` moves points between grids, `warped` the pixels that `source` has read.
"""

from __future__ import annotations

import re
from pathlib import Path

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.product.aws import open_tile
from s2rgb_mpi.product.dtypes import gdal_type
from s2rgb_mpi.product.geocoding import same_crs
from s2rgb_mpi.product.locate import TILE_FILES, locate
from s2rgb_mpi.product.model import RESOLUTIONS, Band, Choice, Operation, Product, Warp
from s2rgb_mpi.product.nodata import impossible, is_shared_mask
from s2rgb_mpi.product.opening import cause, open_raster
from s2rgb_mpi.product.raster import open_multiband
from s2rgb_mpi.product.remote import forget, is_remote
from s2rgb_mpi.product.rgb import open_bands
from s2rgb_mpi.product.safe import open_safe, read_safe
from s2rgb_mpi.product.stac import is_stac, open_stac
from s2rgb_mpi.product.stored import Stored
from s2rgb_mpi.product.transform import Transform, lattice
from s2rgb_mpi.product.warped import WARP_CACHE_NBYTES, Warper, most_source_pixels
from s2rgb_mpi.redact import file_name

__all__ = [
    "RESOLUTIONS",
    "WARP_CACHE_NBYTES",
    "Band",
    "Choice",
    "Operation",
    "Product",
    "Stored",
    "Transform",
    "Warp",
    "Warper",
    "cause",
    "forget",
    "gdal_type",
    "impossible",
    "is_shared_mask",
    "lattice",
    "most_source_pixels",
    "open_bands",
    "open_multiband",
    "open_products",
    "open_raster",
    "open_safe",
    "open_stac",
    "same_crs",
]

_GDAL_PREFIX = re.compile(r"[A-Z][A-Z0-9_]+:")
"""What names of parts of files begin with, such as ``NETCDF:`` or ``SENTINEL2_L2A:``."""


def open_products(name: str, choice: Choice | None = None) -> list[Product]:
    """Read what an input says of itself, whatever kind of input it is.

    Parameters
    ----------
    name : str
        A SAFE folder, a folder that holds one, the metadata file in it, a zip or tar of it, a
        tile's folder of the AWS buckets, a STAC item or a saved search, or a raster with several
        bands; each as a path, a URL, or a name of GDAL's own.
    choice : Choice, optional
        What the user chooses and states.

    Returns
    -------
    list of Product
        At least one, the first on top: a SAFE product with several granules is several, a saved
        search one an item.

    Raises
    ------
    InputError
        The input is not what it must be.
    UsageError
        The choice has no meaning for this kind of input.
    """
    choice = choice or Choice()
    if file_name(name) not in TILE_FILES and is_stac(name):
        _refuse(name, choice, bidx=True, granule=True)
        return open_stac(name, choice)
    found = None if _is_gdals(name) else locate(name, choice)
    if found is None:
        if choice.resolution != RESOLUTIONS[0]:
            raise UsageError(f"{name}: --source-resolution is for SAFE products and STAC items")
        _refuse(name, choice, granule=True)
        return [open_multiband(name, choice)]
    _refuse(name, choice, bidx=True, granule=found.is_tile)
    return [open_tile(found.place, choice)] if found.is_tile else read_safe(found, choice)


def _is_gdals(name: str) -> bool:
    """Return whether a name is that of a part of a file, as only GDAL knows it."""
    return bool(_GDAL_PREFIX.match(name)) and not is_remote(name) and not Path(name).exists()


def _refuse(name: str, choice: Choice, *, bidx: bool = False, granule: bool = False) -> None:
    """Reject options that have no meaning for an input."""
    if bidx and choice.bidx:
        raise UsageError(f"{name}: --bidx is for rasters with several bands")
    if granule and choice.granule is not None:
        raise UsageError(f"{name}: --granule is for SAFE products, which have granules")
