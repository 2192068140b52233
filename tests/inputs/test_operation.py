"""One coordinate operation for an image: chosen for its area, never a ballpark one unsaid."""

import numpy as np
import pytest
from osgeo import osr

from s2rgb_mpi.errors import UsageError
from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.warp.globe import Area, area_of
from s2rgb_mpi.inputs.warp.operation import choose_operation, doubts
from s2rgb_mpi.inputs.warp.transform import Transform


def grid(crs, transform=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0), size=100):
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return Grid(reference.ExportToWkt(), transform, size, size)


def utm(north, *, crs="EPSG:32632"):
    """A square kilometre at an easting of 400 km, north of a northing."""
    return grid(crs, (400_000.0, 10.0, 0.0, north + 1000.0, 0.0, -10.0))


SWISS, BORDER, GERMAN, AFRICA = map(utm, (5_200_000, 5_295_500, 5_400_000, 100_000))
"""Inside the area of use of EPSG:2056 (up to 47.81 north), across its edge, and beyond it."""


def area(*sources: Grid) -> Area:
    found = area_of(sources)
    assert found is not None
    return found


def choose(sources, target):
    return choose_operation(sources, target, area(*sources))


@pytest.mark.parametrize("source", [SWISS, BORDER, GERMAN, AFRICA])
def test_outside_of_its_area_the_same_operation_is_used(source):
    """GDAL by itself takes a ballpark one there, 78 m further west and 157 m further south."""
    operation = choose([source], grid("EPSG:2056"))
    assert operation.name.startswith("Inverse of UTM zone 32N + Inverse of CH1903+ to WGS 84 (1)")
    assert operation.accuracy == 1
    assert not operation.is_ballpark
    assert operation == choose([SWISS, source], grid("EPSG:2056"))


def test_swiss_coordinates_are_those_of_the_land_survey():
    """Federal Office of Topography: the old observatory of Bern is E 2,600,000, N 1,200,000."""
    bern = grid("EPSG:4326", (7.438632495, 1e-5, 0.0, 46.951082877, 0.0, -1e-5))
    target = grid("EPSG:2056")
    operation = choose([bern], target)
    east, south = Transform(bern, target, operation).forward(np.zeros(2))
    assert (east, -south) == pytest.approx((2_600_000, 1_200_000), abs=1.5)


@pytest.mark.parametrize("target", ["EPSG:4326", "EPSG:3035", "EPSG:31467", "EPSG:3857"])
def test_axes_are_in_the_order_of_data(target):
    """EPSG has north before east for the first three; datasets never do."""
    source, other = GERMAN, osr.SpatialReference()
    other.SetFromUserInput(target)
    operation = choose([source], grid(target))
    moved = Transform(source, grid(target), operation).forward(np.array([50.0, 50.0]))
    own = osr.SpatialReference(source.crs)
    for reference in (own, other):
        reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    options = osr.CoordinateTransformationOptions()
    options.SetAreaOfInterest(*area(source))
    expected = osr.CoordinateTransformation(own, other, options).TransformPoint(400_500, 5_400_500)
    assert (moved[0], -moved[1]) == pytest.approx(expected[:2], rel=1e-9)


def test_the_same_crs_needs_none():
    assert choose([SWISS], grid("EPSG:32632")) is None


def test_projections_of_one_datum_are_exact():
    assert choose([SWISS], grid("EPSG:32633")).accuracy == 0


def test_a_ballpark_operation_is_a_warning():
    crs = "+proj=laea +lat_0=47 +lon_0=8 +ellps=intl"
    operation = choose([SWISS], grid(crs))
    assert operation.is_ballpark
    assert operation.accuracy is None
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    (warning,), notes = doubts("X", reference, area(SWISS), [operation])
    assert "--crs X: PROJ knows no operation that leads there but a ballpark one" in warning
    assert notes == ()


@pytest.mark.parametrize(
    ("sources", "crs", "warned", "words"),
    [
        ([SWISS], "EPSG:2056", 0, ""),
        ([SWISS], "EPSG:4326", 0, ""),
        ([SWISS], "EPSG:32632", 0, ""),
        ([BORDER], "EPSG:2056", 1, "47.81 N); PROJ states 1 m for the operation, Inverse of UTM"),
        ([GERMAN], "EPSG:2056", 1, "(7.64 to 7.65 E, 48.74 to 48.75 N) leaves the area of use of"),
        ([SWISS, GERMAN], "EPSG:2056", 1, "46.95 to 48.75 N) leaves the area of use of --crs"),
        ([AFRICA], "EPSG:3035", 1, "PROJ states 1 m"),
        # A projection is as exact beyond its zone: no doubt, but said.
        ([SWISS], "EPSG:32633", 2, "12.00 to 18.00 E, 0.00 to 84.00 N); PROJ states 0 m"),
    ],
)
def test_a_warning_outside_the_area_of_use_states_the_accuracy(sources, crs, warned, words):
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    operation = choose(sources, grid(crs))
    found = doubts(crs, reference, area(*sources), [operation] if operation else [])
    assert [len(each) for each in found] == [warned == 1, warned == 2]
    assert words in "".join(sum(found, ()))


def test_what_has_no_place_in_a_crs_is_refused():
    """The other side of the globe, as seen from far above."""
    with pytest.raises(UsageError, match="no coordinate operation from WGS 84 / UTM zone 32N to"):
        choose([SWISS], grid("+proj=ortho +lat_0=-43 +lon_0=-172 +datum=WGS84"))
