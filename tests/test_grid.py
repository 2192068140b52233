"""Windows and reduced levels of grids of any size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geotiffs import make_grid
from s2rgb_mpi.grid import Window, interleave, reduced

SIDES = st.integers(1, 40)
LARGE = st.integers(1, 200_000)
CELLS = st.integers(0, 2**32 - 1)


@given(SIDES, SIDES, SIDES, SIDES)
def test_windows_cover_every_pixel_once(width, height, window_width, window_height):
    count = np.zeros((height, width), int)
    for window in make_grid(width, height).windows(window_width, window_height):
        assert 0 < window.width <= window_width
        assert 0 < window.height <= window_height
        assert window.col_off + window.width <= width
        assert window.row_off + window.height <= height
        count[window.row_off :, window.col_off :][: window.height, : window.width] += 1
    assert (count == 1).all()


@given(SIDES, SIDES, st.integers(0, 3), st.integers(1, 4))
def test_windows_at_a_level_cover_every_pixel_of_it_once(width, height, level, steps):
    grid = make_grid(width, height)
    level_width, level_height = grid.at_level(level)
    count = np.zeros((level_height, level_width), int)
    for window in grid.windows(steps << level, steps << level):
        at = window.at_level(level)
        assert at.col_off + at.width <= level_width
        assert at.row_off + at.height <= level_height
        count[at.row_off :, at.col_off :][: at.height, : at.width] += 1
    assert (count == 1).all()


def test_a_window_at_a_level():
    window = Window(1024, 2048, 612, 1)
    assert window.at_level(0) == window
    assert window.at_level(2) == Window(256, 512, 153, 1)


@given(LARGE, st.integers(0, 20))
def test_a_size_after_some_halvings(size, level):
    halved = size
    for _ in range(level):
        halved = (halved + 1) // 2
    assert reduced(size, level) == halved


@given(LARGE, LARGE, st.sampled_from([64, 256, 512]))
def test_the_last_level_is_the_first_that_fits_in_one_tile(width, height, tile):
    grid = make_grid(width, height)
    levels = grid.overview_levels(tile)
    assert max(grid.at_level(levels)) <= tile
    assert levels == 0 or max(grid.at_level(levels - 1)) > tile


def test_the_curve_is_a_z():
    cells = [(col, row) for row in range(4) for col in range(4)]
    assert [interleave(*cell) for cell in cells] == [
        *(0, 1, 4, 5),
        *(2, 3, 6, 7),
        *(8, 9, 12, 13),
        *(10, 11, 14, 15),
    ]


@given(CELLS, CELLS)
def test_every_cell_has_a_place_of_its_own(col, row):
    place = interleave(col, row)
    bits = format(place, "064b")
    assert (int(bits[1::2], 2), int(bits[0::2], 2)) == (col, row)


@given(CELLS, CELLS)
def test_four_neighbours_have_four_places_in_a_row(col, row):
    col, row = col & ~1, row & ~1
    first = interleave(col, row)
    places = [interleave(col + right, row + down) for down in (0, 1) for right in (0, 1)]
    assert places == [first, first + 1, first + 2, first + 3]
