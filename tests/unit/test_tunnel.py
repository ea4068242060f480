"""A sensor's bytes over the shop's broker: whole and in order, or the session ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadMessage
from sync import tunnel
from sync.tunnel import HEADER, PIECE_BYTES_MAX, Piece, PieceKind, Way


@given(st.lists(st.binary(max_size=3 * PIECE_BYTES_MAX), max_size=5))
def test_what_goes_in_comes_out(payloads):
    outgoing, incoming = Way(7), Way(7)
    crossed = [tunnel.encode(piece) for payload in payloads for piece in outgoing.pieces(payload)]
    arrived = [tunnel.decode(message) for message in crossed]
    assert all(incoming.follows(piece) for piece in arrived)
    assert b"".join(piece.payload for piece in arrived) == b"".join(payloads)


@given(st.data())
def test_a_hole_a_repetition_and_another_session_are_noticed(data):
    outgoing, incoming = Way(7), Way(7)
    pieces = [outgoing.alive() for _ in range(data.draw(st.integers(2, 9)))]
    place = data.draw(st.integers(0, len(pieces) - 1))
    for piece in pieces[:place]:
        assert incoming.follows(piece)
    wrong = [piece for piece in pieces if piece.number != place]
    assert not incoming.follows(data.draw(st.sampled_from(wrong)))
    assert not incoming.follows(Piece(8, place, PieceKind.ALIVE))
    assert incoming.follows(pieces[place]), "the right one is still taken"


@given(st.binary(max_size=40))
def test_other_bytes_are_refused_or_a_piece(message):
    try:
        piece = tunnel.decode(message)
    except BadMessage:
        return
    assert tunnel.encode(piece) == message


@pytest.mark.parametrize("size", [0, HEADER.size - 1, HEADER.size + PIECE_BYTES_MAX + 1])
def test_a_piece_has_a_smallest_and_a_largest_size(size):
    with pytest.raises(BadMessage):
        tunnel.decode(bytes(size))
