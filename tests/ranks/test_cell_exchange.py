"""Parts of a source chunk on their way between two workers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.errors import ProtocolError
from s2rgb_mpi.image.checks import boa_offset
from s2rgb_mpi.ranks.cell_exchange import Part, pack, unpack


def part(height, width):
    rng = np.random.default_rng(height)
    counts = rng.integers(0, 2**32, boa_offset.SHAPE, dtype=np.uint32)
    return Part(rng.integers(0, 256, (height, width, 4), dtype=np.uint8), counts)


def assert_same(parts, expected):
    assert parts.keys() == expected.keys()
    for window, each in parts.items():
        for found, array in zip(each, expected[window], strict=True):
            np.testing.assert_array_equal(found, array)


def test_parts_come_out_as_they_went_in():
    parts = {7: part(3, 5), 2**20: part(1, 1)}
    cell, found = unpack(pack(9, parts))
    assert cell == 9
    assert_same(found, parts)


def test_a_chunk_that_was_not_read_has_no_parts():
    assert unpack(pack(9, {})) == (9, {})


def test_any_flipped_bit_is_noticed():
    message = pack(9, {7: part(2, 2)})
    for byte in range(len(message)):
        damaged = bytearray(message)
        damaged[byte] ^= 1
        with pytest.raises(ProtocolError):
            unpack(bytes(damaged))


@given(st.binary(max_size=40))
def test_noise_is_refused_and_nothing_else_happens(message):
    with pytest.raises(ProtocolError):
        unpack(message)
