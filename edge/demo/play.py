"""Plays a story on the stage: moves time, scans, taps, cuts the line, and judges at the end.

Called by `edge/cli/demo.py`. It only does what a shopper, a scanner and a bad line could do, and
judges only by what the producers were promised and what the platform has in its log.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edge.demo import truth
from edge.demo.finger import SEE_THE_LOG, Finger
from edge.demo.stage import HOLD, Stage
from edge.errors import NotReachable
from edge.records import Member
from edge.sales import Product
from edge.storage import journal
from edge.visiting import VisitState
from sensors.scenario.story import (
    Act,
    Add,
    Cut,
    Expected,
    PlaceOrder,
    Restore,
    Scan,
    Story,
)
from sync.ingest.log import Received, read_log
from sync.reference.judge import Verdict, judge

STEP_TIMEOUT_S = 60.0
"""Longest wait for one thing to show; a slow box embeds a face in a second."""
LOOK_S = 0.01
PACED_STEP_S = 0.25
VISITS_LOOKED_AT = 20
AFTERWARDS_MS = 30 * 60_000
"""Time after the story in which the last visits end by silence."""

Tell = Callable[[int, str], None]
"""Tells the spectator one line: the story's time and what happened."""


class EventsResult(Struct, frozen=True):
    """What became of the events."""

    created: int
    acknowledged: int
    lost: int
    duplicated: int


class Result(Struct, frozen=True):
    """What the demo found: the one JSON object of `storebox demo --exit --json`."""

    observations: dict[str, int]
    visits_opened: int
    members_recognised: int
    false_recognitions: int
    orders_placed: int
    events: EventsResult
    seconds: float


class Findings(Struct, frozen=True):
    """The result with what it rests on."""

    result: Result
    verdict: Verdict
    false_reasons: tuple[str, ...]
    orders_missing: tuple[str, ...]
    missed: tuple[str, ...]
    """Members who should have been recognised and were not. It is told, and breaks no promise."""

    @property
    def good(self) -> bool:
        """Something was promised, and nothing of it lost, doubled, changed or out of order; nothing
        came that was not promised, and nobody was falsely recognised.
        """
        kept = self.verdict.flawless and self.verdict.created > 0
        return kept and not self.false_reasons and not self.orders_missing


