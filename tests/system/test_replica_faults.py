"""Datasets over a bad line: cut, lost, doubled, reordered, damaged, forged. Row 15 of the matrix.

The messages go straight into the replica of a real box, which asks for what it lacks; after each
fault its state hashes must be the platform's, and no reader may ever have seen half.
"""

import random

import msgspec
import pytest

from edge import erasure
from edge.errors import BadMessage
from edge.sales import Stock
from edge.storage import goods, members, staging, templates
from edge.storage.database import Database
from sync.datasets import Want
from sync.messages import Dataset, decode
from sync.replica import Replica, ReplicaSettings
from sync.rows import bucket_of, row_key
from sync.signing import SigningKey, TrustedKeys
from tests.system.feed import Feed, state
from tests.system.sync_box import ADDRESS, FACE, PROGRAMME, Box, member, template, until

ROWS = 4000
"""Three chunks."""


@pytest.fixture
def box(tmp_path):
    opened = Box(tmp_path, 1)
    yield opened
    opened.database.close()


def figures(quantity, count=ROWS):
    return [
        {"sku": f"sku-{n}", "place": "here", "quantity": quantity, "as_of_ms": 1}
        for n in range(count)
    ]


def seen(box):
    """Which quantities a reader sees: more than one is half a state."""
    rows = box.database.reading.execute("SELECT quantity, count(*) FROM stock GROUP BY quantity")
    return dict(rows.fetchall())


def restart(box):
    """The process was killed and has come back."""
    box.database.close()
    box.database = Database.open(box.directory / "state")
    settings = ReplicaSettings(ADDRESS, patience_s=0.0)
    box.replica = Replica(box.database, box.clock, box.counters, settings=settings)


async def asked(box):
    """What the box asks for first on a new connection."""
    wants = []

    async def publish(topic, payload):
        assert topic == ADDRESS.request("dataset")
        wants.append(decode(payload, Want))

    box.replica.attach(publish)
    await until(lambda: wants, "it asks")
    box.replica.detach()
    return wants


async def until_whole(box, feed, now_s=1000.0):
    """Answer whatever is asked for, for as long as something is."""
    for turn in range(50):
        wants = [w for w in box.replica.wants(now_s + 100 * turn) if w.dataset is feed.dataset]
        if not wants:
            return
        for want in wants:
            await feed.answer(want)
    raise AssertionError("it never ends")


async def test_a_snapshot_cut_at_each_chunk_goes_on_after_a_restart(box):
    feed = Feed(box, Dataset.STOCK)
    await feed(*figures(1))
    for cut in range(len(feed.series.base().chunks) + 1):
        quantity = cut + 2
        base = feed.begin(*figures(quantity))
        assert len(base.chunks) >= 3
        await feed.send(base.manifest)
        for chunk in base.chunks[:cut]:
            await feed.send(chunk)
        whole = cut == len(base.chunks)
        assert seen(box) == {quantity if whole else quantity - 1: ROWS}
        restart(box)
        assert box.replica.incomplete is not whole
        wants = [] if whole else await asked(box)
        count = sum(want.last - want.first + 1 for want in wants)
        assert count == len(base.chunks) - cut, "only what has not come"
        for want in wants:
            await feed.answer(want)
        assert seen(box) == {quantity: ROWS}
        assert feed.is_whole()
        assert not box.replica.incomplete


async def test_a_wrong_chunk_is_asked_for_again_and_never_applied(box):
    feed = Feed(box, Dataset.STOCK)
    base = feed.begin(*figures(1))
    await feed.send(base.manifest)
    assert box.replica.wants(0.0)
    header, _, body = base.chunks[1].partition(b"\n")
    for damaged in (body[:-1] + b"?", b"", base.chunks[0].partition(b"\n")[2]):
        assert not await feed.send(header + b"\n" + damaged)
        (want,) = box.replica.wants(0.0)
        assert (want.first, want.last) == (1, 1)
    assert box.counters.get("replica.wrong_chunk") == 3
    assert not await feed.send(header + b"\n")
    assert box.replica.wants(0.0) == [], "not for ever as fast as the line is"
    for chunk in reversed(base.chunks):
        await feed.send(chunk)
        await feed.send(chunk)  # doubled
    assert seen(box) == {1: ROWS}
    assert feed.is_whole()


