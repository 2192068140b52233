"""Observations of several products: which of them become the pixels of an image."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2rgb_mpi.image.composite import First, Median, source_nbytes
from s2rgb_mpi.image.sorting import in_order

WHOLE = (slice(None), slice(None))


def observations(seed, products, shape=(9, 11)):
    """Make RGBA images with holes, and where they are clear."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(1, 256, (products, *shape, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    rgba[rng.random((products, *shape)) < 0.3] = 0
    return rgba, rng.random((products, *shape)) < 0.5


def composed(kind, rgba, clear, *, keeps_cloudy):
    """Add the observations as a worker does, in patches of different sizes."""
    count, height, width = rgba.shape[:3]
    composite = kind((height, width), count, keeps_cloudy=keeps_cloudy)
    hidden = []
    for member in range(count):
        rows = height // (member % 3 + 1)
        for top in range(0, height, rows):
            inside = slice(top, top + rows), slice(None)
            part = None if clear is None else clear[member][inside]
            if composite.needs(inside) and composite.needs(inside, part):
                composite.add(member, inside, rgba[member][inside], part)
            else:
                hidden.append((member, inside))
    for member, inside in hidden:
        if composite.needs_cloudy(member, inside):
            part = rgba[member][inside]
            composite.add(member, inside, part, np.zeros(part.shape[:2], dtype=bool))
    return composite


def usable(rgba, clear, *, keeps_cloudy):
    """Return for every pixel the products that count, in order."""
    for row, col in np.ndindex(rgba.shape[1:3]):
        found = [number for number, each in enumerate(rgba) if each[row, col, 3]]
        good = [n for n in found if clear is None or clear[n][row, col]]
        yield row, col, good or (found if keeps_cloudy else [])


@settings(max_examples=60)
@given(st.integers(0, 2**20), st.integers(1, 5), st.booleans(), st.booleans())
def test_first_is_the_first_clear_one_and_else_the_first_one(seed, products, looks, keeps_cloudy):
    rgba, clear = observations(seed, products)
    clear = clear if looks else None
    composite = composed(First, rgba, clear, keeps_cloudy=keeps_cloudy)
    image, counts = composite.image(), [0] * products
    for row, col, good in usable(rgba, clear, keeps_cloudy=keeps_cloudy):
        expected = rgba[good[0]][row, col] if good else np.zeros(4)
        np.testing.assert_array_equal(image[row, col], expected)
        assert composite.sources[row, col] == (good[0] + 1 if good else 0)
        if good:
            counts[good[0]] += 1
    assert composite.pixels().tolist() == counts


@settings(max_examples=60)
@given(st.integers(0, 2**20), st.integers(1, 6), st.booleans(), st.booleans())
def test_median_is_the_lower_middle_of_the_clear_ones(seed, products, looks, keeps_cloudy):
    rgba, clear = observations(seed, products)
    clear = clear if looks else None
    composite = composed(Median, rgba, clear, keeps_cloudy=keeps_cloudy)
    image, counts = composite.image(), np.zeros(products, dtype=int)
    for row, col, good in usable(rgba, clear, keeps_cloudy=keeps_cloudy):
        if not good:
            assert not image[row, col].any()
            continue
        values = np.sort(rgba[good, row, col, :3], axis=0)
        np.testing.assert_array_equal(image[row, col, :3], values[(len(good) - 1) // 2])
        assert image[row, col, 3] == 255
        counts[good] += 1
    assert composite.pixels().tolist() == counts.tolist()


def test_what_is_hidden_or_cloudy_is_not_needed():
    rgba, _ = observations(0, 3, (4, 4))
    rgba[..., 3] = 255
    nothing, everything = np.zeros((4, 4), bool), np.ones((4, 4), bool)
    composite = First((4, 4), 3, keeps_cloudy=True)
    assert composite.needs(WHOLE)
    assert not composite.needs(WHOLE, nothing)
    composite.add(1, WHOLE, rgba[1], everything)
    assert not composite.needs(WHOLE)
    assert not composite.needs_cloudy(0, WHOLE)
    median = Median((4, 4), 3, keeps_cloudy=True)
    assert not median.needs(WHOLE, nothing)
    assert median.needs_cloudy(0, WHOLE)
    median.add(1, WHOLE, rgba[1], everything)
    assert median.needs(WHOLE, everything)
    assert not median.needs_cloudy(0, WHOLE)


@pytest.mark.parametrize("kind", [First, Median])
def test_overlaps_are_counted_where_both_are_clear(kind):
    rgba = np.full((2, 40, 40, 4), 255, dtype=np.uint8)
    rgba[0, ..., :3], rgba[1, ..., :3] = 10, 20
    clear = np.ones((2, 40, 40), dtype=bool)
    clear[0, :20], clear[1, :, :20] = False, False
    rgba[0, 39, 39] = 0  # so that the second one is needed there
    composite = composed(kind, rgba, clear, keeps_cloudy=True)
    composite.image()
    (counts,) = composite.overlaps.values()
    assert counts[0, :, 10].tolist() == counts[1, :, 20].tolist() == [25] * 3  # of 4 x 4, one
    assert counts.sum() == 2 * 3 * 25


@pytest.mark.parametrize("count", range(1, 10))
def test_every_array_is_sorted(count):
    """A sort of whole arrays is right for all values if it is for all of 0 and 1 (Knuth)."""
    bits = np.array(list(itertools.product([0, 1], repeat=count)), dtype=np.uint8).T
    expected = np.sort(bits, axis=0)
    np.testing.assert_array_equal(in_order([row.copy() for row in bits]), expected)


@pytest.mark.parametrize(("products", "nbytes"), [(1, 1), (255, 1), (256, 2), (65535, 2)])
def test_numbers_of_products_fit(products, nbytes):
    assert source_nbytes(products) == nbytes
    assert First((1, 1), products, keeps_cloudy=False).sources.itemsize == nbytes
