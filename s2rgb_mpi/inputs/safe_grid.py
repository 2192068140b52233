"""The grids of images by their granule's metadata, compared with those of the images themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from osgeo import osr

from s2rgb_mpi.errors import InputError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.safe_xml import number, whole_number

if TYPE_CHECKING:
    from s2rgb_mpi.inputs.safe_xml import Tree


ROUNDING = 1e-6
"""The largest difference of two equal geotransforms, pixels."""


class Placed(NamedTuple):
    """A grid, and the metadata that state it."""

    grid: Grid
    source: str


def read_geocoding(source: str, tree: Tree) -> dict[int, Placed]:
    """Read the grids of the images of a granule.

    Parameters
    ----------
    source : str
        The name of the metadata for messages.
    tree : Tree
        Of ``MTD_TL.xml``: ``Tile_Geocoding``.

    Returns
    -------
    dict of int to Placed
        By resolution, metres. Empty if the metadata do not state them.

    Raises
    ------
    InputError
        The metadata are invalid.
    """
    code = tree.first("HORIZONTAL_CS_CODE")
    sizes = {node.get("resolution"): node for node in tree.all("Size")}
    corners = {node.get("resolution"): node for node in tree.all("Geoposition")}
    if not code or not sizes or not corners:
        return {}
    try:
        crs = _wkt(code)
        return {
            whole_number(resolution): Placed(
                Grid(
                    crs,
                    (
                        number(corner.findtext("ULX")),
                        number(corner.findtext("XDIM")),
                        0.0,
                        number(corner.findtext("ULY")),
                        0.0,
                        number(corner.findtext("YDIM")),
                    ),
                    whole_number(sizes[resolution].findtext("NCOLS")),
                    whole_number(sizes[resolution].findtext("NROWS")),
                ),
                source,
            )
            for resolution, corner in corners.items()
            if resolution in sizes
        }
    except ValueError as error:
        raise InputError(f"{source}: no readable Tile_Geocoding: {error}") from error


def _wkt(code: str) -> str:
    """Look up a CRS by its EPSG code; other texts could be files or URLs."""
    match = re.fullmatch(r"(?:EPSG:)?(\d{4,6})", code, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{code!r} is not an EPSG code")
    reference = osr.SpatialReference()
    try:
        reference.ImportFromEPSG(int(match[1]))
    except RuntimeError as error:
        raise ValueError(f"{code}: {' '.join(str(error).split())}") from error
    return str(reference.ExportToWkt())


def reconcile(path: str, own: Grid, placed: Placed) -> tuple[Grid, str]:
    """Decide which grid an image has: that of its product's metadata, if they describe this image.

    Parameters
    ----------
    path : str
        The image.
    own : Grid
        The grid stated in the image; its CRS is empty without one.
    placed : Placed
        The grid stated in the metadata.

    Returns
    -------
    (Grid, str)
        The grid, which is `own` unless the metadata differ; and a warning, empty if they agree.
    """
    grid, source = placed
    if (own.width, own.height) != (grid.width, grid.height):
        if not own.crs:
            return own, ""  # without georeference, which is rejected later
        if same_crs(own.crs, grid.crs) and _same_extent(own, grid):
            return own, ""  # a reduced copy
        return own, (
            f"{path}: {own.width} x {own.height} pixels, where {source} has"
            f" {grid.width} x {grid.height}; the georeference of the image itself is used"
        )
    if not own.crs:
        return grid, ""
    if same_crs(own.crs, grid.crs) and same_place(own, grid):
        return own, ""
    return grid, (
        f"{path}: its own georeference, {_say(own)}, contradicts {source}, {_say(grid)},"
        " which is used"
    )


def same_crs(one: str, other: str) -> bool:
    """Return whether two WKT denote the same CRS, which can be spelled in many ways."""
    if not one or not other:
        return one == other
    return bool(osr.SpatialReference(one).IsSame(osr.SpatialReference(other)))


def same_place(one: Grid, other: Grid) -> bool:
    """Return whether two geotransforms are equal, except for rounding."""
    pixel = max(abs(one.transform[1]), abs(one.transform[5]))
    return all(
        abs(a - b) <= ROUNDING * pixel for a, b in zip(one.transform, other.transform, strict=True)
    )


def _same_extent(one: Grid, other: Grid) -> bool:
    """Return whether two grids cover the same area, to less than a pixel of the first."""
    return all(
        abs(a - b) < abs(one.transform[1])
        for a, b in zip(_corners(one), _corners(other), strict=True)
    )


def _corners(grid: Grid) -> tuple[float, float, float, float]:
    """Return two opposite corners of a grid that is not rotated: x, y, x, y."""
    x, dx, _, y, _, dy = grid.transform
    return x, y, x + dx * grid.width, y + dy * grid.height


def _say(grid: Grid) -> str:
    """Format CRS, corner and pixel size of a grid."""
    x, dx, _, y, _, _ = grid.transform
    return f"{osr.SpatialReference(grid.crs).GetName()} {x:.10g}, {y:.10g}, pixels of {dx:g}"
