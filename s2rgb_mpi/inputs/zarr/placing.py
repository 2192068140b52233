"""Where the arrays of a Zarr store lie: by their attributes, their groups', the root's, and x, y.

Each of EOPF's converters states it elsewhere; statements that contradict each other are an error.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2rgb_mpi.errors import InputError, UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.safe_grid import same_crs, same_place
from s2rgb_mpi.inputs.stac.georeference import wkt_of
from s2rgb_mpi.inputs.zarr.arrays import read_array
from s2rgb_mpi.inputs.zarr.chunks import read_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s2rgb_mpi.inputs.zarr.arrays import Array
    from s2rgb_mpi.inputs.zarr.store import Node, Store

CRS_FIELDS = ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson")
"""Of STAC's projection extension, and of GeoZarr's convention of the same name."""

_GROUP_TRANSFORM = "spatial:transform"
_TRANSFORMS = ("proj:transform", _GROUP_TRANSFORM)
_SHAPES = ("proj:shape", "spatial:shape")

_WKT_FIELDS = ("crs_wkt", "spatial_ref")
"""Of the variable that holds a CRS by CF's convention; GDAL's and rioxarray's names."""

_MGRS = re.compile(r"_T(\d\d)([C-X])[A-Z]{2}_")
"""The tile in a product's name: UTM zone, latitude band, square."""

UNEVEN = 1e-3
"""How far coordinates may be from even steps, pixels: float32 has them to 0.5 m."""


class _Said(NamedTuple):
    """A statement, and who makes it."""

    value: Any
    by: str


def place(store: Store, node: Node, array: Array) -> Grid:
    """Return where an array lies.

    Parameters
    ----------
    store : Store
        That it is in.
    node, array : Node, Array
        What the store says of it.

    Raises
    ------
    InputError
        Nothing tells, or two statements contradict each other.
    """
    said = store.say(node.path)
    height, width = array.shape
    nodes = _current([node, *_above(store, node.path)], [height, width])
    for shape in _stated(store, nodes, _SHAPES):
        if shape.value != [height, width]:
            raise InputError(
                f"{said}: {height} rows and {width} columns, but {shape.by} says {shape.value}"
            )
    try:
        crs = _agreed_crs(said, list(_crs(store, nodes)))
    except UsageError as error:
        raise InputError(f"{said}: {error}") from error
    grids = [
        _Said(Grid(crs, _gdal_order(said, each), width, height), each.by)
        for each in _stated(store, nodes, _TRANSFORMS)
    ]
    lines = [
        _Said(Grid(crs, each.value, width, height), each.by)
        for each in _by_lines(store, nodes, array)
    ]
    grids = [*(each for each in grids if not _is_of_centres(each, lines)), *lines]
    if not grids:
        raise InputError(
            f"{said}: nothing tells where it lies: no proj:transform, and no arrays x and y beside"
            " it"
        )
    first = grids[0]
    for other in grids[1:]:
        if not same_place(first.value, other.value):
            raise InputError(
                f"{said}: {first.by} says {_say(first.value)}, but {other.by} {_say(other.value)}"
            )
    return first.value


def _above(store: Store, path: str) -> Iterator[Node]:
    """List the groups that an array is in, the innermost first, without the root."""
    while path := path.rpartition("/")[0]:
        node = store.node(path)
        if node is not None:
            yield node


def _current(nodes: list[Node], shape: list[int]) -> list[Node]:
    """Return an array and its groups, without what the array states of another one.

    The EOPF Explorer's converter copies ``proj:shape`` and ``proj:transform`` of r60m to the levels
    that it makes of it; ``spatial:shape`` and ``spatial:transform`` of their groups are their own.
    """
    array, group = nodes[0], nodes[1] if len(nodes) > 1 else None
    copied = array.attributes.get("proj:shape")
    if group is None or copied in (None, shape) or group.attributes.get("spatial:shape") != shape:
        return nodes
    stale = ("proj:shape", "proj:transform")
    own = {name: value for name, value in array.attributes.items() if name not in stale}
    return [replace(array, attributes=own), *nodes[1:]]


def _is_of_centres(stated: _Said, lines: list[_Said]) -> bool:
    """Return whether a group's transform is that of the centres of pixels, which x and y hold.

    The EOPF Explorer's converter wrote such ones until version 0.10.
    """
    x, dx, a, y, b, dy = stated.value.transform
    corner = (x - dx / 2, dx, a, y - dy / 2, b, dy)
    return stated.by.startswith(_GROUP_TRANSFORM) and any(
        same_place(replace(stated.value, transform=corner), line.value) for line in lines
    )


