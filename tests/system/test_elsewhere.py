"""A broker that sends a box to another one, or that speaks an older MQTT."""

from dataclasses import replace

import pytest

from edge.errors import BrokerRefused, BrokerUnreachable
from edge.records import Stream
from sync.mqtt import BrokerSettings, Connection
from tests.certificates import server_tls
from tests.hostile import HostileBroker
from tests.system.sync_box import Box, quick, running, until


@pytest.fixture
def tls(tmp_path):
    return server_tls(tmp_path)


async def test_another_server_is_followed_only_over_tls_and_not_for_ever(tmp_path, tls):
    async with HostileBroker(tls.server) as here, HostileBroker(tls.server) as there:
        here.disconnect, here.reference = 0x9C, f"127.0.0.1:{there.port}"
        settings = quick(here.port, first_retry_s=0.05, retry_max_s=0.1)
        safe = replace(settings.broker, ca_file=tls.authority)
        async with running(Box(tmp_path, here.port, replace(settings, broker=safe))) as box:
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            assert there.on("up/crit")
            there.disconnect, there.reference = 0x9D, f"127.0.0.1:{here.port}"
            for session in list(there.sessions):
                session.writer.close()
            await until(lambda: there.connects + here.connects > 12, "sent to and fro")
            await until(lambda: box.link.status().reason, "said")
            there.disconnect = None
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)


async def test_two_brokers_that_send_a_box_to_and_fro_do_so_three_times(tmp_path, tls):
    async with HostileBroker(tls.server) as here, HostileBroker(tls.server) as there:
        here.connack, here.reference = 0x9C, f"127.0.0.1:{there.port}"
        there.connack, there.reference = 0x9C, f"127.0.0.1:{here.port}"
        settings = quick(here.port, first_retry_s=60.0, retry_max_s=60.0)
        safe = replace(settings.broker, ca_file=tls.authority)
        async with running(Box(tmp_path, here.port, replace(settings, broker=safe))):
            await until(lambda: here.connects + there.connects == 4, "three times sent on")
            with pytest.raises(AssertionError):
                await until(lambda: here.connects + there.connects > 4, "a fourth time", 1.0)


async def test_without_tls_nobody_sends_a_box_elsewhere(tmp_path):
    async with HostileBroker() as here, HostileBroker() as there:
        here.connack, here.reference = 0x9D, f"127.0.0.1:{there.port}"
        settings = quick(here.port, first_retry_s=0.05, retry_max_s=0.1)
        async with running(Box(tmp_path, here.port, settings)) as box:
            await until(lambda: here.connects >= 4, "asked again here")
            assert there.connects == 0
            assert "another broker" in box.link.status().remedy


@pytest.mark.parametrize("how", [False, "hangs up"])
async def test_a_broker_of_3_1_1_gets_it_too(tmp_path, how):
    async with HostileBroker() as broker:
        broker.understands_5 = how
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.BULK, 700)
            await box.emit(Stream.CRIT, 3)
            assert await box.link.drained(20)
            assert box.link.status().protocol == "3.1.1"
        assert broker.connects == 2
        with pytest.raises((BrokerRefused, BrokerUnreachable)):
            await Connection.open(
                BrokerSettings("127.0.0.1", broker.port, "box-1", protocol="5")
            )  # as "5" it was told to be
