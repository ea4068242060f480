"""The presence desk and a radar: its windows as events, and what cameras teach it."""

import pytest

from edge.presence.people import SAMPLES_MIN
from edge.records import CountReading, Stream, TrackReading
from edge.storage import radar_samples
from tests.unit.presence_shop import Shop, opened

shop = pytest.fixture(opened)


async def test_a_radar_gives_numbers_only(shop: Shop) -> None:
    count = CountReading(
        lasted_ms=300_000,
        frames=11,
        addresses=19,
        devices=8,
        devices_low=7,
        devices_high=9,
        passers=6,
    )
    await shop.see(count, sensor="radar", after_s=300)
    ((type_, body),) = shop.events(Stream.BULK)
    assert type_ == "footfall.counted.v1"
    assert body == {
        "sensor": "radar",
        "from_ms": body["until_ms"] - 300_000,
        "until_ms": body["until_ms"],
        "addresses": 19,
        "phones": 8,
        "phones_low": 7,
        "phones_high": 9,
        "passers": 6,
        "visitors": 8,
        "visitors_low": 3,
        "visitors_high": 14,
        "calibrated": False,
        "frames": 11,
        "people": 0,
        "entries": 0,
        "exits": 0,
        "lines": {},
        "overflow": 0,
        "withheld": [],
    }
    assert shop.desk.here() == []


async def test_so_few_phones_that_one_could_know_them_are_not_told(shop: Shop) -> None:
    few = CountReading(
        lasted_ms=300_000, frames=11, addresses=9, devices=3, devices_low=2, devices_high=6
    )
    await shop.see(few, sensor="radar", after_s=300)
    ((_, body),) = shop.events(Stream.BULK)
    assert {"phones", "phones_low", "phones_high", "visitors", "addresses"} <= {*body["withheld"]}
    assert (body["phones"], body["phones_low"], body["phones_high"]) == (0, 0, 0)
    assert (body["visitors"], body["visitors_low"], body["visitors_high"]) == (0, 0, 0)
    assert (body["addresses"], body["passers"], body["frames"]) == (0, 0, 11)


async def test_cameras_teach_a_radar_how_many_people_its_count_stands_for(shop: Shop) -> None:
    def count(phones: int) -> CountReading:
        return CountReading(
            lasted_ms=300_000,
            frames=90,
            addresses=phones,
            devices=phones,
            devices_low=phones,
            devices_high=phones,
            private=phones,
            private_addresses=phones,
        )

    for number in range(SAMPLES_MIN + 1):
        phones = 5 + number % 7
        people = [TrackReading(100 * number + track) for track in range(3 * phones)]
        await shop.see(*people, sensor="door", after_s=150)
        await shop.see(count(phones), sensor="radar", after_s=150)
    told = [body for kind, body in shop.events(Stream.BULK) if body["sensor"] == "radar"]
    assert [body["calibrated"] for body in told] == [False] * SAMPLES_MIN + [True]
    last = told[-1]
    assert last["visitors_low"] <= 3 * last["phones"] <= last["visitors_high"]
    kept = radar_samples.of(shop.database.reading, "radar")
    assert len(kept) == SAMPLES_MIN + 1
