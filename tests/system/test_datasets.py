"""What the platform sends down: whole, current, and nothing that a member has not agreed to."""

import json
from typing import get_args

import msgspec

from edge.documents import Document
from edge.records import Stream
from edge.storage import documents, goods, members, templates
from sync.datasets import OWN
from sync.ingest.log import read_log
from sync.messages import Dataset
from sync.rows import KINDS
from tests.system.sync_box import (
    ADDRESS,
    FACE,
    PROGRAMME,
    Box,
    PlatformProcess,
    member,
    quick,
    running,
    template,
    until,
)


async def test_datasets_come_down_and_follow_their_files(mosquitto, tmp_path):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    everybody = [member("anna", PROGRAMME, FACE), member("boris", PROGRAMME), member("vera")]
    platform.put("members", everybody)
    platform.put("templates", [template(name) for name in ("anna", "boris", "vera", "ghost")])
    product = {"sku": "s1", "gtin": "4600000000001", "model": "m", "titles": {"en": "Boot"}}
    platform.put("catalogue", [product | {"price_minor": 100}])
    figures = [{"sku": "s1", "place": f"shop-{n}", "quantity": n, "as_of_ms": 1} for n in range(9)]
    platform.put("stock", figures)
    applied = []
    with platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            box.replica.add_listener(applied.append)
            reading, vault = box.database.reading, box.database.vault
            await until(lambda: len(set(applied)) == 4, "all four applied")
            assert {m.id for m in members.everybody(reading, vault)} == {"anna", "boris"}
            assert templates.owners(reading) == {"anna"}
            assert goods.by_code(reading, "4600000000001").title("en") == "Boot"
            assert len(goods.stock_of(reading, "s1")) == 9
            # The platform kept back what it must not send: the box had nothing to refuse.
            assert box.counters.snapshot() == {}

            applied.clear()
            platform.put("stock", figures[:1])
            await until(lambda: Dataset.STOCK in applied, "the shorter stock")
            assert [s.place for s in goods.stock_of(reading, "s1")] == ["shop-0"]

            platform.put("members", [member("anna", PROGRAMME)])  # face withdrawn, boris gone
            await until(lambda: members.count(reading) == 1, "boris erased")
            assert templates.owners(reading) == frozenset()
            assert await box.link.drained(20)
            confirmed = [row for row in read_log(platform.log) if row.type == "erasure.done.v1"]
            assert [msgspec.json.decode(row.body)["member"] for row in confirmed] == ["boris"]

            platform.put("members", everybody)  # she agrees again
            await until(lambda: templates.owners(reading), "her template returned")


async def test_a_part_without_room_does_not_keep_the_outbox_from_draining(mosquitto, tmp_path):
    box = Box(tmp_path, mosquitto.port, quick(mosquitto.port, missing_part_s=0.2))
    await box.database.transact(lambda tx: tx.execute(FULL))
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        platform.put("stock", [{"sku": "s", "place": "p", "quantity": 1, "as_of_ms": 1}])
        async with running(box):
            await until(lambda: box.counters.get("replica.not_kept") >= 2, "refused twice")
            assert box.replica.incomplete
            await box.emit(Stream.CRIT, 5)
            assert await box.link.drained(20)
            assert box.link.status().connected
            await box.database.transact(lambda tx: tx.execute("DROP TRIGGER full"))
            await until(lambda: not box.replica.incomplete, "applied once there is room")
            assert goods.stock_of(box.database.reading, "s")


LINE = {"sku": "s1", "quantity": 2, "unit_price_minor": 5}
ROWS = {
    Dataset.MEMBERS: [member("anna", PROGRAMME, FACE)],
    Dataset.TEMPLATES: [template("anna")],
    Dataset.CATALOGUE: [
        {"sku": "s1", "gtin": "1", "model": "m", "titles": {}, "price_minor": 100},
        {"sku": "s2", "gtin": "2", "model": "m", "titles": {}, "price_minor": 200},
    ],
    Dataset.PRICES: [{"sku": "s1", "price_minor": 90, "member_price_minor": 80}],
    Dataset.STOCK: [{"sku": "s1", "place": "shop/1", "quantity": 1, "as_of_ms": 1}],
    Dataset.RULES: [{"id": "r1", "kind": "points", "given": {"sku": "s1"}, "then": {"points": 5}}],
    Dataset.COUPONS: [{"id": "c1", "code": "TEN", "percent": 10, "member": "anna"}],
    Dataset.STAFF: [{"id": "e1", "name": "Ольга", "badge": "77"}],
    Dataset.CONFIGURATION: [{"name": "greeting", "value": {"ru": "Привет"}}],
    Dataset.COLLECT: [{"number": "o1", "code": "4711", "lines": [LINE]}],
    Dataset.ORDER_STATUS: [{"number": "o2", "status": "sent", "as_of_ms": 1, "member": "anna"}],
    Dataset.SALES: [
        {
            "receipt": "b1",
            "place": "shop-1",
            "sold_ms": 1,
            "lines": [{"sku": "s1", "quantity": 1, "paid_minor": 81}],
        }
    ],
    Dataset.BALANCES: [{"member": "anna", "points": 120, "as_of_ms": 1}],
    Dataset.HISTORY: [
        {"member": "anna", "receipt": "b1", "sku": "s1", "quantity": 1, "bought_ms": 1}
    ],
    Dataset.CARTS: [{"member": "anna", "lines": [LINE], "as_of_ms": 1}],
    Dataset.WISHES: [{"member": "anna", "sku": "s2", "since_ms": 1}],
    Dataset.TOGETHER: [{"sku": "s1", "others": [{"sku": "s2", "per_mille": 300}]}],
    Dataset.MEDIA: [{"id": "p1", "kind": "image/png", "sku": "s1", "body": "aGVsbG8="}],
}


