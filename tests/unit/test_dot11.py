"""The frame parser against scapy as an oracle, against damage, and against its own limits."""

import random
import struct
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dot11 import Dot11, Dot11Elt, Dot11ProbeReq, RadioTap

from edge.errors import WrongDevice
from hardware import dot11
from hardware.capture_file import records
from hardware.dot11 import BARE, RADIOTAP, Defect, ProbeParser, ProbeRequest
from tests.drivers.frames import ELEMENTS, probe, radiotap, with_fcs

PHONE = bytes.fromhex("da a1 19 00 00 07")
WHOLE = {1, 45, 50, 59, 70, 107, 127, 191}


def parsed(frame: bytes, link_type: int = RADIOTAP) -> ProbeRequest | Defect | None:
    return ProbeParser(link_type).parse(frame)


def request(frame: bytes, link_type: int = RADIOTAP) -> ProbeRequest:
    found = parsed(frame, link_type)
    assert isinstance(found, ProbeRequest), found
    return found


# --- the oracle


def oracle(frame: bytes) -> tuple[Any, ...]:
    """What scapy says: source, signal, channel, sequence number, stable elements."""
    packet = RadioTap(frame)
    signal = getattr(packet, "dBm_AntSignal", None)
    mhz = getattr(packet, "ChannelFrequency", None)
    return (
        bytes.fromhex(packet[Dot11].addr2.replace(":", "")),
        signal,
        {2412: 1, 2437: 6, 2462: 11, 5180: 36}.get(mhz, (mhz - 2407) // 5 if mhz else None),
        packet[Dot11].SC >> 4,
        tuple(stable(packet)),
    )


def stable(packet: Any) -> list[tuple[int, bytes]]:
    kept = []
    element = packet.getlayer(Dot11Elt)
    while isinstance(element, Dot11Elt):
        number, size = element.original[0], element.original[1]
        content = bytes(element.original[2 : 2 + size])
        if number == 255:
            kept.append((255, content if content[0] == 35 else content[:1]))
        elif number != 0:
            kept.append((number, content if number in WHOLE else b""))
            if number == 221:
                kept[-1] = (221, content[:4])
        element = element.payload
    assert not element, "the oracle itself has not read to the end"
    return kept


def agree_with_oracle(frames: list[bytes]) -> None:
    """The same fields, and the same fingerprint exactly where the stable elements are the same."""
    parser = ProbeParser(RADIOTAP)
    fingerprints: dict[Any, bytes] = {}
    for frame in frames:
        found = parser.parse(frame)
        assert isinstance(found, ProbeRequest), (found, frame.hex())
        *fields, elements = oracle(frame)
        assert [found.source, found.rssi_dbm, found.channel, found.seq] == fields, frame.hex()
        assert fingerprints.setdefault(elements, found.fingerprint) == found.fingerprint
    assert len(set(fingerprints.values())) == len(fingerprints)


def test_recorded_phones_are_read_as_scapy_reads_them(recordings: Path) -> None:
    frames: list[bytes] = []
    for path in sorted((recordings / "wifi" / "labelled-phones").glob("*.gz"))[::12]:
        frames += [record.frame for record in islice(records(path), 0, 400, 20)]
    for path in sorted((recordings / "wifi" / "room-occupancy").glob("*.gz"))[::6]:
        frames += [record.frame for record in islice(records(path), 0, 4000, 200)]
    assert len(frames) > 200
    agree_with_oracle(frames)


def test_generated_frames_are_read_as_scapy_reads_them() -> None:
    dice = random.Random(11)
    agree_with_oracle([generated(dice) for _ in range(150)])


def generated(dice: random.Random) -> bytes:
    fields: dict[str, Any] = {}
    if dice.random() < 0.7:
        fields |= {"mac_timestamp": dice.getrandbits(40)}
    if dice.random() < 0.7:
        fields |= {"Rate": 2}
    if dice.random() < 0.8:
        fields |= {"ChannelFrequency": dice.choice((2412, 2437, 5180)), "ChannelFlags": 0xA0}
    if dice.random() < 0.8:
        fields |= {"dBm_AntSignal": dice.randrange(-100, 0)}
    fields |= {"Antenna": 1} if dice.random() < 0.5 else {}
    fcs = dice.random() < 0.5
    if fcs:
        fields |= {"Flags": "FCS"}
    named = "+".join(scapy_names(fields))
    source = ":".join(f"{dice.getrandbits(8):02x}" for _ in range(6))
    packet = Dot11(type=0, subtype=4, addr1="ff:ff:ff:ff:ff:ff", addr2=source, SC=0)
    packet.SC = dice.getrandbits(12) << 4
    packet /= Dot11ProbeReq() / Dot11Elt(ID=0, info=dice.randbytes(dice.randrange(33)))
    for _ in range(dice.randrange(6)):
        # scapy stops at content that breaks a rule of its own, so only elements without one
        number = dice.choice([n for n in range(1, 255) if n not in Dot11Elt.registered_ies])
        packet /= Dot11Elt(ID=number, info=dice.randbytes(dice.randrange(9)))
    if dice.random() < 0.5:
        packet /= Dot11Elt(ID=221, info=dice.randbytes(dice.randrange(3, 9)))
    frame = bytes(packet)
    return bytes(RadioTap(present=named, **fields)) + (with_fcs(frame) if fcs else frame)


def scapy_names(fields: dict[str, Any]) -> list[str]:
    names = {"mac_timestamp": "TSFT", "ChannelFrequency": "Channel"}
    return [names.get(field, field) for field in fields if field != "ChannelFlags"]


# --- headers


def test_a_bare_frame_has_no_signal_and_no_channel() -> None:
    found = request(probe(PHONE, seq=4095), BARE)
    assert (found.source, found.rssi_dbm, found.channel, found.seq) == (PHONE, None, None, 4095)


@pytest.mark.parametrize("link_type", [1, 119, 163, 192])
def test_other_link_types_are_refused_with_a_sentence(link_type: int) -> None:
    with pytest.raises(WrongDevice, match=f"Link type {link_type} is neither") as refused:
        ProbeParser(link_type)
    assert "monitor mode" in refused.value.remedy


def test_fields_are_aligned_from_the_start_of_the_header() -> None:
    # TSFT, flags, rate, channel, signal, antenna, after a second word for one more antenna
    present = struct.pack("<II", 0x2000082F | 1 << 31, 0x00000820)
    fields = struct.pack("<4xQBBHHbBbB", 1, 0x10, 2, 5180, 0, -40, 0, -70, 1)
    header = struct.pack("<BBH", 0, 0, 4 + len(present) + len(fields)) + present + fields
    found = request(header + with_fcs(probe(PHONE)))
    assert (found.rssi_dbm, found.channel) == (-40, 36)
    assert found.fingerprint == request(probe(PHONE), BARE).fingerprint


@pytest.mark.parametrize(
    ("mhz", "channel"), [(2412, 1), (2484, 14), (5825, 165), (5955, 1), (99, None)]
)
def test_channels_follow_from_frequencies(mhz: int, channel: int | None) -> None:
    header = struct.pack("<BBHIHH", 0, 0, 12, 0x08, mhz, 0)
    assert request(header + probe(PHONE)).channel == channel


def test_the_check_sequence_is_no_element() -> None:
    plain = request(probe(PHONE), BARE)
    assert request(with_fcs(probe(PHONE)), BARE) == plain
    flagged = request(radiotap(with_fcs(probe(PHONE)), flags=0x10))
    assert flagged.fingerprint == plain.fingerprint


def test_a_frame_that_the_radio_found_damaged_is_refused() -> None:
    assert parsed(radiotap(with_fcs(probe(PHONE)), flags=0x50)) is Defect.FCS


def test_other_frames_are_passed_over() -> None:
    beacon = b"\x80" + probe(PHONE)[1:]
    assert parsed(radiotap(beacon)) is None
    assert parsed(beacon, BARE) is None


@pytest.mark.parametrize(
    ("frame", "defect"),
    [
        (b"", Defect.RADIOTAP),
        (radiotap(b""), Defect.SIZE),
        (radiotap(probe(PHONE)[:23]), Defect.SIZE),
        (radiotap(probe(PHONE)) + bytes(4096), Defect.SIZE),
        (b"\x01" + radiotap(probe(PHONE))[1:], Defect.RADIOTAP),
        (struct.pack("<BBHI", 0, 0, 8, 0x20) + probe(PHONE), Defect.RADIOTAP),
        (struct.pack("<BBHI", 0, 0, 7, 0) + probe(PHONE), Defect.RADIOTAP),
        (struct.pack("<BBH", 0, 0, 400) + b"\xff" * 396 + probe(PHONE), Defect.RADIOTAP),
        (radiotap(probe(PHONE, flags=0x40)), Defect.HEADER),
        (radiotap(probe(PHONE, flags=0x80)[:27]), Defect.SIZE),
        (radiotap(probe(PHONE)[:22] + b"\x11\x00" + probe(PHONE)[24:]), Defect.HEADER),
        (radiotap(probe(PHONE)[:-1]), Defect.ELEMENTS),
        (radiotap(probe(PHONE, name=b"n" * 33)), Defect.ELEMENTS),
        (radiotap(probe(PHONE, elements=ELEMENTS + b"\x00\x21" + bytes(33))), Defect.ELEMENTS),
        (radiotap(probe(PHONE, elements=b"\xff\x00")), Defect.ELEMENTS),
        (radiotap(probe(PHONE, elements=b"\x01")), Defect.ELEMENTS),
        (radiotap(probe(PHONE, elements=b"")[:24] + b"\x00\x05abc"), Defect.ELEMENTS),
    ],
)
def test_each_defect_has_its_name(frame: bytes, defect: Defect) -> None:
    assert parsed(frame) is defect


# --- what is told and what is not


def test_names_and_channel_do_not_change_the_fingerprint() -> None:
    one = request(probe(PHONE, name=b"Secret Home"), BARE)
    other = request(probe(PHONE, elements=ELEMENTS.replace(b"\x03\x01\x06", b"\x03\x01\x0b")), BARE)
    assert one == other
    late = request(probe(PHONE, elements=ELEMENTS + b"\x00\x04Late"), BARE)
    assert late.fingerprint == one.fingerprint
    changed = request(
        probe(PHONE, elements=ELEMENTS.replace(b"\x32\x04\x30", b"\x32\x04\x31")), BARE
    )
    assert changed.fingerprint != one.fingerprint


def test_nothing_of_a_frame_stays_in_the_parser_or_in_its_words() -> None:
    parser = ProbeParser(BARE)
    found = parser.parse(probe(PHONE, name=b"Secret Home"))
    held = repr(vars(parser))
    assert "Secret" not in held
    assert repr(ELEMENTS)[2:-1] not in held
    assert PHONE.hex() not in repr(found)
    assert repr(PHONE)[2:-1] not in repr(found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ff03230101", "ff03230102", False),  # HE capabilities: the content counts
        ("ff03240101", "ff03240102", True),  # other extensions: their number
        ("ff03240101", "ff03250101", False),
        ("dd050050f20801", "dd050050f20802", True),  # vendors: who and which kind
        ("dd050050f20801", "dd050050f20401", False),
        ("480100", "480101", True),  # unknown: only that it is there
        ("480100", "490100", False),
        ("6b0100", "6b0101", False),
    ],
)
def test_what_of_an_element_counts(one: str, other: str, same: bool) -> None:
    first, second = (
        request(probe(PHONE, elements=ELEMENTS + bytes.fromhex(each)), BARE).fingerprint
        for each in (one, other)
    )
    assert (first == second) is same


