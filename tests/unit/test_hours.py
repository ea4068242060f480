"""When a radar may count: any week, any time zone, also when the clocks are changed."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.radar.hours import DAYS, MARGIN_S, PATTERN, OpeningHours
from sensors.radar.options import HOURS_MAX, RadarOptions

ZONES = ("Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
MINUTES_OF_WEEK = 7 * 24 * 60
MARGIN_MINUTES = MARGIN_S // 60
A_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)

minutes = st.integers(0, 24 * 60 - 1)
days = st.one_of(
    st.just("daily"),
    st.sampled_from(DAYS),
    st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map("-".join),
)
dates = st.dates(date(1990, 1, 1), date(2037, 12, 1))


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


lines = st.builds(
    lambda which, opens, closes: f"{which} {clock(opens)}-{clock(closes)}", days, minutes, minutes
)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def at(zone: str, day: date, minute: int) -> datetime:
    """A local time of day, as an instant."""
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZoneInfo(zone))
    return local.astimezone(UTC)


def open_minutes(line: str) -> set[int]:
    """By the book: every minute of a week without clock changes, one after the other."""
    which, _, times = line.partition(" ")
    opens, closes = (int(each[:2]) * 60 + int(each[3:]) for each in times.split("-"))
    lasts = (closes - opens) % (24 * 60) or 24 * 60
    first, _, last = which.partition("-")
    day = 0 if which == "daily" else DAYS.index(first)
    end = 6 if which == "daily" else DAYS.index(last or first)
    found: set[int] = set()
    while True:
        begin = day * 24 * 60 + opens - MARGIN_MINUTES
        found |= {m % MINUTES_OF_WEEK for m in range(begin, begin + lasts + 2 * MARGIN_MINUTES)}
        if day == end:
            return found
        day = (day + 1) % 7


@given(st.lists(lines, min_size=1, max_size=4), st.integers(0, MINUTES_OF_WEEK - 1))
def test_a_week_is_as_it_is_written(written: list[str], minute: int) -> None:
    moment = A_MONDAY + timedelta(minutes=minute)
    expected = any(minute in open_minutes(line) for line in written)
    assert OpeningHours(written, "UTC").open_at(ms(moment)) is expected


@given(lines)
def test_what_can_be_written_is_accepted_and_nothing_else(line: str) -> None:
    assert re.match(PATTERN, line)
    msgspec.convert({"hours": [line]}, RadarOptions)
    for wrong in (line.upper(), f" {line}", line.replace("-", "..", 1), line + ":00", line[:-1]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"hours": [wrong]}, RadarOptions)


@given(st.sampled_from(ZONES), dates, st.integers(4 * 60, 20 * 60), st.integers(1, 3 * 60))
def test_opening_and_closing_are_local_times(zone: str, day: date, opens: int, lasts: int) -> None:
    line = f"{DAYS[day.weekday()]} {clock(opens)}-{clock(opens + lasts)}"
    hours, second = OpeningHours([line], zone), timedelta(seconds=1)
    first = at(zone, day, opens) - timedelta(seconds=MARGIN_S)
    last = at(zone, day, opens + lasts) + timedelta(seconds=MARGIN_S)
    if last - first != timedelta(minutes=lasts, seconds=2 * MARGIN_S):
        return  # a country that left out this very day or hour
    answers = [hours.open_at(ms(t)) for t in (first - second, first, last - second, last)]
    assert answers == [False, True, True, False]


@pytest.mark.parametrize(
    ("day", "line", "moment", "expected"),
    [
        # Berlin skips 02:00-03:00 on 29 March 2026; 02:30 is where it would have been, 03:30 CEST
        ("spring", "sun 01:00-02:30", "2026-03-29T01:40+00:00", True),
        ("spring", "sun 01:00-02:30", "2026-03-29T01:50+00:00", False),
        # and strikes 02:00-03:00 twice on 25 October: 00:30 and 01:30 UTC are both 02:30
        ("autumn", "sun 02:20-02:40", "2026-10-25T00:30+00:00", True),
        ("autumn", "sun 02:20-02:40", "2026-10-25T01:30+00:00", True),
        ("autumn", "sun 02:20-02:40", "2026-10-25T02:00+00:00", False),
        # the day after is as long as any
        ("monday", "mon 09:00-10:00", "2026-10-26T08:00+00:00", True),
        ("monday", "mon 09:00-10:00", "2026-10-26T07:40+00:00", False),
    ],
)
def test_when_the_clocks_change(day: str, line: str, moment: str, expected: bool) -> None:
    hours = OpeningHours([line], "Europe/Berlin")
    assert hours.open_at(ms(datetime.fromisoformat(moment))) is expected, day


@pytest.mark.parametrize(
    ("line", "moment", "expected"),
    [
        ("sat 22:00-02:00", "2026-01-11T01:59+00:00", True),  # Sunday, still Saturday's evening
        ("sat 22:00-02:00", "2026-01-11T02:14+00:00", True),
        ("sat 22:00-02:00", "2026-01-11T02:15+00:00", False),
        ("sun 23:00-24:00", "2026-01-12T00:14+00:00", True),  # over the end of the week
        ("fri-mon 10:00-11:00", "2026-01-12T10:30+00:00", True),
        ("fri-mon 10:00-11:00", "2026-01-13T10:30+00:00", False),
        ("mon 00:00-01:00", "2026-01-11T23:45+00:00", True),  # the margin begins on Sunday
        ("mon 00:00-00:00", "2026-01-05T12:00+00:00", True),  # a whole day
    ],
)
def test_midnight_and_the_end_of_the_week(line: str, moment: str, expected: bool) -> None:
    hours = OpeningHours([line], "UTC")
    assert hours.open_at(ms(datetime.fromisoformat(moment))) is expected


@given(st.integers(-(2**60), 2**60), st.lists(lines, max_size=2), st.sampled_from(("", *ZONES)))
def test_no_clock_is_too_wrong_to_be_asked(wall_ms: int, written: list[str], zone: str) -> None:
    assert OpeningHours(written, zone).open_at(wall_ms) in (True, False)
    assert OpeningHours((), zone).open_at(wall_ms)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": ["mon-sat 9:00-21:00"]},
        {"hours": ["mon 24:00-25:00"]},
        {"hours": ["someday 09:00-21:00"]},
        {"hours": ["daily 00:00-24:00"] * (HOURS_MAX + 1)},
        {"timezone": "Europe/Atlantis"},
        {"timezone": "../../etc/passwd"},
    ],
)
def test_what_is_no_hours_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, RadarOptions)
