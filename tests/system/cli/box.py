"""What the tests of the `storebox` command share: a box with something in it, and its answers.

The daemon's side is the real control socket with the real questions over a real database.
"""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from edge import consent
from edge.clock import SystemClock
from edge.config import Config, load
from edge.control import ControlServer
from edge.counters import Counters
from edge.lease import Lease
from edge.operation import answers, figure_facts, people
from edge.presence.withdrawals import Withdrawals
from edge.records import Consent, ConsentKind, Member, Moment, SensorStatus, Stream
from edge.storage import members, visits
from edge.storage.database import Database, Transaction
from edge.visiting import SignKind, Stage, Step, Visit, VisitState
from sync.link import LinkStatus
from tests import faces

OK, FAILED, USAGE, NOT_REACHABLE = 0, 1, 2, 3
NOUNS = {"run", "demo", "status", "doctor", "sensors", "outbox", "members", "visits", "config"}
NOUNS |= {"figures", "models", "pin", "platform", "sync", "version", "wifi"}
NOW = Moment(1_700_000_000_000, 5_000, "boot", True)
CODE = "4006381333931"


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def fill(tx: Transaction) -> None:
    agreed = (
        Consent(ConsentKind.PROGRAMME, NOW.wall_ms, "v1", "till"),
        Consent(ConsentKind.FACE, NOW.wall_ms, "v1", "till"),
    )
    members.put(tx, tx.vault, Member("m1", "Анна \x1b[31mП", "2900000000018", "gold", "", agreed))
    members.put(tx, tx.vault, Member("m2", "[red]Boris", "2900000000025", "", "", agreed[:1]))
    consent.accept_template(tx, faces.template("m1", 0.1))
    visit = Visit("v1", VisitState.IDENTIFIED, NOW, NOW, "door", "m1", 0.998, ("a face",))
    visits.put(tx, visit)
    scan = Step(NOW, "sign", "till", "card scanned at till", "m1", SignKind.CARD, 20.7, 0.998)
    visits.put_steps(tx, "v1", {1: scan})
    visits.put(tx, Visit("v0", VisitState.ANONYMOUS, NOW, NOW, "door", stage=Stage.LEFT))
    for number in range(3):
        tx.emit(Stream.CRIT, "order.placed.v1", {"number": number, "pad": "y" * 2000}, NOW)


REFUSED = LinkStatus(
    False, NOW, "The broker refused the login.", "Check the password file.", alarms=("Look here.",)
)


@dataclass
class Box:
    """The parts that a daemon would be asked about."""

    config: Config
    line: LinkStatus = REFUSED
    observations: int = 0
    per_question: int = 0
    state: str = "listening"

    def statuses(self) -> list[SensorStatus]:
        self.observations += self.per_question
        return [
            SensorStatus(
                "scanner", "code", "/dev/x", self.state, True, "", self.observations, {"noise": 2}
            )
        ]


@asynccontextmanager
async def daemon(path: Path):
    """A control socket that answers as the daemon does."""
    box = Box(load(path))
    database = Database.open(Path(box.config.state.directory))
    clock = SystemClock()
    parts = answers.Parts(
        config=box.config,
        clock=clock,
        counters=Counters(),
        database=database,
        sensors=box.statuses,
        link=lambda: box.line,
        lease=Lease(database, clock, lease_s=72 * 3600, counters=Counters()),
        kiosk=lambda: "http://127.0.0.1:8480/",
        started=clock.now(),
    )
    questions = answers.questions(parts)
    questions |= figure_facts.questions(database, clock, box.config.kiosk.timezone)
    questions |= people.questions(database, Withdrawals(database, clock, lambda: None))
    server = ControlServer(Path(box.config.state.control_socket), questions)
    await server.start()
    try:
        yield box
    finally:
        await server.close()
        database.close()
