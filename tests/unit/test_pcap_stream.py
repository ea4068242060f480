"""A pcap stream in any pieces, with anything between its records: no whole record is lost."""

import random
import struct
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.errors import WrongDevice
from hardware import pcap_stream
from hardware.dot11 import ProbeParser, ProbeRequest
from hardware.pcap_stream import PcapStream, StreamRecord
from tests.drivers.frames import BARE, RADIOTAP, probe, radiotap
from tests.drivers.routes import file_header, record

HELD_BYTES_MAX = 2 * (pcap_stream.FRAME_BYTES_MAX + 16)
LAST = 2_000_000
"""The number of a frame that stands at the end."""
ORDERS = ("<", ">")


def frame(number: int) -> bytes:
    """A radiotap frame of its own for each number."""
    return radiotap(probe(b"\xda" + number.to_bytes(5, "big"), seq=number % 4096))


def numbers(records: list[StreamRecord]) -> list[int]:
    """Whose probe requests they are."""
    probes = (one.found for one in records if isinstance(one.found, ProbeRequest))
    return [int.from_bytes(one.source[1:], "big") for one in probes]


def heard(content: bytes, piece_bytes: int = 10_000) -> list[StreamRecord]:
    stream = PcapStream()
    found: list[StreamRecord] = []
    for at in range(0, len(content), piece_bytes):
        found += stream.feed(content[at : at + piece_bytes])
    return found + stream.lapse()


def told(content: bytes, piece_bytes: int = 10_000) -> list[int]:
    return numbers(heard(content, piece_bytes))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_a_stream_is_read_in_any_pieces(order: str, nano: bool, piece_bytes: int) -> None:
    content = file_header(order, nano=nano) + b"".join(
        record(frame(n), order, clock_ms=1500 * n, nano=nano) for n in range(9)
    )
    found = heard(content, piece_bytes)
    assert numbers(found) == list(range(9))
    assert [one.clock_ms for one in found] == [1500 * n for n in range(9)]
    assert found[0].found == ProbeParser(RADIOTAP).parse(frame(0))


def test_frames_without_radiotap_are_read() -> None:
    bare = [probe(b"\xda" + n.to_bytes(5, "big")) for n in range(5)]
    content = file_header(link_type=BARE) + b"".join(record(one) for one in bare)
    assert told(content) == list(range(5))
    assert told(content[:24] + b"boot\r\n" + content[24:-40]) == list(range(4))


def test_other_frames_are_no_garbage() -> None:
    beacon = radiotap(b"\x80" + probe(bytes(6))[1:])
    stream = PcapStream()
    stream.feed(file_header() + record(beacon) + record(frame(1)) + record(beacon))
    assert stream.skipped() == 0


@pytest.mark.parametrize("link_type", [1, 113, 119, 163, 192])
def test_a_capture_of_something_else_says_so(link_type: int) -> None:
    with pytest.raises(WrongDevice, match=f"link type {link_type}") as refused:
        PcapStream().feed(b"noise" + file_header(link_type=link_type))
    assert "monitor mode" in refused.value.remedy


def test_a_phone_cannot_say_that_the_capture_is_something_else() -> None:
    """Elements hold what a phone wants, and garbage may lead into them."""
    forged = file_header(link_type=1) + file_header(link_type=BARE) + file_header(">")
    trap = radiotap(probe(bytes(6), elements=bytes((221, len(forged))) + forged))
    content = file_header() + record(trap) + b"noise" + record(frame(1)) + record(frame(2))
    assert told(content) == [0, 1, 2]


def test_nor_where_the_stream_was_joined_in_the_middle() -> None:
    forged = file_header(link_type=1)
    trap = radiotap(probe(bytes(6), elements=bytes((221, len(forged))) + forged))
    content = record(frame(1)) + record(trap) + b"noise" + record(frame(2))
    assert told(content) == [1, 0, 2]


def test_a_run_of_zeros_is_no_row_of_empty_records() -> None:
    bare = record(probe(b"\xda" + bytes(5)))
    found = heard(file_header(link_type=BARE) + bare + bytes(96) + bare + bare)
    assert numbers(found) == [0, 0, 0]
    assert len(found) == 3


def test_a_stream_joined_in_the_middle_is_heard() -> None:
    content = record(frame(0))[30:] + b"".join(record(frame(n)) for n in range(1, 6))
    assert told(content) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("piece_bytes", [1, 10_000])
def test_a_firmware_that_begins_anew_is_heard_on(piece_bytes: int) -> None:
    log = b"\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n"
    content = file_header() + record(frame(0)) + record(frame(9))[:50] + log + file_header()
    assert told(content + record(frame(1)) + record(frame(2)), piece_bytes) == [0, 1, 2]


