"""Opens the scene classification of a product, and compares its place with the product's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.inputs.bands import locate, only_band
from s2rgb_mpi.inputs.classification import SLIVER, Classification
from s2rgb_mpi.inputs.decode_memory import held, held_of_array
from s2rgb_mpi.inputs.dtypes import numpy_name
from s2rgb_mpi.inputs.files.remote import stamp
from s2rgb_mpi.inputs.opening import open_raster
from s2rgb_mpi.inputs.safe_grid import same_crs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.listed import Listed
    from s2rgb_mpi.inputs.product import Choice, Product
    from s2rgb_mpi.inputs.zarr.products import ArrayBand


def classified(
    product: Product, listed: Iterable[Listed], choice: Choice, *, advice: str
) -> Product:
    """Return a product with its scene classification.

    Parameters
    ----------
    product : Product
        On the grid of its files.
    listed : iterable of Listed
        The files of its scene classification, the one with the smallest pixels first; no more are
        looked at than needed.
    choice : Choice
        Whether also the second one is of use.
    advice : str
        What to do if there is none.

    Raises
    ------
    InputError
        There is none, or it does not fit the product.
    """
    needed = list(itertools.islice(listed, 2 if choice.shares else 1))
    if not needed:
        raise InputError(
            f"{product.name}: no scene classification (SCL), which --clouds needs, and --order"
            f" clear; {advice}"
        )
    first, *others = (_open(each, product) for each in needed)
    return replace(
        product,
        classification=replace(first, coarser=others[0] if others else None),
    )


def _open(listed: Listed, product: Product) -> Classification:
    """Read the header of a scene classification."""
    found = _in_file(listed) if listed.array is None else _in_array(listed, listed.array)
    _check_place(found, product)
    return found


def _in_file(listed: Listed) -> Classification:
    """Read the header of a file."""
    dataset = open_raster(listed.path, internal=listed.internal)
    number = listed.number or only_band(dataset, listed)
    raster = dataset.GetRasterBand(number)
    dtype = numpy_name(raster)
    _check_type(listed, dtype)
    grid, _ = locate(listed, dataset)
    width, height = raster.GetBlockSize()
    return Classification(
        path=listed.path,
        grid=grid,
        block=(min(width, grid.width), min(height, grid.height)),
        number=number,
        dtype=dtype,
        stamp=stamp(listed.path),
        internal=listed.internal,
        held=held(dataset, number, dtype),
    )


def _in_array(listed: Listed, found: ArrayBand) -> Classification:
    """Describe an array of a Zarr store."""
    array, grid = found.array, found.grid
    dtype = np.dtype(array.dtype).name
    _check_type(listed, dtype)
    height, width = array.chunk
    return Classification(
        path=listed.path,
        grid=grid,
        block=(min(width, grid.width), min(height, grid.height)),
        dtype=dtype,
        stamp=found.stamp,
        held=held_of_array(array),
        array=array,
    )


def _check_type(listed: Listed, dtype: str) -> None:
    """Reject values that are no classes: in a file of its own these are bytes."""
    if dtype == "uint8" or (listed.number is not None and np.dtype(dtype).kind in "iu"):
        return
    needed = "integers" if listed.number is not None else "8 bits"
    raise InputError(
        f"{listed.path}: pixels are {dtype}, where the classes of a scene classification are"
        f" {needed}"
    )


def _check_place(found: Classification, product: Product) -> None:
    """Reject a classification that lies elsewhere than the product."""
    band = product.bands[0].path
    if not same_crs(found.grid.crs, product.grid.crs):
        raise InputError(f"{found.path}: another coordinate reference system, unlike {band}")
    for path, grid in ((found.path, found.grid), (band, product.grid)):
        _, dx, a, _, b, dy = grid.transform
        if a or b or dx <= 0 or dy >= 0:
            raise InputError(
                f"{path}: not north-up, geotransform {grid.transform}, so {found.path} cannot be"
                f" compared with {band}"
            )
    own, needed = _extent(found.grid), _extent(product.grid)
    # Sizes of 20 m and 60 m may be rounded up: of pixels at the edges a part is enough.
    most = product.grid.transform[1] - SLIVER * found.grid.transform[1]
    west, south, east, north = (a - b for a, b in zip(own, needed, strict=True))
    if max(west, south, -east, -north) > max(0, most):
        raise InputError(
            f"{found.path}: does not cover {band}: its west, south, east, north are"
            f" {_text(own)}, not {_text(needed)}"
        )


def _extent(grid: Grid) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a grid that is north-up."""
    x, dx, _, y, _, dy = grid.transform
    return x, y + dy * grid.height, x + dx * grid.width, y


def _text(extent: tuple[float, float, float, float]) -> str:
    return " ".join(f"{each:.10g}" for each in extent)
