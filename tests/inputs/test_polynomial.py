"""A polynomial in place of a coordinate operation: as exact, or it is not used."""

import numpy as np
import pytest
from osgeo import gdal, osr

from s2rgb_mpi.grid import Grid, Window
from s2rgb_mpi.inputs.warp.polynomial import DEGREE, TOLERANCE, horner
from s2rgb_mpi.inputs.warp.transform import Transform, lattice
from s2rgb_mpi.inputs.warp.warper import PIECE_STEPS


def crs(epsg):
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference.ExportToWkt()


def evaluated(polynomial, points):
    """Move points by the inverse of a PROJ operation, as the warper does."""
    plane = gdal.GetDriverByName("MEM").Create("", 2, 2, 1)
    plane.SetGeoTransform((-1.0, 1.0, 0.0, -1.0, 0.0, 1.0))
    transformer = gdal.Transformer(plane, plane, [f"COORDINATE_OPERATION={polynomial}"])
    moved, _ = transformer.TransformPoints(1, (points + 1).tolist())
    return np.array(moved)[:, :2] - 1


@pytest.mark.parametrize("epsg", [2056, 3035, 3857, 4326, 32631, 32633, 21781, 3416])
@pytest.mark.parametrize(
    ("metres", "width", "height"), [(10, 1024, 1024), (60, 1024, 600), (10, 64, 40)]
)
def test_it_lies_where_the_operation_does(epsg, metres, width, height):
    source = Grid(crs(32632), (399_960.0, metres, 0.0, 5_300_040.0, 0.0, -metres), 10980, 10980)
    forward = Transform(source, Grid(crs(epsg), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), 1, 1))
    x, y = forward.forward(np.array([300.0, 300.0])) * np.array([1, -1])
    size = metres / 111_000 if epsg == 4326 else metres
    target = Grid(crs(epsg), (x, size, 0.0, y, 0.0, -size), 1, 1)
    exact = Transform(source, target)
    window = Window(0, 0, width, height)
    middle = np.array([900.0, 900.0])
    polynomial = horner(exact.backward(lattice(window, PIECE_STEPS)) - middle)
    assert polynomial is not None
    points = np.random.default_rng(epsg).uniform(-1, 1, (500, 2))
    expected = exact.backward((points + 1) / 2 * np.array([width, height])) - middle
    np.testing.assert_allclose(evaluated(polynomial, points), expected, rtol=0, atol=TOLERANCE)


def bent(function, size=17):
    """Return a lattice of `size` x `size` points that a function of x and y moves."""
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    return np.stack([500 * x + function(x, y), 500 * y], axis=-1)


NO_POLYNOMIALS = {
    "a fold": lambda x, _: 1e-5 * np.abs(x),
    "bent too far": lambda x, y: 1e-4 * np.exp(5 * (x + y)),
    "a step": lambda x, _: np.where(x > 0, 1e-6, 0.0),
    "not defined everywhere": lambda x, _: np.where(x > 0.9, np.nan, 0.0),
    "all in one column": lambda x, _: -500 * x,
}


@pytest.mark.parametrize("function", NO_POLYNOMIALS.values(), ids=NO_POLYNOMIALS)
def test_what_no_polynomial_describes_is_left_to_the_operation(function):
    assert horner(bent(function)) is None


def test_few_points_tell_nothing():
    assert horner(bent(lambda x, y: x * y, DEGREE + 2)) is None
    assert horner(bent(lambda x, y: x * y, DEGREE + 3)) is not None


def test_all_powers_are_in_their_places():
    function = lambda x, y: 3 * x**2 * y - 2 * y**3 + x * y**5 + 0.5 * x**6  # noqa: E731
    points = np.random.default_rng(1).uniform(-1, 1, (100, 2))
    x, y = points.T
    expected = np.stack([500 * x + function(x, y), 500 * y], axis=-1)
    found = evaluated(horner(bent(function)), points)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
