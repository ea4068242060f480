"""The upward half of a connection: hands over batches in order of importance until all are there.

Run by the link for the box's own outbox, and by a primary for the batches of its satellites; what
is sent comes from a `BatchSource`. On each connection nothing is sent before the platform has said
what it has: if that contradicts the source, its numbers were given to other events before, and a
new epoch begins. It never deletes on the broker's word, and keeps nothing but numbers in memory.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from edge.counters import Counters
from edge.errors import EventTooLarge, PublishRefused, StorageError, SyncError
from edge.records import Stream
from sync.complaints import Complaints
from sync.lane import REFUSED_S, Lane, choose
from sync.messages import Ack, Hello, encode
from sync.silence import SILENT, SILENT_S, Silence
from sync.source import BatchSource, waits
from sync.window import Window

log = logging.getLogger(__name__)

CRIT_SLOTS = 2
"""Room in the window and in the connection that only orders and consents may use."""
IDLE_S = 60.0
HELLO_S, HELLO_S_MAX = 5.0, 60.0
"""A hello that nobody answers is said again after so long, and each further time twice as long."""
NOT_DELETED_S = 5.0
"""Until a deletion is tried again that the disk had no room for."""
HELLO_BYTES_SPARE = 256
"""A broker that takes less than a hello is told the least of it, which takes about so much."""


class Publisher(Protocol):
    """The connection, as far as it matters here."""

    @property
    def window(self) -> int:
        """How many publishes may be unconfirmed."""
        ...

    def payload_max(self, topic: str) -> int:
        """How long a payload on `topic` may be, in bytes."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish and wait until the broker has confirmed. PublishRefused if it said no."""
        ...


class Pace(Struct, frozen=True):
    """How long events may wait for their batch to fill, and what is refused for the next try."""

    visit_flush_s: float = 1.0
    bulk_flush_s: float = 30.0
    refused_s: float = REFUSED_S
    """The first pause of a stream that is not taken now."""
    silent_s: float = SILENT_S
    """A platform that owes an answer for so long does not answer."""

    def flush_s(self, stream: Stream) -> float:
        """Of one stream; an order never waits."""
        return {Stream.VISIT: self.visit_flush_s, Stream.BULK: self.bulk_flush_s}.get(stream, 0.0)


