"""Find the kind of an input, and open it."""

from __future__ import annotations

import re
from pathlib import Path

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.aws import open_tile
from s2rgb_mpi.inputs.eopf import open_eopf
from s2rgb_mpi.inputs.files.locate import TILE_FILES, locate
from s2rgb_mpi.inputs.files.remote import is_remote
from s2rgb_mpi.inputs.multiband import open_multiband
from s2rgb_mpi.inputs.product import COARSE_LEVELS, RESOLUTIONS, Choice, Product
from s2rgb_mpi.inputs.safe import read_safe
from s2rgb_mpi.inputs.stac.items import is_stac, open_stac
from s2rgb_mpi.inputs.zarr.store import find_store
from s2rgb_mpi.redact import file_name

_GDAL_PREFIX = re.compile(r"[A-Z][A-Z0-9_]+:")
"""What names of parts of files begin with, such as ``NETCDF:`` or ``SENTINEL2_L2A:``."""


def open_products(name: str, choice: Choice | None = None) -> list[Product]:
    """Open an input of any kind by its metadata.

    Parameters
    ----------
    name : str
        A SAFE folder, a folder that holds one, the metadata file in it, a zip or tar of it, an
        EOPF store or a zip of it, a tile's folder of the AWS buckets, a STAC item or a saved
        search, or a raster with several bands; each as a path, a URL, or a name of GDAL's own.
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
        The input is invalid.
    UsageError
        The choice has no meaning for this kind of input.
    """
    choice = choice or Choice()
    store = None if _is_gdals(name) or not name else find_store(name)
    if store is not None:
        _refuse(name, choice, bidx=True, granule=True)
        return [open_eopf(store, choice)]
    if file_name(name) not in TILE_FILES and is_stac(name):
        _refuse(name, choice, bidx=True, granule=True)
        return open_stac(name, choice)
    found = None if _is_gdals(name) else locate(name, choice)
    if found is None:
        if choice.resolution != RESOLUTIONS[0]:
            raise UsageError(
                f"{name}: --source-resolution is for SAFE and EOPF products and STAC items"
            )
        _refuse(name, choice, granule=True)
        return [open_multiband(name, choice)]
    if choice.resolution in COARSE_LEVELS:
        raise UsageError(
            f"{name}: --source-resolution {choice.resolution} is for GeoZarr stores; SAFE products"
            f" and AWS tiles have {', '.join(map(str, RESOLUTIONS))}"
        )
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