@pytest.mark.parametrize(
    ("source", "randomised"),
    [("3c0630aabbcc", False), ("daa119aabbcc", True), ("97d2a7b74893", True)],
)
def test_made_up_addresses_are_told_apart(source: str, randomised: bool) -> None:
    assert request(probe(bytes.fromhex(source)), BARE).randomised is randomised


def test_memos_stay_within_their_limits() -> None:
    parser = ProbeParser(RADIOTAP)
    for number in range(dot11.FINGERPRINTS_MAX + 10):
        elements = b"\x01\x02" + number.to_bytes(2, "big")
        assert isinstance(parser.parse(radiotap(probe(PHONE, elements=elements))), ProbeRequest)
    for length in range(13, 13 + dot11.LAYOUTS_MAX + 5):
        header = radiotap(b"")[:2] + struct.pack("<H", length) + radiotap(b"")[4:]
        assert isinstance(parser.parse(header.ljust(length, b"\0") + probe(PHONE)), ProbeRequest)
    assert len(parser._fingerprints) <= dot11.FINGERPRINTS_MAX
    assert len(parser._layouts) <= dot11.LAYOUTS_MAX


# --- damage


def test_damaged_frames_never_hide_the_whole_ones_between_them(recordings: Path) -> None:
    path = sorted((recordings / "wifi" / "labelled-phones").glob("*.gz"))[0]
    originals = [record.frame for record in islice(records(path), 200)]
    mutations_never_hide_markers([*originals, radiotap(with_fcs(probe(PHONE)), flags=0x10)])