class Play:
    """One performance of a story."""

    def __init__(self, stage: Stage, story: Story, scenario: Path, tell: Tell) -> None:
        self._stage = stage
        self._story = story
        self._tell = tell
        self._finger = Finger(stage.kiosk, "main")
        rows = (scenario / "platform" / "catalogue.json").read_bytes()
        products = msgspec.json.decode(rows, type=list[Product])
        self._skus = {product.gtin: product for product in products}
        people = (scenario / "platform" / "members.json").read_bytes()
        self._members = {m.card: m for m in msgspec.json.decode(people, type=list[Member])}
        self._names = {member.id: member.name for member in self._members.values()}
        self._told: dict[str, str] = {}
        self._latest = ""
        self._orders: list[str] = []
        self._began_s = time.monotonic()

    async def begin(self) -> None:
        """Wait until the box has what the platform sends down; the shop opens only then."""
        await self._until("members and catalogue to arrive", self._stocked)

    async def _stocked(self) -> bool:
        status = await self._stage.ask("status")
        return {"members", "templates", "catalogue", "stock"} <= set(status["datasets"])

    async def perform(self, speed: float | None = None) -> None:
        """Play all acts in order; `speed` story seconds a second, None: as fast as it can be."""
        for act in self._story.acts:
            await self.reach(act.at_ms, speed)
            await self._do(act)
        await self.reach(self._story.end_ms, speed)

    async def finish(self) -> Findings:
        """Let the last visits end, let the line drain, and judge."""
        await self.reach(self._story.end_ms + AFTERWARDS_MS, None)
        await self._stage.line.restore()
        return await self._findings(*await self._at_rest())

    # --- time

    async def reach(self, to_ms: int, speed: float | None) -> None:
        """Let the story's time go on to `to_ms` and wait until all sensors have passed it."""
        if speed is not None:
            now_ms = (await self._stage.ask("timeline"))["now_ms"]
            step_ms = round(speed * PACED_STEP_S * 1000)
            for at_ms in range(now_ms + step_ms, to_ms, step_ms):
                await self._stage.ask("timeline.move", hold=HOLD, to_ms=at_ms)
                await asyncio.sleep(PACED_STEP_S)
                await self._tell_visits()
        await self._stage.ask("timeline.move", hold=HOLD, to_ms=to_ms)
        await self._until("the sensors to come so far", lambda: self._reached(to_ms))
        await self._tell_visits()

    async def _reached(self, to_ms: int) -> bool:
        timeline = await self._stage.ask("timeline")
        return bool(timeline["settled"] and timeline["now_ms"] >= to_ms)

    async def _tell_visits(self) -> None:
        """Who came in since the last look, and whom the box recognised."""
        visits = await self._stage.ask("visits", ended=True, limit=VISITS_LOOKED_AT)
        for visit in reversed(visits):
            known = self._names.get(visit["member"])
            if visit["id"] not in self._told:
                self._told[visit["id"]] = ""
                if visit["sensor"] == "door":
                    self._tell(visit["opened_ms"], "somebody comes in")
            sure_enough = visit["state"] == VisitState.IDENTIFIED
            if known and sure_enough and self._told[visit["id"]] != known:
                self._told[visit["id"]] = known
                why = "; ".join(visit["reasons"])
                sure = visit["posterior"]
                line = f"it is {known}, {sure:.2%} sure: {why}"
                if line != self._latest:  # two visits that turn out to be one are news once
                    self._tell(visit["last_seen_ms"], line)
                self._latest = line

    # --- acts

    async def _do(self, act: Act) -> None:
        match act:
            case Scan():
                await self._scan(act)
            case Add(sku=sku, quantity=quantity):
                for _ in range(quantity):
                    await asyncio.to_thread(self._finger.tap, "add", sku=sku)
                self._tell(act.at_ms, f"{quantity} x {sku} goes into the cart")
            case PlaceOrder():
                await self._order(act)
            case Cut():
                await self._stage.line.cut()
                self._tell(act.at_ms, "THE LINE IS CUT; the shop goes on")
            case Restore():
                waiting = await self._waiting()
                await self._stage.line.restore()
                self._tell(act.at_ms, f"the line is back; {waiting} events were waiting")

    async def _scan(self, act: Scan) -> None:
        before = await self._stage.ask("sensors")
        self._stage.scan(act.text)
        match act.expected:
            case Expected.CARD:
                member = self._members[act.text]
                first = member.name.split()[0]
                await self._shows(lambda screen: screen["member"] == first)
                self._tell(act.at_ms, f"{first} scans the loyalty card and is greeted")
            case Expected.PRODUCT:
                product = self._skus[act.text]
                await self._shows(lambda screen: screen["product"] == product.sku)
                self._tell(act.at_ms, f"scanned: {product.title('en')} {product.size}".rstrip())
            case Expected.UNKNOWN:
                await self._shows(lambda screen: screen["page"] == "unknown")
                self._tell(act.at_ms, "an unknown code is scanned; the kiosk says so kindly")
            case Expected.GARBAGE:
                await self._until("the garbage to be refused", lambda: self._refused(before))
                self._tell(act.at_ms, "garbage on the serial line is refused and counted")

    async def _shows(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        async def shown() -> bool:
            return condition(await asyncio.to_thread(self._finger.screen))

        await self._until("the kiosk to show the scan", shown)

    async def _refused(self, before: list[dict[str, Any]]) -> bool:
        after = await self._stage.ask("sensors")
        return _dropped(after) > _dropped(before)

    async def _order(self, act: PlaceOrder) -> None:
        await asyncio.to_thread(self._finger.tap, "order")
        screen = await asyncio.to_thread(self._finger.screen)
        if not screen["order"]:
            raise NotReachable("The kiosk gave no order number.", SEE_THE_LOG)
        self._orders.append(screen["order"])
        cut = ", off line" if self._stage.line.is_cut else ""
        self._tell(act.at_ms, f"order {screen['order']} is placed{cut}")
        await asyncio.to_thread(self._finger.tap, "finish")

    # --- the end

    async def _drained(self) -> bool:
        return await self._waiting() == 0

    async def _waiting(self) -> int:
        status = await self._stage.ask("status")
        return sum(int(stream["waiting"]) for stream in status["outbox"])

    async def _at_rest(self) -> tuple[list[tuple[str, ...]], list[Received]]:
        """What was promised and what has arrived, of one moment: the box may still have something
        to say, and what is promised between two looks has not arrived in the first.
        """
        deadline_s = time.monotonic() + STEP_TIMEOUT_S
        while True:
            promised = await asyncio.to_thread(journal.read, self._stage.journal)
            drained = await self._until_true(self._drained)
            received = await asyncio.to_thread(read_log, self._stage.log)
            still = promised == await asyncio.to_thread(journal.read, self._stage.journal)
            if drained and still:
                return promised, received
            if time.monotonic() > deadline_s:
                self._tell(self._story.end_ms, "the outbox did not drain")
                return promised, received

    async def _findings(
        self, promised: Sequence[tuple[str, ...]], received: Sequence[Received]
    ) -> Findings:
        sensors = await self._stage.ask("sensors")
        verdict = judge(promised, received)
        cards = {card: member.id for card, member in self._members.items()}
        found = truth.recognitions(received, self._story, cards)
        bodies = b" ".join(row.body for row in received if row.type == "order.placed.v1")
        result = Result(
            observations={sensor["name"]: sensor["observations"] for sensor in sensors},
            visits_opened=found.visits_opened,
            members_recognised=len(found.members),
            false_recognitions=found.false,
            orders_placed=len(self._orders),
            events=EventsResult(
                verdict.created, verdict.acknowledged, verdict.lost, verdict.duplicated
            ),
            seconds=round(time.monotonic() - self._began_s, 1),
        )
        missing = tuple(number for number in self._orders if number.encode() not in bodies)
        return Findings(result, verdict, found.false_reasons, missing, found.missed)

    # --- waiting

    async def _until(self, what: str, condition: Callable[[], Any]) -> None:
        if not await self._until_true(condition):
            raise NotReachable(f"The demo waited {STEP_TIMEOUT_S:g} s for {what}.", SEE_THE_LOG)

    async def _until_true(self, condition: Callable[[], Any]) -> bool:
        deadline_s = time.monotonic() + STEP_TIMEOUT_S
        while not await condition():
            if time.monotonic() > deadline_s:
                return False
            await asyncio.sleep(LOOK_S)
        return True


def _dropped(sensors: list[dict[str, Any]]) -> int:
    return sum(sum(sensor["dropped"].values()) for sensor in sensors if sensor["name"] == "scanner")