async def test_all_datasets_come_down_and_can_be_read(mosquitto, tmp_path):
    assert set(ROWS) == set(Dataset)
    platform = PlatformProcess(tmp_path, mosquitto.port)
    for dataset, rows in ROWS.items():
        platform.put(dataset, rows)
    with platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await until(lambda: set(box.replica.versions()) == set(Dataset), "all of them")
            reading, vault = box.database.reading, box.database.vault
            assert goods.by_sku(reading, "s1").price_minor == 90
            assert goods.by_sku(reading, "s1").member_price_minor == 80
            assert goods.by_sku(reading, "s2").price_minor == 200
            for dataset, rows in ROWS.items():
                if (kind := KINDS[dataset]) not in get_args(Document):
                    continue
                found = list(documents.everything(reading, vault, dataset=dataset, kind=kind))
                assert found == [msgspec.convert(row, kind) for row in rows]
            (wish,) = documents.of_member(
                reading, vault, dataset="wishes", member="anna", kind=KINDS[Dataset.WISHES]
            )
            assert wish.sku == "s2"
            sealed = reading.execute("SELECT body FROM document WHERE member = 'anna'").fetchall()
            assert len(sealed) == 6
            assert not any(b"anna" in bytes(body) for (body,) in sealed)

            platform.put("members", [])
            await until(lambda: members.count(reading) == 0, "she left")
            left = "SELECT count(*) FROM document WHERE member IS NOT NULL"
            assert reading.execute(left).fetchone() == (0,)
            await until(lambda: not box.replica.incomplete, "nothing is asked for any more")
            named = reading.execute("SELECT key FROM replica_row WHERE key LIKE '%anna%'")
            await until(lambda: not named.fetchall(), "her name stands nowhere")
            assert (
                len(
                    list(
                        documents.everything(
                            reading, vault, dataset="sales", kind=KINDS[Dataset.SALES]
                        )
                    )
                )
                == 1
            )


async def test_a_box_has_files_of_its_own(mosquitto, tmp_path):
    def figure(quantity):
        return [{"sku": "s", "place": "p", "quantity": quantity, "as_of_ms": 1}]

    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", figure(1))
    with platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:

            def quantity():
                found = goods.stock_at(box.database.reading, "s", "p")
                return found and found.quantity

            await until(lambda: quantity() == 1, "everybody's")
            own = platform.datasets / "boxes" / ADDRESS.store / ADDRESS.box
            own.mkdir(parents=True)
            (own / "draft").write_text(json.dumps(figure(2)))
            (own / "draft").rename(own / "stock.json")
            await until(lambda: quantity() == 2, "its own")
            (own / "draft").write_text(json.dumps(figure(3)))
            (own / "draft").rename(own / "stock.json")
            platform.put("stock", figure(4))
            await until(lambda: quantity() == 3, "its own, changed")
            version = box.replica.versions()[Dataset.STOCK]
            assert version.generation.startswith(OWN)
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            assert box.replica.versions()[Dataset.STOCK] == version


async def test_a_snapshot_goes_on_where_it_was_when_the_platform_died(mosquitto, tmp_path):
    def figures(quantity):
        return [
            {"sku": f"s-{n}", "place": "p", "quantity": quantity, "as_of_ms": 1}
            for n in range(40_000)
        ]

    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", figures(1))
    settings = quick(mosquitto.port, missing_part_s=0.5)
    with platform:
        async with running(Box(tmp_path, mosquitto.port, settings)) as box:
            reading = box.database.reading
            staged = "SELECT count(*) FROM stage_piece"
            await until(lambda: reading.execute(staged).fetchone()[0] > 3, "some chunks are here")
            platform.kill()
            assert goods.stock_of(reading, "s-1") == []
            platform.start()
            await until(lambda: goods.stock_of(reading, "s-1"), "all of it", 60)
            count = reading.execute("SELECT count(*), max(quantity) FROM stock").fetchone()
            assert count == (40_000, 1)


FULL = """CREATE TRIGGER full BEFORE INSERT ON stage_plan
  BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"""
"""Room for the outbox and none for datasets: what a box short of space looks like from here."""
