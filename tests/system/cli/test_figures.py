"""`storebox figures`, with the daemon dead and alive: tables for people, CSV that reads back."""

import csv
import io
import re
from datetime import datetime
from pathlib import Path

import pytest

from edge.config import load
from edge.counters import Counters
from edge.figures import CELL_MS
from edge.operation.figures import Rolling
from edge.records import Member, Moment, Stream
from edge.sales import CartLine, Order
from edge.storage import members, orders
from edge.storage.database import Database, Transaction
from tests.clocks import Time
from tests.system.cli.box import FAILED, OK, Result, daemon

DAY = "2023-11-14"
BEGINS_MS = 1_699_909_200_000
"""Midnight of that day in Moscow."""
SELLER = 'Olga "Olya" O, 2nd floor'


@pytest.fixture
async def shop(path: Path) -> Path:
    """A box with a day of figures, its morning rolled up and its evening not."""
    path.write_text(path.read_text().replace("[kiosk]", '[kiosk]\ntimezone = "Europe/Moscow"'))
    database = Database.open(Path(load(path).state.directory))
    time = Time()
    try:
        time.wall_ms = BEGINS_MS + 10 * 3_600_000
        await database.transact(lambda tx: fill(tx, time.now()))
        time.wall_ms += 2 * 3_600_000
        await Rolling(database, time, Counters(), "Europe/Moscow").pass_time()
        await database.transact(lambda tx: fill(tx, time.now()))
    finally:
        database.close()
    return path


def fill(tx: Transaction, now: Moment) -> None:
    """Ten came in, eight left again, one of them known, two bought."""
    if not members.exists(tx, "m"):
        members.put(tx, tx.vault, Member("m", "Anna", "card"))
    window = {"from_ms": now.wall_ms, "until_ms": now.wall_ms + CELL_MS}
    camera = {"sensor": "door", "people": 12, "entries": 10, "exits": 8}
    nobody = dict.fromkeys(("passers", "visitors", "visitors_low", "visitors_high"), 0)
    tx.count("footfall.counted.v1", window | nobody | camera | {"calibrated": False}, now)
    zone = {"sensor": "door", "zone": "kiosk", "visits": 6, "dwell_mean_s": 30.0}
    tx.count("zone.counted.v1", window | zone | {"queue_mean": 1.5, "queue_max": 4}, now)
    for number in range(8):
        body = {"visit": f"v{number}", "member": "m" if not number else None, "dwell_s": 200}
        tx.emit(Stream.VISIT, "visit.closed.v1", body, now, member=body["member"])
    for _ in range(2):
        line = CartLine("a", "Apple, red", 2, 150, True)
        number = f"07-{tx.next_number('order'):06d}"
        order = Order(number, "main", (line,), 300, "RUB", now, "m")
        orders.put_order(tx, order)
        tx.emit(Stream.CRIT, "order.placed.v1", order, now, member="m")
    tx.emit(Stream.BULK, "offer.shown.v1", {"sku": "a"}, now)
    given = {"member": "m", "kind": "programme", "by": SELLER}
    tx.emit(Stream.CRIT, "consent.given.v1", given, now, member="m")


def rows(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.out, newline="")))


def value(found: list[dict[str, str]], measure: str, subject: str = "") -> float:
    return sum(
        float(row["value"])
        for row in found
        if (row["measure"], row["subject"]) == (measure, subject)
    )


@pytest.mark.parametrize("by", ["cell", "hour", "day"])
async def test_csv_reads_back_and_adds_up_however_fine(storebox, shop, by):
    result = await storebox("figures", "show", "--day", DAY, "--by", by, "--csv")
    assert result.code == OK
    found = rows(result)
    assert value(found, "entries", "door") == 20
    assert value(found, "visits") == 16
    assert value(found, "order_total", "RUB") == 1_200
    assert value(found, "joined", SELLER) == 2
    assert value(found, "offers_used", "member_price") == 4
    begun = {datetime.fromisoformat(row["from"]).timestamp() * 1000 for row in found}
    assert begun == {BEGINS_MS} if by == "day" else len(begun) == 2
    assert all(row["from"].endswith("+03:00") for row in found)
    share = {row["value"] for row in found if row["measure"] == "recognised_share"}
    assert share == {"0.1250"}


async def test_people_see_shares_bars_and_zones(storebox, shop):
    async with daemon(shop):
        result = await storebox("figures", "show", "--day", DAY)
        facts = await storebox("figures", "show", "--day", DAY, "--json")
        chosen = await storebox("figures", "show", "--day", DAY, "--measure", "visitors")
    assert result.err == ""
    assert result.out.startswith(f"{DAY}\n")
    for line in (
        r"visitors +20 \(16 to 24\), by cameras",
        r"recognised +2 \(12\.5%\) █",
        r"orders by visits +4 \(25\.0%\) █",
        r"ordered for +12\.00 RUB",
        r"14\.11\. 10:00 +10 █{40}\n",
        r"2-5 min +16 █{40}\n",
        r"door/kiosk +12 +30 s +1\.5 +4",
    ):
        assert re.search(line, result.out), line
    total = facts.json["total"]
    assert total["visitors"]["people"] == 20
    assert total["visitors"]["low"] < 20 < total["visitors"]["high"]
    assert total["queue_means"] == {"door/kiosk": 1.5}
    assert chosen.out.count("visitors") == 2
    assert "entries" not in chosen.out


async def test_today_is_empty_until_something_happens(storebox, shop):
    result = await storebox("figures", "show")
    assert (result.code, "Nothing was counted." in result.out) == (OK, True)


async def test_sellers_are_named_to_the_manager(storebox, shop):
    found = await storebox("figures", "sellers", "--day", DAY, "--json")
    assert found.json == {"sellers": [{"seller": SELLER, "joined": 2, "enrolments": 0}]}
    assert SELLER in (await storebox("figures", "sellers", "--day", DAY)).out


async def test_what_a_member_has_bought(storebox, shop):
    dead = await storebox("figures", "member", "m", "--json")
    async with daemon(shop):
        alive = await storebox("figures", "member", "m", "--json")
        shown = await storebox("figures", "member", "m")
        unknown = await storebox("figures", "member", "nobody")
    assert dead.json == alive.json
    assert (alive.json["orders"], alive.json["total_minor"]) == (4, 1_200)
    assert alive.json["favourites"] == [{"sku": "a", "title": "Apple, red", "quantity": 8}]
    assert "12.00 RUB" in shown.out
    assert unknown.code == FAILED
    assert "no member 'nobody'" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "week"], "Say --by cell, hour or day."),
        (["--measure", "joy"], "'joy' is no measure."),
        (["--day", "yesterday"], "Write it as 2026-03-31."),
        (["--days", "1000", "--by", "cell"], "Ask for fewer days"),
    ],
)
async def test_what_cannot_be_shown_is_said(storebox, shop, arguments, said):
    result = await storebox("figures", "show", *arguments)
    assert result.code == FAILED
    assert said in result.err
