"""The language between a sensor process and the core: length-prefixed msgpack frames.

A frame is a little-endian u32 length and that many bytes of msgpack: one of the structs below.
Up flows what is seen; down flows configuration and leave to act. Used by `sensors/core_link.py`
in the sensor and by `edge/intake.py` in the core. Nothing here blocks, logs or touches a socket.
"""

import re
import struct
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge.errors import BadWireFrame
from edge.records import Observation, Short, Text, Whole
from sensors.radar.survey import Survey

PROTOCOL = 1
FRAME_BYTES_MAX = 256 * 1024
"""No legal frame is longer; a longer one means the peer is broken."""
OBSERVATIONS_PER_FRAME_MAX = 500
HEALTH_CHARACTERS_MAX = 500
"""Longest state and longest remedy: a sentence each. `CoreLink` cuts what is longer."""
PICTURE_BYTES_MAX = 200 * 1024
"""A technician's picture; it must fit into a frame."""
OPT_OUTS_MAX = 4096
"""People who asked not to be counted, in one shop: 18 bytes each, so that one frame holds all."""
REFUSAL_CHARACTERS_MAX = 100
"""So much of a decoder's complaint is repeated; the frame's content is not."""
HEADER = struct.Struct("<I")


class Hello(Struct, frozen=True, tag="hello"):
    """First frame up: who speaks."""

    kind: Short
    pid: Whole
    protocol: Whole = PROTOCOL


class Seen(Struct, frozen=True, tag="seen"):
    """Up: observations in the order they were made."""

    observations: list[Observation]


class Watermark(Struct, frozen=True, tag="watermark"):
    """Up: nothing before `wall_ms` will follow. Only simulated and recorded devices send it."""

    wall_ms: Whole


class Health(Struct, frozen=True, tag="health"):
    """Up, at least every `HEARTBEAT_S`: alive, and how. `remedy` says what to do when not ok."""

    ok: bool
    state: Annotated[str, Meta(max_length=HEALTH_CHARACTERS_MAX)]
    remedy: Annotated[str, Meta(max_length=HEALTH_CHARACTERS_MAX)] = ""


class Dropped(Struct, frozen=True, tag="dropped"):
    """Up: input refused or lost since the last such frame, by reason."""

    counts: dict[Text, Whole]


class Surveyed(Struct, frozen=True, tag="survey"):
    """Up, at most once a second and only with leave to survey: what a radar hears right now."""

    survey: Survey


class Pictured(Struct, frozen=True, tag="pictured"):
    """Up, with leave for a picture, once for each leave: what a camera sees, faces blurred."""

    jpeg: Annotated[bytes, Meta(max_length=PICTURE_BYTES_MAX)]

    def __repr__(self) -> str:
        """Without the picture: a representation may end up in a log."""
        return f"Pictured({len(self.jpeg)} bytes)"


class OptOuts(Struct, frozen=True, tag="opt_outs"):
    """Down, to radars: who is not to be counted, all of them each time.

    `marks` are hashes of addresses under `key` (`sensors/radar/admission.py`); the addresses
    themselves nobody keeps.
    """

    key: bytes
    marks: Annotated[
        list[Annotated[bytes, Meta(min_length=16, max_length=16)]], Meta(max_length=OPT_OUTS_MAX)
    ]

    def __repr__(self) -> str:
        """Without the key: a representation may end up in a log."""
        return f"OptOuts({len(self.marks)} marks)"


class Configure(Struct, frozen=True, tag="configure"):
    """First frame down: which device, its options, the salt for hashes, and the timeline.

    `timeline_start_ms` is None when the sensor stamps with the machine's clock; else a recording's
    first record happened at that wall time. `resume_after_ms` lets a restarted replay skip what
    the core has already taken: everything up to and with that millisecond. Records of the same
    millisecond that the ended process had not sent yet are skipped too, as nothing numbers them
    and telling one twice would be worse. `secret` is the one credential of a device that its
    sensor may need; it comes from a file that only the core can read.
    """

    sensor: str
    device: str
    options: dict[str, Any]
    salt: bytes
    boot: str
    timeline_start_ms: int | None = None
    resume_after_ms: int | None = None
    secret: bytes = b""
    opt_outs: OptOuts | None = None

    def __repr__(self) -> str:
        """Without the secrets: a representation may end up in a log."""
        return f"Configure(sensor={self.sensor!r}, device={self.device!r})"


