"""What the platform sends down: whole, current, and nothing that a member has not agreed to."""

import msgspec

from edge.records import Stream
from edge.storage import goods, members
from sync.ingest.log import read_log
from sync.messages import Dataset
from tests.system.sync_box import (
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
            assert members.template_members(reading) == {"anna"}
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
            assert members.template_members(reading) == frozenset()
            assert await box.link.drained(20)
            confirmed = [row for row in read_log(platform.log) if row.type == "erasure.done.v1"]
            assert [msgspec.json.decode(row.body)["member"] for row in confirmed] == ["boris"]

            platform.put("members", everybody)  # she agrees again
            await until(lambda: members.template_members(reading), "her template returned")


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


FULL = """CREATE TRIGGER full BEFORE INSERT ON stage_plan
  BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"""
"""Room for the outbox and none for datasets: what a box short of space looks like from here."""
