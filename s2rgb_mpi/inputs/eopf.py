"""EOPF products, ESA's successors of SAFE: Zarr stores, and GeoZarr made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from s2rgb_mpi.errors import AbsentError, InputError
from s2rgb_mpi.inputs.bands import join
from s2rgb_mpi.inputs.classification import SCL, SCL_RESOLUTIONS
from s2rgb_mpi.inputs.classified import classified
from s2rgb_mpi.inputs.listed import Listed
from s2rgb_mpi.inputs.product import COARSE_LEVELS, RESOLUTIONS, RGB_BANDS, Choice, Product
from s2rgb_mpi.inputs.source_size import choose, possible
from s2rgb_mpi.inputs.zarr.products import (
    CLASSIFICATION,
    REFLECTANCE,
    ArrayBand,
    band_paths,
    classification_paths,
    describe,
    read_bands,
    refuse_level,
)
from s2rgb_mpi.inputs.zarr.store import find_store, split_inside
from s2rgb_mpi.redact import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s2rgb_mpi.inputs.zarr.store import Store

_SIZES = (*RESOLUTIONS, *COARSE_LEVELS)


def open_eopf(store: Store, choice: Choice) -> Product:
    """Read what an EOPF product says of itself.

    Parameters
    ----------
    store : Store
        With the layout of EOPF: ``measurements/reflectance/r10m/b04``.
    choice : Choice
        Resolution, level, and what the user states of the values.

    Returns
    -------
    Product
        The bands B04, B03, B02 of the choice.

    Raises
    ------
    InputError
        An array is missing, or is not what it must be.
    """
    described = describe(store)
    refuse_level(store, described.name, choice)

    def joined(resolution: int) -> Product:
        bands = read_bands(store, _paths(store, resolution))
        return join(described.name, [listed(name, bands[name]) for name in RGB_BANDS], choice)

    def has(resolution: int) -> bool:
        return _has(store, resolution)

    product = joined(choose(choice, has, lambda: joined(choice.resolution).grid))
    if choice.clouds:
        paths = classification_paths(store, SCL_RESOLUTIONS)
        found = (listed(SCL, read_bands(store, {SCL: path})[SCL]) for path in paths)
        product = classified(product, found, choice, advice=f"the store has no {CLASSIFICATION}")
    return replace(
        product,
        cloud_cover=described.cloud_cover,
        sensing_time=described.sensing_time,
        baseline=described.baseline,
        is_sentinel_2=True,
    )


def listed(name: str, band: ArrayBand) -> Listed:
    """Return the band of an array, as the store describes it."""
    return Listed(name, band.array.folder, metadata=band.stated, array=band)


def as_arrays(bands: Sequence[Listed], resolution: int) -> list[Listed]:
    """Find the arrays of bands that are listed by names of arrays in Zarr stores.

    Parameters
    ----------
    bands : sequence of Listed
        Others stay as they are.
    resolution : int
        Metres: where a name is that of a group of several resolutions, as catalogues list GeoZarr.

    Raises
    ------
    InputError
        A store is not there, or has no such array.
    """
    places = [split_inside(band.path) for band in bands]
    found: dict[str, ArrayBand] = {}
    for top in dict.fromkeys(place[0] for place in places if place):
        mine = {
            band.name: (band, place[1])
            for band, place in zip(bands, places, strict=True)
            if place and place[0] == top
        }
        said = next(iter(mine.values()))[0].path
        try:
            store = find_store(top)
        except AbsentError as error:
            raise InputError(f"{said}: {error}") from error
        if store is None:
            raise InputError(f"{said}: no Zarr store {shown(top)}")
        paths = {name: _of_resolution(store, path, resolution) for name, (_, path) in mine.items()}
        found |= read_bands(store, paths)
    return [
        replace(band, path=found[band.name].array.folder, array=found[band.name])
        if band.name in found
        else band
        for band in bands
    ]


def _of_resolution(store: Store, path: str, resolution: int) -> str:
    """Return the path of an array, where a group above it may have others of other resolutions."""
    group, _, name = path.rpartition("/")
    scaled = f"{group}/r{resolution}m/{name}"
    return scaled if store.node(path) is None and store.node(scaled) is not None else path


def _paths(store: Store, resolution: int) -> dict[str, str]:
    """Return the paths of the three bands.

    Raises
    ------
    InputError
        The store lacks one: it says what there is.
    """
    paths = band_paths(store, RGB_BANDS, resolution)
    missing = [band for band in RGB_BANDS if band not in paths]
    if not missing:
        return paths
    where = f"{REFLECTANCE}/r{resolution}m"
    raise InputError(
        f"{store.said}: no {', '.join(band.lower() for band in missing)} in {where}"
        f"{possible([size for size in _SIZES if _has(store, size)])}"
    )


def _has(store: Store, resolution: int) -> bool:
    """Return whether a store has the three bands of a resolution."""
    return len(band_paths(store, RGB_BANDS, resolution)) == len(RGB_BANDS)
