"""What others reach with the same events on the same machine: plain paho, and a mosquitto bridge.

Called by the part `drain`; `python -m tests.bench.rivals PORT COUNT` is the publisher, a process of
its own. The task is ours: everything drained and committed in SQLite at the far end. Plain paho
confirms a message when its callback returns, so who commits in the callback promises what our
platform does; who commits in groups, or not at all, promises less. All three are measured.
"""

import asyncio
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench import rig
from tests.bench.workload import events
from tests.broker import Broker

EACH, GROUPED, NOTHING = 1, 500, 0
"""Events of one commit at the far end."""
COUNTS = {EACH: 5_000, GROUPED: 30_000, NOTHING: 30_000}
"""Fewer than ours, because they take longer."""
INFLIGHT_MAX = 20
"""paho's default, and mosquitto's."""
UNCONFIRMED_MAX = 1_000
"""paho numbers its messages with 16 bits and mixes them up beyond: who drains must wait."""
ROUNDS = 2
"""The better round counts: other work on the machine only makes it slower."""
TOPIC = "bench/events"
WAIT_S = 120.0
PLAIN = "allow_anonymous true\nmax_queued_messages 0\n"
"""With the default of 1000 it drops what a receiver is too slow for."""
BRIDGE = """\
persistence true
persistence_location {directory}/
connection bridge
address 127.0.0.1:{port}
topic bench/# out 1
cleansession false
notifications false
restart_timeout 1
"""


class Rates(Struct, frozen=True):
    """Events per second of one rival, by what is committed at the far end."""

    each: float
    grouped: float
    nothing: float


async def paho(directory: Path) -> Rates:
    """A backlog published with plain paho at QoS 1."""
    return await _measured(directory, _through)


async def bridge(directory: Path) -> Rates:
    """A backlog that waits in a mosquitto with persistence, and crosses its bridge."""
    return await _measured(directory, _bridged)


async def _measured(directory: Path, way: Callable[[Path, int], Awaitable[float]]) -> Rates:
    best = [max([await way(directory, group) for _ in range(ROUNDS)]) for group in COUNTS]
    return Rates(*best)


async def _through(directory: Path, group: int) -> float:
    broker = _broker(directory, PLAIN)
    try:
        if group == NOTHING:
            found = await _published(broker, COUNTS[group])
            return COUNTS[group] / (found["last_s"] - found["first_s"])
        with closing(_Receiver(broker.port, directory, group)) as receiver:
            found = await _published(broker, COUNTS[group])
            await receiver.finished()
            return COUNTS[group] / (receiver.last_s - found["first_s"])
    finally:
        broker.stop()


async def _bridged(directory: Path, group: int) -> float:
    """The near broker is filled while the far one is away; timed from the first that arrives."""
    far = _broker(directory, PLAIN)
    far.stop()
    keeps = directory / f"near-{time.monotonic_ns()}"
    keeps.mkdir()
    near = _broker(directory, PLAIN + BRIDGE.format(directory=keeps, port=far.port))
    try:
        await _published(near, COUNTS[group])
        near.stop()
        far.start()
        with closing(_Receiver(far.port, directory, group)) as receiver:
            near.start()
            await receiver.finished()
            return COUNTS[group] / (receiver.last_s - receiver.first_s)
    finally:
        near.stop()
        far.stop()


async def _published(broker: Broker, count: int) -> dict[str, float]:
    return await rig.program("tests.bench.rivals", str(broker.port), str(count))


def _broker(directory: Path, settings: str) -> Broker:
    here = directory / f"rival-{time.monotonic_ns()}"
    here.mkdir()
    broker = Broker(here, settings)
    broker.start()
    return broker


class _Receiver:
    """Plain paho at the far end, committing every `group` messages in its callback."""

    def __init__(self, port: int, directory: Path, group: int) -> None:
        self._group, self._expected = group, COUNTS[group]
        self._rows: list[tuple[str, bytes]] = []
        self._count = 0
        self.first_s = self.last_s = 0.0
        self._done, self._listening = threading.Event(), threading.Event()
        path = directory / f"received-{time.monotonic_ns()}.db"
        self._log = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._log.execute("PRAGMA journal_mode = WAL")
        self._log.execute("PRAGMA synchronous = FULL")
        self._log.execute("CREATE TABLE received (id INTEGER PRIMARY KEY, topic, body)")
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(TOPIC, qos=1 if group else 0)
        self._client.loop_start()
        assert self._listening.wait(WAIT_S), "the rival's receiver was not let in"

    async def finished(self) -> None:
        """Wait until all have come."""
        await asyncio.to_thread(self._done.wait, WAIT_S)
        assert self._done.is_set(), f"{self._count} of {self._expected} came"

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        self._log.close()

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        self.first_s = self.first_s or time.perf_counter()
        self._count += 1
        if self._group:
            self._rows.append((message.topic, message.payload))
            if len(self._rows) == self._group:
                self._commit()
        if self._count == self._expected:
            self.last_s = time.perf_counter()
            self._done.set()

    def _commit(self) -> None:
        self._log.execute("BEGIN")
        self._log.executemany("INSERT INTO received (topic, body) VALUES (?, ?)", self._rows)
        self._log.execute("COMMIT")
        self._rows.clear()


def publish(port: int, count: int) -> dict[str, float]:
    """Publish with plain paho; when it began, and when the last was confirmed."""
    payloads = [msgspec.json.encode(event.body) for event in events(count)]
    room = threading.Semaphore(UNCONFIRMED_MAX)
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.max_queued_messages_set(0)
    client.on_publish = lambda *_: room.release()
    client.connect("127.0.0.1", port)
    client.loop_start()
    first_s = time.perf_counter()
    for payload in payloads:
        room.acquire()
        client.publish(TOPIC, payload, qos=1)
    for _ in range(UNCONFIRMED_MAX):
        assert room.acquire(timeout=WAIT_S), "the broker confirms nothing any more"
    last_s = time.perf_counter()
    client.disconnect()
    client.loop_stop()
    return {"first_s": first_s, "last_s": last_s}


if __name__ == "__main__":
    print(json.dumps(publish(int(sys.argv[1]), int(sys.argv[2]))), flush=True)