async def test_chunks_that_do_not_give_the_promised_state_change_nothing(box):
    feed, other = Feed(box, Dataset.STOCK), Feed(box, Dataset.STOCK)
    await feed(*figures(1))
    base = other.begin(*figures(2))
    header = msgspec.json.decode(base.manifest)
    header["buckets"]["7"] = "f" * 16
    await feed.send(msgspec.json.encode(header))
    for chunk in base.chunks[:-1]:
        await feed.send(chunk)
    with pytest.raises(BadMessage):
        await feed.send(base.chunks[-1])
    assert seen(box) == {1: ROWS}
    assert box.counters.get("replica.wrong_state") == 1
    assert feed.is_whole()
    await feed.send(msgspec.json.encode(header))
    assert not any(want.last >= want.first for want in box.replica.wants(0.0)), "not once more"
    restart(box)
    assert not box.replica.incomplete
    await feed(*figures(3))
    assert seen(box) == {3: ROWS}


async def test_a_newer_snapshot_takes_the_place_of_one_under_way(box):
    feed = Feed(box, Dataset.STOCK)
    first = feed.begin(*figures(1))
    await feed.send(first.manifest)
    await feed.send(first.chunks[0])
    second = feed.begin(*figures(2))
    await feed.send(second.manifest)
    await feed.send(first.chunks[1])
    assert box.counters.get("replica.unwanted") == 1
    for chunk in second.chunks:
        await feed.send(chunk)
    assert seen(box) == {2: ROWS}
    assert feed.is_whole()


async def test_only_chunks_that_differ_are_asked_for(box):
    feed = Feed(box, Dataset.STOCK)
    rows = figures(1)
    await feed(*rows)
    other = rows[5] | {"quantity": 9}
    base = feed.begin(*rows[:5], other, *rows[6:])
    await feed.send(base.manifest)
    (want,) = box.replica.wants(0.0)
    assert want.first == want.last
    await feed.answer(want)
    assert seen(box) == {1: ROWS - 1, 9: 1}
    assert feed.is_whole()
    # A platform that was started anew has another name for the very same state.
    assert await feed.send(feed.begin(*rows[:5], other, *rows[6:]).manifest)
    assert not box.replica.incomplete


@pytest.mark.parametrize("seed", range(8))
async def test_deltas_lost_doubled_and_reordered_end_in_the_platforms_state(box, seed):
    seeded = random.Random(seed)
    feed = Feed(box, Dataset.STOCK)
    rows = {row["sku"]: row for row in figures(1, 300)}
    await feed(*rows.values())
    sent = []
    for number in range(25):
        for sku in seeded.sample(sorted(rows), 5):
            if seeded.random() < 0.3:
                del rows[sku]
            else:
                rows[sku] = rows[sku] | {"quantity": number}
        rows[f"new-{number}"] = figures(5, 1)[0] | {"sku": f"new-{number}"}
        sent.append(feed.delta(*rows.values()))
        fate = seeded.choice(("arrives", "lost", "doubled", "reordered"))
        for delta in {
            "arrives": sent[-1:],
            "lost": [],
            "doubled": sent[-1:] * 2,
            "reordered": [sent[-1], seeded.choice(sent)],
        }[fate]:
            await feed.send(delta)
    box.replica.refresh()
    await until_whole(box, feed)
    assert feed.is_whole(), f"seed {seed}"
    shown = box.database.reading.execute("SELECT sku, quantity FROM stock").fetchall()
    assert dict(shown) == {sku: row["quantity"] for sku, row in rows.items()}


