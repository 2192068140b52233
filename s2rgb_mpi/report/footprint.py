"""The footprint of an image: where on the globe its valid pixels lie, as GeoJSON states it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from osgeo import gdal, ogr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.inputs.warp.globe import TURN, Area, area_of, degrees, make_area, union
from s2rgb_mpi.inputs.warp.operation import choose_operation
from s2rgb_mpi.inputs.warp.transform import Transform
from s2rgb_mpi.output.geotiff.quicklook import reduce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from s2rgb_mpi.grid import Grid

    Points = NDArray[np.float64]
    """Shape (n, 2)."""

MOST_POINTS = 2000
"""An outline with more is drawn at a coarser level: catalogues keep it, and search by it."""

PARTS = 16
"""Into so many parts an edge as long as the image is divided: straight edges of one CRS are curves
in another. Chords of 110 km / 16 leave the curve by about 1 m."""

DECIMALS = 6
"""Of degrees: 0.1 m, as RFC 7946, section 11.2, advises."""

EDGE = 2048
"""Pixels that neither edge of the reduced level exceeds."""

_GROWTH = 2
"""Reduced pixels by which a mask grows before its outline is simplified."""

_TOLERANCE = 1.5
"""Reduced pixels by which the outline may be moved then: less than the growth, so that no valid
pixel is cut off, and more than 1, so that the steps of a slanting edge become a line."""

_EDGES_A_POINT = 50
"""Pixels along an outline, for each point that is left of it: with more it is not even tried."""

_MARGIN = _GROWTH + 1
"""Reduced pixels around the mask, so that its outline may lie outside of the image for a while."""


class Footprint(NamedTuple):
    """Where the valid pixels lie, WGS 84, degrees."""

    geometry: dict[str, Any]
    """A GeoJSON Polygon or MultiPolygon by the right-hand rule, cut at the antimeridian."""
    bbox: list[float]
    """West, south, east, north; across the antimeridian west exceeds east."""


def footprint(path: str, grid: Grid) -> Footprint | None:
    """Outline the valid pixels of a finished file.

    All of them lie inside. Elsewhere than at the edges of the image the outline lies up to four
    pixels of the reduced level farther out; narrow gaps are closed.

    Parameters
    ----------
    path : str
        A GeoTIFF.
    grid : Grid
        Of its pixels.

    Returns
    -------
    Footprint or None
        None if no pixel is valid, or if its CRS does not place the image on the globe.

    Raises
    ------
    RuntimeError
        The file cannot be read back.
    """
    reduced = reduce(path, EDGE)
    mask = reduced.mask() > 0
    to_globe = _to_globe(grid) if mask.any() else None
    if to_globe is None:
        return None
    shapes = [_on_globe(each, to_globe) for each in _outline(mask, reduced.step, grid)]
    polygons = [_coordinates(part) for shape in shapes for part in _polygons(shape)]
    polygons = [rings for rings in polygons if rings]
    if not polygons:
        return None
    kind = "Polygon" if len(polygons) == 1 else "MultiPolygon"
    geometry = {"type": kind, "coordinates": polygons[0] if len(polygons) == 1 else polygons}
    area = union([_area(rings[0]) for rings in polygons])
    if area.width >= TURN:
        area = area._replace(west=-TURN / 2, east=TURN / 2)
    east = area.east - TURN * (area.east > TURN / 2)
    bbox = (area.west, area.south, east, area.north)
    return Footprint(geometry, [round(each, DECIMALS) for each in bbox])


def _to_globe(grid: Grid) -> Transform | None:
    """Return the way from pixels to degrees; None if there is none."""
    if not grid.crs:
        return None
    try:
        area = area_of([grid])
        if area is None:
            return None
        return Transform(grid, degrees(), choose_operation([grid], degrees(), area))
    except (RuntimeError, UsageError):  # a CRS without a place on the globe
        return None


def _outline(mask: NDArray[np.bool_], step: tuple[float, float], grid: Grid) -> list[ogr.Geometry]:
    """Return polygons around the valid pixels, in pixels of the grid."""
    shape = _simple(mask, step)
    while shape is None:
        mask, step = _halved(mask), (2 * step[0], 2 * step[1])
        shape = _simple(mask, step)
    width, height = grid.width, grid.height
    image = ogr.CreateGeometryFromWkt(f"POLYGON ((0 0,{width} 0,{width} {height},0 {height},0 0))")
    shape = shape.Intersection(image)
    shape.Segmentize(max(width, height) / PARTS)
    return list(_polygons(shape))


def _simple(mask: NDArray[np.bool_], step: tuple[float, float]) -> ogr.Geometry | None:
    """Return a simple outline that holds all of a mask; None if it is not simple enough."""
    mask = np.pad(mask, _MARGIN)
    for _ in range(_GROWTH):
        mask = _grown(mask)
    mask = _whole(mask)
    edges = sum(np.count_nonzero(np.diff(mask, axis=axis)) for axis in (0, 1))
    if edges > MOST_POINTS * _EDGES_A_POINT:
        return None
    shape = _traced(mask, step)
    shape = shape.SimplifyPreserveTopology(_TOLERANCE * min(step))
    return shape if _count(shape) <= MOST_POINTS else None


def _halved(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Reduce a mask by two: a pixel is valid where any of its four is."""
    height, width = mask.shape
    even = np.pad(mask, ((0, height % 2), (0, width % 2)))
    return even[0::2, 0::2] | even[0::2, 1::2] | even[1::2, 0::2] | even[1::2, 1::2]


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the eight neighbours of every pixel."""
    rows = mask.copy()
    rows[1:] |= mask[:-1]
    rows[:-1] |= mask[1:]
    grown = rows.copy()
    grown[:, 1:] |= rows[:, :-1]
    grown[:, :-1] |= rows[:, 1:]
    return grown


def _whole(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill where pixels touch at a corner only: no ring then touches itself or another one."""
    mask = mask.copy()
    a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    while True:
        corners = (a & d & ~b & ~c) | (b & c & ~a & ~d)
        if not corners.any():
            return mask
        for quarter in (a, b, c, d):  # views: this fills the mask
            np.logical_or(quarter, corners, out=quarter)


