"""A sensor's byte stream over the shop's broker: numbered messages, so that a hole is noticed.

A satellite's sensors speak with the primary's intake as if they stood beside it: both ends of the
tunnel (`edge/operation/satellites.py` on the primary, `outpost.py` on the satellite) carry the very
bytes of the sensor's socket. Nothing is stored on the way - probe vectors pass through here - and
a lost message ends the session instead of leaving a hole in it. Pure: it sends nothing itself.
"""

import struct
from enum import IntEnum

from msgspec import Struct

from edge.errors import BadMessage

HEADER = struct.Struct("<QIB")
PIECE_BYTES_MAX = 60 * 1024
"""One message of a session; a sensor's frame may take several."""
ALIVE_S = 2.0
"""So often each end shows that it is there, when it has nothing else to say."""
SILENCE_S = 10.0
"""An end that hears nothing for so long ends the session: no sensor runs without its core."""


class PieceKind(IntEnum):
    """What a message of a session is."""

    BYTES = 0
    END = 1
    ALIVE = 2


class Piece(Struct, frozen=True):
    """One message: which session, its number in it (from 0, in each direction), what it brings."""

    session: int
    number: int
    kind: PieceKind
    payload: bytes = b""


def encode(piece: Piece) -> bytes:
    """A piece as it crosses."""
    return HEADER.pack(piece.session, piece.number, piece.kind) + piece.payload


def decode(message: bytes) -> Piece:
    """The piece in a message, or BadMessage."""
    if not HEADER.size <= len(message) <= HEADER.size + PIECE_BYTES_MAX:
        raise BadMessage(f"A piece of {len(message)} bytes is none of a tunnel.")
    session, number, kind = HEADER.unpack_from(message)
    if kind not in PieceKind.__members__.values():
        raise BadMessage("A piece of a tunnel is of an unknown kind.")
    return Piece(session, number, PieceKind(kind), message[HEADER.size :])


class Way:
    """One direction of a session: numbers what goes, checks what comes."""

    def __init__(self, session: int) -> None:
        self.session = session
        self._next = 0

    def pieces(self, payload: bytes) -> list[Piece]:
        """`payload` in messages."""
        cuts = range(0, len(payload), PIECE_BYTES_MAX)
        return [self._made(PieceKind.BYTES, payload[cut : cut + PIECE_BYTES_MAX]) for cut in cuts]

    def alive(self) -> Piece:
        """The message that says nothing but that this end is there."""
        return self._made(PieceKind.ALIVE, b"")

    def end(self) -> Piece:
        """The message that ends the session."""
        return self._made(PieceKind.END, b"")

    def follows(self, piece: Piece) -> bool:
        """Whether `piece` is the next one of this session."""
        if piece.session != self.session or piece.number != self._next:
            return False
        self._next += 1
        return True

    def _made(self, kind: PieceKind, payload: bytes) -> Piece:
        piece = Piece(self.session, self._next, kind, payload)
        self._next += 1
        return piece
