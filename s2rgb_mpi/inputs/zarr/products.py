"""EOPF products, and GeoZarr made of them: which arrays are red, green and blue.

The product is described by ESA: https://cpm.pages.eopf.copernicus.eu/eopf-cpm/main/
"""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from osgeo import gdal

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.inputs.baseline import baseline_of
from s2rgb_mpi.inputs.calibration import Stated, from_scale
from s2rgb_mpi.inputs.files.locate import refuse_l1c
from s2rgb_mpi.inputs.files.remote import is_far, stamp
from s2rgb_mpi.inputs.product import RGB_BANDS
from s2rgb_mpi.inputs.stac.fields import cloud_cover
from s2rgb_mpi.inputs.zarr.arrays import read_array
from s2rgb_mpi.inputs.zarr.placing import place, properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from s2rgb_mpi.grid import Grid
    from s2rgb_mpi.inputs.zarr.arrays import Array
    from s2rgb_mpi.inputs.zarr.store import Node, Store

REFLECTANCE = "measurements/reflectance"
"""The group that holds a group for each resolution."""

CLASSIFICATION = "conditions/mask/l2a_classification"
"""Likewise, of the scene classification."""

_DIMENSIONS = (["y", "x"], ["latitude", "longitude"], ["Y", "X"])

_MOST_STAMPED = 20_000
"""Of more chunks than that the times are not looked at one by one."""


class ArrayBand(NamedTuple):
    """A band's array, and what the store says of its place and values."""

    array: Array
    grid: Grid
    stated: Stated
    nodata: tuple[float, ...]
    stamp: str


class Described(NamedTuple):
    """What the root of a store says of the product."""

    name: str
    sensing_time: str
    baseline: str
    cloud_cover: float | None


def describe(store: Store) -> Described:
    """Read what the root of a store says of the product."""
    item = store.root.attributes.get("stac_discovery")
    item = item if isinstance(item, dict) else {}
    fields = properties(store)
    name = str(item.get("id") or store.name)
    for suffix in (".zip", ".zarr", ".SAFE"):
        name = name.removesuffix(suffix)
    known = (
        _text(fields, "eopf:baseline"),
        baseline_of(_text(fields, "eopf:datatake_id")),
        baseline_of(name),
    )
    return Described(
        name,
        _text(fields, "datetime") or _text(fields, "start_datetime"),
        next(filter(None, known), ""),
        cloud_cover(fields),
    )


def is_l1c(store: Store, name: str) -> bool:
    """Return whether a product is top of atmosphere."""
    level = _text(properties(store), "processing:level").upper().removeprefix("L")
    return level == "1C" or "_MSIL1C_" in name


def band_paths(store: Store, bands: tuple[str, ...], resolution: int) -> dict[str, str]:
    """Return the paths of bands in a store; those that it does not have are left out."""
    group = f"{REFLECTANCE}/r{resolution}m"
    found = {}
    for band in bands:
        for name in (band.lower(), band):
            node = store.node(f"{group}/{name}")
            if node is not None and node.is_array:
                found[band] = node.path
                break
    return found


def classification_paths(store: Store, resolutions: Iterable[int]) -> list[str]:
    """Return the paths of the scene classifications in a store, in the order of resolutions."""
    nodes = (store.node(f"{CLASSIFICATION}/r{resolution}m/scl") for resolution in resolutions)
    return [node.path for node in nodes if node is not None and node.is_array]


def read_bands(store: Store, paths: Mapping[str, str]) -> dict[str, ArrayBand]:
    """Read what a store says of arrays of one product.

    Parameters
    ----------
    store : Store
        That they are in.
    paths : mapping of str to str
        In the store, by band.

    Raises
    ------
    InputError
        One is not what it must be.
    """
    nodes = {band: _array_node(store, path) for band, path in paths.items()}
    arrays = {band: read_array(store, node) for band, node in nodes.items()}
    found = {}
    for band, array in arrays.items():
        _refuse_other(store.say(paths[band]), nodes[band], array)
        _refuse_empty(store.say(paths[band]), array)
        siblings = tuple(
            other.folder
            for other in (*arrays.values(), *_reflectance_beside(store, paths[band]))
            if other.folder != array.folder and _alike(array, other)
        )
        found[band] = ArrayBand(
            replace(array, siblings=siblings),
            place(store, nodes[band], array),
            _stated(store, nodes[band]),
            tuple(_nodata(nodes[band])),
            _stamp(array),
        )
    return found