def _traced(mask: NDArray[np.bool_], step: tuple[float, float]) -> ogr.Geometry:
    """Return the outline of a mask with its margin, in pixels of the grid."""
    height, width = mask.shape
    memory = gdal.GetDriverByName("MEM")
    raster = memory.Create("", width, height, 1, gdal.GDT_Byte)
    raster.SetGeoTransform((-_MARGIN * step[0], step[0], 0, -_MARGIN * step[1], 0, step[1]))
    band = raster.GetRasterBand(1)
    band.WriteArray(mask.astype(np.uint8))
    # From GDAL 3.11 on MEM is for vectors too, and Memory is deprecated.
    name = "MEM" if memory.GetMetadataItem(gdal.DCAP_VECTOR) else "Memory"
    source = ogr.GetDriverByName(name).CreateDataSource("")
    layer = source.CreateLayer("outline", geom_type=ogr.wkbPolygon)
    gdal.Polygonize(band, band, layer, -1, [])
    shape = ogr.Geometry(ogr.wkbMultiPolygon)
    for feature in layer:
        shape.AddGeometry(feature.GetGeometryRef())
    return shape


def _on_globe(polygon: ogr.Geometry, to_globe: Transform) -> ogr.Geometry:
    """Return a polygon of pixels in degrees, cut at the antimeridian."""
    shapes = []
    for number in range(polygon.GetGeometryCount()):
        ring = polygon.GetGeometryRef(number)
        moved = to_globe.forward(np.array(ring.GetPoints(), dtype=np.float64)[:, :2])
        moved = moved[np.isfinite(moved).all(axis=1)]
        lon, lat = moved[:, 0] - TURN / 2, TURN / 4 - moved[:, 1]
        shapes.append(_wrapped(np.round(np.stack([lon, lat], axis=-1), DECIMALS)))
    outer, *holes = shapes
    for hole in holes:
        outer = outer.Difference(hole)
    return outer


