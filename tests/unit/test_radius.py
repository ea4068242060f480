"""Accounting packets as bytes: what is believed of them, and that nothing else is taken for one."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.radius import Radius

from hardware.radius import STALE_S, Accounting, Defect, Reader, Status
from tests.drivers.nas import SECRET, attribute, nas, signed

WALL_S = 1_700_000_000
PHONE = bytes.fromhex("30392686ccea")
LOGIN = b"+79161234567"
READER = Reader(SECRET)
SPEED_PACKETS = 2000


def of_attributes(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(attribute(code, value) for code, value in pairs)


START = (40, (1).to_bytes(4))
USUAL = (START, (44, b"81a"), (1, LOGIN), (31, b"30:39:26:86:CC:EA"))


def read(*pairs: tuple[int, bytes]) -> Accounting | Defect:
    return Reader(SECRET).read(signed(of_attributes(*pairs)), "hall", WALL_S)[0]


def number(value: int) -> bytes:
    return value.to_bytes(4)


def test_a_record_says_what_a_hotspot_sent() -> None:
    found, answer = READER.read(signed(of_attributes(*USUAL)), "hall", WALL_S)
    assert found == Accounting("hall", Status.START, "81a", LOGIN.decode(), PHONE)
    told = Radius(answer)  # scapy reads the answer as a stranger would
    assert (told.code, told.id, told.len) == (5, 7, 20)


def test_the_delay_is_the_senders_and_its_clock_is_believed_if_it_is_right() -> None:
    def age_s(*more: tuple[int, bytes]) -> int:
        found = read(*USUAL, *more)
        assert isinstance(found, Accounting)
        return found.age_s

    assert age_s() == 0
    assert age_s((41, number(7))) == 7
    assert age_s((55, number(WALL_S - 20))) == 20
    assert age_s((41, number(30)), (55, number(WALL_S - 20))) == 30
    assert age_s((55, number(1000))) == 0, "a clock of 1970"
    assert age_s((55, number(WALL_S + 86_400)), (41, number(2))) == 2, "one of tomorrow"
    assert age_s((41, b"\1")) == 0, "not four bytes"


@pytest.mark.parametrize("clock_s", [0, 1000, WALL_S, WALL_S + 10**8])
def test_what_is_repeated_long_after_is_stale_whatever_the_clocks_show(clock_s: int) -> None:
    def told(at_s: int, session: bytes) -> bytes:
        return signed(of_attributes(START, (44, session), *USUAL[2:], (55, number(at_s))))

    reader = Reader(SECRET)
    first = told(clock_s, b"1")
    for sender in ("hall", "desk"):
        assert reader.read(first, sender, WALL_S)[1]
    assert reader.read(told(clock_s + STALE_S, b"2"), "hall", WALL_S)[1]
    assert isinstance(reader.read(first, "hall", WALL_S + STALE_S)[0], Accounting), "on its way"
    assert reader.read(told(clock_s + STALE_S + 1, b"3"), "hall", WALL_S)[1]
    for later_s in (STALE_S, 20 * 86_400):
        assert reader.read(first, "hall", WALL_S + later_s) == (Defect.STALE, b"")
    assert reader.read(first, "desk", WALL_S)[1], "each sender has a clock of its own"
    assert reader.read(signed(of_attributes(*USUAL)), "hall", WALL_S)[1], "it tells no time"


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_no_record_is_believed_that_happened_long_before_another(times: list[int]) -> None:
    reader, newest_s = Reader(SECRET), 0
    for time_s in times:
        packet = signed(of_attributes(*USUAL, (55, number(time_s))))
        newest_s = max(newest_s, time_s)
        found, _ = reader.read(packet, "hall", WALL_S)
        assert (found is Defect.STALE) is (newest_s - time_s > STALE_S)


def test_texts_that_cannot_be_are_none() -> None:
    for wrong in (b"\xff\xfe", b"a\x00b", b"9" * 65, b"\x1b[2J"):
        found = read(START, (44, b"81a"), (1, wrong), (31, b"30392686CCEA"))
        assert isinstance(found, Accounting)
        assert (found.login, found.session, found.address) == ("", "81a", PHONE)


def test_proxies_get_their_marks_back() -> None:
    marks = attribute(33, b"one") + attribute(33, b"two")
    _, answer = READER.read(signed(of_attributes(*USUAL) + marks), "hall", WALL_S)
    assert answer[20:] == marks


@given(st.binary(max_size=4200))
def test_bytes_of_nobody_are_never_believed_or_answered(datagram: bytes) -> None:
    found, answer = READER.read(datagram, "hall", WALL_S)
    assert isinstance(found, Defect)
    assert answer == b""


ATTRIBUTES = st.lists(
    st.tuples(
        st.sampled_from([1, 4, 8, 26, 30, 31, 32, 33, 40, 41, 44, 46, 49, 55, 61, 80, 200]),
        st.one_of(st.binary(max_size=20), st.integers(0, 2**32 - 1).map(number), st.just(LOGIN)),
    ),
    max_size=12,
)


@given(ATTRIBUTES, st.binary(max_size=9), st.binary(min_size=1, max_size=16))
def test_hostile_attributes_of_who_knows_the_secret_raise_nothing(pairs, tail, secret) -> None:
    body = of_attributes(*pairs) + tail
    found, answer = Reader(SECRET).read(signed(body), "hall", WALL_S)
    assert (answer == b"") is (found in (Defect.MALFORMED, Defect.FORGED)) or found is Defect.OTHER
    if secret != SECRET:
        forged, answer = Reader(SECRET).read(signed(body, secret), "hall", WALL_S)
        assert forged in (Defect.MALFORMED, Defect.FORGED)
        assert answer == b""


def test_one_bit_is_enough_to_be_forged() -> None:
    genuine = signed(of_attributes(*USUAL))
    for bit in range(len(genuine) * 8):
        spoilt = bytearray(genuine)
        spoilt[bit // 8] ^= 1 << bit % 8
        found, answer = READER.read(bytes(spoilt), "hall", WALL_S)
        assert isinstance(found, Defect), bit
        assert answer == b""


def test_pyrads_own_client_is_believed_with_and_without_its_second_signature() -> None:
    with nas(9) as hall:  # nothing is sent
        for second in (False, True):
            packet = hall.login("alive")
            if second:
                packet.add_message_authenticator()
            found, _ = READER.read(packet.RequestPacket(), "hall", WALL_S)
            assert isinstance(found, Accounting)
            assert found.address == PHONE
            _, answer = Reader(b"other").read(packet.RequestPacket(), "hall", WALL_S)
            assert answer == b""


@pytest.mark.alone
def test_it_keeps_up_with_a_chain_of_access_points() -> None:
    rng = random.Random(1)
    packets = [
        signed(of_attributes(*USUAL, (44, rng.randbytes(8).hex().encode())))
        for _ in range(SPEED_PACKETS)
    ]
    began_s = time.process_time()
    for packet in packets:
        READER.read(packet, "hall", WALL_S)
    per_s = SPEED_PACKETS / (time.process_time() - began_s)
    print(f"{per_s:.0f} accounting packets a second")
    assert per_s > 1000