def _stated(store: Store, nodes: list[Node], names: tuple[str, ...]) -> Iterator[_Said]:
    """List what an array and its own group state; groups further up are of other pixels."""
    for node in nodes[:2]:
        for name in names:
            value = node.attributes.get(name)
            if value is not None:
                yield _Said(value, f"{name} of {store.say(node.path)}")


def _crs(store: Store, nodes: list[Node]) -> Iterator[_Said]:
    """List the statements of the CRS, as WKT."""
    for node in nodes:
        yield from _crs_of(node.attributes, store.say(node.path))
    for node in nodes[1:]:
        reference = store.node(f"{node.path}/spatial_ref")
        for name in _WKT_FIELDS if reference is not None else ():
            text = reference.attributes.get(name) if reference is not None else None
            if isinstance(text, str):
                owner = store.say(f"{node.path}/spatial_ref")
                yield _Said(wkt_of(text, name, owner), f"{name} of {owner}")
    yield from _crs_of(properties(store), "stac_discovery of the root")
    match = _MGRS.search(f"{store.name}_")
    if match:
        north = match[2] >= "N"
        code = f"EPSG:{326 if north else 327}{match[1]}"
        yield _Said(wkt_of(code, "the tile", store.name), f"the tile in the name {store.name}")


def _crs_of(fields: Mapping[str, Any], owner: str) -> Iterator[_Said]:
    """List the statements of the CRS in some fields."""
    for name in CRS_FIELDS:
        value = fields.get(name)
        if value is not None:
            yield _Said(wkt_of(value, name, owner), f"{name} of {owner}")
            return  # the others say the same in more words


def _agreed_crs(said: str, stated: list[_Said]) -> str:
    """Return the CRS that all statements mean."""
    if not stated:
        raise InputError(
            f"{said}: nothing tells its coordinate reference system: no proj:code, proj:epsg or"
            " proj:wkt2 of the array, its groups or stac_discovery"
        )
    first = stated[0]
    for other in stated[1:]:
        if not same_crs(first.value, other.value):
            raise InputError(f"{said}: {first.by} and {other.by} are different CRS")
    crs: str = first.value
    return crs


def properties(store: Store) -> Mapping[str, Any]:
    """Return the properties of the STAC item at the root of an EOPF product; empty without."""
    item = store.root.attributes.get("stac_discovery")
    found = item.get("properties") if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def _gdal_order(said: str, stated: _Said) -> tuple[float, float, float, float, float, float]:
    """Return a transform in GDAL's order, from that of STAC: row by row."""
    try:
        a, b, c, d, e, f = (float(number) for number in list(stated.value)[:6])
    except (TypeError, ValueError) as error:
        raise InputError(f"{said}: {stated.by} is no transform: {stated.value}") from error
    return c, a, b, f, d, e


def _by_lines(store: Store, nodes: list[Node], array: Array) -> Iterator[_Said]:
    """Return the transform that the arrays x and y mean, which hold the centres of pixels."""
    group = nodes[1].path if len(nodes) > 1 else ""
    found = [store.node(f"{group}/{name}") for name in ("x", "y")]
    if any(node is None or not node.is_array for node in found):
        return
    steps = []
    for node, count in zip(found, reversed(array.shape), strict=True):
        assert node is not None  # noqa: S101  looked at above
        line, said = read_array(store, node), store.say(node.path)
        if line.shape != (count,):
            raise InputError(
                f"{said}: {' x '.join(map(str, line.shape))} coordinates, where the bands have"
                f" {count} pixels"
            )
        try:
            values = read_line(line).astype(np.float64)
        except RuntimeError as error:
            raise InputError(f"{said}: {error}") from error
        if count == 1:
            return  # one pixel: how large it is nothing tells
        step = (values[-1] - values[0]) / (count - 1)
        even = values[0] + step * np.arange(count)
        if not (step and np.abs(values - even).max() <= UNEVEN * abs(step)):
            raise InputError(f"{said}: coordinates that are not evenly spaced")
        steps.append((float(values[0] - step / 2), float(step)))
    (x, dx), (y, dy) = steps
    yield _Said((x, dx, 0.0, y, 0.0, dy), f"x and y of {store.say(group)}")


def _say(grid: Grid) -> str:
    x, dx, _, y, _, dy = grid.transform
    return f"{x:.10g}, {y:.10g}, pixels of {dx:g}, {dy:g}"
