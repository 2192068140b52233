"""What is on disk, or elsewhere: products, from their metadata; no pixel is read here.

`safe` reads what ESA's SAFE products say of themselves (`places`: a folder or a zip; `metadata`:
their XML), `stac` what items of catalogues say (`stac_assets`: which assets are the bands;
`stac_fields`: what is stated of them), `raster` finds three bands in one file. All of them list
bands, by what their names mean (`naming`), with what is stated of their values; `bands` looks at
the files (`dtypes`, `nodata`) and joins them to a product (`model`), where `calibrate` settles
which statement counts, and `georeference` adds what a file lacks. `remote` is the way to files
elsewhere. `transform` moves points between grids, `warped` the pixels that `source` has read.
"""

from __future__ import annotations

import re
from pathlib import Path

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.product.bands import cause, open_bands, open_raster, same_crs
from s2rgb_mpi.product.dtypes import gdal_type
from s2rgb_mpi.product.model import RESOLUTIONS, Band, Choice, Operation, Product, Stored, Warp
from s2rgb_mpi.product.nodata import is_shared_mask
from s2rgb_mpi.product.places import metadata_kind
from s2rgb_mpi.product.raster import open_multiband
from s2rgb_mpi.product.remote import forget, is_remote
from s2rgb_mpi.product.safe import open_safe
from s2rgb_mpi.product.stac import is_stac, open_stac
from s2rgb_mpi.product.transform import Transform, lattice
from s2rgb_mpi.product.warped import WARP_CACHE_NBYTES, Warper, most_source_pixels

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
    "is_shared_mask",
    "lattice",
    "most_source_pixels",
    "open_bands",
    "open_multiband",
    "open_product",
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
        As for :func:`open_product`, or a STAC item or a saved search (path or URL).
    choice : Choice, optional
        What the user chooses and states.

    Returns
    -------
    list of Product
        Of a saved search one product an item, in its order; else one.

    Raises
    ------
    InputError, UsageError
        As :func:`open_product`.
    """
    choice = choice or Choice()
    if not is_stac(name):
        return [open_product(name, choice)]
    _refuse_bidx(name, choice)
    return open_stac(name, choice)


def open_product(name: str, choice: Choice | None = None) -> Product:
    """Read what a product in files says of itself, whatever kind of files it is.

    Parameters
    ----------
    name : str
        A SAFE folder, the metadata file in it, a SAFE zip, or a raster with several bands (path,
        URL, or a name of GDAL's own).
    choice : Choice, optional
        What the user chooses and states.

    Returns
    -------
    Product

    Raises
    ------
    InputError
        The input is not what it must be.
    UsageError
        The choice has no meaning for this kind of input.
    """
    choice = choice or Choice()
    path = Path(name)
    is_gdals = is_remote(name) or (_GDAL_PREFIX.match(name) and not path.exists())
    if not is_gdals and (not path.is_file() or _is_safe(path)):
        _refuse_bidx(name, choice)
        return open_safe(name, choice)
    if choice.resolution != RESOLUTIONS[0]:
        raise UsageError(f"{name}: --source-resolution is for SAFE products and STAC items")
    return open_multiband(name, choice)


def _is_safe(path: Path) -> bool:
    """Tell whether a file is a SAFE product's metadata, or may be a zip of one."""
    return path.suffix.lower() in {".zip", ".xml"} or bool(metadata_kind(path.name))


def _refuse_bidx(name: str, choice: Choice) -> None:
    """Refuse band numbers for what names its bands."""
    if choice.bidx:
        raise UsageError(f"{name}: --bidx is for rasters with several bands")