def _wrapped(points: Points) -> ogr.Geometry:
    """Return the polygon inside a ring whose longitudes may be in any turn, cut to one turn."""
    wrapped = ogr.Geometry(ogr.wkbMultiPolygon)
    if len(points) <= 3:  # noqa: PLR2004  the ring of a triangle has four
        return wrapped
    lon, lat = np.unwrap(points[:, 0], period=TURN), points[:, 1]
    if abs(lon[-1] - lon[0]) > TURN / 2:  # around a pole, which on this map is an edge
        pole = math.copysign(TURN / 4, float(lat.mean()))
        lon = np.concatenate([lon, [lon[-1], lon[0], lon[0]]])
        lat = np.concatenate([lat, [pole, pole, lat[0]]])
    lon = np.round(lon - TURN * math.floor((lon.min() + TURN / 2) / TURN), DECIMALS)
    for turn in range(math.ceil((lon.max() + TURN / 2) / TURN)):
        # Valid, even if a point that lay beside a line was rounded onto its other side.
        shape = _polygon(np.stack([lon - turn * TURN, lat], axis=-1)).MakeValid()
        if lon.max() > TURN / 2:
            shape = shape.Intersection(_polygon(_HEMISPHERES))
        for part in _polygons(shape):
            wrapped.AddGeometry(part)
    return wrapped.UnionCascaded()  # the two ends of a ring around the globe touch


_HEMISPHERES = np.array([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]], np.float64)


def _polygon(points: Points) -> ogr.Geometry:
    """Return a polygon without holes."""
    ring = ogr.Geometry(ogr.wkbLinearRing)
    for x, y in points.tolist():
        ring.AddPoint_2D(x, y)
    polygon = ogr.Geometry(ogr.wkbPolygon)
    ring.CloseRings()  # points may be missing
    polygon.AddGeometry(ring)
    return polygon


def _polygons(shape: ogr.Geometry) -> Iterator[ogr.Geometry]:
    """Yield the polygons of any geometry; points and lines, where two only touch, are left out."""
    if ogr.GT_Flatten(shape.GetGeometryType()) == ogr.wkbPolygon:
        if not shape.IsEmpty():
            yield shape.Clone()
        return
    for number in range(shape.GetGeometryCount()):
        yield from _polygons(shape.GetGeometryRef(number))


def _count(shape: ogr.Geometry) -> int:
    """Return the number of points of polygons."""
    return sum(
        polygon.GetGeometryRef(number).GetPointCount()
        for polygon in _polygons(shape)
        for number in range(polygon.GetGeometryCount())
    )


def _coordinates(polygon: ogr.Geometry) -> list[list[list[float]]]:
    """Return the rings of a polygon as GeoJSON: outer one counterclockwise, holes clockwise."""
    rings = []
    for number in range(polygon.GetGeometryCount()):
        points = np.round(np.array(polygon.GetGeometryRef(number).GetPoints())[:, :2], DECIMALS)
        points = points[np.insert((np.diff(points, axis=0) != 0).any(axis=1), 0, values=True)]
        x, y = points.T
        twice = float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
        if twice == 0:  # rounded away
            if number == 0:
                return []
            continue
        is_outer = number == 0
        rings.append((points if (twice > 0) == is_outer else points[::-1]).tolist())
    return rings


def _area(ring: list[list[float]]) -> Area:
    """Return what part of the globe a ring spans."""
    (west, south), (east, north) = np.min(ring, axis=0).tolist(), np.max(ring, axis=0).tolist()
    return make_area(west, south, east, north)
