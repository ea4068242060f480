"""Zones: lengths of stays and queues per window, and that a few people are told of nobody."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence import zones
from edge.presence.desk import PresenceSettings
from edge.presence.footfall import (
    CELL_MIN,
    LINES_MAX,
    WINDOW_S,
    FootfallCounter,
    LineCount,
)
from edge.presence.places import SensorPlace
from edge.presence.zones import PRESENT, STANDING_S_MAX, WINDOW_S_MAX, ZoneCount, ZoneCounter
from edge.records import CrossingReading, Moment, QueueReading, StayReading, Stream, TrackReading
from tests.unit.presence_shop import Shop, opened

shop = pytest.fixture(opened)
SENSOR, ZONE = "camera", "shoes"


def at(seconds: float, boot: str = "boot") -> Moment:
    return Moment(1_000_000 + round(seconds * 1000), round(seconds * 1000), boot, True)


def counted(stays_s: list[float], queue: list[tuple[float, int]], until_s: float) -> ZoneCount:
    counter = ZoneCounter()
    counter.queue(SENSOR, ZONE, 0, at(0))
    for dwell_s in stays_s:
        counter.stay(SENSOR, ZONE, round(dwell_s * 1000), at(1))
    for seconds, length in queue:
        counter.queue(SENSOR, ZONE, length, at(seconds))
    ((count, _),) = counter.due(at(until_s), everything=True)
    return count


def test_stays_are_told_as_mean_median_and_percentile() -> None:
    count = counted([10, 20, 30, 40, 200], [], WINDOW_S)
    assert (count.visits, count.dwell_mean_s, count.dwell_median_s, count.dwell_p90_s) == (
        (5, 60.0, 30.0, 200.0)
    )
    assert count.withheld == ()


def test_a_queue_is_weighed_by_time() -> None:
    count = counted([1] * 5, [(100, 3), (200, 1), (250, 0)], WINDOW_S)
    assert count.queue_mean == round((3 * 100 + 1 * 50) / WINDOW_S, 1)
    assert count.queue_max == 3


@given(
    st.lists(st.floats(0, 1000), max_size=12),
    st.lists(st.tuples(st.floats(2, 299), st.integers(0, 12)), max_size=6),
)
def test_of_a_few_people_nothing_is_told(
    stays_s: list[float], changes: list[tuple[float, int]]
) -> None:
    changes.sort()
    count = counted(stays_s, changes, WINDOW_S)
    largest = max((length for _, length in changes), default=0)
    left = changes[-1][1] if changes else 0
    if 0 < max(len(stays_s) + left, largest) < CELL_MIN:
        assert all(getattr(count, name) == 0 for name in PRESENT)
        assert stays_s == [] or "visits" in count.withheld
    else:
        assert count.visits == len(stays_s)
        assert count.withheld == ()
        assert count.dwell_median_s <= count.dwell_p90_s


def test_a_window_waits_for_five_people_and_an_hour_at_most() -> None:
    counter = ZoneCounter()
    counter.stay(SENSOR, ZONE, 1000, at(0))
    assert counter.due(at(WINDOW_S)) == []
    for _ in range(4):
        counter.stay(SENSOR, ZONE, 1000, at(WINDOW_S + 1))
    ((count, _),) = counter.due(at(WINDOW_S + 2))
    assert (count.visits, count.withheld) == (5, ())
    counter.stay(SENSOR, ZONE, 1000, at(0))
    ((count, _),) = counter.due(at(WINDOW_S_MAX))
    assert (count.visits, count.dwell_mean_s) == (0, 0)
    assert set(count.withheld) >= {"visits", "dwell_mean_s"}


def test_who_still_stands_there_opens_the_next_window() -> None:
    counter = ZoneCounter()
    counter.queue(SENSOR, ZONE, 6, at(0))
    ((first, _),) = counter.due(at(WINDOW_S))
    ((second, _),) = counter.due(at(2 * WINDOW_S))
    assert (first.queue_mean, second.queue_mean) == (6.0, 6.0)


def test_a_camera_that_lost_its_queue_is_not_believed_for_ever() -> None:
    counter = ZoneCounter()
    counter.queue(SENSOR, ZONE, 6, at(0))
    ((count, _),) = counter.due(at(2 * STANDING_S_MAX))
    assert count.queue_mean == 3.0
    assert counter.due(at(9 * STANDING_S_MAX), everything=True) == []


def test_after_a_restart_of_the_box_a_window_ends() -> None:
    counter = ZoneCounter()
    for _ in range(5):
        counter.stay(SENSOR, ZONE, 1000, at(500))
    ((count, _),) = counter.due(at(1, boot="another"))
    assert (count.visits, count.queue_mean) == (5, 0.0)


def test_zones_have_a_limit() -> None:
    counter = ZoneCounter()
    assert all(counter.stay(SENSOR, str(n), 1, at(0)) for n in range(zones.ZONES_MAX))
    assert not counter.stay(SENSOR, "one more", 1, at(0))
    assert counter.stay(SENSOR, "0", 1, at(0))


def test_a_camera_with_a_line_counts_who_walks_in_over_it() -> None:
    counter = FootfallCounter()
    for second in (1, 2, 3):
        counter.person("door", at(second))
        counter.person("hall", at(second))
    counter.crossing("door", at(4), "in", inwards=True)
    counter.crossing("door", at(5), "in", inwards=False)
    assert counter.seen_within(60_000, at(10)) == 3 + 1
    door = next(each for each in counter.due(at(10), everything=True) if each.sensor == "door")
    assert (door.people, door.entries, door.exits) == (3, 1, 1)
    assert door.lines == {"in": LineCount(1, 1)}


def test_each_line_of_a_camera_is_counted_by_its_name_as_far_as_there_is_room() -> None:
    counter = FootfallCounter()
    for number in range(1, LINES_MAX + 2):
        for _ in range(number):
            counter.crossing("door", at(number), f"line {number}", inwards=number % 2 == 0)
    (door,) = counter.due(at(20), everything=True)
    assert len(door.lines) == LINES_MAX
    assert door.lines["line 5"] == LineCount(0, 5)
    assert door.lines["line 6"] == LineCount(6, 0)
    assert (door.entries, door.exits) == (2 + 4 + 6 + 8, 1 + 3 + 5 + 7 + 9)


async def test_the_desk_sends_crossings_stays_and_queues(shop: Shop) -> None:
    stays = [StayReading("queue", 1000 * n) for n in range(1, 7)]
    crossings = [CrossingReading("in", n > 0, n) for n in range(7)]
    tracks = [TrackReading(n) for n in range(1, 8)]
    await shop.see(*tracks, *crossings, *stays, QueueReading("queue", 2), sensor="door")
    await shop.see(after_s=WINDOW_S)
    told = dict(shop.events(Stream.BULK))
    door = told["footfall.counted.v1"]
    assert (door["people"], door["entries"], door["exits"]) == (7, 6, 0)
    assert (door["lines"], door["withheld"]) == ({}, ["lines", "exits"])
    zone = msgspec.convert(told["zone.counted.v1"], ZoneCount)
    assert (zone.visits, zone.dwell_mean_s, zone.queue_mean) == (6, 3.5, 2.0)


async def test_the_queue_before_a_screen_is_counted_like_any_other(tmp_path: Path) -> None:
    """Also where visits begin at the door alone, so that its tracks are no visits of their own."""
    sensors = {"kiosk": SensorPlace(screen="main"), "door": SensorPlace(entrance=True)}
    shop = Shop(tmp_path, PresenceSettings(sensors=sensors))
    for track, length in enumerate((1, 2, 5, 5, 3), start=1):
        await shop.see(
            TrackReading(track), QueueReading("queue", length), sensor="kiosk", after_s=60
        )
    await shop.see(after_s=60)
    (zone,) = [body for type_, body in shop.events(Stream.BULK) if type_ == "zone.counted.v1"]
    assert (zone["sensor"], zone["zone"], zone["withheld"]) == ("kiosk", "queue", [])
    assert (zone["queue_mean"], zone["queue_max"]) == (pytest.approx((1 + 2 + 5 + 5 + 3) / 5), 5)
    shop.database.close()