async def test_a_bucket_that_differs_is_asked_for_and_put_right(box):
    feed = Feed(box, Dataset.STOCK)
    rows = figures(1, 500)
    await feed(*rows)
    key = row_key(Dataset.STOCK, Stock("sku-3", "here", 1, 1))
    near = next(row for row in rows[4:] if bucket_of(f"{row['sku']}/here") == bucket_of(key))
    # What only a fault of memory or disk would do: a row is gone, and nobody was told.
    await box.database.transact(
        lambda tx: (
            tx.execute("DELETE FROM stock WHERE sku = 'sku-3'"),
            tx.execute("DELETE FROM replica_row WHERE key = ?", (key,)),
        )
    )
    changed = [row | {"quantity": 2} if row is near else row for row in rows]
    assert await feed.send(feed.delta(*changed))
    assert box.counters.get("replica.wrong_bucket") == 1
    assert box.replica.incomplete
    restart(box)
    (want,) = box.replica.wants(0.0)
    assert want.buckets == (bucket_of(key),)
    await feed.answer(want)
    assert feed.is_whole()
    assert not box.replica.incomplete
    assert goods.stock_at(box.database.reading, "sku-3", "here").quantity == 1


async def test_a_template_comes_when_its_member_agrees_whatever_came_first(box):
    people, faces = Feed(box, Dataset.MEMBERS), Feed(box, Dataset.TEMPLATES)
    await people(member("anna", PROGRAMME))
    await faces(template("anna"))
    reading = box.database.reading
    assert templates.owners(reading) == frozenset()
    assert box.counters.get("replica.refused_without_consent") == 1
    assert faces.is_whole(), "a refused row is known"
    for agrees in (True, False, True):
        consents = (PROGRAMME, FACE) if agrees else (PROGRAMME,)
        await people.send(people.delta(member("anna", *consents)))
        await until_whole(box, faces)
        assert templates.owners(reading) == ({"anna"} if agrees else frozenset())
        assert faces.is_whole()
    # She leaves, and her name stands nowhere.
    await people.send(people.delta(member("boris", PROGRAMME)))
    left = reading.execute("SELECT count(*) FROM replica_row WHERE key LIKE 'anna%'").fetchone()
    assert left == (0,)
    assert state(box, Dataset.TEMPLATES) == faces.series.state()
    await people.send(people.delta(member("boris", PROGRAMME), member("anna", PROGRAMME, FACE)))
    await until_whole(box, faces)
    assert templates.owners(reading) == {"anna"}
    assert faces.is_whole()


async def test_what_is_not_signed_by_whom_the_box_trusts_is_refused(box, tmp_path):
    key = SigningKey.open(tmp_path / "platform.key")
    (tmp_path / "platform.pub").write_text(key.public_line)
    keys = TrustedKeys.read(tmp_path / "platform.pub")
    settings = ReplicaSettings(ADDRESS, keys, patience_s=0.0)
    box.replica = Replica(box.database, box.clock, box.counters, settings=settings)
    rows = figures(1, 50)
    thief = SigningKey.open(tmp_path / "thief.key")
    for forger in (None, thief):
        feed = Feed(box, Dataset.STOCK, key=forger)
        with pytest.raises(BadMessage):
            await feed(*rows)
    feed = Feed(box, Dataset.STOCK, key=key)
    assert await feed(*rows)
    delta = feed.delta(*figures(2, 50))
    header, _, body = delta.partition(b"\n")
    turned = msgspec.json.decode(header) | {"to": 9}
    with pytest.raises(BadMessage):
        await feed.send(msgspec.json.encode(turned) + b"\n" + body)
    with pytest.raises(BadMessage):
        await feed.send(header + b"\n" + body[:-1])
    assert seen(box) == {1: 50}
    assert await feed.send(delta)
    assert seen(box) == {2: 50}
    # A chunk bears no signature; its digest stands in the manifest, which does.
    base = feed.begin(*figures(3, 50))
    forged = Feed(box, Dataset.STOCK).begin(*figures(4, 50))
    await feed.send(base.manifest)
    line = base.chunks[0].partition(b"\n")[0]
    assert not await feed.send(line + b"\n" + forged.chunks[0].partition(b"\n")[2])
    assert seen(box) == {2: 50}


async def test_what_was_staged_before_a_crash_is_wiped(box):
    feed = Feed(box, Dataset.STOCK)
    base = feed.begin(*figures(1))
    await feed.send(base.manifest)
    await feed.send(base.chunks[0])
    await box.database.transact(lambda tx: staging.drop_plan(tx, "stock"))
    restart(box)
    await feed(*figures(2, 10))
    left = box.database.reading.execute("SELECT count(*) FROM stage_row").fetchone()
    assert left == (0,)
    assert seen(box) == {2: 10}