@pytest.mark.parametrize("size", [0, 9, pcap_stream.FRAME_BYTES_MAX + 1, 2**31, 2**32 - 1])
def test_a_length_that_no_frame_has_is_passed_over(size: int) -> None:
    content = file_header() + record(frame(0)) + record(frame(1), size=size)
    assert told(content + record(frame(2))) == [0, 2]


@pytest.mark.parametrize("more", [1, 40, 83, 90, 1000, 7000, 83 * 40])
def test_a_record_that_claims_more_than_it_has_hides_none_behind_it(more: int) -> None:
    """Also where it seems to end just before the header of another one."""
    content = file_header() + record(frame(1), size=len(frame(1)) + more)
    content += b"".join(record(frame(n)) for n in range(2, 90))
    assert told(content, 100) == list(range(2, 90))


def test_nothing_is_waited_for_that_does_not_come() -> None:
    """A lie at the end of what has come: after a silence the records in it are told."""
    stream = PcapStream()
    assert stream.feed(file_header() + record(frame(1), size=8000) + record(frame(2))) == []
    assert numbers(stream.lapse()) == [2]
    assert numbers(stream.feed(record(frame(3)))) == [3]


def test_a_slow_record_is_not_given_up() -> None:
    """tcpdump without -U cuts its output anywhere, and the rest comes minutes later."""
    stream = PcapStream()
    content = file_header() + record(frame(1))
    stream.feed(content[:60])
    assert stream.lapse() == []
    assert numbers(stream.feed(content[60:])) == [1]


def test_what_is_passed_over_is_counted() -> None:
    stream = PcapStream()
    stream.feed(b"abc" + file_header() + record(frame(1)) + b"12345" + record(frame(2)))
    assert stream.skipped() == 8
    assert stream.skipped() == 0


garbage = st.one_of(
    st.binary(max_size=60),
    st.builds(bytes, st.integers(0, 200)),
    st.sampled_from((b"E (1234) wifi: oh no\r\n", b"\xff" * 90, b"\xd4\xc3\xb2\xa1", bytes(16))),
    st.integers(0, 60).map(lambda size: file_header(">")[: size % 25]),
    st.integers(17, 60).map(lambda size: record(frame(999_999))[:size]),
    st.integers(0, 2**32 - 1).map(lambda size: struct.pack("<IIII", 0, 0, size, size)),
)


@given(
    st.lists(st.one_of(garbage, st.integers(0, 10**6)), max_size=25),
    st.sampled_from(ORDERS),
    st.integers(1, 300),
)
@example([1, record(frame(7))[:30], 2, 3], "<", 1)
def test_no_garbage_hides_a_whole_record(
    parts: list[bytes | int], order: str, piece_bytes: int
) -> None:
    whole = [part for part in parts if isinstance(part, int)]
    content = file_header(order) + b"".join(
        record(frame(part), order, clock_ms=part * 997) if isinstance(part, int) else part
        for part in parts
    )
    found = iter(told(content, piece_bytes))
    assert all(one in found for one in whole), "each, in order"


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_any_bytes_are_survived_and_what_follows_is_heard(pieces: list[bytes]) -> None:
    """Whatever is held back in doubt is decided by the time two frames' length has followed."""
    stream = PcapStream()
    for piece in pieces:
        try:
            stream.feed(piece)
        except WrongDevice:
            return
        stream.lapse()
    first = record(frame(0))
    try:
        found = stream.feed(first * (HELD_BYTES_MAX // len(first) + 1) + record(frame(LAST)))
    except WrongDevice:  # the beginning of a header of something else was held back
        return
    assert numbers(found + stream.lapse())[-1] == LAST


def test_little_is_kept_of_a_long_stream() -> None:
    """Records, damaged records and garbage; the memory that remains is what is in doubt."""
    dice = random.Random(1982)
    whole = [record(frame(n), clock_ms=n) for n in range(50)]
    pieces = [spoilt(dice, dice.choice(whole)) + dice.randbytes(100) for _ in range(2000)]
    stream = PcapStream()
    stream.feed(file_header() + pieces[0])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for piece in pieces:
            stream.feed(piece)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before <= 2 * HELD_BYTES_MAX


def test_markers_are_found_among_mutated_records() -> None:
    dice = random.Random(9216)
    whole = [record(frame(n), clock_ms=n) for n in range(50)]
    stream = PcapStream()
    found = stream.feed(file_header())
    markers = range(1_000_000, 1_003_000)
    for marker in markers:
        found += stream.feed(spoilt(dice, dice.choice(whole)) + record(frame(marker)))
    missing = set(markers) - set(numbers(found + stream.lapse()))
    assert not missing, len(missing)


def spoilt(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(changed) + 1)
        if dice.random() < 0.3:
            del changed[at : at + dice.randrange(1, 60)]
        else:
            changed[at : at + 1] = dice.randbytes(dice.randrange(3))
    return bytes(changed)
