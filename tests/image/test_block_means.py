"""Block means: of the valid pixels alone, however the image comes in pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from s2rgb_mpi.image.block_means import BlockMeans


def means(dn, factor, *, left=0, top=0, piece=(10**6, 10**6)):
    """Average DN (height, width, 3) that come in pieces of (height, width)."""
    height, width = dn.shape[0] + top, dn.shape[1] + left
    shape = 3, -(-height // factor), -(-width // factor)
    blocks, bands = BlockMeans(factor, shape), np.moveaxis(dn, -1, 0)
    for row in range(0, dn.shape[0], piece[0]):
        for col in range(0, dn.shape[1], piece[1]):
            values = bands[:, row : row + piece[0], col : col + piece[1]]
            blocks.add(values, row + top, col + left)
    out = np.empty(shape, np.uint16)
    blocks.means(out)
    return np.moveaxis(out, 0, -1)


@pytest.mark.parametrize(
    ("block", "mean"),
    [
        ([0, 0, 0, 0], 0),
        ([7, 0, 0, 0], 7),
        ([1, 2, 0, 0], 2),  # a half is rounded up
        ([1, 1, 2, 0], 1),
        ([1, 2, 2, 2], 2),
        ([65535, 65535, 65535, 65535], 65535),
        ([65535, 65534, 0, 0], 65535),
        ([1, 0, 0, 0], 1),
    ],
)
def test_no_data_has_no_part_in_a_mean(block, mean):
    dn = np.repeat(np.array(block, np.uint16).reshape(2, 2, 1), 3, axis=2)
    assert means(dn, 2).tolist() == [[[mean] * 3]]


@given(st.data())
def test_pieces_make_no_difference(data):
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    factor = data.draw(st.integers(2, 70))
    left, top = (data.draw(st.integers(0, factor - 1)) for _ in range(2))
    piece = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dn = rng.integers(0, 65536, (height, width, 3), dtype=np.uint16)
    dn[rng.random(dn.shape) < data.draw(st.sampled_from([0, 0.3, 0.97]))] = 0
    found = means(dn, factor, left=left, top=top, piece=piece)
    np.testing.assert_array_equal(found, reference.block_means(dn, factor, left=left, top=top))


@pytest.mark.parametrize("factor", [181, 182, 256, 257])
def test_sums_of_large_blocks_do_not_overflow(factor):
    dn = np.full((factor, factor, 3), 65535, np.uint16)
    assert means(dn, factor).tolist() == [[[65535] * 3]]
