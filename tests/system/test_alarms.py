"""What somebody has to look at while the line itself seems well: each is said until it is over."""

import asyncio
import shutil

from edge.records import Stream
from sync.silence import SILENT
from sync.twin import ENDS_MIN
from sync.uplink import Pace
from tests.faults.proxy import FaultProxy
from tests.system.sync_box import Box, PlatformProcess, quick, running, until

TAKEN_OVER_S = 1.0
NAMES = "same tenant, store and box names"


def said(box) -> str:
    return " ".join(box.link.status().alarms)


async def test_a_platform_that_does_not_answer_is_told_apart_from_a_line_that_is_well(
    mosquitto, tmp_path
):
    pace = Pace(0.05, 0.1, refused_s=0.1, silent_s=0.5)
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port, quick(mosquitto.port, pace=pace))) as box:
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            assert not box.link.status().silent
            platform.kill()
            await box.emit(Stream.CRIT, 2)
            await until(lambda: box.link.status().silent, "sent events unanswered")
            assert box.link.status().connected
            assert SILENT in said(box)
            await until(lambda: box.counters.get("link.platform_silent"), "counted")
            platform.start()
            assert await box.link.drained(20)
            await until(lambda: not box.link.status().silent, "answered again")
            assert SILENT not in said(box)
            platform.kill()
            mosquitto.kill()
            await until(lambda: not box.link.status().connected, "disconnected")
            assert not box.link.status().silent, "without a broker nobody can tell"
            mosquitto.start()
            await until(lambda: box.link.status().silent, "a hello unanswered")


async def test_two_boxes_of_one_name_do_not_swap_places_for_ever(mosquitto, tmp_path):
    settings = quick(mosquitto.port, taken_over_s=TAKEN_OVER_S)
    with PlatformProcess(tmp_path, mosquitto.port):
        (tmp_path / "other").mkdir()
        async with running(Box(tmp_path, mosquitto.port, settings)) as box:
            await until(lambda: box.link.status().connected, "connected")
            async with running(Box(tmp_path / "other", mosquitto.port, settings)) as other:
                boxes = (box, other)
                taken = lambda: sum(b.counters.get("link.taken_over") for b in boxes)  # noqa: E731
                # Not at the first moment: a slow machine may keep one connection for longer than
                # the short pause of this test, and its box then thinks for a while it is alone.
                await until(lambda: all(NAMES in said(b) for b in boxes), "both found out")
                await until(lambda: taken() >= ENDS_MIN, "and go on saying so")
                before = mosquitto.log().count("already connected")
                await asyncio.sleep(TAKEN_OVER_S)  # for so long hardly anything may happen
                assert mosquitto.log().count("already connected") - before <= 3
                await box.emit(Stream.CRIT)
                assert await box.link.drained(20), "each has its turn"
            await until(lambda: not box.link.status().alarms, "alone again for long enough")


async def test_a_line_that_is_cut_again_and_again_is_no_other_box(mosquitto, tmp_path):
    proxy = await FaultProxy.open(mosquitto.port)
    try:
        with PlatformProcess(tmp_path, mosquitto.port):
            async with running(Box(tmp_path, proxy.port)) as box:
                for _ in range(2 * ENDS_MIN):
                    await box.emit(Stream.CRIT)
                    assert await box.link.drained(20)
                    proxy.reset()
                    await until(lambda: not box.link.status().connected, "cut")
                await until(lambda: box.link.status().connected, "back at once", 5)
                assert not box.link.status().alarms
    finally:
        await proxy.close()


async def test_a_broker_that_crashes_again_and_again_is_no_other_box(mosquitto, tmp_path):
    async with running(Box(tmp_path, mosquitto.port)) as box:
        for _ in range(ENDS_MIN + 1):
            await until(lambda: box.link.status().connected, "connected", 5)
            mosquitto.kill()
            await until(lambda: not box.link.status().connected, "noticed")
            mosquitto.start()
        await until(lambda: box.link.status().connected, "connected", 5)
        assert not box.counters.get("link.taken_over")


async def test_a_renewed_epoch_is_said_for_as_long_as_the_daemon_runs(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port):
        box = Box(tmp_path, mosquitto.port)
        box.database.close()
        shutil.copytree(tmp_path / "state", tmp_path / "backup")
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 5)
            assert await box.link.drained(20)
            assert not said(box)
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "backup").rename(tmp_path / "state")
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await until(lambda: "restored from a backup" in said(box), "said")
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            assert box.link.status().connected
            assert "restored from a backup" in said(box), "after the reconnect too"
