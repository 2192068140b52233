"""The format of blocks: packed ones are unpacked, and anything else is rejected."""

import itertools
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2rgb_mpi.errors import ProtocolError
from s2rgb_mpi.image import block as wire
from s2rgb_mpi.image.block import (
    Block,
    EndOfShare,
    Header,
    Kind,
    Piece,
    header_nbytes,
    pack,
    pack_end,
    unpack,
    unpack_header,
)

ROOM = 6
COUNTS = np.arange(3 * 256, dtype=np.uint32).reshape(3, 256)

pieces = st.builds(
    Piece.of,
    kind=st.sampled_from(Kind),
    level=st.integers(0, 255),
    product=st.integers(0, 2**32 - 1),
    row=st.integers(0, 2**32 - 1),
    col=st.integers(0, 2**32 - 1),
    data=st.binary(max_size=40),
)
blocks = st.builds(
    Block,
    window=st.integers(0, 2**31 - 1),
    pieces=st.lists(pieces, max_size=ROOM),
    histogram=st.just(COUNTS),
)


def small_block():
    return Block(
        7,
        [
            Piece.of(Kind.TILE, b"tile", row=1, col=2),
            Piece.of(Kind.PART, b"part", level=3, row=4, col=5),
        ],
        COUNTS,
    )


def receive(message, payload):
    """Unpack two messages like the writer."""
    header = unpack_header(message)
    assert isinstance(header, Header)
    return unpack(header, payload)


@given(blocks)
def test_a_block_comes_out_as_it_went_in(block):
    header, payload = pack(block, ROOM)
    assert header.size == header_nbytes(ROOM)
    found = receive(header, payload)
    assert (found.window, found.pieces) == (block.window, block.pieces)
    np.testing.assert_array_equal(found.histogram, block.histogram)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (Kind.TILE, 0),
        (Kind.MASK, 1),
        (Kind.PART, 2),
        (Kind.COUNTS, 3),
        (Kind.OVERLAP, 4),
        (Kind.CAUSE, 5),
    ],
)
def test_each_kind_of_piece_has_its_number_on_the_wire(kind, number):
    header, payload = pack(Block(7, [Piece.of(kind, b"data", product=5)], COUNTS), 1)
    assert header[header_nbytes(0)] == number
    assert receive(header, payload).pieces == [Piece.of(kind, b"data", product=5)]


def test_a_block_without_pieces_has_no_payload():
    header, payload = pack(Block(7, [], COUNTS), ROOM)
    assert payload.size == 0
    assert receive(header, payload).pieces == []


def test_the_payload_is_the_pieces_one_after_the_other():
    assert pack(small_block(), ROOM)[1].tobytes() == b"tilepart"


@pytest.mark.parametrize("stopped", [False, True])
def test_the_end_of_a_share_is_no_window(stopped):
    assert unpack_header(pack_end(EndOfShare(stopped), ROOM)) == EndOfShare(stopped)


def test_the_header_is_the_same_on_every_machine():
    piece = Piece.of(Kind.MASK, b"12345", level=2, row=3, col=4, product=6)
    block = Block(7, [piece], COUNTS)
    header = pack(block, 1)[0].tobytes()
    assert header[:12].hex() == "536267620500010007000000"
    assert header[-22:].hex() == "010206000000030000000400000005000000" + "1c3af5cb"


def test_any_flipped_bit_is_refused():
    header, payload = (message.copy() for message in pack(small_block(), ROOM))
    for message in (header, payload):
        for byte, bit in itertools.product(range(message.size), range(8)):
            message[byte] ^= 1 << bit
            with pytest.raises(ProtocolError):
                receive(header, payload)
            message[byte] ^= 1 << bit


def test_a_damaged_end_of_share_is_refused():
    header = pack_end(EndOfShare(stopped=False), ROOM)
    header[-1] ^= 1
    with pytest.raises(ProtocolError):
        unpack_header(header)


@given(st.binary(max_size=2 * header_nbytes(ROOM)), st.binary(max_size=20))
def test_noise_is_refused_and_nothing_else_happens(header, payload):
    with pytest.raises(ProtocolError):
        receive(np.frombuffer(header, np.uint8), np.frombuffer(payload, np.uint8))


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=100))
def test_noise_behind_a_true_beginning_is_refused(count, nbytes, table):
    header = np.zeros(header_nbytes(ROOM), np.uint8)
    header[:6] = pack(small_block(), ROOM)[0][:6]
    header[6:8] = np.frombuffer(np.uint16(count).tobytes(), np.uint8)
    header[12:16] = np.frombuffer(np.uint32(nbytes).tobytes(), np.uint8)
    table = table[: header.size - header_nbytes(0)]
    header[header_nbytes(0) : header_nbytes(0) + len(table)] = np.frombuffer(table, np.uint8)
    with pytest.raises(ProtocolError):
        receive(header, np.zeros(0, np.uint8))


def test_a_header_that_ends_early_is_refused():
    header, _ = pack(small_block(), ROOM)
    with pytest.raises(ProtocolError, match="too short"):
        unpack_header(header[: header_nbytes(0) - 1])


def test_a_header_with_more_pieces_than_it_has_room_for_is_refused():
    header, _ = pack(small_block(), ROOM)
    with pytest.raises(ProtocolError, match="announces 2 pieces, has room for 1"):
        unpack_header(header[: header_nbytes(1)])


def test_another_version_is_refused():
    header, _ = pack(small_block(), ROOM)
    header[4] += 1
    with pytest.raises(ProtocolError, match="version 6"):
        unpack_header(header)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_payload_of_another_size_is_refused(change):
    header, payload = pack(small_block(), ROOM)
    with pytest.raises(ProtocolError, match=f"window 7: {8 + change} bytes, not 8"):
        receive(header, np.resize(payload, payload.size + change))


def test_an_unknown_kind_is_refused_though_the_crc_is_right():
    kind = cast(Kind, 9)
    block = Block(7, [Piece.of(kind, b"tile")], COUNTS)
    with pytest.raises(ProtocolError, match="no piece is of kind 9"):
        receive(*pack(block, ROOM))


def test_more_pieces_than_the_header_has_room_for_are_not_packed():
    block = Block(7, [Piece.of(Kind.TILE, b"")] * (ROOM + 1), COUNTS)
    with pytest.raises(ProtocolError, match="window 7: 7 pieces, room for 6"):
        pack(block, ROOM)


def test_more_bytes_than_one_message_can_count_are_not_packed(monkeypatch):
    monkeypatch.setattr(wire, "LARGEST_PAYLOAD", 7)
    with pytest.raises(ProtocolError, match="window 7: 8 bytes are over one message"):
        pack(small_block(), ROOM)


def test_a_received_header_is_not_changed():
    header, _ = pack(small_block(), ROOM)
    before = header.copy()
    unpack_header(header)
    np.testing.assert_array_equal(header, before)
