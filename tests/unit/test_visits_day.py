"""A morning in a busy shop: nothing of those who have left stays in memory."""

import pytest

from edge.records import CrossingReading, GoneReading, TrackReading
from tests.unit.visits_shop import DOOR, HALL, KIOSK, SCANNER, Shop, login, looks, opened, stay

shop = pytest.fixture(opened)
PEOPLE = 120


async def test_memory_is_flat_however_many_come(shop: Shop) -> None:
    await shop.has("anna", "boris", "vera")
    most = 0
    for number in range(1, PEOPLE + 1):
        who = {5: "anna", 25: "boris", 45: "vera"}.get(number % 60, "")
        seen = looks(number, who) if number % 2 else []
        door = [TrackReading(number), *seen, CrossingReading("entry", True, number)]
        await shop.see(*door, GoneReading(number, 2_000), sensor=DOOR, after_s=20)
        await shop.see(TrackReading(number), stay(number, "shoes", 9), sensor=HALL, after_s=1)
        await shop.see(GoneReading(number, 9_000), sensor=HALL, after_s=1)
        if who:
            await shop.see(login(who), sensor="hotspot", after_s=1)
            await shop.see(TrackReading(number), sensor=KIOSK, after_s=1)
            await shop.scans(who, SCANNER)
            await shop.see(GoneReading(number, 9_000), sensor=KIOSK, after_s=1)
        if number > 10:
            await shop.goes_out(10_000 + number)
        book = shop.desk._book._visits
        most = max(most, len(book.entries))
    assert most < 30
    assert len(book.tracks) == 0
    await shop.time_passes(7_200)
    assert not book.entries
    assert not book.sources
    assert not book._by_member
    assert not book._suggested
    assert not book._timers
    assert len(book.doorway.nobodys) == 0
    assert shop.counted == len([v for v in shop.stored if v.counted]) == PEOPLE
