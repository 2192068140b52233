"""Reduced levels: averages over valid pixels, and tiles joined from the parts of windows."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from geotiffs import make_grid, picture, rgba
from s2rgb_mpi.grid import Window
from s2rgb_mpi.image.overviews import Assembly, halve, whole_tiles

SIDES = st.integers(1, 9)


@st.composite
def images(draw):
    """Draw an image whose valid pixels are 1..255, with holes of 0 in all bands."""
    shape = draw(SIDES), draw(SIDES)
    rgb = draw(hnp.arrays(np.uint8, (*shape, 3), elements=st.integers(1, 255)))
    return rgb * draw(hnp.arrays(np.bool_, shape))[..., np.newaxis]


@given(images())
def test_halving_is_the_average_of_the_valid_pixels(image):
    np.testing.assert_array_equal(halve(rgba(image)), rgba(reference.halve(image)))


@given(images(), st.randoms())
def test_black_pixels_that_are_valid_count_like_all_others(image, random):
    valid = image.any(axis=2)
    for row, col in np.argwhere(valid):
        image[row, col] *= random.getrandbits(1)
    found = halve(np.dstack([image, np.uint8(255) * valid]))
    np.testing.assert_array_equal(found[..., :3], reference.halve(image, valid))
    np.testing.assert_array_equal(found[..., 3] == 255, reference.halve_valid(valid))


@given(images())
def test_an_average_is_empty_exactly_where_all_four_pixels_are(image):
    height, width = image.shape[:2]
    reduced = halve(rgba(image))
    for row, col in np.ndindex(reduced.shape[:2]):
        four = image[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        assert reduced[row, col].all() == four.any()
        assert reduced[row, col].any() == four.any()
    assert reduced.shape == (-(-height // 2), -(-width // 2), 4)


def test_halves_are_rounded_up():
    image = np.array([[1, 2], [2, 1]], np.uint8)[..., np.newaxis].repeat(3, axis=2)
    assert halve(rgba(image)).tolist() == [[[2, 2, 2, 255]]]


def test_no_data_does_not_darken_its_neighbours():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = 1, 128, 255
    assert halve(rgba(image)).tolist() == [[[1, 128, 255, 255]]]


def test_four_bright_pixels_do_not_overflow():
    assert halve(np.full((2, 2, 4), 255, np.uint8)).tolist() == [[[255] * 4]]


def parts(image, edge):
    """Cut an image into windows of this edge."""
    height, width = image.shape[:2]
    windows = [
        Window(col, row, min(edge, width - col), min(edge, height - row))
        for row in range(0, height, edge)
        for col in range(0, width, edge)
    ]
    return [(window, cut(image, window)) for window in windows]


def cut(image, window):
    rows = slice(window.row_off, window.row_off + window.height)
    cols = slice(window.col_off, window.col_off + window.width)
    return image[rows, cols]


def join(image, pieces, tile):
    """Put pieces of level 1 together; return the tiles that were given, and how many are open."""
    height, width = image.shape[:2]
    assembly = Assembly(make_grid(2 * width, 2 * height), tile)
    tiles = [done for window, pixels in pieces for done in assembly.add(1, window, pixels)]
    return tiles, assembly.open_tiles


# Parts that fill a tile together, that span several tiles, and that cross the borders of tiles.
@pytest.mark.parametrize(("edge", "tile"), [(4, 16), (32, 16), (12, 16)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_in_any_order_become_the_tiles_of_the_level(edge, tile, seed):
    image = rgba(picture(53, 37))
    pieces = parts(image, edge)
    np.random.default_rng(seed).shuffle(pieces)
    tiles, held = join(image, pieces, tile)
    places = [(done.level, done.row, done.col) for done in tiles]
    assert sorted(places) == [(1, row, col) for row in range(3) for col in range(4)]
    for done in tiles:
        window = Window(done.col * tile, done.row * tile, tile, tile)
        np.testing.assert_array_equal(done.rgba, cut(image, window))
    assert held == 0


def test_a_window_without_valid_pixels_leaves_its_part_empty():
    image = np.full((8, 8, 4), 7, np.uint8)
    pieces = [(window, None if window.col_off else pixels) for window, pixels in parts(image, 4)]
    (tile,), held = join(image, pieces, 8)
    np.testing.assert_array_equal(tile.rgba[:, :4], image[:, :4])
    assert not tile.rgba[:, 4:].any()
    assert held == 0


def test_a_tile_is_given_only_when_its_last_part_is_in():
    assembly = Assembly(make_grid(16, 16), 8)
    half = np.ones((8, 4, 4), np.uint8)
    assert list(assembly.add(1, Window(0, 0, 4, 8), half)) == []
    assert assembly.open_tiles == 1
    (tile,) = assembly.add(1, Window(4, 0, 4, 8), half)
    assert tile.rgba.all()


def test_levels_are_kept_apart():
    assembly = Assembly(make_grid(32, 32), 16)
    list(assembly.add(1, Window(0, 0, 8, 16), np.full((16, 8, 4), 1, np.uint8)))
    (tile,) = assembly.add(2, Window(0, 0, 8, 8), np.full((8, 8, 4), 2, np.uint8))
    assert (tile.level, set(tile.rgba.ravel().tolist())) == (2, {2})


@pytest.mark.parametrize(("edge", "tile"), [(4, 16), (32, 16), (12, 16)])
def test_only_tiles_that_some_parts_cover_wholly_are_joined(edge, tile):
    image = picture(53, 37)
    grid = make_grid(2 * 53, 2 * 37)
    pieces = parts(image, edge)
    del pieces[len(pieces) // 2]
    only = whole_tiles(grid, tile, 1, [window for window, _ in pieces])
    assert only < whole_tiles(grid, tile, 1, [Window(0, 0, 53, 37)])
    assembly = Assembly(grid, tile, set(only))
    tiles = [done for window, pixels in pieces for done in assembly.add(1, window, pixels)]
    assert {(done.level, done.row, done.col) for done in tiles} == only
    assert assembly.open_tiles == 0


def test_a_tile_that_is_left_is_not_joined():
    only = {(1, 0, 0), (1, 0, 1)}
    assembly = Assembly(make_grid(32, 16), 8, only)
    half = np.ones((8, 4, 4), np.uint8)
    list(assembly.add(1, Window(0, 0, 4, 8), half))
    assembly.leave(1, Window(4, 0, 4, 8))
    assert assembly.open_tiles == 0
    assert list(assembly.add(1, Window(0, 0, 8, 8), None)) == []
    assert len(list(assembly.add(1, Window(8, 0, 8, 8), None))) == 1
