"""What a box makes of datasets, whatever comes: fed straight into its replica."""

import pytest

from edge.storage import goods, members, templates
from sync.messages import Dataset
from tests.system.feed import Feed
from tests.system.sync_box import FACE, PROGRAMME, Box, member, template


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path, 1)
    yield opened
    opened.database.close()


def sender(box):
    """Sends whole snapshots, each a generation of its own."""

    async def send(dataset, *rows):
        feed = Feed(box, dataset)
        assert await feed(*rows)
        assert feed.is_whole(), "refused rows count, too"

    return send


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
    send = sender(box)
    names = ("anna", "boris", "vera")
    rows = {name: member(name, PROGRAMME, FACE) for name in names}
    await send(Dataset.MEMBERS, *rows.values())
    await send(Dataset.TEMPLATES, *(template(name) for name in names))
    turned = dict(zip(names, ("card-boris", "card-vera", "card-anna"), strict=True))
    await send(Dataset.MEMBERS, *(rows[name] | {"card": card} for name, card in turned.items()))
    assert cards(box) == turned
    assert templates.owners(box.database.reading) == set(names)
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
    send = sender(box)
    await send(Dataset.MEMBERS, member("anna", PROGRAMME, FACE), member("boris", PROGRAMME, FACE))
    await send(Dataset.TEMPLATES, template("anna"), template("boris"))
    everything = member("boris", PROGRAMME, FACE)
    await send(Dataset.MEMBERS, member("anna", PROGRAMME, FACE) | change, everything)
    assert agreed(box, "boris") == {"programme", "face"}
    assert templates.owners(box.database.reading) == {"boris"}
    if stays:
        assert agreed(box, "anna") == {"programme"}
        assert told(box) == []
    else:
        assert set(cards(box)) == {"boris"}
        assert told(box) == ["erasure.done.v1"]


async def test_a_malformed_template_does_not_leave_the_old_one_standing(box):
    send = sender(box)
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
        (
            Dataset.CATALOGUE,
            ("s", b'{"sku":"s","gtin":"g","model":"m","titles":{},"price_minor":1e300}'),
        ),
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
    await sender(box)(dataset, row, good)
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
    send = sender(box)
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


WIFI = PROGRAMME | {"kind": "wifi"}


def by_login(box, login):
    return members.with_login(box.database.reading, box.database.vault, login)


async def test_logins_come_with_their_member_and_go_with_the_consent(box):
    feed = Feed(box, Dataset.MEMBERS)
    anna = member("anna", PROGRAMME, WIFI) | {"logins": ["+7 916 123-45-67", "79990000000"]}
    boris = member("boris", PROGRAMME) | {"logins": ["79030000000"]}
    assert await feed(anna, boris, member("vera", PROGRAMME, WIFI))
    assert feed.is_whole(), "with rows that have logins, and rows that have none"
    assert by_login(box, "89161234567") == by_login(box, "9990000000") == ["anna"]
    assert by_login(box, "79030000000") == [], "no consent"
    assert box.database.reading.execute("SELECT count(*) FROM stage_login").fetchone() == (0,)
    await feed.send(feed.delta(anna | {"logins": ["79161234567"]}, boris))
    assert by_login(box, "79161234567") == ["anna"]
    assert by_login(box, "79990000000") == []
    await feed.send(
        feed.delta(anna | {"consents": [PROGRAMME]}, boris | {"consents": [WIFI, PROGRAMME]})
    )
    assert by_login(box, "79161234567") == []
    assert by_login(box, "79030000000") == ["boris"]
    assert feed.is_whole()


@pytest.mark.parametrize("logins", ["79161234567", [7], ["1"] * 5, ["9" * 65], None])
async def test_a_row_with_unusable_logins_withdraws_what_it_might_have_withdrawn(box, logins):
    feed = Feed(box, Dataset.MEMBERS)
    anna = member("anna", PROGRAMME, WIFI) | {"logins": ["79161234567"]}
    assert await feed(anna)
    await feed.send(feed.delta(anna | {"logins": logins}))
    assert by_login(box, "79161234567") == []
    assert agreed(box, "anna") == {"programme"}
