"""Inputs that are one product, opened: what most tests need."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs import safe
from s2rgb_mpi.inputs.open_products import open_products
from s2rgb_mpi.inputs.product import Choice, Product
from s2rgb_mpi.inputs.reader import Source
from s2rgb_mpi.inputs.warp.warper import Warper


def open_product(name: str, choice: Choice | None = None) -> Product:
    """Open an input of any kind that must be one product."""
    (only,) = open_products(name, choice)
    return only


def open_safe(name: str, choice: Choice | None = None) -> Product:
    """Open a SAFE product that must have one granule."""
    (only,) = safe.open_safe(name, choice)
    return only


def pixels(opened: Product, window: Window | None = None) -> NDArray[np.float64]:
    """Read the DN of a product as workers do: shape (height, width, 3), NaN where there are none.

    Codes of uint16 are DN; of other types code 1 is the lowest DN, and floats have two a DN.
    """
    whole = Window(0, 0, opened.grid.width, opened.grid.height)
    layers = []
    for band, codes in zip(opened.bands, Source(opened).read(window or whole), strict=True):
        dn = codes.astype(np.float64)
        if band.stored.dtype != "uint16":
            step = 0.5 if band.stored.dtype.startswith("float") else 1.0
            dn = (dn - 1) * step - band.stored.shift
        layers.append(np.where(codes == 0, np.nan, dn))
    return np.stack(layers, axis=-1)


def whole_dn(opened: Product, window: Window | None = None) -> NDArray[np.uint16]:
    """Read the DN of a product to the nearest: valid ones 1 at least, and 0 for "no data"."""
    dn = pixels(opened, window)
    return np.where(np.isnan(dn), 0, np.maximum(np.rint(dn), 1)).astype(np.uint16)


def refusal(
    name: object, choice: Choice | None = None, open_it: Callable[..., Any] = open_products
) -> str:
    """Return the one line of the error for an input."""
    with pytest.raises(InputError) as caught:
        open_it(str(name), choice)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def resample(product: Product, window: Window) -> NDArray[np.uint16]:
    """Resample a window of a product on another grid: (height, width, 3)."""
    source, warper = Source(product.unwarped), Warper(product)
    image = np.zeros((window.height, window.width, 3), dtype=np.uint16)
    for piece in warper.pieces(window):
        out = np.zeros((3, piece.target.height, piece.target.width), dtype=np.uint16)
        warper.warp(np.stack(source.read(piece.source)), piece, out)
        image[piece.target.moved(-window.col_off, -window.row_off).slices] = np.moveaxis(out, 0, -1)
    return image
