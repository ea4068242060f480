"""Rows 12 and 13 of the fault matrix: nobody takes what the box sends, or not this one batch.

Pass: while the broker does not authorise and the platform does not accept, nothing is deleted, the
box says so and does not storm; afterwards everything arrives. A batch that can never be accepted
is put into quarantine, and its stream goes on.
"""

import asyncio

import pytest

from edge.records import Stream
from sync.ingest.log import quarantined, read_log
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop, wait_for

EVERYTHING = "topic readwrite #\n"
NOTHING_UPWARD = "topic read sb/#\ntopic write sb/v1/chain/shop-1/box-1/st\n"
REFUSED_S = {"short": 2.5, "long": 40.0}


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
@pytest.mark.timeout(200)
async def test_row_12_what_is_not_authorised_is_kept_and_sent_later(tmp_path, length):
    rights = tmp_path / "rights"
    rights.write_text(EVERYTHING)
    settings = f"allow_anonymous true\nacl_file {rights}"
    with Shop(tmp_path, broker=settings, rate=300.0) as shop:
        shop.platform.start()
        await asyncio.to_thread(shop.box.start)
        await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "drained at first")
        rights.write_text(NOTHING_UPWARD)
        shop.broker.reload()
        before = len(read_log(shop.platform.log))
        status = await watch(shop, REFUSED_S[length])
        received = len(read_log(shop.platform.log)) - before
        assert received <= 300, "what was under way when the right was taken"
        assert status["waiting"] >= 200 * REFUSED_S[length] - received, "nothing is deleted"
        rights.write_text(EVERYTHING)
        shop.broker.reload()
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    print(status)
    assert_kept(examine(tmp_path, shop.platform.log))


async def watch(shop, for_s):
    await asyncio.sleep(for_s)
    return await asyncio.to_thread(shop.box.ask, "status")


@pytest.mark.timeout(60)
async def test_row_13_a_poison_batch_is_put_aside_and_its_stream_goes_on(tmp_path):
    with Shop(tmp_path, streams=()) as shop:
        shop.platform.start()
        await asyncio.to_thread(shop.box.start)
        for stream in Stream:
            assert await asyncio.to_thread(shop.box.emit, stream, 20) == 20
        await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "drained before")
        assert await asyncio.to_thread(shop.box.ask, "poison", Stream.VISIT.value)
        await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "the poison is off the box")
        for stream in Stream:
            assert await asyncio.to_thread(shop.box.emit, stream, 20) == 20
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    ((topic, reason),) = quarantined(shop.platform.log)
    print(topic, reason)
    assert topic.endswith("/up/visit")
    verdict = examine(tmp_path, shop.platform.log).verdict
    assert (verdict.created, verdict.acknowledged) == (121, 120)
    assert (verdict.lost, verdict.duplicated, verdict.altered, verdict.disordered) == (1, 0, 0, 0)