class Salt(Struct, frozen=True, tag="salt"):
    """Down: use this key for hashes of addresses from now on."""

    salt: bytes


class Action(StrEnum):
    """What a sensor does only with leave."""

    EMBED = "embed"
    """Describe faces: without it no template is computed. Standing leave is for whoever enters a
    marked zone, leave for some seconds for the one person who asked at a screen."""
    ENROL = "enrol"
    """Describe the one face before the camera for an enrolment that its owner agreed to."""
    PICTURE = "picture"
    """Show a technician what a camera sees, with every face blurred (`Pictured`)."""
    SURVEY = "survey"
    """Show a technician what a radar hears (`Surveyed`)."""


class Leave(Struct, frozen=True, tag="leave"):
    """Down: you may do `action` for `seconds` (None: until revoked by 0, or until I hang up).

    `action` is one of `Action`; what a core of another version may allow besides does no harm.
    """

    action: str
    seconds: float | None


Up = Hello | Seen | Watermark | Health | Dropped | Surveyed | Pictured
Down = Configure | Salt | Leave | OptOuts

HEARTBEAT_S = 2.0

_encoder = msgspec.msgpack.Encoder()
_up = msgspec.msgpack.Decoder(Up)
_down = msgspec.msgpack.Decoder(Down)


def encode(message: Up | Down) -> bytes:
    """One frame with its length. BadWireFrame if it is longer than any reader would take."""
    body = _encoder.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        raise BadWireFrame(f"A frame of {len(body)} bytes is longer than {FRAME_BYTES_MAX}.")
    return HEADER.pack(len(body)) + body


class FrameReader:
    """Bytes in, messages out. Its buffer is overwritten after use: vectors pass through it.

    After a BadWireFrame the buffer is empty and the connection of no more use.
    """

    def __init__(self, *, down: bool) -> None:
        self._decode = _down.decode if down else _up.decode
        self._buffer = bytearray()

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[Any]:
        """All messages that are complete now. BadWireFrame on a lying length or foreign bytes."""
        self._buffer += chunk
        try:
            return self._complete()
        except BadWireFrame:
            self._wipe(len(self._buffer))
            raise

    def _complete(self) -> list[Any]:
        messages: list[Any] = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer, start)
            if length > FRAME_BYTES_MAX:
                raise BadWireFrame(f"A sensor announced a frame of {length} bytes.")
            end = start + HEADER.size + length
            if len(self._buffer) < end:
                break
            messages.append(self._decoded(start + HEADER.size, end))
            start = end
        self._wipe(start)
        return messages

    def _decoded(self, start: int, end: int) -> Any:
        try:
            with memoryview(self._buffer) as view, view[start:end] as body:
                return self._decode(body)
        except msgspec.MsgspecError as error:
            why = _without_content(str(error))
        except (UnicodeDecodeError, RecursionError) as error:  # of msgspec too, but no MsgspecError
            why = type(error).__name__
        # Raised out here: a decoder's own error may hold the bytes it stumbled over.
        raise BadWireFrame(f"A sensor's frame is not of the protocol: {why}.")

    def _wipe(self, used: int) -> None:
        self._buffer[:used] = bytes(used)
        del self._buffer[:used]


def _without_content(complaint: str) -> str:
    """A decoder's complaint; values, which it quotes in '...', are left out."""
    return re.sub(r"'.*'", "...", complaint, flags=re.DOTALL)[:REFUSAL_CHARACTERS_MAX]
