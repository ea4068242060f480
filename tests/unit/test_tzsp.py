"""The TZSP parser against scapy as an oracle, against forgery, and against damage."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib import tzsp as theirs

from hardware import tzsp
from hardware.tzsp import Packet, Refusal, packet
from tests.drivers.frames import probe
from tests.drivers.routes import ethernet_tzsp, tag
from tests.drivers.routes import tzsp as datagram

FRAME = probe(bytes.fromhex("daa119000007"), name=b"Secret Home")
RADIO = bytes.fromhex("4c5e0c112233")


def read(content: bytes) -> Packet:
    found = packet(content)
    assert isinstance(found, Packet), found
    return found


def test_the_signal_is_signed_and_the_frame_is_whole() -> None:
    content = datagram(FRAME, more=tag(60, RADIO))
    found = read(content)
    assert (found.rssi_dbm, found.channel, found.sensor) == (-61, 6, RADIO)
    assert content[found.start :] == FRAME


@pytest.mark.parametrize(
    ("rssi", "dbm"),
    [
        (b"\xec", -20),
        (b"\x80", -128),
        (b"\xff\xc3", -61),
        (b"\x00\xc3", None),  # 195 dBm: no radio hears that
        (b"\x05", None),
        (b"\x00", None),
        (b"", None),
        (b"\xff\xff\xc3", None),
    ],
)
def test_a_signal_may_be_a_byte_or_a_word(rssi: bytes, dbm: int | None) -> None:
    assert read(datagram(FRAME, rssi=rssi)).rssi_dbm == dbm


def test_scapy_reads_the_same_fields() -> None:
    """All but the signal, which scapy takes for unsigned."""
    dice = random.Random(37008)
    for _ in range(200):
        layers = [
            theirs.TZSPTagRawRSSIByte(raw_rssi=dice.randrange(128, 256)),
            theirs.TZSPTagRXChannel(rx_channel=dice.randrange(1, 14)),
            theirs.TZSPTagDataRate(data_rate=2),
            theirs.TZSPTagWlanRadioHdrSerial(sensor_id=dice.randbytes(6)),
            theirs.TZSPTagPadding(),
            theirs.TZSPTagPacketCount(packet_count=dice.getrandbits(32)),
        ]
        dice.shuffle(layers)
        whole = theirs.TZSP(type=0, encapsulated_protocol=18)
        for layer in layers[dice.randrange(len(layers)) :]:
            whole = whole / layer
        content = bytes(whole / theirs.TZSPTagEnd()) + FRAME
        seen, found = theirs.TZSP(content), read(content)
        rssi = seen.getlayer(theirs.TZSPTagRawRSSIByte)
        channel = seen.getlayer(theirs.TZSPTagRXChannel)
        serial = seen.getlayer(theirs.TZSPTagWlanRadioHdrSerial)
        assert found.rssi_dbm == (rssi.raw_rssi - 256 if rssi else None)
        assert found.channel == (channel.rx_channel if channel else None)
        assert found.sensor == (bytes(serial.sensor_id) if serial else b"")
        assert content[found.start :] == FRAME


@pytest.mark.parametrize("kind", [4, 5])
def test_signs_of_life_have_no_tags_and_are_no_fault(kind: int) -> None:
    assert packet(bytes((1, kind, 0, 0))) is None
    assert packet(bytes((1, kind, 0, 18)) + b"\xff" * 40) is None


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", Refusal.SIZE),
        (b"\x01\x00\x00", Refusal.SIZE),
        (datagram(FRAME, header=(2, 0, 18)), Refusal.VERSION),
        (datagram(FRAME, header=(1, 1, 18)), Refusal.TYPE),
        (datagram(FRAME, header=(1, 3, 18)), Refusal.TYPE),
        (ethernet_tzsp(), Refusal.ETHERNET),
        (datagram(FRAME, header=(1, 0, 119)), Refusal.ENCAPSULATION),
        (datagram(FRAME, header=(1, 0, 127)), Refusal.ENCAPSULATION),
        (datagram(FRAME, more=tag(17, b"\x01")), Refusal.FCS),
        (b"\x01\x00\x00\x12", Refusal.TAGS),
        (b"\x01\x00\x00\x12\x0a", Refusal.TAGS),
        (b"\x01\x00\x00\x12\x0a\x01", Refusal.TAGS),
        (b"\x01\x00\x00\x12\x12\x01", Refusal.TAGS),
        (b"\x01\x00\x00\x12\x0a\xff\xc3\x01" + FRAME[:40], Refusal.TAGS),  # a lying length
        (b"\x01\x00\x00\x12" + bytes(60_000) + b"\x01" + FRAME, Refusal.TAGS),  # endless
    ],
)
def test_each_refusal_has_its_name(content: bytes, refusal: Refusal) -> None:
    assert packet(content) is refusal


def test_a_good_check_sequence_is_no_refusal() -> None:
    assert read(datagram(FRAME, more=tag(17, b"\x00")))


@given(st.binary(max_size=400))
def test_any_bytes_get_an_answer(content: bytes) -> None:
    assert packet(content) is None or isinstance(packet(content), Packet | Refusal)


@given(st.binary(max_size=300))
def test_any_tags_get_an_answer_and_never_a_place_outside(tags: bytes) -> None:
    content = b"\x01\x00\x00\x12" + tags
    found = packet(content)
    assert isinstance(found, Packet | Refusal)
    if isinstance(found, Packet):
        assert 4 < found.start <= len(content)
        assert found.start <= 4 + tzsp.TAG_BYTES_MAX
        assert len(found.sensor) in (0, 6)
