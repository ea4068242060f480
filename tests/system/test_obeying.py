"""Commands and questions on the whole line: each command is done once, whatever is sent; each
question is answered in time, whatever the line does."""

import json
import shutil
import time
from dataclasses import replace

import msgspec
import pytest

from sync.ingest.log import read_log
from sync.messages import Hello
from sync.signing import SigningKey
from sync.spoken import Service
from tests.system.obeying_box import ObeyingBox, command
from tests.system.sync_box import ADDRESS, PlatformProcess, listener, quick, running, until

FEW = [{"sku": "a", "place": "shop-2", "quantity": 3, "as_of_ms": 1}]


@pytest.fixture
def key(tmp_path) -> SigningKey:
    made = SigningKey.open(tmp_path / "platform.key")
    (tmp_path / "platform.pub").write_text(made.public_line)
    return made


def signed(key: SigningKey, counter: int, **changes: object) -> bytes:
    now_s = round(time.time())
    whole = {"v": 1, "id": f"c-{counter}", "box": str(ADDRESS), "type": "box.report", "args": {}}
    whole |= {"iat": now_s, "exp": now_s + 3600, "counter": counter}
    return json.dumps(key.signed(whole | changes)).encode()


def done(platform: PlatformProcess) -> list[tuple[str, bool]]:
    rows = [row for row in read_log(platform.log) if row.type == "command.done.v1"]
    bodies = [msgspec.json.decode(row.body) for row in rows]
    return [(body["id"], body["ok"]) for body in bodies]


async def test_what_is_doubled_replayed_expired_or_forged_is_not_done(mosquitto, tmp_path, key):
    stranger = SigningKey.open(tmp_path / "stranger.key")
    reported = {"sync": "x"}
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(ObeyingBox(tmp_path, mosquitto.port, trusted=True)) as box:
            box.commands.report_with(lambda: reported)
            await until(lambda: box.link.status().last_ack, "the platform is there")
            good = [signed(key, 1), signed(key, 2)]
            async with listener(mosquitto.port) as wire:
                for payload in (
                    *good,
                    *good,
                    signed(key, 3, exp=1),
                    signed(stranger, 4),
                    signed(key, 4, box="chain/shop-1/box-2"),
                    signed(key, 4)[:-20],
                    b"{}",
                    good[0],
                    signed(key, 4),
                ):
                    await wire.publish(ADDRESS.command, payload)
                await until(lambda: box.commands.last == 4, "the last one is done")
            assert await box.link.drained(20)
            assert done(platform) == [("c-1", True), ("c-2", True), ("c-3", False), ("c-4", True)]
            assert box.counters.snapshot() == {
                "commands.replayed": 3,
                "commands.refused": 1,
                "commands.unsigned": 1,
                "commands.misaddressed": 1,
                "commands.malformed": 2,
            }
        async with running(ObeyingBox(tmp_path, mosquitto.port, trusted=True)) as box:
            async with listener(mosquitto.port) as wire:
                await until(lambda: box.link.status().last_ack, "the platform is there")
                for payload in good:
                    await wire.publish(ADDRESS.command, payload)
                await until(lambda: box.counters.get("commands.replayed") == 2, "refused")
            assert await box.link.drained(20)
        rows = [row for row in read_log(platform.log) if row.type == "box.reported.v1"]
        assert [msgspec.json.decode(row.body) for row in rows] == [reported] * 3
        assert box.verdict(platform.log).flawless


async def test_a_command_that_the_broker_lost_is_sent_again_after_the_hello(
    mosquitto, tmp_path, key
):
    box = ObeyingBox(tmp_path, mosquitto.port, trusted=True)
    async with running(box), listener(mosquitto.port, ADDRESS.up("hello")) as wire:
        first = msgspec.json.decode((await wire.receive()).payload, type=Hello)
        assert first.commands == 0
        # So it says no hello of itself.
        answer = {"v": 1, "epoch": box.database.epoch, "upto": {}, "conn": first.conn}
        await wire.publish(ADDRESS.ack, msgspec.json.encode(answer))
        await until(lambda: box.link.status().last_ack, "answered")
        await wire.publish(ADDRESS.command, signed(key, 2))  # the first got lost
        hello = msgspec.json.decode((await wire.receive()).payload, type=Hello)
        assert hello.commands == 0
        for counter in (1, 2):
            await wire.publish(ADDRESS.command, signed(key, counter))
        await until(lambda: box.commands.last == 2, "both are done")
        assert box.counters.snapshot() == {"commands.beyond": 1}


async def test_what_an_operator_orders_while_the_box_is_away_is_done_when_it_comes(
    mosquitto, tmp_path, key
):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        await platform.connected()
        for _ in range(2):
            await command(platform, "box.report", {})
        async with running(ObeyingBox(tmp_path, mosquitto.port, trusted=True)) as box:
            await until(lambda: box.commands.last == 2, "both are done")
            await command(platform, "datasets.refresh", {"datasets": ["stock"]})
            await until(lambda: box.commands.last == 3, "and this one at once")
            assert await box.link.drained(20)
            assert [ok for _, ok in done(platform)] == [True] * 3


@pytest.mark.alone
async def test_the_platform_answers_and_without_it_the_last_answer_does(mosquitto, tmp_path, key):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", FEW)
    async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
        with platform:
            await until(lambda: box.link.status().last_ack, "the platform is there")
            answer = await box.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=20)
            assert (answer.value, answer.ok, answer.fresh) == ({"rows": FEW}, True, True)
            refused = await box.calls.ask(Service.COUPON_CLAIM, {"coupon": "x", "order": "1"})
            assert (refused.ok, refused.fresh) == (False, True)
            assert "no such coupon" in refused.reason
        began = time.monotonic()
        later = await box.calls.ask(Service.STOCK, {"sku": "a"})  # nobody answers any more
        assert 0.7 < time.monotonic() - began < 5
        assert (later.value, later.ok, later.fresh) == ({"rows": FEW}, True, False)
        assert later.age_s >= 0.8
        mosquitto.stop()
        await until(lambda: not box.link.status().connected, "off line")
        began = time.monotonic()
        assert (await box.calls.ask(Service.STOCK, {"sku": "a"})).ok
        assert not (await box.calls.ask(Service.PAYMENT_LINK, {"order": "1"})).ok
        assert time.monotonic() - began < 0.5


async def test_what_a_broker_has_kept_does_not_renew_the_lease(mosquitto, tmp_path, key):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", FEW)
    with platform:
        async with running(ObeyingBox(tmp_path, mosquitto.port)) as box:
            await until(lambda: box.replica.versions(), "the manifest has been published")
    shutil.rmtree(tmp_path / "state")
    usual = quick(mosquitto.port)
    # a session of its own: nothing that was meant for the first waits there
    settings = replace(usual, broker=replace(usual.broker, client_id="another"))
    async with running(ObeyingBox(tmp_path, mosquitto.port, settings)) as box:
        began_s = time.monotonic()
        await until(lambda: box.replica.incomplete, "the broker has given it the manifest")
        assert box.lease.silent_s > time.monotonic() - began_s - 0.005
        silent_s = box.lease.silent_s
        with platform:
            await until(lambda: box.lease.silent_s < silent_s, "the platform itself was heard")
            await until(lambda: box.replica.versions(), "and gave the rest")
