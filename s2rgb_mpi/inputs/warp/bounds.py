"""The part of the globe that the user requests (`--bounds`), in pixels of any grid."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.warp.globe import Area, area_of, degrees, period, unbroken
from s2rgb_mpi.inputs.warp.operation import ballpark_warning, choose_operation
from s2rgb_mpi.inputs.warp.transform import Transform, lattice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from s2rgb_mpi.inputs.product import Operation


ROUNDING = 1e-3
"""Tolerance for bounds that are meant to be edges of pixels, pixels."""

_PARTS = 32
"""The edges of the bounds are cut into so many parts, since they are curves in another CRS."""


class Bounds:
    """West, south, east and north in some CRS.

    Parameters
    ----------
    numbers : tuple of float
        In units of the CRS. In a geographic one west may exceed east: across the antimeridian.
    crs : str
        A name that PROJ or GDAL knows.

    Raises
    ------
    UsageError
        The CRS is unknown, or the numbers are not valid bounds in it.
    """

    def __init__(self, numbers: tuple[float, float, float, float], crs: str) -> None:
        self._numbers, self._crs = numbers, crs
        reference = known_crs("--bounds-crs", crs)
        west, south, east, north = numbers
        turn = math.tau / reference.GetAngularUnits() if reference.IsGeographic() else 0.0
        if west >= east:
            east += turn
            # More than half the globe is more likely west and east in the wrong order.
            if not west < east < west + turn / 2:
                raise UsageError(f"{self} must be west, south, east, north")
        if turn and max(abs(south), abs(north)) > turn / 4:
            units = f"{reference.GetAngularUnitsName()}s"
            raise UsageError(
                f"{self} must be west, south, east, north in {units}, as {crs} ends at the poles;"
                " for metres, --bounds-crs names their CRS, such as EPSG:32632"
            )
        steps = (east - west) / _PARTS, (north - south) / _PARTS
        transform = (west, steps[0], 0.0, north, 0.0, -steps[1])
        self._grid = Grid(reference.ExportToWkt(), transform, _PARTS, _PARTS)
        self._operations: dict[str, Operation | None] = {}

    def __str__(self) -> str:
        return f"--bounds {' '.join(map(str, self._numbers))}"

    @cached_property
    def area(self) -> Area:
        """Their area on the globe."""
        area = area_of([self._grid])
        if area is None:
            raise UsageError(f"{self} do not lie on the globe; --bounds-crs is {self._crs}")
        return area

    def windows(self, grid: Grid) -> Iterator[Window]:
        """Yield the smallest windows of whole pixels that contain the bounds.

        Parameters
        ----------
        grid : Grid
            Its size does not matter: windows may lie outside.

        Yields
        ------
        Window
            More than one if the CRS of the grid is periodic, like a geographic one, which repeats
            every 360 degrees; the first one begins at the west of the bounds in that CRS.
        """
        transform = Transform(self._grid, grid, self._operation(grid))
        points = transform.forward(lattice(Window(0, 0, _PARTS, _PARTS)))
        if not np.isfinite(points).any():
            raise UsageError(f"{self} lie where the CRS of the image is not defined")
        turn = period(grid)
        whole = unbroken(points, turn)
        if turn is None:
            yield window_of(whole)
            return
        begin = np.nan_to_num(np.round((points[:, 0, 0] - whole[:, 0, 0]) / turn))[0]
        for shift in (begin, begin - 1, begin + 1):
            yield window_of(whole + np.array([shift * turn, 0.0]))

    def warnings(self, grid: Grid) -> tuple[str, ...]:
        """Return reasons why the position of the bounds on a grid is doubtful."""
        operation = self._operation(grid)
        if operation is None or not operation.is_ballpark:
            return ()
        return (ballpark_warning(f"--bounds-crs {self._crs}", operation),)

    def _operation(self, grid: Grid) -> Operation | None:
        """Return the operation from the CRS of the bounds to that of a grid."""
        if grid.crs not in self._operations:
            self._operations[grid.crs] = choose_operation([self._grid], grid, self.area)
        return self._operations[grid.crs]

    def no_input(self, grids: Sequence[Grid]) -> UsageError:
        """Return the error that no product lies inside, with the bounds of the products."""
        crs = osr.SpatialReference(self._grid.crs)
        plane = Grid(self._grid.crs, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
        area = area_of(grids) or self.area
        found = []
        for grid in grids:
            transform = Transform(grid, plane, choose_operation([grid], plane, area))
            found.append(transform.forward(lattice(Window(0, 0, grid.width, grid.height))))
        turn = period(plane)
        points = unbroken(np.concatenate([each.reshape(-1, 2) for each in found]), turn)
        known = points[np.isfinite(points).all(axis=-1)]
        words = f"{self}: nothing of the input lies there"
        if not known.size:
            return UsageError(words)
        (west, north), (east, south) = known.min(axis=0), known.max(axis=0)
        if turn is not None and crs.IsGeographic():  # west may exceed east, as it may in --bounds
            west, east = ((each + turn / 2) % turn - turn / 2 for each in (west, east))
        digits = 4 if crs.IsGeographic() else 0
        extent = " ".join(f"{each:z.{digits}f}" for each in (west, -south, east, -north))
        return UsageError(f"{words}; in {self._crs} its bounds are {extent}")


def known_crs(option: str, name: str) -> osr.SpatialReference:
    """Look up a CRS by any name that PROJ or GDAL knows; errors name the option."""
    reference = osr.SpatialReference()
    try:
        reference.SetFromUserInput(name)
    except RuntimeError as error:
        words = " ".join(str(error).split())
        if "OGR Error" in words or "crs not found" in words:  # which is all that they say
            words = "not a known CRS; give its code, such as EPSG:2056, a PROJ string or WKT"
            if name.isdecimal():
                words = f"a number alone is no CRS; a code of EPSG is written EPSG:{name}"
        raise UsageError(f"{option} {name}: {words}") from error
    check_horizontal(f"{option} {name}", reference)
    return reference


def check_horizontal(name: str, reference: osr.SpatialReference) -> None:
    """Raise an error if a CRS is not a horizontal one of the earth.

    Parameters
    ----------
    name : str
        The name of the CRS in the error.
    reference : osr.SpatialReference
        The CRS; vertical, local (engineering) and geocentric ones are rejected.

    Raises
    ------
    UsageError
        It is neither geographic nor projected, or not one of the earth.
    """
    crs = reference.GetName()
    if not (reference.IsGeographic() or reference.IsProjected()):
        raise UsageError(f"{name}: {crs} is neither a geographic nor a projected CRS")
    plane = Grid(reference.ExportToWkt(), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1)
    try:
        Transform(degrees(), plane)
    except RuntimeError as error:  # such as a CRS of the Moon
        raise UsageError(f"{name}: no coordinate operation from WGS 84 to {crs}") from error


def window_of(points: NDArray[np.float64], rounding: float = ROUNDING) -> Window:
    """Return the smallest window of whole pixels that contains points; NaN is ignored.

    Parameters
    ----------
    points : ndarray, shape (..., 2), float64
        Columns and rows.
    rounding : float
        The part of a pixel by which points may lie outside.
    """
    known = points[np.isfinite(points).all(axis=-1)]
    left, top = np.floor(known.min(axis=0) + rounding).astype(int)
    right, bottom = np.ceil(known.max(axis=0) - rounding).astype(int)
    return Window(int(left), int(top), max(1, int(right - left)), max(1, int(bottom - top)))
