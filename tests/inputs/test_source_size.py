"""The images that suit an output, and the number of their pixels in one of its own."""

import math

import pytest
from osgeo import osr

from geotiffs import make_grid
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.product import Product
from s2rgb_mpi.inputs.source_size import Output, best, blocks
from s2rgb_mpi.inputs.warp.coarser import aligned, coarser

ALL = (10, 20, 60)


@pytest.mark.parametrize(
    ("sizes", "metres", "size", "factor"),
    [
        (ALL, 5, 10, 0),
        (ALL, 10, 10, 1),
        (ALL, 15, 10, 1),
        (ALL, 20, 20, 1),
        (ALL, 19.99, 20, 1),
        (ALL, 25, 20, 1),
        (ALL, 27, 20, 1),
        (ALL, 30, 10, 3),
        (ALL, 40, 20, 2),
        (ALL, 50, 10, 5),
        (ALL, 60, 60, 1),
        (ALL, 80, 20, 4),
        (ALL, 100, 20, 5),
        (ALL, 110, 10, 11),
        (ALL, 112, 20, 5),
        (ALL, 120, 60, 2),
        (ALL, 600, 60, 10),
        ((10,), 60, 10, 6),
        ((10,), 80, 10, 8),
        ((10, 20), 60, 20, 3),
        ((10, 60), 40, 10, 4),
        (ALL, math.nan, 10, None),
    ],
)
def test_the_coarsest_that_serves(sizes, metres, size, factor):
    assert best(sizes, metres) == size
    if factor is not None:
        assert blocks(metres / size) == factor


UTM = make_grid(10_980, 10_980).crs


def utm(width=10_980, height=10_980, edge=10.0, x=399_960.0, y=5_300_040.0):
    return Grid(UTM, (x, edge, 0.0, y, 0.0, -edge), width, height)


@pytest.mark.parametrize(
    ("output", "edge"),
    [
        (Output(80.0), 8.0),
        (Output(80.0, "EPSG:32632"), 8.0),
        (Output(80.0, "EPSG:2056"), 8.0),  # 79.98 or 80.02 m in places
        (Output(80.0, "EPSG:3035"), 8.0),
        (Output(80.0, "+proj=gnom +lat_0=-47 +lon_0=-172 +datum=WGS84"), math.nan),  # its horizon
        (Output(80.0, "EPSG:3857"), pytest.approx(8 * math.cos(math.radians(47.3)), rel=0.02)),
        (Output(0.001, "EPSG:4326"), pytest.approx(7.55, rel=0.02)),
    ],
)
def test_an_output_pixel_is_measured_where_the_product_lies(output, edge):
    found = output.edge(utm())
    assert found == edge or (math.isnan(found) and math.isnan(edge))


def test_feet_are_feet():
    grid = Grid(make_crs(32618), (580_000.0, 10.0, 0.0, 4_510_000.0, 0.0, -10.0), 1000, 1000)
    foot = 1200 / 3937
    assert Output(80 / foot, "EPSG:2263").edge(grid) == pytest.approx(8.0, abs=1e-9)


def make_crs(epsg):
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(epsg)
    return crs.ExportToWkt()


def target(resolution):
    return Grid(UTM, (0.0, resolution, 0.0, 0.0, 0.0, -resolution), 1, 1)


@pytest.mark.parametrize(
    ("edge", "resolution", "factor", "offset", "place"),
    [
        (10.0, 60.0, 6, (0, 0), (6666, -88334)),
        (20.0, 80.0, 4, (2, 2), (4999, -66251)),  # 399,960 and 5,300,040 are no multiples of 80
        (10.0, 80.0, 8, (4, 4), (4999, -66251)),
        (20.0, 25.0, 1, (0, 0), None),
        (10.0, 25.0, 2, (0, 0), None),
        (10.0, 10.0, 1, (0, 0), (39996, -530004)),
    ],
)
def test_blocks_begin_where_the_pixels_of_the_image_do(edge, resolution, factor, offset, place):
    product = Product("", (), utm(edge=edge), (512, 512))
    coarse = coarser(product, Output(resolution), target(resolution))
    assert coarse.factor == factor
    assert (coarse.means.offset if coarse.means else (0, 0)) == offset
    found = aligned(coarse.grid, target(resolution))
    assert (found and found[:2]) == place


def test_a_grid_beside_the_pixels_of_the_image_is_not_aligned():
    assert aligned(utm(x=399_963.7), target(10.0)) is None
    coarse = coarser(Product("", (), utm(x=399_963.7), (512, 512)), Output(40.0), target(40.0))
    assert coarse.factor == 4
    assert coarse.means is not None
    assert coarse.means.offset == (0, 0)
    assert aligned(coarse.grid, target(40.0)) is None