class Uplink:
    """Sends what a source has. `begin` and then `run` it on each connection."""

    def __init__(
        self,
        source: BatchSource,
        hello: Callable[[bool], Hello],
        *,
        pace: Pace,
        counters: Counters,
    ) -> None:
        self._source = source
        self._hello = hello
        self._pace = pace
        self._counters = counters
        self._complaints = Complaints(log, counters)
        self._publisher: Publisher | None = None
        self._lanes: list[Lane] = []
        self._window = Window()
        self._silence = Silence(pace.silent_s)
        self._unconfirmed = 0
        self._compared = False
        """Whether the platform has said on this connection what it has, and it is ours."""
        self._hello_s = HELLO_S
        self._hello_at_s = 0.0
        self._conn = 0
        """The number of the connection, as said in its hello."""
        self._draining = 0
        self._deleting: dict[Stream, int] = {}
        self._woken = asyncio.Event()
        self._deletable = asyncio.Event()
        self._emptied = asyncio.Event()

    @property
    def rtt_s(self) -> float | None:
        """How long the platform takes to acknowledge a batch; None before the first one."""
        return self._window.rtt_s

    @property
    def window(self) -> int:
        """How many batches may be unacknowledged now."""
        return self._window.size

    @property
    def refused(self) -> dict[Stream, str]:
        """The streams that are not taken now, and why."""
        return {lane.stream: lane.refused for lane in self._lanes if lane.refused}

    @property
    def silent(self) -> bool:
        """Whether the platform does not answer, though the broker has what was said."""
        return self._silence.lasts(_now())

    def wake(self) -> None:
        """There is something new to send."""
        self._woken.set()

    async def drained(self, timeout_s: float) -> bool:
        """Wait until the platform has acknowledged everything; False if it takes longer.

        Meanwhile nothing waits for its batch to fill.
        """
        self._draining += 1
        self._woken.set()
        try:
            async with asyncio.timeout(timeout_s):
                while waits(self._source):
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            return False
        finally:
            self._draining -= 1
        return True

    async def begin(self, publisher: Publisher) -> None:
        """Say hello on a new connection."""
        self._publisher = publisher
        cursors = self._source.cursors()
        self._lanes = [
            Lane(
                stream,
                self._pace.flush_s(stream),
                last=cursors[stream][0],
                acked=cursors[stream][1],
                refused_s=self._pace.refused_s,
            )
            for stream in Stream
        ]
        self._window, self._unconfirmed = Window(), 0
        self._compared, self._hello_s = False, HELLO_S
        self._deleting.clear()
        self._silence.begin()
        await self.say_hello()

    async def run(self) -> None:
        """Send until cancelled. SyncError or StorageError when the connection cannot go on."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delete())
            group.create_task(self._send(group))

    async def say_hello(self, *, again: bool = False) -> None:
        """Tell the platform where this box stands. With `again` datasets are wanted once more."""
        assert self._publisher is not None, "begin comes before"
        self._hello_at_s = _now()
        topic = self._source.address.up("hello")
        hello = self._hello(again)
        self._conn = hello.conn
        payload = encode(hello)
        if len(payload) > self._publisher.payload_max(topic):
            self._complaints.say("link.hello_cut", "The broker takes no whole hello.", _now())
            payload = encode(hello.without_datasets())
        answers = self._silence.answers
        await self._publisher.publish(topic, payload)
        if answers == self._silence.answers:
            self._silence.asked(_now())

    async def greeted(self) -> None:
        """The platform has just come: it needs a hello, and what it has not acknowledged."""
        for lane in self._lanes:
            lane.released()
            lane.asked_again(_now())
        await self.say_hello()

    async def acknowledged(self, ack: Ack) -> bool:
        """The platform has committed something; whether that was of this life of the source.

        SyncError, after a new epoch has begun, if it has what the source never had.
        """
        now = _now()
        if ack.epoch != self._source.epoch:
            self._counters.add("link.ack_of_another_epoch")
            return False
        if (wrong := self._source.contradiction(ack)) is not None:
            self._counters.add(wrong)
            self._compared = False
            await self._source.renew()
            raise SyncError(
                "The platform has events of this box that the box does not know.",
                "Its database was restored from a backup; it begins anew and sends what waits.",
            )
        if not self._compared and ack.conn != self._conn:
            # It waited in the broker, and may speak of what this box was before it was restored.
            self._counters.add("link.ack_before_comparison")
            return False
        self._compared = True
        self._silence.answered()
        for lane in self._lanes:
            self._progressed(lane, ack.upto.get(lane.stream, 0), now)
            if lane.stream in ack.resend:
                lane.asked_again(now)
            if lane.stream in ack.refused:
                self._refused(lane, ack.refused[lane.stream], now)
        self._woken.set()
        return True

    # --- what comes back

    def _progressed(self, lane: Lane, upto: int, now: float) -> None:
        if upto <= lane.acked:
            return
        full = self._under_way >= self._window.size
        sent_at = lane.acknowledged(upto, now)
        if sent_at is not None:
            self._window.measured(sent_at, now, full=full)
            for each in self._lanes:
                each.usually(self._window.rtt_s or 0.0)
        self._deleting[lane.stream] = upto
        self._deletable.set()

    def _refused(self, lane: Lane, reason: str, now: float) -> None:
        if lane.refuse(reason, now):
            text = f"The stream {lane.stream} is not taken now and waits on the box: {reason}"
            self._complaints.say(f"link.refused_{lane.stream}", text, now)

    async def _delete(self) -> None:
        """Delete what was acknowledged. Nothing waits for it: one delete may answer many acks."""
        while True:
            await self._deletable.wait()
            self._deletable.clear()
            uptos, self._deleting = self._deleting, {}
            try:
                await self._source.acknowledged(uptos)
            except StorageError as error:  # no reason to hang up: what stays is only sent again
                self._complaints.say("link.not_deleted", error, _now())
                self._deleting = uptos | self._deleting
                await asyncio.sleep(NOT_DELETED_S)
                self._deletable.set()
            else:
                self._emptied.set()

    # --- what goes

    async def _send(self, group: asyncio.TaskGroup) -> None:
        """Hand over batches as long as there are any, then sleep until something changes."""
        turn = 0
        while True:
            self._woken.clear()
            now = _now()
            self._look(now)
            lane = choose(self._lanes_with_room(), turn, now)
            if lane is None:
                await self._sleep(now)
            elif (batch := self._next_batch(lane, now)) is not None:
                turn += 1
                self._unconfirmed += 1
                group.create_task(self._publish(lane, *batch))

    def _look(self, now: float) -> None:
        """What was produced meanwhile, and whose batches got stuck."""
        cursors = self._source.cursors()
        for lane in self._lanes:
            lane.produced(cursors[lane.stream][0], now)
            if self._draining:
                lane.hurry(now)
            if lane.check_progress(now):
                self._counters.add("link.sent_again")
        if self._silence.news(now):
            self._complaints.say("link.platform_silent", SILENT, now)

    @property
    def _under_way(self) -> int:
        return sum(lane.under_way for lane in self._lanes)

    def _lanes_with_room(self) -> list[Lane]:
        assert self._publisher is not None, "begin comes before"
        slots = self._publisher.window
        free = slots - self._unconfirmed
        if free <= 0 or not self._compared:
            return []
        crit, *lower = self._lanes
        room = [crit] if crit.under_way < self._window.size + CRIT_SLOTS else []
        reserved = min(CRIT_SLOTS, slots // 4)  # who takes one at a time has none to spare
        if free > reserved and self._under_way < self._window.size:
            room += lower
        return room

    def _next_batch(self, lane: Lane, now: float) -> tuple[bytes, int] | None:
        assert self._publisher is not None, "begin comes before"
        topic = self._source.address.up(lane.stream)
        try:
            batch = self._source.next_batch(
                lane.stream, lane.sent, self._publisher.payload_max(topic)
            )
        except EventTooLarge as error:
            self._refused(lane, str(error), now)
            return None
        if batch is None:
            lane.nothing_to_send(now)
        else:
            lane.batch_sent(batch[1], now)
        return batch

    async def _publish(self, lane: Lane, payload: bytes, last: int) -> None:
        assert self._publisher is not None, "begin comes before"
        try:
            await self._publisher.publish(self._source.address.up(lane.stream), payload)
        except PublishRefused as error:  # the platform has not seen it: only the broker said no
            self._refused(lane, error.what, _now())
        else:
            lane.confirmed(last, _now())
            if lane.acked < last:
                self._silence.asked(_now())
        finally:
            self._unconfirmed -= 1
            self._woken.set()

    async def _sleep(self, now: float) -> None:
        dates = [at for lane in self._lanes if (at := lane.wake_at()) is not None]
        if not self._compared:
            if now >= self._hello_at_s + self._hello_s:
                self._hello_s = min(2 * self._hello_s, HELLO_S_MAX)
                await self.say_hello()
            dates.append(self._hello_at_s + self._hello_s)
        # A date in the past waits for room in the window, and room wakes us.
        wait_s = min((at - now for at in dates if at > now), default=IDLE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()


def _now() -> float:
    """The loop's time: the network stays on real time whatever the clock of the shop."""
    return asyncio.get_running_loop().time()
