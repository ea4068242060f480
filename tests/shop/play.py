"""Plays a story to a real presence desk with a real database, and keeps what it said.

The clock is the story's. Staff react as they do: some of the time a seller sees that a name is
wrong, and corrects it. What comes back is only what the product itself wrote (rows and events) and,
for the calibration of its beliefs, what its best guess was.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edge import consent
from edge.clock import ScenarioClock
from edge.counters import Counters
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.records import Event, Member, Observation, Stream
from edge.sales import Product
from edge.storage import goods, visits
from edge.storage.database import Database, Transaction
from edge.storage.templates import Template
from edge.visiting import Visit, VisitState
from tests.shop.cameras import MODEL
from tests.shop.scenes import PRODUCT, Act
from tests.shop.story import DAY_MS, Story

START_MS = 1_699_999_200_000 // DAY_MS * DAY_MS
BATCH_MS = 5000
PASS_MS = 30_000
"""So often the desk is told that time passes."""
CORRECTS, CORRECTS_AFTER_MS = 0.5, 90_000
"""A seller sees half of the names of members who are not there (assumption), a minute and a half
after the visit began."""
LINGERS_MS = 300_000
"""Who has left is not missed by anybody for so long; nor is a card looked at that is older."""
AT_ONCE = 500
PAGE = 1000


@dataclass(slots=True)
class Named:
    """An identification that the platform was told of; `who` gave the sign that decided it."""

    visit: str
    member: str
    at_ms: int
    who: int | None
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Believed:
    """The last best guess of a visit, and who moved it last (None: nobody can say)."""

    visit: str
    member: str
    posterior: float
    who: int | None


@dataclass(slots=True)
class Told:
    """What the product said in a day: rows of its visits, names, merged visits, guesses."""

    rows: list[Visit] = field(default_factory=list)
    opened: dict[str, int | None] = field(default_factory=dict)
    """Whose reading opened a visit."""
    named: list[Named] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)
    closed: dict[str, int | None] = field(default_factory=dict)
    """Dwell in seconds."""
    believed: dict[str, Believed] = field(default_factory=dict)
    corrected: int = 0


Each = Callable[["Stage", int], Awaitable[None]]
"""What is done between batches, at this time of the story (ms)."""


class Stage:
    """A box in the shop of a town."""

    def __init__(self, directory: Path, settings: PresenceSettings, dice: np.random.Generator):
        self.database = Database.open(directory)
        self.clock = ScenarioClock(START_MS, frozenset())
        self.counters = Counters()
        self.desk = PresenceDesk(self.database, self.clock, settings, self.counters)
        self.batch_ms = BATCH_MS
        self.remembers = True
        """Whose each reading was, to judge by; not where memory is measured."""
        self._dice = dice
        self._cursor = 0
        self._who: dict[int, int] = {}
        self._doubted: set[tuple[str, str]] = set()

    async def move_in(self, story: Story) -> None:
        """Members and templates come as the platform sends them."""
        dice = np.random.default_rng(self._dice.integers(2**63))
        rows: list[tuple[Member, Template | None]] = []
        for one in story.town.members:
            template = None
            if one.has_face:
                vectors = story.cameras.enrolled(one, dice).tobytes()
                template = Template(one.id, MODEL, vectors)
            rows.append((one.profile(), template))
        for first in range(0, len(rows), AT_ONCE):
            await self.database.transact(partial(_accept, rows[first : first + AT_ONCE]))
        product = Product(PRODUCT, PRODUCT, "m", {"ru": "Мяч"}, 100)
        await self.database.transact(lambda tx: goods.put_product(tx, product))
        self.desk.reload()

    async def play(
        self, story: Story, day: int, *, guesses: bool = True, each: Each | None = None
    ) -> Told:
        """One day from the first reading to the last, and an hour more; what the product said.

        `each` is called after each batch (for withdrawals in the middle of the day, and measures).
        """
        told = Told()
        self._who.clear()
        midnight = START_MS + day * DAY_MS
        batch: list[Act] = []
        passed = 0
        for act in story.day(midnight):
            if batch and act.at_ms - batch[0].at_ms > self.batch_ms:
                await self._feed(batch, story, told, guesses)
                batch = []
                if each is not None:
                    await each(self, act.at_ms)
            if act.at_ms - passed > PASS_MS:
                passed = act.at_ms
                await self._pass(story, told)
            batch.append(act)
        await self._feed(batch, story, told, guesses)
        for minute in range(60):
            self.clock.move(midnight + DAY_MS * 9 // 10 + 60_000 * (minute + 60))
            await self.desk.pass_time()
        if self.remembers:
            self._read(told, midnight)
        return told

    async def _feed(self, acts: list[Act], story: Story, told: Told, guesses: bool) -> None:
        observations = []
        for act in acts:
            seen = self.clock.moment(act.at_ms)
            if self.remembers:
                self._who[act.at_ms] = act.who
            observations.append(Observation(act.sensor, seen, act.reading))
        self.clock.move(acts[-1].at_ms + 200)
        await self.desk.observe(observations)
        if guesses:
            self._note(acts, told)

    def _note(self, acts: list[Act], told: Told) -> None:
        """What the product believes of the visits that this batch touched."""
        at = {act.at_ms for act in acts}
        for visit, member, posterior in guesses_of(self.desk, at):
            who = self._who.get(visit.last_seen.wall_ms)
            told.believed[visit.id] = Believed(visit.id, member, posterior, who)

    async def _pass(self, story: Story, told: Told) -> None:
        await self.desk.pass_time()
        if not self.remembers:
            return
        now = self.clock.now().wall_ms
        inside = {one.who for one in story.truth if one.in_ms <= now <= one.out_ms + LINGERS_MS}
        for visit in self.desk.here():
            if visit.state is not VisitState.IDENTIFIED or visit.member is None:
                continue
            key = (visit.id, visit.member)
            early = now - visit.opened.wall_ms < CORRECTS_AFTER_MS
            gone = now - visit.last_seen.wall_ms > LINGERS_MS  # nobody stands there to be seen
            if early or gone or key in self._doubted:
                continue
            self._doubted.add(key)
            absent = story.town.by_id(visit.member).number not in inside
            if absent and self._dice.random() < CORRECTS:
                told.corrected += 1
                await self.desk.correct(visit.id, member=None, by="s1")

    def _read(self, told: Told, since_ms: int) -> None:
        """What the product wrote down of this day."""
        backlog = self.database.backlog
        while events := backlog.events(Stream.VISIT, self._cursor, PAGE):
            self._cursor = events[-1].seq
            for event in events:
                self._take(event, told)
        rows = visits.latest(self.database.reading, limit=10**6)
        told.rows = [row for row in rows if row.opened.wall_ms >= since_ms]
        self._doubted.clear()

    def _take(self, event: Event, told: Told) -> None:
        body = msgspec.json.decode(event.body)
        visit, who = body.get("visit", ""), self._who.get(event.moment.wall_ms)
        match event.type:
            case "visit.opened.v1":
                told.opened[visit] = who
            case "visit.identified.v1":
                reasons = tuple(body["reasons"])
                at_ms = event.moment.wall_ms
                told.named.append(Named(visit, body["member"], at_ms, who, reasons))
            case "visit.merged.v1":
                told.merged[visit] = body["into"]
            case "visit.closed.v1":
                told.closed[visit] = body["dwell_s"]

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def guesses_of(desk: PresenceDesk, at_ms: set[int]) -> list[tuple[Visit, str, float]]:
    """The best guess for each open visit that was last seen at one of these times, and how probable
    it is, however little: the product keeps no word of it, so this looks inside.
    """
    found = []
    judge = desk._judge
    for entry in desk._book._visits.entries.values():
        if entry.signs and entry.visit.last_seen.wall_ms in at_ms:
            decision = judge.decide(entry.standing().values(), entry.visit.last_seen)
            if decision.guessed is not None:
                found.append((entry.visit, decision.guessed, decision.guess))
    return found


def _accept(rows: list[tuple[Member, Template | None]], tx: Transaction) -> None:
    for member, template in rows:
        consent.accept_member(tx, member)
        if template is not None:
            consent.accept_template(tx, template)