def test_damaged_generated_frames_never_hide_the_whole_ones_between_them() -> None:
    mutations_never_hide_markers([radiotap(probe(PHONE)), radiotap(probe(PHONE), flags=0)])


def mutations_never_hide_markers(originals: list[bytes]) -> None:
    dice = random.Random(4000)
    for link_type in (RADIOTAP, BARE):
        parser = ProbeParser(link_type)
        for number in range(10_000):
            found = parser.parse(mutated(dice, dice.choice(originals)))
            assert found is None or isinstance(found, ProbeRequest | Defect)
            if number % 10 == 0:
                marker = probe(number.to_bytes(6, "big"), seq=number % 4096)
                found = parser.parse(radiotap(marker) if link_type == RADIOTAP else marker)
                assert isinstance(found, ProbeRequest)
                assert (found.source, found.seq) == (number.to_bytes(6, "big"), number % 4096)


def mutated(dice: random.Random, frame: bytes) -> bytes:
    changed = bytearray(frame)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(4):
            case 0:
                del changed[at:]
            case 1:
                changed[at:at] = dice.randbytes(dice.randrange(8))
            case 2:
                del changed[at : at + dice.randrange(8)]
            case 3:
                changed[at : at + 1] = dice.choice((b"\x00", b"\xff", b"\x40", dice.randbytes(1)))
    return bytes(changed)