async def test_a_swap_without_room_is_done_when_there_is_some(box):
    feed = Feed(box, Dataset.STOCK)
    await feed(*figures(1, 50))
    full = "CREATE TRIGGER full BEFORE INSERT ON stock BEGIN SELECT RAISE(ABORT, 'is full'); END"
    await box.database.transact(lambda tx: tx.execute(full))
    base = feed.begin(*figures(2, 50))
    await feed.send(base.manifest)
    assert not await feed.send(base.chunks[0])
    assert seen(box) == {1: 50}
    assert box.replica.incomplete
    await box.database.transact(lambda tx: tx.execute("DROP TRIGGER full"))
    (want,) = box.replica.wants(1000.0)
    assert want.last < want.first, "nothing but what has happened since"
    assert await feed.send(base.manifest)
    assert seen(box) == {2: 50}
    assert feed.is_whole()


async def test_no_room_is_no_reason_to_lose_what_was_there(box):
    feed = Feed(box, Dataset.STOCK)
    await feed(*figures(1, 50))
    full = "CREATE TRIGGER full BEFORE INSERT ON stage_row BEGIN SELECT RAISE(ABORT, 'full'); END"
    await box.database.transact(lambda tx: tx.execute(full))
    delta = feed.delta(*figures(2, 50))
    assert not await feed.send(delta)
    assert box.counters.get("replica.not_kept") == 1
    assert box.replica.incomplete
    assert seen(box) == {1: 50}
    await box.database.transact(lambda tx: tx.execute("DROP TRIGGER full"))
    await until_whole(box, feed)
    assert seen(box) == {2: 50}


async def test_who_was_erased_does_not_come_back_with_a_snapshot_a_delta_or_a_bucket(box):
    feed = Feed(box, Dataset.MEMBERS)
    anna, boris = member("anna", PROGRAMME, FACE), member("boris", PROGRAMME)
    cards = Feed(box, Dataset.CARTS)
    base = feed.begin(anna, boris)
    await feed.send(base.manifest)  # her snapshot is under way
    await box.database.transact(lambda tx: erasure.erase(tx, "anna", box.clock.now()))
    for chunk in base.chunks:
        await feed.send(chunk)
    reading = box.database.reading
    assert feed.is_whole(), "her row is known by its hash alone"
    assert members.count(reading) == 1
    await cards(*({"member": name, "lines": [], "as_of_ms": 1} for name in ("anna", "boris")))
    await feed.send(feed.delta(anna | {"tier": "gold"}, boris))
    await until_whole(box, feed)
    assert feed.is_whole()
    await feed(anna, boris)
    await feed.send(feed.delta(boris))
    await until_whole(box, feed)
    assert feed.is_whole()
    assert members.count(reading) == 1
    assert box.counters.get("replica.refused_erased") >= 3
    for table in ("replica_row", "stage_row", "document", "replica_lost"):
        left = f"SELECT count(*) FROM {table} WHERE key LIKE 'anna%'"
        assert reading.execute(left).fetchone() == (0,), table


async def test_what_is_staged_of_somebody_goes_with_their_erasure(box):
    feed = Feed(box, Dataset.MEMBERS)
    rows = [member(f"m{n}", PROGRAMME, FACE) for n in range(2000)]
    base = feed.begin(*rows)
    await feed.send(base.manifest)
    await feed.send(base.chunks[0])
    (name,) = box.database.reading.execute("SELECT id FROM stage_member LIMIT 1").fetchone()
    await box.database.transact(lambda tx: erasure.erase(tx, name, box.clock.now()))
    for table, column in (("member", "id"), ("consent", "member"), ("row", "key")):
        left = f"SELECT count(*) FROM stage_{table} WHERE {column} = ?"
        assert box.database.reading.execute(left, (name,)).fetchone() == (0,), table
    for chunk in base.chunks[1:]:
        await feed.send(chunk)
    assert members.count(box.database.reading) == len(rows) - 1
    assert feed.is_whole()
