"""A box that obeys its platform, as the daemon makes one, and how an operator commands it."""

import asyncio
import sys

import msgspec

from edge.clock import SystemClock
from edge.lease import Lease
from edge.records import Moment, Stream
from edge.storage import members
from sync.calls import Calls
from sync.commands import Authority, Commands
from sync.downward import Downward, Told
from sync.signing import TrustedKeys
from tests.pages import everything
from tests.system.sync_box import ADDRESS, ROOT, Box, PlatformProcess

SEALED = (
    ("name_sealed", "member", "id"),
    ("wrapped", "member_key", "member"),
    ("vectors_sealed", "template", "member"),
    ("body", "document", "member"),
)
ENDS_BYTES = 40


class SynchronisedClock(SystemClock):
    """The machine's clock; whether it is synchronised here is no matter of the test."""

    def now(self) -> Moment:
        """As ever, trusted."""
        return msgspec.structs.replace(super().now(), trusted=True)


class ObeyingBox(Box):
    """A box that takes commands. `trusted`: it says that its clock was synchronised."""

    def __init__(self, *arguments: object, trusted: bool = False) -> None:
        self._trusted = trusted
        super().__init__(*arguments)

    def downward(self) -> Downward:
        keys = TrustedKeys.read(self.directory / "platform.pub")
        if self._trusted:
            self.clock = SynchronisedClock()
        self.lease = Lease(self.database, self.clock, lease_s=72 * 3600, counters=self.counters)
        self.commands = Commands(
            self.database,
            self.clock,
            authority=Authority(ADDRESS, keys),
            lease=self.lease,
            counters=self.counters,
        )
        self.calls = Calls(self.database, self.clock, address=ADDRESS, counters=self.counters)
        told = Told(commands=lambda: self.commands.last, evicted=self.database.backlog.evicted)
        heard = self.lease.heard
        return Downward(self.replica, self.commands, self.calls, heard=heard, told=told)

    def knows(self, name: str) -> bool:
        return members.exists(self.database.reading, name)

    async def serve(self, name: str) -> None:
        """What happens when a member comes in and buys something."""
        now = self.clock.now()
        told = {"visit": "v-1", "member": name, "posterior": 1.0, "reasons": [f"it is {name}"]}

        def change(tx) -> None:
            tx.emit(Stream.VISIT, "visit.identified.v1", told, now, member=name)
            order = {"number": "1", "screen": "main", "lines": [], "total_minor": 0}
            order |= {"currency": "RUB", "member": name}
            tx.emit(Stream.CRIT, "order.placed.v1", order, now, member=name)

        await self.database.transact(change)

    def sealed(self, name: str) -> list[bytes]:
        """Every sealed piece of a person as it lies in the database: both its ends.

        What is long goes over several pages.
        """
        return [
            piece
            for column, table, owner in SEALED
            for row in self.database.reading.execute(
                f"SELECT {column} FROM {table} WHERE {owner} = ?", (name,)
            ).fetchall()
            for piece in (bytes(row[0])[:ENDS_BYTES], bytes(row[0])[-ENDS_BYTES:])
        ]

    def bytes(self) -> bytes:
        """All that is on its disk, decrypted."""
        return everything(self.directory / "state") + (self.directory / "journal").read_bytes()


async def command(platform: PlatformProcess, type_: str, args: dict[str, object]) -> None:
    """`storebox platform command`, as an operator gives it."""
    words = ["platform", "command", str(ADDRESS), type_, msgspec.json.encode(args).decode()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge.cli.main", *words, "--database", str(platform.log)),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
