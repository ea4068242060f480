"""Erasure on the whole line: ordered while the box is away, in the middle of a snapshot, and before
an older one. Not a byte of the person is left in the box's files, and they never come back.
"""

import shutil
from collections import Counter

import msgspec
import pytest

from edge import erasure
from edge.records import Stream
from edge.storage import members
from sync.datasets import Want
from sync.ingest.log import read_log
from sync.messages import Dataset
from sync.reference.serving import DatasetServer
from sync.reference.shelf import Shelf
from sync.rows import bucket_of
from sync.signing import SigningKey
from tests.system.obeying_box import ObeyingBox, command
from tests.system.sync_box import (
    ADDRESS,
    FACE,
    PROGRAMME,
    PlatformProcess,
    member,
    running,
    template,
    until,
)

ANNA, BORIS = "anna-k-4711", "boris-p-4712"
TRACES = [ANNA.encode(), f"card-{ANNA}".encode(), ANNA.title().encode()]


@pytest.fixture
def platform(mosquitto, tmp_path):
    key = SigningKey.open(tmp_path / "platform.key")
    (tmp_path / "platform.pub").write_text(key.public_line)
    process = PlatformProcess(tmp_path, mosquitto.port)
    yield process
    process.kill()


def publish(platform: PlatformProcess, *names: str) -> None:
    """Let the platform serve these members with all that hangs on them."""
    platform.put("members", [member(name, PROGRAMME, FACE) for name in names])
    platform.put("templates", [template(name) for name in names])
    platform.put("balances", [{"member": name, "points": 7, "as_of_ms": 1} for name in names])


async def settled(box: ObeyingBox, platform: PlatformProcess) -> None:
    """All has been said upward, and what an erasure left behind has been wiped."""
    assert await box.link.drained(20)
    await erasure.scrub_once(box.database)


def receipts(platform: PlatformProcess) -> list[str]:
    rows = [row for row in read_log(platform.log) if row.type == erasure.RECEIPT]
    return [msgspec.json.decode(row.body)["member"] for row in rows]


async def test_an_erasure_that_was_ordered_while_the_box_was_away(mosquitto, platform, tmp_path):
    publish(platform, ANNA, BORIS)
    platform.start()
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: len(box.sealed(ANNA)) == 8, "everything of hers is here")
        await until(lambda: len(box.sealed(BORIS)) == 8, "and of his")
        assert await box.link.drained(20)
        mosquitto.stop()
        await until(lambda: not box.link.status().connected, "off line")
        for name in (ANNA, BORIS):
            await box.serve(name)
        traces = [*TRACES[:2], *box.sealed(ANNA)]
        assert all(trace in box.bytes() for trace in traces)
        await command(platform, "member.erase", {"member": ANNA})
        mosquitto.start()
        await until(lambda: not box.knows(ANNA), "erased")
        await settled(box, platform)
        assert [trace for trace in traces if trace in box.bytes()] == []
        assert box.knows(BORIS)
        assert receipts(platform) == [ANNA]
        told = [
            (row.type, msgspec.json.decode(row.body).get("member"))
            for row in read_log(platform.log)
            if row.type != "command.done.v1"
        ]
        assert Counter(told) == {
            ("erasure.done.v1", ANNA): 1,
            ("order.placed.v1", None): 1,
            ("order.placed.v1", BORIS): 1,
            ("outbox.tombstone.v1", None): 1,
            ("visit.identified.v1", BORIS): 1,
        }
        assert box.verdict(platform.log).flawless


