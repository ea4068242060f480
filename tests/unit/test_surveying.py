"""What a survey shows of the air: sums, limits, and names that lead nowhere."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sensors.radar.record import Heard
from sensors.radar.survey import AIRS_MAX, BINS, ROWS_MAX, bin_of
from sensors.radar.surveying import NAMES_S_MAX, PHONES_MAX, SILENT_S_MAX, Standing, Surveying
from sensors.wire import FRAME_BYTES_MAX, FrameReader, Surveyed, encode

HERE = Standing(inside=True, fixed=False)
FINGERPRINT = b"8 bytes!"


def heard(
    number: int, rssi_dbm: int | None = -50, *, radio: str = "wlan1", channel: int = 6
) -> Heard:
    source = b"\xda" + number.to_bytes(5, "big")
    return Heard(0, radio, source, rssi_dbm, channel, number & 4095, FINGERPRINT)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-128, 20)), min_size=1, max_size=60))
def test_every_frame_is_in_every_sum(air: list[tuple[int, int]]) -> None:
    surveying = Surveying(-65, 0.0)
    for number, rssi_dbm in air:
        surveying.add(heard(number, rssi_dbm, channel=1 + number % 2), HERE, 0.5)
    picture = surveying.picture(1.0)
    assert picture is not None
    assert sum(each.frames for each in picture.airs) == len(air)
    assert sum(picture.histogram) == len(air)
    assert sum(phone.frames for phone in picture.phones) == len(air)
    assert picture.phones[0].strongest_dbm == max(rssi_dbm for _, rssi_dbm in air)
    assert {phone.model for phone in picture.phones} == {picture.phones[0].model}


def test_at_most_one_picture_a_second() -> None:
    surveying = Surveying(None, 0.0)
    surveying.add(heard(1, -40), HERE, 0.1)
    assert surveying.picture(0.9) is None
    first, second = surveying.picture(1.0), None
    assert surveying.picture(1.5) is None
    second = surveying.picture(2.0)
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)
    assert (first.phones[0].second_dbm, second.phones[0].second_dbm) == (-40, None)
    assert (first.airs[0].frames_per_s, second.airs[0].frames_per_s) == (1.0, 0.0)
    assert second.phones[0].silent_s == 1.9


def test_names_hold_for_one_survey_and_not_for_ever() -> None:
    def names(surveying: Surveying, now_s: float) -> set[str]:
        for number in range(20):
            surveying.add(heard(number), HERE, now_s)
        picture = surveying.picture(now_s + 1)
        assert picture is not None
        return {phone.name for phone in picture.phones}

    one, other = Surveying(None, 0.0), Surveying(None, 0.0)
    first = names(one, 0.0)
    assert names(one, 1.0) == first
    # Of a million names, twenty and twenty have one in common once in 2500 runs, not three.
    assert len(names(other, 0.0) & first) < 3
    names(one, NAMES_S_MAX)
    assert len(names(one, NAMES_S_MAX + 2) & first) < 3


def test_a_flood_costs_bounded_memory_and_one_frame() -> None:
    surveying = Surveying(None, 0.0)
    for number in range(PHONES_MAX * 2):
        surveying.add(heard(number, channel=number % 200, radio=f"radio{number}"), HERE, 0.5)
    for number in range(AIRS_MAX * 2):
        surveying.lost(f"radio{number}", 3)
    picture = surveying.picture(1.0)
    assert picture is not None
    assert len(picture.phones) == ROWS_MAX
    # 20 bits of name: some of two thousand addresses share one, as they should.
    assert PHONES_MAX * 2 - 40 <= picture.hidden + len(picture.phones) <= PHONES_MAX * 2
    assert len(picture.airs) == AIRS_MAX
    frame = encode(Surveyed(picture))
    assert len(frame) < FRAME_BYTES_MAX / 4
    assert FrameReader(down=False).feed(frame) == [Surveyed(picture)]


def test_who_has_gone_leaves_the_picture() -> None:
    surveying = Surveying(None, 0.0)
    surveying.add(heard(1), HERE, 0.0)
    assert surveying.picture(SILENT_S_MAX + 1)
    later = surveying.picture(SILENT_S_MAX + 2)
    assert later is not None
    assert later.phones == ()


def test_what_a_picture_holds_leads_to_no_address() -> None:
    surveying = Surveying(None, 0.0)
    surveying.add(heard(0xABCDEF), Standing(inside=False, fixed=True), 0.5)
    picture = surveying.picture(1.0)
    said = msgspec.json.encode(picture).lower()
    for secret in (b"abcdef", b"ab:cd:ef", FINGERPRINT, FINGERPRINT.hex().encode()):
        assert secret not in said
    assert picture is not None
    (phone,) = picture.phones
    assert (phone.fixed, phone.inside, len(phone.name), len(phone.model)) == (True, False, 4, 3)


@given(st.integers(-128, 127))
def test_every_signal_has_a_bar(rssi_dbm: int) -> None:
    assert 0 <= bin_of(rssi_dbm) < BINS
    assert bin_of(rssi_dbm) <= bin_of(min(rssi_dbm + 1, 127))
