"""What the platform sends down: whole, current, and nothing that a member has not agreed to."""

import msgspec

from edge.storage import goods, members
from sync.ingest.log import read_log
from sync.messages import Dataset, DatasetPart, Hello, decode, encode
from tests.system.sync_box import (
    ADDRESS,
    FACE,
    PROGRAMME,
    Box,
    PlatformProcess,
    listener,
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
            await until(lambda: set(applied) == set(Dataset), "all four applied")
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
            assert [msgspec.json.decode(row.body) for row in confirmed] == [{"member": "boris"}]

            platform.put("members", everybody)  # she agrees again
            await until(lambda: members.template_members(reading), "her template returned")


async def test_a_template_without_consent_is_refused_whoever_sends_it(mosquitto, tmp_path):
    async with running(Box(tmp_path, mosquitto.port)) as box:
        await until(lambda: box.link.status().connected, "connected")
        async with listener(mosquitto.port) as spy:

            async def send(dataset, rows):
                raws = [msgspec.Raw(msgspec.json.encode(row)) for row in rows]
                part = DatasetPart(1, dataset, f"g-{dataset}", 1, 1, 1, raws)
                await spy.publish(ADDRESS.dataset(dataset), encode(part))
                await until(lambda: dataset in box.replica.versions(), f"{dataset} applied")

            await send(
                Dataset.MEMBERS, [member("anna", PROGRAMME, FACE), member("boris", PROGRAMME)]
            )
            broken = {"member": "anna", "model": "dlib-1", "vectors": ["AAAA"]}
            ghosts = [template("boris"), template("ghost"), template("anna"), broken, {"x": 1}]
            await send(Dataset.TEMPLATES, ghosts)
        assert members.template_members(box.database.reading) == {"anna"}
        assert box.counters.get("replica.refused_without_consent") == 2
        assert box.counters.get("replica.malformed") == 2


async def test_half_a_snapshot_changes_nothing_and_the_next_supersedes_it(mosquitto, tmp_path):
    async with running(Box(tmp_path, mosquitto.port)) as box:
        reading = box.database.reading
        await until(lambda: box.link.status().connected, "connected")

        def part(generation, number, of, sku):
            row = {"sku": sku, "place": "here", "quantity": 1, "as_of_ms": 1}
            raws = [msgspec.Raw(msgspec.json.encode(row))]
            return encode(DatasetPart(1, Dataset.STOCK, generation, 1, number, of, raws))

        topic = ADDRESS.dataset(Dataset.STOCK)
        async with listener(mosquitto.port) as spy:
            await spy.publish(topic, part("one", 1, 2, "a"))
            await until(lambda: box.replica.incomplete, "half of it came")
            assert goods.stock_of(reading, "a") == []
            for number, sku in ((2, "c"), (1, "b")):  # in any order
                await spy.publish(topic, part("two", number, 2, sku))
            await until(lambda: box.replica.versions(), "applied")
            assert box.replica.versions()[Dataset.STOCK].generation == "two"
            assert [len(goods.stock_of(reading, sku)) for sku in "abc"] == [0, 1, 1]
            staged = reading.execute("SELECT count(*) FROM staged").fetchone()
            assert staged == (0,)


async def test_a_part_that_never_comes_is_asked_for(mosquitto, tmp_path):
    box = Box(tmp_path, mosquitto.port, quick(mosquitto.port, missing_part_s=0.2))
    async with listener(mosquitto.port, ADDRESS.up("hello")) as spy, running(box):

        async def next_hello():
            message = await spy.receive()
            message.ack()
            return decode(message.payload, Hello)

        assert not (await next_hello()).again
        half = DatasetPart(1, Dataset.STOCK, "g", 1, 1, 2, [])
        await spy.publish(ADDRESS.dataset(Dataset.STOCK), encode(half))
        assert (await next_hello()).again
