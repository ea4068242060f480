"""What the platform says: answers at once, datasets as fast as boxes take them.

Used by `platform.py`. Acknowledgements of one box are merged while they wait, so that a slow line
never makes more of them; wishes for datasets are worked off in turn, in a thread of their own, so
that packing a snapshot delays nobody's order. Nothing here decides what is said.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sync.datasets import Want
from sync.messages import Ack, Address, Dataset, DatasetVersion, Greeting, encode
from sync.mqtt import Connection

log = logging.getLogger(__name__)

T = TypeVar("T")
Outgoing = tuple[str, bytes, bool]
"""Topic, payload, whether it is retained."""

IN_FLIGHT_MAX = 16
"""Publishes of datasets that the broker has not confirmed: 1.5 MB, and a fast line stays full."""
ANSWERS_IN_FLIGHT_MAX = 16
ANSWERS_MAX = 10_000
"""Waiting answers; whoever asked has given up long before so many are sent. The oldest go."""
WISHES_MAX = 10_000
"""Wishes for datasets: a few of each box of a large fleet. The oldest go; boxes ask again."""


class Datasets(Protocol):
    """Serves the datasets. Each method is called in one thread, never two at a time, and so are
    the iterators that it returns; what they yield is published in that order.
    """

    def on_hello(
        self, address: Address, datasets: dict[Dataset, DatasetVersion]
    ) -> Iterator[Outgoing]:
        """A box has connected, or applied something, and has these versions."""
        ...

    def on_want(self, address: Address, want: Want) -> Iterator[Outgoing]:
        """A box asks for chunks, buckets or a manifest."""
        ...

    def on_change(self) -> Iterator[Outgoing]:
        """Called twice a second: what has changed in the files since the last time."""
        ...


class Answers:
    """Acknowledgements, greetings and other short messages that wait for the connection."""

    def __init__(self) -> None:
        self._acks: OrderedDict[Address, Ack] = OrderedDict()
        self._greetings: set[Address] = set()
        self._others: deque[Outgoing] = deque(maxlen=ANSWERS_MAX)
        self._woken = asyncio.Event()

    def clear(self) -> None:
        """Forget acknowledgements and answers: on a new connection boxes ask anew."""
        self._acks.clear()
        self._others.clear()

    def greet(self, address: Address) -> None:
        """Ask a box to say hello."""
        self._greetings.add(address)
        self._woken.set()

    def say(self, *messages: Outgoing) -> None:
        """Short messages, in order."""
        self._others.extend(messages)
        self._woken.set()

    def acknowledge(self, address: Address, ack: Ack) -> None:
        """Queue an acknowledgement; a later one of the same epoch takes an earlier one in."""
        waiting = self._acks.get(address)
        if waiting is not None and waiting.epoch == ack.epoch:
            ack = _merged(waiting, ack)
        self._acks[address] = ack
        self._woken.set()

    async def send(self, connection: Connection) -> None:
        """Publish what waits, for as long as the connection lasts."""
        async with asyncio.TaskGroup() as group:
            slots = asyncio.Semaphore(ANSWERS_IN_FLIGHT_MAX)
            while True:
                await self._woken.wait()
                self._woken.clear()
                while (message := self._next()) is not None:
                    await publish(connection, group, slots, message)

    def _next(self) -> Outgoing | None:
        if self._greetings:
            return self._greetings.pop().greeting, encode(Greeting(v=1)), False
        if self._others:
            return self._others.popleft()
        if self._acks:
            address, ack = self._acks.popitem(last=False)
            return address.ack, encode(ack), False
        return None


class Wishes:
    """Jobs for `Datasets`: hellos, wants, and a look at the files now and then."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._waiting: OrderedDict[object, Callable[[], Iterator[Outgoing]]] = OrderedDict()
        self._woken = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="datasets")

    def hello(self, address: Address, datasets: dict[Dataset, DatasetVersion]) -> None:
        """Bring this box up to date. A later hello replaces one that waits."""
        self._put(address, lambda: self._datasets.on_hello(address, datasets))

    def want(self, address: Address, want: Want) -> None:
        """Give this box what it asks for. Asking twice is asking once."""
        asked = (address, want.dataset, want.first, want.last, want.buckets, want.manifest)
        self._put(asked, lambda: self._datasets.on_want(address, want))

    def look(self) -> None:
        """Look whether the files have changed."""
        self._put("files", self._datasets.on_change)

    async def send(self, connection: Connection) -> None:
        """Work off what waits, for as long as the connection lasts."""
        async with asyncio.TaskGroup() as group:
            slots = asyncio.Semaphore(IN_FLIGHT_MAX)
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._waiting:
                    key, job = self._waiting.popitem(last=False)
                    messages = await self._on_thread(_begun, job)
                    while (message := await self._on_thread(_next, messages, key)) is not None:
                        await publish(connection, group, slots, message)

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _put(self, key: object, job: Callable[[], Iterator[Outgoing]]) -> None:
        self._waiting[key] = job
        if len(self._waiting) > WISHES_MAX:
            self._waiting.popitem(last=False)
            log.warning("more than %d wishes for datasets wait: the oldest goes", WISHES_MAX)
        self._woken.set()


def _begun(job: Callable[[], Iterator[Outgoing]]) -> Iterator[Outgoing]:
    """All of it happens in `_next`, even where `job` is no generator."""
    yield from job()


def _next(messages: Iterator[Outgoing], wish: object) -> Outgoing | None:
    try:
        return next(messages, None)
    except Exception as error:  # a border: one wish must not end the platform
        log.error("the wish %s could not be fulfilled: %r", wish, error)
        return None


async def publish(
    connection: Connection,
    group: asyncio.TaskGroup,
    slots: asyncio.Semaphore,
    message: Outgoing,
) -> None:
    """Begin to publish, once a slot is free; the order of the calls is the order on the wire."""
    topic, payload, retain = message
    await slots.acquire()
    task = group.create_task(connection.publish(topic, payload, retain=retain))
    task.add_done_callback(lambda _: slots.release())


def _merged(earlier: Ack, later: Ack) -> Ack:
    """Of what the earlier one asked for or refused, only the streams that the later one leaves."""
    done = later.upto
    return Ack(
        v=1,
        epoch=later.epoch,
        upto=earlier.upto | later.upto,
        resend=(*(stream for stream in earlier.resend if stream not in done), *later.resend),
        refused={s: why for s, why in earlier.refused.items() if s not in done} | later.refused,
        marks={s: mark for s, mark in earlier.marks.items() if s not in done} | later.marks,
        conn=max(earlier.conn, later.conn),
    )
