"""Commands of one box and the platform's key, for the tests of what a box obeys."""

import json
from pathlib import Path
from types import SimpleNamespace

from edge import consent
from edge.counters import Counters
from edge.lease import Lease
from edge.records import Consent, ConsentKind, Member, Stream
from edge.storage import members
from edge.storage.database import Database
from sync.commands import Authority, Commands
from sync.messages import Address
from sync.signing import SigningKey, TrustedKeys
from tests.clocks import Time

ADDRESS = Address("chain", "shop-1", "box-1")
KINDS = (ConsentKind.FACE, ConsentKind.MARKETING, ConsentKind.PROGRAMME)


class Bench(SimpleNamespace):
    """Commands of one box, the platform's key, and what comes of them."""

    def command(self, type_: str = "box.report", **changes: object) -> dict[str, object]:
        counter = changes.get("counter", self.commands.last + 1)
        message = {
            "v": 1,
            "id": f"c-{counter}",
            "box": str(ADDRESS),
            "type": type_,
            "args": {},
            "iat": self.time.wall_ms // 1000,
            "exp": self.time.wall_ms // 1000 + 3600,
            "counter": counter,
        }
        return message | changes

    async def give(self, type_: str = "box.report", **changes: object) -> bool:
        return await self.send(self.key.signed(self.command(type_, **changes)))

    async def send(self, message: object) -> bool:
        return await self.commands.take(json.dumps(message).encode())

    def events(self) -> list[tuple[str, dict[str, object]]]:
        waiting = self.database.waiting(Stream.CRIT, 0, 500)
        return [(event.type, json.loads(bytes(event.body))) for event in waiting]

    def done(self) -> list[tuple[str, bool, str]]:
        return [
            (body["id"], body["ok"], body["reason"])
            for type_, body in self.events()
            if type_ == "command.done.v1"
        ]

    def counted(self) -> dict[str, int]:
        return self.counters.snapshot()

    def state(self) -> list[object]:
        tables = ("member", "consent", "erased", "commanded", "outbox")
        return [
            self.database.reading.execute(f"SELECT * FROM {table}").fetchall() for table in tables
        ]

    def knows(self, member: str) -> bool:
        return members.exists(self.database.reading, member)


def bench_of(directory: Path, *, trusted: bool = True) -> Bench:
    key = SigningKey.open(directory / "platform.key")
    (directory / "platform.pub").write_text(key.public_line)
    keys = TrustedKeys.read(directory / "platform.pub")
    database, time, counters = Database.open(directory / "state"), Time(trusted=trusted), Counters()
    lease = Lease(database, time, lease_s=72 * 3600, counters=counters)
    commands = Commands(
        database, time, authority=Authority(ADDRESS, keys), lease=lease, counters=counters
    )
    obeyed = []
    commands.add_listener(obeyed.append)
    return Bench(
        key=key,
        database=database,
        time=time,
        counters=counters,
        commands=commands,
        lease=lease,
        obeyed=obeyed,
    )


async def join(bench: Bench, *names: str) -> None:
    for name in names:
        consents = tuple(Consent(kind, 0, "1", "till") for kind in KINDS)
        member = Member(name, name.title(), f"card-{name}", consents=consents)
        await bench.database.transact(lambda tx, m=member: consent.accept_member(tx, m))
