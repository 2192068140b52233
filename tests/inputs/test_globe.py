"""Areas of the globe on either side of the antimeridian, and where the plane of a CRS breaks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import osr

from s2rgb_mpi.grid import Grid
from s2rgb_mpi.inputs.warp.globe import Area, area_of, breaks_at, make_area, period, union

FIJI = Area(179.97, -17.0, 180.03, -16.9)
EUROPE = Area(5.0, 45.0, 15.0, 55.0)


def grid(crs, transform=(0.0, 1.0, 0.0, 0.0, 0.0, -1.0), width=1, height=1):
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return Grid(reference.ExportToWkt(), transform, width, height)


def test_a_grid_that_crosses_the_antimeridian_is_a_small_area():
    # 180 degrees lie at about 819 km of zone 60, at 17 degrees south.
    utm = grid("EPSG:32760", (816_000, 10, 0, 8_120_000, 0, -10), 512, 512)
    area = area_of([utm])
    assert area is not None
    assert 179.96 < area.west < 179.98
    assert 180.01 < area.east < 180.03
    assert -17.1 < area.south < area.north < -16.9
    assert str(area).startswith("179.97 to -179.98 E, ")


def test_a_grid_around_a_pole_lies_at_all_longitudes():
    polar = grid("EPSG:3413", (-5000, 10, 0, 5000, 0, -10), 1000, 1000)
    area = area_of([polar])
    assert area is not None
    assert area.width > 350
    assert area.north > 89.99


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ([(179, 0, 179.5, 1), (-179.5, -1, -179, 0)], (179, -1, 181, 1)),
        ([(-179.5, 0, -179, 1), (179, 0, 179.5, 1)], (179, 0, 181, 1)),
        ([(170, 0, 185, 1), (-176, 0, -174, 1)], (170, 0, 186, 1)),
        ([(-10, 0, 0, 1), (20, 0, 30, 1)], (-10, 0, 30, 1)),
        ([(-180, 0, 180, 1), (20, 0, 30, 1)], (-180, 0, 180, 1)),
    ],
)
def test_the_union_is_the_smallest_area_that_holds_all(areas, expected):
    assert union([Area(*map(float, each)) for each in areas]) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (FIJI, (-180, -90, 180, 90), FIJI),
        (FIJI, (-180, -18, -179.99, -10), (-180, -17, -179.99, -16.9)),
        (FIJI, (170, -18, 180, -10), (179.97, -17, 180, -16.9)),
        (FIJI, (179.99, -16.95, 180.01, -10), (179.99, -16.95, 180.01, -16.9)),
        (FIJI, (-170, -17, -160, -16.9), None),
        (FIJI, (179, 16.9, 181, 17), None),
        (EUROPE, (0, 50, 10, 60), (5, 50, 10, 55)),
    ],
)
def test_overlaps_are_found_in_any_turn(one, other, expected):
    for a, b in ((one, Area(*other)), (Area(*other), one)):
        found = a.overlap(b)
        assert found == (expected if expected is None else pytest.approx(expected))


@given(
    st.floats(-180, 179.9),
    st.floats(0.1, 300),
    st.floats(0, 1),
    st.floats(0.1, 1),
    st.integers(-2, 2),
)
def test_an_area_holds_its_parts_in_any_turn(west, width, begin, share, turn):
    whole = make_area(west, -10, west + width, 10)
    left = west + begin * (1 - share) * width + 360 * turn
    part = make_area(left + 1e-9, -5, left + share * width - 1e-9, 5)
    assert whole.holds(part)
    assert not part.holds(whole)
    assert -180 <= part.west < 180
    assert math.isclose(part.width, share * width, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("crs", "where", "expected"),
    [
        ("EPSG:4326", FIJI, 180),
        ("EPSG:3857", FIJI, 180),
        ("ESRI:54009", FIJI, 180),  # Mollweide
        ("EPSG:3832", FIJI, None),
        ("EPSG:32760", FIJI, None),
        ("EPSG:32701", FIJI, None),
        ("EPSG:3832", Area(-30.2, 47, -29.8, 48), -30),
        ("EPSG:3034", Area(-170.5, 20, -169.5, 21), -170),  # a cone, cut opposite to 10 degrees
        ("EPSG:3035", EUROPE, None),
        ("EPSG:4326", EUROPE, None),
        ("EPSG:3857", EUROPE, None),
        ("EPSG:4326", Area(-180.0, 89.9, 180.0, 90.0), None),
        ("EPSG:3857", Area(135.0, 89.9, 491.0, 90.0), 180),
    ],
)
def test_breaks_are_found(crs, where, expected):
    found = breaks_at(grid(crs), where)
    if expected is None:
        assert found is None
    else:
        assert (found - expected + 180) % 360 - 180 == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    ("crs", "expected"),
    [
        ("EPSG:4326", 360),
        ("EPSG:4807", 400),  # grads
        ("EPSG:3857", math.tau * 6378137),
        ("EPSG:3832", math.tau * 6378137),
        ("EPSG:32760", None),
        ("EPSG:3035", None),
        ("EPSG:3413", None),
        ("ESRI:54008", None),  # sinusoidal: the further north, the sooner
    ],
)
def test_what_repeats_itself_is_known_by_its_period(crs, expected):
    assert period(grid(crs)) == (expected if expected is None else pytest.approx(expected))
