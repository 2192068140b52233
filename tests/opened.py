"""Inputs that are one product, opened: what most tests need."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from s2rgb_mpi import product
from s2rgb_mpi.errors import InputError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.product import Choice, Product
from s2rgb_mpi.source import Source


def open_product(name: str, choice: Choice | None = None) -> Product:
    """Open an input of any kind that must be one product."""
    (only,) = product.open_products(name, choice)
    return only


def open_safe(name: str, choice: Choice | None = None) -> Product:
    """Open a SAFE product that must have one granule."""
    (only,) = product.open_safe(name, choice)
    return only


def pixels(opened: Product) -> NDArray[np.uint16]:
    """Read all DN of a product as workers do: shape (height, width, 3)."""
    whole = Window(0, 0, opened.grid.width, opened.grid.height)
    return np.stack(Source(opened).read(whole), axis=-1)


def refusal(
    name: object, choice: Choice | None = None, open_it: Callable[..., Any] = product.open_products
) -> str:
    """Return the one line with which an input is refused."""
    with pytest.raises(InputError) as caught:
        open_it(str(name), choice)
    assert "\n" not in str(caught.value)
    return str(caught.value)
