"""A simulated fleet: thousands of boxes at a broker, from one process, to measure what they cost.

Run by `storebox fleet simulate`. Each box connects, subscribes, says hello, and sends batches as a
real one does; it resends until the platform has acknowledged, and comes back after a lost
connection at a random moment within the spread. Seeded: the same seed makes the same plan.
"""

import asyncio
import contextlib
import random
import resource
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from msgspec import Struct

from edge.errors import BadMessage, NotReachable, Refused
from edge.racing import first_of
from edge.records import Event, Moment, Stream
from sync.batch import pack
from sync.messages import Ack, Address, ClockState, Hello, Presence, StreamState, decode, encode
from sync.reference import wire

BOXES_MAX = 50_000
"""More ports than one address has towards one broker."""
DESCRIPTORS_SPARE = 64
KEEPALIVE_S = 60
CONNECT_S = 30.0
RETRY_MAX_S = 300.0
BODY_BYTES = 100
"""Of one event, about what counts of passers-by take."""
TELL_S = 2.0
ACK_S = 10.0
"""A batch that is not acknowledged in so long is sent again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the fleet is, and what it does. `interval_s` between two batches of a box."""

    host: str = "127.0.0.1"
    port: int = 1883
    boxes: int = 2000
    spread_s: float = 30.0
    duration_s: float = 60.0
    interval_s: float = 30.0
    events: int = 50
    seed: int = 1
    tenant: str = "fleet"
    username: str = ""
    password: str = ""


class Rate(Struct, frozen=True):
    """So many in one second: on average over the spread, and in the worst second."""

    count: int
    mean: float
    peak: int

    @property
    def ratio(self) -> float:
        """Peak to mean; 0 without any."""
        return self.peak / self.mean if self.mean else 0.0


class Report(Struct, frozen=True):
    """What was measured. Bytes are those of MQTT, without TCP; times in milliseconds."""

    boxes: int
    connected: int
    first_connects: Rate
    reconnects: Rate
    lost_connections: int
    batches_sent: int
    batches_sent_again: int
    batches_acknowledged: int
    events_acknowledged: int
    messages_out: int
    messages_in: int
    bytes_out: int
    bytes_in: int
    messages_per_s: float
    ack_ms_median: float
    ack_ms_p99: float
    problems: dict[str, int]


@dataclass(slots=True)
class Tally:
    """What all boxes count together. Times are the loop's."""

    began_s: float
    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    connected: int = 0
    lost: int = 0
    sent: int = 0
    resent: int = 0
    acknowledged: int = 0
    messages_out: int = 0
    messages_in: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    ack_s: list[float] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)


Tell = Callable[[float, Tally, int], None]
"""Is told the seconds since the start, the figures so far, and how many boxes there are."""


async def simulate(plan: Plan, tell: Tell | None = None) -> Report:
    """Run the fleet for `duration_s`, or until SIGINT; `tell` how far it is from time to time.

    NotReachable without a broker. Refused if it lets nobody in, or if this machine cannot hold so
    many connections.
    """
    _make_room(plan.boxes)
    await _look_at_the_broker(plan)
    tally = Tally(asyncio.get_running_loop().time())
    boxes = [_Box(number, plan, tally) for number in range(plan.boxes)]
    tasks = [asyncio.create_task(box.run()) for box in boxes]
    try:
        await _wait(plan, tally, tasks, tell)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    return _report(plan, tally)