@given(st.sampled_from((RADIOTAP, BARE)), st.binary(max_size=300))
def test_any_bytes_get_an_answer(link_type: int, frame: bytes) -> None:
    assert isinstance(parsed(frame, link_type), ProbeRequest | Defect | None)


@given(
    st.lists(st.tuples(st.integers(0, 254), st.binary(max_size=32)), max_size=8),
    st.integers(1, 40),
)
def test_whole_element_lists_are_accepted_and_cut_ones_refused(
    elements: list[tuple[int, bytes]], cut: int
) -> None:
    encoded = b"".join(bytes((number, len(content))) + content for number, content in elements)
    assert isinstance(parsed(probe(PHONE, elements=encoded), BARE), ProbeRequest)
    starts = {0}
    for _, content in elements:
        starts.add(max(starts) + 2 + len(content))
    left = len(encoded) - cut
    if left >= 0:
        found = parsed(probe(PHONE, elements=encoded[:left]), BARE)
        assert isinstance(found, ProbeRequest) == (left in starts)


def test_malformed_captures_of_the_field_are_survived(recordings: Path) -> None:
    found: dict[str, list[Any]] = {}
    for path in sorted((recordings / "wifi" / "quirks").glob("*.pcap")):
        found[path.stem] = [
            ProbeParser(record.link_type).parse(record.frame) for record in records(path)
        ]
    assert found["tcpdump_radiotap-heapoverflow"] == [Defect.RADIOTAP]
    assert found["tcpdump_ieee802.11_meshhdr-oobr"] == [Defect.RADIOTAP]
    heard = [one for one in found["tcpdump_ieee802.11_exthdr"] if isinstance(one, ProbeRequest)]
    assert [one.rssi_dbm for one in heard] == [-22, -19, -61, -70, -67, -72]
