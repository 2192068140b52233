"""Where a granule's own metadata place its images, against what the images say themselves."""

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
"""How far two geotransforms may differ and still be the same, pixels."""


class Placed(NamedTuple):
    """A grid, and which metadata state it."""

    grid: Grid
    source: str


def read_geocoding(source: str, tree: Tree) -> dict[int, Placed]:
    """Read where the images of a granule lie.

    Parameters
    ----------
    source : str
        What the user calls the metadata.
    tree : Tree
        Of ``MTD_TL.xml``: ``Tile_Geocoding``.

    Returns
    -------
    dict of int to Placed
        By resolution, metres. Empty where the metadata do not say.

    Raises
    ------
    InputError
        They say what cannot be.
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
    """Look up a CRS by its EPSG code; other names could be files or addresses."""
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
    """Decide where an image lies: its product's metadata count, if they describe this image.

    Parameters
    ----------
    path : str
        Of the image.
    own : Grid
        What the image says of itself; its CRS is empty if it says nothing.
    placed : Placed
        What the metadata say.

    Returns
    -------
    (Grid, str)
        The grid, `own` itself unless the metadata say something else; and a warning, empty
        if they agree.
    """
    grid, source = placed
    if (own.width, own.height) != (grid.width, grid.height):
        if not own.crs:
            return own, ""  # nothing tells where it lies, which is refused
        if same_crs(own.crs, grid.crs) and _same_extent(own, grid):
            return own, ""  # a reduced copy
        return own, (
            f"{path}: {own.width} x {own.height} pixels, where {source} has"
            f" {grid.width} x {grid.height}; the place that the image itself states is used"
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
    """Return whether two WKT mean the same; each is spelled in many ways, which PROJ knows."""
    if not one or not other:
        return one == other
    return bool(osr.SpatialReference(one).IsSame(osr.SpatialReference(other)))


def same_place(one: Grid, other: Grid) -> bool:
    """Return whether two geotransforms are the same but for rounding."""
    pixel = max(abs(one.transform[1]), abs(one.transform[5]))
    return all(
        abs(a - b) <= ROUNDING * pixel for a, b in zip(one.transform, other.transform, strict=True)
    )


def _same_extent(one: Grid, other: Grid) -> bool:
    """Return whether two grids of different pixels cover the same, but for a pixel of the first."""
    return all(
        abs(a - b) < abs(one.transform[1])
        for a, b in zip(_corners(one), _corners(other), strict=True)
    )


def _corners(grid: Grid) -> tuple[float, float, float, float]:
    """Return two opposite corners of a grid that is not rotated: x, y, x, y."""
    x, dx, _, y, _, dy = grid.transform
    return x, y, x + dx * grid.width, y + dy * grid.height


def _say(grid: Grid) -> str:
    """Format where a grid begins, in a few words."""
    x, dx, _, y, _, _ = grid.transform
    return f"{osr.SpatialReference(grid.crs).GetName()} {x:.10g}, {y:.10g}, pixels of {dx:g}"
