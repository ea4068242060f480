"""What a member's history still says of the Wi-Fi, or of faces, once that consent is gone: nothing,
at whatever moment it went and in whatever way."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import consent, erasure
from edge.records import CodeReading, ConsentKind, Moment, Observation, Stream
from edge.storage import members, outbox, visits
from edge.storage.transaction import Transaction
from edge.visiting import REASON_BEGINS, RESTS_ON, Stage, Visit, VisitState
from tests.pages import everything
from tests.unit.wifi_shop import ALIVE, BOTH, OTHER, SILENCE_S, STOP, Shop, person

ONLY = (ConsentKind.PROGRAMME,)
WIFI = "Wi-Fi"
TABLES = ("visit", "binding")


# --- the ways in which a consent goes


async def on_order(shop: Shop) -> None:
    now = shop.time.now()
    await shop.database.transact(lambda tx: consent.withdraw(tx, "anna", ConsentKind.WIFI, now))


async def by_a_row(shop: Shop) -> None:
    changed = person(kinds=ONLY)
    await shop.database.transact(lambda tx: consent.accept_member(tx, changed))


async def by_doubt(shop: Shop) -> None:
    await shop.database.transact(lambda tx: consent.doubt_member(tx, "anna"))


async def by_snapshot(shop: Shop) -> None:
    changed, now = person(kinds=ONLY), shop.time.now()

    def swap(tx: Transaction) -> list[str]:
        sql = "SELECT wrapped FROM member_key WHERE member = 'anna'"
        (wrapped,) = tx.execute(sql).fetchone()
        row = members.cells(tx.vault, changed, wrapped)
        tx.execute("INSERT INTO stage_member VALUES (?, ?, ?, ?, ?, ?)", row)
        rows = members.consent_cells(changed)
        tx.executemany("INSERT INTO stage_consent VALUES (?, ?, ?, ?, ?, ?)", rows)
        return consent.swap_members(tx, [], now)

    assert await shop.database.transact(swap) == []


WAYS = [on_order, by_a_row, by_doubt, by_snapshot]
Way = Callable[[Shop], Awaitable[None]]


# --- what happens in a shop


async def scan(shop: Shop) -> None:
    await shop.time.pass_(1000)
    await shop.desk.observe([Observation("scanner", shop.time.now(), CodeReading("card-anna"))])


async def disk_refuses(shop: Shop, refuses: bool) -> None:
    for table in TABLES:
        sql = f"DROP TRIGGER IF EXISTS refuse_{table}"
        if refuses:
            refuse = f"BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            sql = f"CREATE TRIGGER IF NOT EXISTS refuse_{table} {refuse}"
        await shop.database.transact(lambda tx, sql=sql: tx.execute(sql))


async def restart(shop: Shop) -> None:
    shop.begin()


STEPS: dict[str, Callable[[Shop], Awaitable[object]]] = {
    "login": lambda shop: shop.hears(),
    "phone": lambda shop: shop.hears("", phase=ALIVE),
    "tablet": lambda shop: shop.hears(address=OTHER, session="tablet"),
    "leaves": lambda shop: shop.hears(phase=STOP),
    "later": lambda shop: shop.after(SILENCE_S),
    "card": scan,
    "full": lambda shop: disk_refuses(shop, True),
    "room": lambda shop: disk_refuses(shop, False),
    "restart": restart,
}


def history(shop: Shop) -> list[Visit]:
    return visits.latest(shop.database.reading)


def told(shop: Shop) -> list[tuple[str, bytes, str | None]]:
    sql = "SELECT type, body, member FROM outbox WHERE stream = ?"
    return shop.database.reading.execute(sql, (Stream.VISIT,)).fetchall()


def nothing_is_left(shop: Shop, *, by_card: bool) -> None:
    assert (shop.rows("binding"), shop.rows("login")) == (0, 0)
    for visit in [*history(shop), *shop.desk.here()]:
        assert not [reason for reason in visit.reasons if reason.startswith(WIFI)]
        assert (visit.member is None) is (visit.reasons == ())
        assert by_card or visit.member is None
    for type_, body, member in told(shop):
        assert WIFI.encode() not in body, type_
        assert by_card or (b"anna" not in body and not member), type_


async def lived(directory: Path, before: list[str], way: Way, after: list[str]) -> None:
    shop = Shop(directory)
    try:
        await shop.has(person())
        for step in before:
            await STEPS[step](shop)
        await way(shop)
        by_card = "card" in before
        nothing_in_files(shop, by_card=by_card)
        if "late" not in after:
            shop.desk.reload()
        for step in after:
            if step in STEPS:
                await STEPS[step](shop)
                by_card = by_card or step == "card"
        await disk_refuses(shop, False)
        await shop.after(1)
        nothing_in_files(shop, by_card=by_card)
        shop.desk.reload()
        nothing_is_left(shop, by_card=by_card)
        await shop.after(SILENCE_S)
        nothing_is_left(shop, by_card=by_card)
    finally:
        shop.database.close()


def nothing_in_files(shop: Shop, *, by_card: bool) -> None:
    """Already before the desk hears of it."""
    assert not [v for v in history(shop) if any(r.startswith(WIFI) for r in v.reasons)]
    assert by_card or not [visit for visit in history(shop) if visit.member]
    assert not [body for _, body, _ in told(shop) if WIFI.encode() in body]
    assert by_card or not [member for *_, member in told(shop) if member]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(STEPS)), max_size=8),
    st.sampled_from(WAYS),
    st.lists(st.sampled_from([*sorted(STEPS), "late"]), max_size=4),
)
def test_a_withdrawal_at_any_moment_leaves_nothing_of_the_wifi(before, way, after) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(lived(Path(directory), before, way, after))


@pytest.mark.parametrize("way", WAYS)
async def test_a_visit_long_over_is_nobodys_and_no_byte_says_whose(
    tmp_path: Path, way: Way
) -> None:
    shop = Shop(tmp_path)
    await shop.has(person())
    await shop.owns()
    await shop.hears()
    await shop.hears(phase=STOP)
    await shop.after(SILENCE_S)
    (visit,) = history(shop)
    assert (visit.left, visit.member) == (True, "anna")
    said = [type_ for type_, _, member in told(shop) if member == "anna"]
    assert said == ["visit.identified.v1", "visit.closed.v1"]
    reason = b"Wi-Fi login at hall"
    assert reason in everything(tmp_path / "state"), "else the look below would prove nothing"
    await way(shop)
    (visit,) = history(shop)
    assert visit.left
    assert (visit.state, visit.member, visit.posterior, visit.reasons) == (
        VisitState.ANONYMOUS,
        None,
        0.0,
        (),
    )
    kinds = [type_ for type_, _, _ in told(shop)]
    assert kinds == ["visit.opened.v1", outbox.TOMBSTONE_TYPE, outbox.TOMBSTONE_TYPE]
    await erasure.scrub_once(shop.database)
    assert reason not in everything(tmp_path / "state")
    shop.database.close()


async def test_a_visit_by_card_and_wifi_stays_the_members_by_the_card(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.has(person(), person("boris", "79990000000"))
    await shop.owns()
    await shop.owns("boris", OTHER)
    await shop.hears()
    await scan(shop)
    await shop.hears("79990000000", OTHER, session="boris")
    await on_order(shop)
    shop.desk.reload()
    await shop.after(SILENCE_S)
    kept = {visit.member: visit.reasons for visit in history(shop)}
    assert kept == {
        "anna": ("card scanned at scanner (+20.7)",),
        "boris": ("Wi-Fi login at hall (+18.4)",),
    }
    named = [(type_, member) for type_, _, member in told(shop) if member]
    assert named == [
        ("visit.identified.v1", "boris"),
        ("visit.closed.v1", "anna"),
        ("visit.closed.v1", "boris"),
    ]
    shop.database.close()


@pytest.mark.parametrize(("kind", "sign"), RESTS_ON)
async def test_each_consent_takes_its_own_signs_with_it(
    tmp_path: Path, kind: ConsentKind, sign: str
) -> None:
    shop = Shop(tmp_path)
    everything_agreed = (*BOTH, ConsentKind.FACE)
    await shop.has(person(kinds=everything_agreed))
    moment: Moment = shop.time.now()
    for number, (_, each) in enumerate(RESTS_ON):
        reasons = (f"{REASON_BEGINS[each]} at hall (+18.4)",)
        sure = VisitState.IDENTIFIED
        kept = Visit(f"v{number}", sure, moment, moment, "hall", "anna", 1.0, reasons, Stage.LEFT)
        body = {"visit": kept.id, "member": "anna", "reasons": reasons}

        def happened(tx: Transaction, kept: Visit = kept, body: dict[str, object] = body) -> None:
            visits.put(tx, kept)
            tx.emit(Stream.VISIT, "visit.identified.v1", body, moment, member="anna")

        await shop.database.transact(happened)
    await shop.database.transact(lambda tx: consent.withdraw(tx, "anna", kind, moment))
    left = [visit for visit in history(shop) if visit.member]
    others = {each for _, each in RESTS_ON if REASON_BEGINS[each] != REASON_BEGINS[sign]}
    assert len(left) == len(others) > 0
    assert not any(visit.reasons[0].startswith(REASON_BEGINS[sign]) for visit in left)
    waiting = [msgspec.json.decode(body) for _, body, member in told(shop) if member]
    assert {each["visit"] for each in waiting} == {visit.id for visit in left}
    shop.database.close()
