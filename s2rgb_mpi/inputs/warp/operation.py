"""Chooses the coordinate operation from one CRS to another: one for a whole image."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Window
from s2rgb_mpi.inputs.product import Operation
from s2rgb_mpi.inputs.safe_grid import same_crs
from s2rgb_mpi.inputs.warp.globe import Area
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s2rgb_mpi.grid import Grid


def choose_operation(sources: Sequence[Grid], target: Grid, area: Area) -> Operation | None:
    """Choose the operation for a whole image.

    By default GDAL chooses by the extent of each dataset, or by groups of points. Two datasets, or
    two parts of one, can then be 170 m apart, which is the error of a ballpark operation in
    Switzerland. So one operation is chosen here and passed to all calls of GDAL.

    Parameters
    ----------
    sources : sequence of Grid
        At least one; all of them in one CRS.
    target : Grid
        In the CRS of the image.
    area : Area
        Area of the image.

    Returns
    -------
    Operation or None
        None if both CRS are the same. Else the first of PROJ's list that is defined at all points
        of the sources, or at the most points. Ballpark operations come last, even after operations
        for other areas: these extrapolate outside of their areas.

    Raises
    ------
    UsageError
        There is no operation between the two CRS.
    """
    crs = sources[0].crs
    if same_crs(crs, target.crs):
        return None
    best, most = None, 0
    for operation in _candidates(crs, target.crs, area):
        defined = points = 0
        for source in sources:
            moved = _moved(source, target, operation)
            defined += np.count_nonzero(np.isfinite(moved))
            points += moved.size
        if defined == points:
            return operation
        if defined > most:
            best, most = operation, defined
    if best is None:
        names = f"{_name(crs)} to {_name(target.crs)}"
        raise UsageError(f"no coordinate operation from {names} is defined at the input: {area}")
    return best


def _moved(source: Grid, target: Grid, operation: Operation) -> Any:
    """Transform points of a grid by an operation; NaN where it fails, or if GDAL rejects it."""
    points = lattice(Window(0, 0, source.width, source.height))
    try:
        return Transform(source, target, operation).forward(points)
    except RuntimeError:
        return np.full_like(points, np.nan)


def _candidates(source: str, target: str, area: Area) -> Iterator[Operation]:
    """Yield operations, those for the area first, and ballpark ones last."""
    from pyproj.aoi import AreaOfInterest  # noqa: PLC0415  takes 0.1 s, and most jobs do not need it

    place = AreaOfInterest(area.west, area.south, (area.east + 180) % 360 - 180, area.north)
    seen = set()
    for aoi, ballpark in ((place, False), (None, False), (place, True), (None, True)):
        for found in _group(source, target, aoi, allow_ballpark=ballpark):
            if found.definition not in seen:
                seen.add(found.definition)
                yield Operation(
                    found.description,
                    found.definition,
                    found.accuracy if found.accuracy >= 0 else None,
                    is_ballpark=ballpark,
                )


def _group(source: str, target: str, aoi: Any, *, allow_ballpark: bool) -> Sequence[Any]:
    """Return PROJ's list of operations, in its order."""
    from pyproj.exceptions import ProjError  # noqa: PLC0415  as above
    from pyproj.transformer import TransformerGroup  # noqa: PLC0415

    _share_grids()
    try:
        with warnings.catch_warnings():  # about grids that are not installed; the accuracy shows it
            warnings.simplefilter("ignore")
            group = TransformerGroup(
                source, target, area_of_interest=aoi, allow_ballpark=allow_ballpark
            )
    except ProjError:
        return ()
    return group.transformers


@cache
def _share_grids() -> None:
    """Make pyproj find the datum shift grids that GDAL finds: it may have its own PROJ."""
    from pyproj import datadir  # noqa: PLC0415  as above

    for path in osr.GetPROJSearchPaths():
        datadir.append_data_dir(path)


def area_of_use(crs: osr.SpatialReference) -> Area | None:
    """Return the area of use of a CRS; None if unknown."""
    known = crs.GetAreaOfUse()
    if known is None and crs.GetAuthorityName(None) == "EPSG":
        registered = osr.SpatialReference()
        registered.ImportFromEPSG(int(crs.GetAuthorityCode(None)))
        known = registered.GetAreaOfUse()
    if known is None:
        return None
    west, east = known.west_lon_degree, known.east_lon_degree
    east += 360 * (east < west)
    return Area(west, known.south_lat_degree, east, known.north_lat_degree)


def doubts(
    name: str, crs: osr.SpatialReference, area: Area, operations: Sequence[Operation]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return reasons to doubt positions, and notes about what is only unusual.

    Parameters
    ----------
    name : str
        The name of the image's CRS in the texts.
    crs : osr.SpatialReference
        The CRS of the image.
    area : Area
        Area of the image.
    operations : sequence of Operation
        All operations that are used.

    Returns
    -------
    tuple of two tuples of str
        Warnings, and notes.
    """
    warnings = {ballpark_warning(f"--crs {name}", each) for each in operations if each.is_ballpark}
    use = area_of_use(crs)
    if warnings or not operations or use is None or use.holds(area):
        return tuple(sorted(warnings)), ()
    worst = max(operations, key=lambda each: math.inf if each.accuracy is None else each.accuracy)
    leaves = f"the image ({area}) leaves the area of use of --crs {name} ({use})"
    if worst.accuracy is None:
        return (f"{leaves}; PROJ states no accuracy for the operation, {worst.name}",), ()
    stated = f"{leaves}; PROJ states {worst.accuracy:g} m for the operation, {worst.name}"
    if worst.accuracy == 0:  # a projection, which only distorts more there
        return (), (stated,)
    return (f"{stated}, and that inside it only",), ()


def ballpark_warning(option: str, operation: Operation) -> str:
    """Return the warning that the relation of two datums is unknown."""
    return (
        f"{option}: PROJ knows no operation that leads there but a ballpark one ({operation.name}):"
        " positions may be off by hundreds of metres"
    )


def _name(crs: str) -> str:
    return str(osr.SpatialReference(crs).GetName())
