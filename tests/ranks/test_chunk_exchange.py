"""Parts of source chunks in messages between two workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.errors import ProtocolError
from s2rgb_mpi.ranks.chunk_exchange import pack, unpack


def dn(height, width):
    """Make a part of a product that is resampled."""
    rng = np.random.default_rng(height)
    return tuple(rng.integers(0, 2**16, (3, height, width), dtype=np.uint16))


def colours(height, width):
    """Make a part of any other product."""
    rng = np.random.default_rng(width)
    rgba = rng.integers(0, 2**8, (height, width, 4), dtype=np.uint8)
    return rgba, rng.integers(0, 2**32, (3, 7), dtype=np.uint32)


def test_parts_come_out_as_they_went_in():
    parts = {(7, 0): dn(3, 5), (7, 1): colours(2, 4), (2**20, 0): dn(1, 1)}
    chunk, found = unpack(pack(9, parts))
    assert chunk == 9
    assert found.keys() == parts.keys()
    for place, each in parts.items():
        assert [array.dtype for array in found[place]] == [array.dtype for array in each]
        for array, expected in zip(found[place], each, strict=True):
            np.testing.assert_array_equal(array, expected)


def test_a_chunk_that_was_not_read_has_no_parts():
    assert unpack(pack(9, {})) == (9, {})


def test_any_flipped_bit_is_noticed():
    message = pack(9, {(7, 0): dn(2, 2), (7, 1): colours(1, 1)})
    for byte in range(len(message)):
        damaged = bytearray(message)
        damaged[byte] ^= 1
        with pytest.raises(ProtocolError):
            unpack(bytes(damaged))


@given(st.binary(max_size=40))
def test_noise_is_refused_and_nothing_else_happens(message):
    with pytest.raises(ProtocolError):
        unpack(message)