async def _wait(
    plan: Plan, tally: Tally, tasks: list[asyncio.Task[None]], tell: Tell | None
) -> None:
    """Until the time is over, somebody interrupts, or a box ends, which none should."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    stopping = asyncio.create_task(stop.wait())
    loop.add_signal_handler(signal.SIGINT, stop.set)
    try:
        while (left_s := tally.began_s + plan.duration_s - loop.time()) > 0:
            done, _ = await asyncio.wait(
                {*tasks, stopping},
                timeout=min(TELL_S, left_s),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done:
                break
            if tell is not None:
                tell(loop.time() - tally.began_s, tally, plan.boxes)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        stopping.cancel()


async def _look_at_the_broker(plan: Plan) -> None:
    """One login before all others, so that what is wrong with it is said once, as a sentence."""
    place = f"{plan.host}:{plan.port}"
    name, will = f"fleet-{plan.tenant}", (f"{plan.tenant}/nobody", b"")
    login = wire.Login(name, KEEPALIVE_S, will, plan.username, plan.password)
    try:
        async with asyncio.timeout(CONNECT_S):
            code = await wire.tried(plan.host, plan.port, login)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it does not answer"
        raise NotReachable(
            f"The broker at {place} cannot be reached: {reason}.", "Check --host and --port."
        ) from error
    if code:
        raise Refused(
            f"The broker at {place} lets no simulated box in (MQTT reason {code:#x}).",
            "Check --username and --password-file, and its access list.",
        )


class _Box:
    """One box. A batch is sent when the one before it has been acknowledged."""

    def __init__(self, number: int, plan: Plan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._random = random.Random(f"{plan.seed} {number}")  # noqa: S311 - a plan, no secret
        self.address = Address(plan.tenant, f"shop-{number // 10}", f"box-{number}")
        self._epoch = f"{self._random.getrandbits(32):08x}"
        self._upto = 0
        self._conn = 0
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None
        self._acknowledged = asyncio.Event()

    async def run(self) -> None:
        """Connect at a random moment of the spread, and again whenever the connection is lost."""
        spread_s = self._plan.spread_s
        await asyncio.sleep(self._random.uniform(0, spread_s))
        failures = 0
        while True:
            was_in = False
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader = await self._connected()
                was_in = True
                await self._talk(reader)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                self._tally.problems[type(error).__name__] += 1
                self._tally.lost += was_in
                self._tally.connected -= was_in
            finally:
                self._leave()
            failures = 0 if was_in else failures + 1
            ceiling = min(spread_s * 2.0 ** min(failures, 30), max(RETRY_MAX_S, spread_s))
            await asyncio.sleep(self._random.uniform(0, ceiling))

    async def _connected(self) -> asyncio.StreamReader:
        plan, tally = self._plan, self._tally
        reader, self._writer = await asyncio.open_connection(plan.host, plan.port)
        moment = asyncio.get_running_loop().time() - tally.began_s
        (tally.again if self._conn else tally.first).append(moment)
        self._conn += 1
        will = (self.address.presence, encode(self._presence("offline")))
        login = wire.Login(
            f"box-{self.address.box}", KEEPALIVE_S, will, plan.username, plan.password
        )
        self._write(wire.connect(login))
        kind, body = await self._read(reader)
        if kind != wire.CONNACK or (code := wire.refusal(body)):
            raise ValueError(f"the broker refused the box: {code:#x}")
        self._write(wire.subscribe(self._next(), self.address.down))
        self._publish(self.address.presence, encode(self._presence("online")), retain=True)
        self._publish(self.address.up("hello"), encode(self._hello()))
        return reader

    async def _talk(self, reader: asyncio.StreamReader) -> None:
        self._tally.connected += 1
        await first_of(self._listen(reader), self._send(), self._ping())

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            kind, body = await self._read(reader)
            if kind & 0xF0 == wire.PUBLISH:
                self._take(wire.published(kind, body))

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE_S / 2)
            self._write(wire.ping())

    def _take(self, message: wire.Published) -> None:
        self._tally.messages_in += 1
        if message.number:
            self._write(wire.acknowledgement(message.number))
        if message.topic != self.address.ack:
            return
        try:
            ack = decode(message.payload, Ack)
        except BadMessage:
            self._tally.problems["bad ack"] += 1
            return
        if ack.epoch == self._epoch and (upto := ack.upto.get(Stream.BULK, 0)) > self._upto:
            self._upto = upto
            self._acknowledged.set()

    async def _send(self) -> None:
        plan, tally, loop = self._plan, self._tally, asyncio.get_running_loop()
        await asyncio.sleep(self._random.uniform(0, plan.interval_s))
        while True:
            began_s, payload = loop.time(), self._batch()
            tally.sent += 1
            self._acknowledged.clear()
            while not self._acknowledged.is_set():
                self._publish(self.address.up(Stream.BULK), payload)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ACK_S):
                        await self._acknowledged.wait()
                tally.resent += not self._acknowledged.is_set()
            tally.acknowledged += 1
            tally.ack_s.append(loop.time() - began_s)
            await asyncio.sleep(max(0.0, began_s + plan.interval_s - loop.time()))

    # --- what it says

    def _batch(self) -> bytes:
        numbers = range(self._upto + 1, self._upto + 1 + self._plan.events)
        return pack(self.address, [self._event(seq) for seq in numbers], self._moment())[0]

    def _event(self, seq: int) -> Event:
        body = msgspec.json.encode({"figures": self._random.randbytes(BODY_BYTES // 4).hex()})
        origin = (self.address.box, self._epoch, Stream.BULK)
        return Event(*origin, seq, "test.simulated.v1", self._moment(), msgspec.Raw(body))

    def _moment(self) -> Moment:
        elapsed_ms = round((asyncio.get_running_loop().time() - self._tally.began_s) * 1000)
        return Moment(1_800_000_000_000 + elapsed_ms, elapsed_ms, self._epoch, True)

    def _presence(self, state: Literal["online", "offline"]) -> Presence:
        return Presence(v=1, state=state, boot=self._epoch, conn=self._conn)

    def _hello(self) -> Hello:
        bulk = StreamState(last=self._upto, upto=self._upto)
        return Hello(
            v=1,
            epoch=self._epoch,
            boot=self._epoch,
            conn=self._conn,
            sent=self._moment().wall_ms,
            clock=ClockState.SYNCED,
            streams={Stream.BULK: bulk},
            datasets={},
        )

    # --- packets

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._tally.messages_out += 1
        self._write(wire.publish(self._next(), topic, payload, retain=retain))

    def _next(self) -> int:
        self._number = self._number % 0xFFFF + 1
        return self._number

    def _write(self, packet: bytes) -> None:
        assert self._writer is not None, "written after connecting"
        self._tally.bytes_out += len(packet)
        self._writer.write(packet)

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        kind, body = await wire.read(reader)
        self._tally.bytes_in += len(body) + 2
        return kind, body

    def _leave(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.transport.abort()


def _make_room(boxes: int) -> None:
    """Raise the limit of open files as far as it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = boxes + DESCRIPTORS_SPARE
    if boxes > BOXES_MAX or (hard != resource.RLIM_INFINITY and wanted > hard):
        raise Refused(
            f"{boxes} boxes need more connections than this process may have.",
            "Simulate fewer, or raise the limit of open files (ulimit -n).",
        )
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def rate(moments: Iterable[float], spread_s: float) -> Rate:
    """How many in each second, over the spread that begins with the first."""
    seconds = Counter(int(moment) for moment in moments)
    count = sum(seconds.values())
    return Rate(count, count / max(1.0, spread_s), max(seconds.values(), default=0))


def _report(plan: Plan, tally: Tally) -> Report:
    elapsed_s = max(1.0, asyncio.get_running_loop().time() - tally.began_s)
    waits_ms = sorted(1000 * wait_s for wait_s in tally.ack_s) or [0.0]
    return Report(
        boxes=plan.boxes,
        connected=tally.connected,
        first_connects=rate(tally.first, plan.spread_s),
        reconnects=rate(tally.again, plan.spread_s),
        lost_connections=tally.lost,
        batches_sent=tally.sent,
        batches_sent_again=tally.resent,
        batches_acknowledged=tally.acknowledged,
        events_acknowledged=tally.acknowledged * plan.events,
        messages_out=tally.messages_out,
        messages_in=tally.messages_in,
        bytes_out=tally.bytes_out,
        bytes_in=tally.bytes_in,
        messages_per_s=(tally.messages_out + tally.messages_in) / elapsed_s,
        ack_ms_median=waits_ms[len(waits_ms) // 2],
        ack_ms_p99=waits_ms[min(len(waits_ms) - 1, len(waits_ms) * 99 // 100)],
        problems=dict(tally.problems),
    )