async def test_neither_an_older_snapshot_nor_a_restart_brings_anybody_back(
    mosquitto, platform, tmp_path
):
    publish(platform, ANNA, BORIS)
    platform.start()
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: len(box.sealed(ANNA)) == 8, "everything of hers is here")
        await command(platform, "member.erase", {"member": ANNA})
        await until(lambda: not box.knows(ANNA), "erased")
        assert await box.link.drained(20)
    # The platform forgot to take her off its lists, and has lost its series: it begins a new one.
    platform.kill()
    publish(platform, BORIS, ANNA, "vera")
    platform.start()
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: len(box.sealed("vera")) == 8, "the snapshot that lists her is applied")
        await until(lambda: not box.replica.incomplete, "all of them are")
        publish(platform, BORIS, ANNA, "vera", "gleb")
        await until(lambda: len(box.sealed("gleb")) == 8, "a change is applied, too")
        assert not box.knows(ANNA)
        assert box.counters.get("replica.refused_erased") >= 1
        await settled(box, platform)
        assert [trace for trace in TRACES if trace in box.bytes()] == []
        assert receipts(platform) == [ANNA]


async def test_a_restored_backup_is_erased_once_more(mosquitto, platform, tmp_path):
    publish(platform, ANNA, BORIS)
    platform.start()
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: len(box.sealed(ANNA)) == 8, "everything of hers is here")
        await box.emit(Stream.CRIT)
        assert await box.link.drained(20)
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        await command(platform, "member.erase", {"member": ANNA})
        await until(lambda: not box.knows(ANNA), "erased")
        await box.emit(Stream.CRIT, 3)
        assert await box.link.drained(20)
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "backup", tmp_path / "state")
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        assert box.knows(ANNA)
        await until(lambda: not box.knows(ANNA), "erased again")
        await until(lambda: receipts(platform) == [ANNA, ANNA], "both receipts have come")
        await settled(box, platform)
        assert [trace for trace in TRACES if trace in box.bytes()] == []


@pytest.mark.parametrize("hers_first", [True, False], ids=["staged", "still to come"])
async def test_an_erasure_in_the_middle_of_a_snapshot(mosquitto, tmp_path, hers_first):
    key = SigningKey.open(tmp_path / "platform.key")
    (tmp_path / "platform.pub").write_text(key.public_line)
    others = [f"{n:04x}-{hash_of(n)}" for n in range(4000)]
    (tmp_path / "members.json").write_bytes(
        msgspec.json.encode([member(name, PROGRAMME) for name in (*others, ANNA)])
    )
    server, box = DatasetServer(Shelf(tmp_path), key), ObeyingBox(tmp_path, mosquitto.port)
    (manifest,) = {payload for _, payload, _ in server.on_hello(ADDRESS, {})}
    await box.replica.receive("members", manifest)
    header = msgspec.json.decode(manifest)
    chunks = [payload for _, payload, _ in server.on_want(ADDRESS, _all(header))]
    assert len(chunks) >= 3
    bucket = bucket_of(ANNA)
    hers = next(n for n, (first, last) in enumerate(header["spans"]) if first <= bucket <= last)
    order = [hers, *(n for n in range(len(chunks)) if n != hers)]
    for number in order if hers_first else reversed(order):
        if number == order[1]:
            assert not box.knows(ANNA)
            before = box.bytes()
            await box.commands.take(_erase(key))
            assert (TRACES[1] in before) == hers_first
            assert TRACES[1] not in box.bytes()
        await box.replica.receive("members", chunks[number])
    assert box.replica.versions()[Dataset.MEMBERS].generation == header["generation"]
    assert not box.knows(ANNA)
    assert members.count(box.database.reading) == len(others)
    assert TRACES[1] not in box.bytes()
    box.database.close()


def hash_of(number: int) -> str:
    """Something that does not compress, so that the snapshot has several chunks."""
    return msgspec.json.encode(number * 2654435761 % 2**32).hex()


def _all(manifest: dict[str, object]) -> Want:
    return Want(
        v=1,
        dataset=Dataset.MEMBERS,
        generation=manifest["generation"],
        version=manifest["version"],
        first=0,
        last=len(manifest["chunks"]) - 1,
    )


def _erase(key: SigningKey) -> bytes:
    command = {"v": 1, "id": "c-1", "box": str(ADDRESS), "type": "member.erase"}
    command |= {"args": {"member": ANNA}, "iat": 1, "exp": 0, "counter": 1}
    return msgspec.json.encode(key.signed(command))
