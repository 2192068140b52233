"""Which products the image is made of, and which of them is on top: by their clouds and dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.inputs.clear import clear_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.image.clouds import Clouds
    from s2rgb_mpi.inputs.mosaic import Scene
    from s2rgb_mpi.inputs.product import Product


def without_clouds(products: Sequence[Product], most: float | None) -> list[Product]:
    """Leave out products with too many clouds, by their metadata.

    Parameters
    ----------
    products : sequence of Product
        At least one.
    most : float, optional
        The highest share of clouds, percent; None for all products.

    Raises
    ------
    InputError
        The metadata of a product state no share.
    UsageError
        All products have more.
    """
    if most is None:
        return list(products)
    covers = [_cover(product) for product in products]
    kept = [product for product, cover in zip(products, covers, strict=True) if cover <= most]
    if not kept:
        raise UsageError(
            f"--max-cloud {most:g}: every product has more clouds, the clearest one"
            f" {min(covers):.4g} %"
        )
    return kept


def _cover(product: Product) -> float:
    """Return the share of clouds that a product's metadata state, percent."""
    if product.cloud_cover is None:
        raise InputError(
            f"{product.name}: its metadata state no share of clouds, which --max-cloud needs"
        )
    return product.cloud_cover


def ordered(scene: Scene, order: str, clouds: Clouds) -> Scene:
    """Put the products of a scene in order, the one on top first.

    Parameters
    ----------
    scene : Scene
        In the order given; its grid remains.
    order : str
        given; clear, for the largest share of clear pixels inside the image first; or date, for
        the newest first. Products that are equal, such as two tiles of one orbit, stay as given.
    clouds : Clouds
        Which pixels are cloudy.

    Raises
    ------
    InputError
        A product has no sensing time, or its scene classification cannot be read.
    """
    if order == "date":
        by_date = sorted(scene.members, key=lambda each: _time(each.product), reverse=True)
        return replace(scene, members=tuple(by_date))
    if order == "given":
        return scene
    members = [
        replace(
            each, product=replace(each.product, clear_share=clear_share(each, scene.grid, clouds))
        )
        for each in scene.members
    ]
    # Those without a valid pixel inside the image last.
    by_share = sorted(
        members,
        key=lambda each: -1.0 if each.product.clear_share is None else each.product.clear_share,
        reverse=True,
    )
    return replace(scene, members=tuple(by_share))


def _time(product: Product) -> datetime:
    """Return when a product was sensed."""
    try:
        time = datetime.fromisoformat(product.sensing_time)
    except ValueError as error:
        stated = repr(product.sensing_time) if product.sensing_time else "none"
        raise InputError(
            f"{product.name}: --order date needs its sensing time, which is {stated}"
        ) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
