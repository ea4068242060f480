"""What may come down to a box, and to which part of it each topic belongs.

The link hands every message to `Dispatch`, which hands it to the part that understands it: the
uplink, the replica, and - where the box has them - commands, calls and the relay of satellites.
Those are protocols here, so that the line knows nothing of what they do. It changes no state.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from edge.records import Stream
from sync.messages import (
    EVERYBODY,
    Ack,
    Address,
    Dataset,
    DatasetVersion,
    Greeting,
    decode,
    parse_topic,
)
from sync.uplink import Publisher, Uplink

Publish = Callable[[str, bytes], Awaitable[None]]
"""Publish a payload on a topic and wait until the broker has it. SyncError if it has not."""


@runtime_checkable
class Speaks(Protocol):
    """A part that also says something upward: it is given the connection while there is one."""

    def attach(self, publish: Publish) -> None:
        """There is a connection now; called before anything is received on it."""
        ...

    def detach(self) -> None:
        """It has ended."""
        ...


class Datasets(Protocol):
    """The replica. If it `Speaks`, it is attached and detached too."""

    @property
    def incomplete(self) -> bool:
        """Whether something under way has to be asked for again, if nothing comes."""
        ...

    def versions(self) -> dict[Dataset, DatasetVersion]:
        """What the box has."""
        ...

    async def receive(self, dataset: str, payload: bytes, *, shared: bool = False) -> bool:
        """Take one message; whether `versions` changed. BadMessage if it cannot be used.

        `shared`: it came on the topic that all boxes of the tenant read.
        """
        ...


class Commands(Protocol):
    """Who carries out what the platform orders."""

    @property
    def incomplete(self) -> bool:
        """Whether one could not be kept: a hello makes the platform send it again."""
        ...

    async def take(self, payload: bytes) -> bool:
        """Judge one command, and carry it out; whether one before it is missing: say hello."""
        ...


class Calls(Speaks, Protocol):
    """Who asks the platform and waits for answers."""

    async def receive(self, boot: str, payload: bytes) -> None:
        """An answer to what was asked since `boot`."""
        ...


class Relays(Protocol):
    """Other boxes' events and answers, which travel on this box's connection."""

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to for them."""
        ...

    async def run(self, publisher: Publisher) -> None:
        """Send what they have until cancelled, which is when the connection ends."""
        ...

    async def receive(self, address: Address, what: str, payload: bytes) -> None:
        """A message that came for one of them (`dn/ack`, ...)."""
        ...


class Told(Struct, frozen=True):
    """What only other parts can say in the hello."""

    commands: Callable[[], int] = lambda: 0
    """The counter of the last command that was taken."""
    key: Callable[[], Literal["file", "tpm", "none"]] = lambda: "file"
    """How the box's keys are protected."""
    evicted: Callable[[], dict[Stream, int]] = dict
    """How many events of each stream were given up by quota."""


class Downward(Struct, frozen=True):
    """The parts of a box that messages come down to."""

    datasets: Datasets
    commands: Commands | None = None
    calls: Calls | None = None
    relays: Relays | None = None
    heard: Callable[[], None] | None = None
    """Called whenever the platform itself has said something, now: for the lease."""
    restored: Callable[[], None] | None = None
    """Called when it was found out that the box's file is an older one that was brought back."""
    told: Told = Told()

    @property
    def incomplete(self) -> bool:
        """Whether something under way has to be asked for again, if nothing comes."""
        commands = self.commands
        return self.datasets.incomplete or (commands is not None and commands.incomplete)

    @property
    def speaking(self) -> tuple[Speaks, ...]:
        """The parts that are to be attached."""
        return tuple(part for part in (self.datasets, self.calls) if isinstance(part, Speaks))


class Dispatch:
    """Which message goes where. `acknowledged` is called after each acknowledgement of our own."""

    def __init__(
        self,
        address: Address,
        uplink: Uplink,
        downward: Downward,
        *,
        acknowledged: Callable[[], None],
        unknown: Callable[[str, str], None],
    ) -> None:
        self._address = address
        self._everybody = Address(address.tenant, EVERYBODY, EVERYBODY)
        self._uplink = uplink
        self._downward = downward
        self._acknowledged = acknowledged
        self._unknown = unknown

    async def take(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Hand over one message. BadMessage if it cannot be used; SyncError, StorageError."""
        address, what = parse_topic(topic)
        shared = address == self._everybody
        if shared:
            known = what.startswith("dn/d/")
        elif address == self._address:
            known = True
        else:
            await self._for_another(address, what, payload)
            return
        # Whatever is only true at its moment must have been said on this connection: what a broker
        # keeps may be years old, or a lie.
        stale = retained and what in ("dn/ack", "dn/hello")
        if not known or stale or not await self._handed_over(what, payload, shared):
            kind = "link.stale" if stale else "link.unknown_topic"
            self._unknown(kind, f"A message on {topic[:100]!r} is not meant for this box.")
        elif self._downward.heard is not None and not retained and what != "dn/cmd":
            # A command may be anybody's until its signature was checked; a platform that commands
            # also acknowledges.
            self._downward.heard()

    async def _handed_over(self, what: str, payload: bytes, shared: bool) -> bool:
        """Whether some part takes such messages."""
        down = self._downward
        if what == "dn/ack":
            if await self._uplink.acknowledged(decode(payload, Ack)):
                self._acknowledged()
        elif what == "dn/hello":
            decode(payload, Greeting)
            await self._uplink.greeted()
        elif what.startswith("dn/d/"):
            name = what.removeprefix("dn/d/")
            if await down.datasets.receive(name, payload, shared=shared):
                await self._uplink.say_hello()
        elif what == "dn/cmd" and down.commands is not None:
            if await down.commands.take(payload):
                await self._uplink.say_hello()
        elif what.startswith("rs/") and down.calls is not None:
            await down.calls.receive(what.removeprefix("rs/"), payload)
        else:
            return False
        return True

    async def _for_another(self, address: Address, what: str, payload: bytes) -> None:
        if self._downward.relays is None:
            self._unknown("link.another_box", f"A message for {address} came to this box.")
        else:
            await self._downward.relays.receive(address, what, payload)
