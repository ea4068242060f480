"""What the platform sends down: whole, current, and nothing that a member has not agreed to."""

import msgspec
import pytest

from edge.records import Stream
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


class Sender:
    """Sends whole snapshots in one part each, straight into the replica, and counts them."""

    def __init__(self, box):
        self._box, self._sent = box, 0

    async def __call__(self, dataset, *rows):
        self._sent += 1
        raws = [msgspec.Raw(row if isinstance(row, bytes) else encoded(row)) for row in rows]
        part = DatasetPart(1, dataset, f"g{self._sent}", 1, 1, 1, raws)
        assert await self._box.replica.receive(dataset, encode(part))


def encoded(row):
    return msgspec.json.encode(row)


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path, 1)
    yield opened
    opened.database.close()


def cards(box):
    return {m.id: m.card for m in members.everybody(box.database.reading, box.database.vault)}


def agreed(box, name):
    found = members.get(box.database.reading, box.database.vault, name)
    return {consent.kind.value for consent in found.consents}


def told(box):
    """What the box told the platform."""
    rows = box.database.reading.execute("SELECT type FROM outbox").fetchall()
    return [type_ for (type_,) in rows]


async def test_cards_change_hands_within_one_snapshot_and_nobody_is_erased(box):
    send = Sender(box)
    names = ("anna", "boris", "vera")
    rows = {name: member(name, PROGRAMME, FACE) for name in names}
    await send(Dataset.MEMBERS, *rows.values())
    await send(Dataset.TEMPLATES, *(template(name) for name in names))
    turned = dict(zip(names, ("card-boris", "card-vera", "card-anna"), strict=True))
    await send(Dataset.MEMBERS, *(rows[name] | {"card": card} for name, card in turned.items()))
    assert cards(box) == turned
    assert members.template_members(box.database.reading) == set(names)
    # boris is gone, and his card is anna's
    await send(Dataset.MEMBERS, rows["anna"] | {"card": "card-vera"}, rows["vera"])
    assert told(box) == ["erasure.done.v1"]
    assert box.counters.get("replica.refused_by_schema") == 1, "one card for two"
    assert set(cards(box)) == {"anna", "vera"}
    assert cards(box)["anna"] == "card-vera"
    assert cards(box)["vera"] not in {"card-vera", "card-anna"}
    assert agreed(box, "vera") == {"programme"}


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({"card": 5}, True),
        ({"consents": "none of your business"}, True),
        ({"consents": [PROGRAMME, {"kind": "telepathy"}]}, True),
        ({"tier": None, "consents": [PROGRAMME, FACE]}, True),
        ({"tier": None, "consents": [FACE]}, False),
        ({"tier": None, "consents": []}, False),
        ({"consents": []}, False),
        ({"id": 7}, False),
    ],
)
async def test_a_row_that_cannot_be_used_withdraws_what_it_might_have_withdrawn(box, change, stays):
    send = Sender(box)
    await send(Dataset.MEMBERS, member("anna", PROGRAMME, FACE), member("boris", PROGRAMME, FACE))
    await send(Dataset.TEMPLATES, template("anna"), template("boris"))
    everything = member("boris", PROGRAMME, FACE)
    await send(Dataset.MEMBERS, member("anna", PROGRAMME, FACE) | change, everything)
    assert agreed(box, "boris") == {"programme", "face"}
    assert members.template_members(box.database.reading) == {"boris"}
    if stays:
        assert agreed(box, "anna") == {"programme"}
        assert told(box) == []
    else:
        assert set(cards(box)) == {"boris"}
        assert told(box) == ["erasure.done.v1"]


async def test_a_malformed_template_does_not_leave_the_old_one_standing(box):
    send = Sender(box)
    await send(Dataset.MEMBERS, member("anna", PROGRAMME, FACE))
    other = template("anna") | {"model": "other"}
    await send(Dataset.TEMPLATES, template("anna"), other)
    await send(Dataset.TEMPLATES, template("anna") | {"vectors": ["AAAA"]}, other)
    rows = box.database.reading.execute("SELECT model FROM template").fetchall()
    assert rows == [("other",)]
    assert box.counters.get("replica.malformed") == 1


HUGE = 2**64


@pytest.mark.parametrize(
    ("dataset", "row"),
    [
        (Dataset.STOCK, {"sku": "s", "place": "p", "quantity": HUGE, "as_of_ms": 1}),
        (Dataset.STOCK, {"sku": "s", "place": "p", "quantity": 1, "as_of_ms": -HUGE}),
        (
            Dataset.CATALOGUE,
            {"sku": "s", "gtin": "g", "model": "m", "titles": {}, "price_minor": HUGE},
        ),
        (Dataset.CATALOGUE, b'{"sku":"s","gtin":"g","model":"m","titles":{},"price_minor":1e300}'),
        (Dataset.MEMBERS, member("anna", PROGRAMME | {"given_ms": HUGE})),
    ],
)
async def test_a_row_that_no_database_takes_is_refused_alone(box, dataset, row):
    good = {
        Dataset.STOCK: {"sku": "good", "place": "p", "quantity": 1, "as_of_ms": 1},
        Dataset.CATALOGUE: {
            "sku": "good",
            "gtin": "1",
            "model": "m",
            "titles": {"en": "Boot"},
            "price_minor": 1,
        },
        Dataset.MEMBERS: member("good", PROGRAMME),
    }[dataset]
    await Sender(box)(dataset, row, good)
    counted = box.counters.snapshot()
    refused = counted.get("replica.malformed", 0) + counted.get("replica.refused_by_schema", 0)
    assert refused == 1
    reading = box.database.reading
    found = {
        Dataset.STOCK: len(goods.stock_of(reading, "good")),
        Dataset.CATALOGUE: int(goods.by_sku(reading, "good") is not None),
        Dataset.MEMBERS: members.count(reading),
    }
    assert found[dataset] == 1


async def test_what_has_not_changed_is_not_written_again(box):
    send = Sender(box)
    product = {"sku": "s", "gtin": "1", "model": "m", "titles": {"en": "Boot"}, "price_minor": 1}
    snapshots = {
        Dataset.MEMBERS: [member("anna", FACE, PROGRAMME), member("boris", PROGRAMME)],
        Dataset.TEMPLATES: [template("anna")],
        Dataset.CATALOGUE: [product],
        Dataset.STOCK: [{"sku": "s", "place": "p", "quantity": 1, "as_of_ms": 1}],
    }
    for dataset, rows in snapshots.items():
        await send(dataset, *rows)
    sealed = "SELECT hex(name_sealed) FROM member UNION SELECT hex(vectors_sealed) FROM template"
    before = box.database.reading.execute(sealed).fetchall()
    for dataset, rows in snapshots.items():
        await send(dataset, *rows)
    assert box.database.reading.execute(sealed).fetchall() == before
    await send(Dataset.MEMBERS, member("anna", FACE, PROGRAMME) | {"name": "New"})
    await send(Dataset.CATALOGUE, product | {"price_minor": 2})
    found = members.get(box.database.reading, box.database.vault, "anna")
    assert found.name == "New"
    assert goods.by_sku(box.database.reading, "s").price_minor == 2


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


FULL = """CREATE TRIGGER full BEFORE INSERT ON staged
  BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"""
"""Room for the outbox and none for datasets: what a box short of space looks like from here."""


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