def _reflectance_beside(store: Store, path: str) -> Iterator[Array]:
    """List the bands of the size of a classification: where these have data, it has classes."""
    group = path.rpartition("/")[0]
    if group.startswith(CLASSIFICATION):
        size = group.rpartition("/")[2]
        nodes = (store.node(f"{REFLECTANCE}/{size}/{band.lower()}") for band in RGB_BANDS)
        yield from (read_array(store, node) for node in nodes if node is not None and node.is_array)


def _array_node(store: Store, path: str) -> Node:
    node = store.node(path)
    if node is None or not node.is_array:
        raise InputError(f"{store.say(path)}: no such array in this store")
    return node


def _alike(one: Array, other: Array) -> bool:
    """Return whether chunks of two arrays cover the same."""
    return (one.shape, one.chunk, one.shard) == (other.shape, other.chunk, other.shard)


def _refuse_other(said: str, node: Node, array: Array) -> None:
    """Reject an array that is no band."""
    names = node.fields.get("dimension_names") or node.attributes.get("_ARRAY_DIMENSIONS")
    if len(array.shape) != 2:  # noqa: PLR2004  rows and columns
        raise InputError(
            f"{said}: {len(array.shape)} dimensions, {' x '.join(map(str, array.shape))}, where a"
            " band has two"
        )
    if names and names not in _DIMENSIONS:
        words = ", ".join(map(str, names)) if isinstance(names, list) else names
        raise InputError(f"{said}: dimensions {words}, where y, x are needed")


def _refuse_empty(said: str, array: Array) -> None:
    """Reject an array here of which there is nothing but the metadata, which are written first."""
    if is_far(array.folder):  # each would be a request
        return
    rows, cols = map(range, array.chunks)
    files = dict.fromkeys(array.file((row, col)) for row in rows for col in cols)
    if all(gdal.VSIStatL(file) is None for file in files):
        raise InputError(f"{said}: none of its chunks is there: the store is incomplete")


def _stated(store: Store, node: Node) -> Stated:
    """Return scale and offset; they are about DN, and floats are reflectance already."""
    fields = node.attributes
    source = "add_offset and scale_factor of the Zarr arrays"
    try:
        scale, offset = (
            None if fields.get(name) is None else float(fields[name])
            for name in ("scale_factor", "add_offset")
        )
        return replace(from_scale(source, scale=scale, offset=offset), floats=Stated())
    except (TypeError, ValueError, UsageError) as error:
        raise InputError(f"{store.say(node.path)}: scale_factor or add_offset: {error}") from error


def _nodata(node: Node) -> list[float]:
    """List the stored values that mean "no data"."""
    values = (node.attributes.get("_FillValue"), node.fields.get("fill_value"))
    numbers = [value for value in values if isinstance(value, int | float) and value == value]  # noqa: PLR0124  NaN
    is_float = "f" in str(node.fields.get("dtype") or node.fields.get("data_type"))
    # 0 of floats is a reflectance, and what zarr-python fills with where nobody says otherwise.
    return [value for value in numbers if math.isfinite(value) and not (is_float and value == 0)]


def _stamp(array: Array) -> str:
    """Return what would be another for another array: of its metadata, and of its chunks if here.

    Servers are asked for the metadata alone: a question for each chunk would take as long as many
    of the chunks themselves.
    """
    document = stamp(array.document + ("" if array.query in array.document else array.query))
    files = math.prod(
        -(-size // edge)
        for size, edge in zip(
            array.shape, (array.shard.shape if array.shard else array.chunk), strict=True
        )
    )
    if is_far(array.folder) or files > _MOST_STAMPED:
        return document
    crc = 0
    for name in dict.fromkeys(_files(array)):
        status: Any = gdal.VSIStatL(name)
        text = "" if status is None else f"{status.size}, {status.mtime}"
        crc = zlib.crc32(f"{name.removeprefix(array.folder)}: {text}\n".encode(), crc)
    return f"{document}, chunks {crc:08x}"


def _files(array: Array) -> list[str]:
    """List the files of an array."""
    rows, cols = array.chunks
    across, down = array.chunks_per_shard[1], array.chunks_per_shard[0]
    return [
        array.file((row, col)) for row in range(0, rows, down) for col in range(0, cols, across)
    ]


def _text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field if it is text, or nothing."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def refuse_level(store: Store, name: str, choice: Any) -> None:
    """Reject a top-of-atmosphere product that nobody asked for."""
    if is_l1c(store, name):
        refuse_l1c(store.said, choice)
