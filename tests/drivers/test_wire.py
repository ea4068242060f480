"""What comes over a sensor's socket may be anything: it is a message, or a `BadWireFrame`."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import END_OF_TIME_MS
from edge.errors import BadWireFrame
from edge.records import VECTOR_BYTES, FaceReading, Moment, Observation
from sensors import wire

DEEP = 50_000
"""Levels of nesting that fit into a frame and into no stack."""
NOW = Moment(1_700_000_000_000, 5_000, "boot0001", True)
BOTH_WAYS = pytest.mark.parametrize("down", [False, True], ids=["up", "down"])


def packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def framed(body: bytes) -> bytes:
    return wire.HEADER.pack(len(body)) + body


def nested(tag: str, field: str) -> bytes:
    """A map of a known tag with an abyss in one field."""
    abyss = b"\x91" * DEEP + b"\xc0"
    return b"\x82" + packed("type") + packed(tag) + packed(field) + b"\x81" + packed("x") + abyss


BROKEN = {
    "deep up": nested("health", "unknown"),
    "deep down": nested("configure", "options"),
    "tag no UTF-8": b"\x81" + packed("type") + b"\xa2\xff\xff",
    "text no UTF-8": b"\x82" + packed("type") + packed("health") + packed("state") + b"\xa1\xff",
    "name no UTF-8": b"\x81\xa2\xff\xfe\x01",
    "foreign": packed(["hello"]),
    "cut short": packed({"type": "salt"})[:-1],
    "lying list": b"\x82" + packed("type") + packed("seen") + packed("observations") + b"\xdd\xff"
    b"\xff\xff\xff",
}


@BOTH_WAYS
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_frame_is_told_as_one_and_leaves_nothing_behind(body: bytes, down: bool) -> None:
    reader = wire.FrameReader(down=down)
    with pytest.raises(BadWireFrame) as refused:
        reader.feed(framed(body) + b"the rest")
    assert len(str(refused.value)) < 300
    assert not reader._buffer


@BOTH_WAYS
def test_a_lying_length_is_refused_before_it_is_believed(down: bool) -> None:
    reader = wire.FrameReader(down=down)
    with pytest.raises(BadWireFrame, match=str(2**32 - 1)):
        reader.feed(b"\xff\xff\xff\xff" + b"a face")
    assert not reader._buffer


def test_a_face_that_waits_behind_a_broken_frame_is_forgotten() -> None:
    reader = wire.FrameReader(down=False)
    face = FaceReading(1, "m", 1, bytearray(b"\x5a" * VECTOR_BYTES), bytearray(4))
    whole = wire.encode(wire.Seen([Observation("door", NOW, face)]))
    assert reader.feed(whole[:-20]) == []
    assert b"\x5a" * 400 in reader._buffer
    with pytest.raises(BadWireFrame):
        reader.feed(b"\xff" * 40)
    assert not reader._buffer


def test_what_a_broken_frame_holds_is_not_repeated() -> None:
    secret = "4111111111111111" * 40
    with pytest.raises(BadWireFrame) as refused:
        wire.FrameReader(down=False).feed(framed(packed({"type": secret})))
    assert "4111" not in str(refused.value)


@BOTH_WAYS
@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_bad_frame(down: bool, body: bytes) -> None:
    reader = wire.FrameReader(down=down)
    try:
        reader.feed(framed(body))
    except BadWireFrame:
        assert not reader._buffer


@pytest.mark.parametrize(
    "message",
    [
        wire.Watermark(-1),
        wire.Watermark(END_OF_TIME_MS + 1),
        wire.Dropped({"frame_size": -1}),
        wire.Dropped({"frame_size": 2**64 - 1}),
        wire.Health(False, "x" * (wire.HEALTH_CHARACTERS_MAX + 1)),
    ],
)
def test_what_no_sensor_of_ours_says_is_refused(message: wire.Up) -> None:
    with pytest.raises(BadWireFrame):
        wire.FrameReader(down=False).feed(wire.encode(message))


@given(st.lists(st.integers(1, 60), min_size=1))
def test_how_frames_are_cut_does_not_matter(sizes: list[int]) -> None:
    said = [wire.Hello("code", 7), wire.Health(True, "ok"), wire.Watermark(END_OF_TIME_MS)]
    stream = b"".join(wire.encode(one) for one in said)
    reader, heard, at = wire.FrameReader(down=False), [], 0
    while at < len(stream):
        size = sizes[at % len(sizes)]
        heard += reader.feed(stream[at : at + size])
        at += size
    assert heard == said
