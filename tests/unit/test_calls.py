"""Questions to the platform: an answer within the budget, whatever the line does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge import consent, erasure
from edge.counters import Counters
from edge.errors import SyncError
from edge.records import Consent, ConsentKind, Member
from edge.storage import answered
from edge.storage.database import Database
from sync import calls as module
from sync.calls import Calls
from sync.messages import Address
from sync.spoken import Request, Response, Service
from tests.clocks import HOUR_MS, Time
from tests.waiting import until

ADDRESS = Address("chain", "shop-1", "box-1")
FEW = {"quantity": 3}


class Wire:
    """The other end of `publish`: keeps what is asked, and breaks when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Request]] = []
        self.broken = False

    async def publish(self, topic: str, payload: bytes) -> None:
        if self.broken:
            raise SyncError("The line is broken.")
        self.asked.append((topic, msgspec.json.decode(payload, type=Request)))


class Shop:
    """Calls of one box with their wire."""

    def __init__(self, database: Database) -> None:
        self.database, self.time, self.counters, self.wire = database, Time(), Counters(), Wire()
        self.calls = self.new()

    def new(self) -> Calls:
        made = Calls(self.database, self.time, address=ADDRESS, counters=self.counters)
        made.attach(self.wire.publish)
        return made

    async def answer(self, number: int = -1, *, boot: str = "a", **fields: object) -> None:
        request = self.wire.asked[number][1]
        response = Response(**{"v": 1, "id": request.id, "ok": True, "value": FEW, **fields})
        await self.calls.receive(boot, msgspec.json.encode(response))

    async def asks(self, service: Service, args: dict[str, object], **fields: object):
        """One question that is answered at once."""
        count = len(self.wire.asked)
        asking = asyncio.create_task(self.calls.ask(service, args, budget_s=20))
        await until(lambda: len(self.wire.asked) > count, "asked")
        await self.answer(**fields)
        return await asking


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = Database.open(tmp_path)
    yield Shop(database)
    database.close()


async def test_a_question_is_answered_by_the_platform(shop):
    answer = await shop.asks(Service.STOCK, {"sku": "a", "place": "shop-2"})
    assert (answer.value, answer.ok, answer.fresh, answer.age_s) == (FEW, True, True, 0)
    ((topic, request),) = shop.wire.asked
    assert topic == "sb/v1/chain/shop-1/box-1/rq/stock"
    assert request.args == {"sku": "a", "place": "shop-2"}
    assert (request.boot, request.budget_ms) == ("a", 20_000)
    assert shop.counters.snapshot() == {}


async def test_a_refusal_is_handed_on_with_its_reason(shop):
    answer = await shop.asks(
        Service.COUPON_CLAIM, {"code": "x"}, ok=False, value={}, reason="Gone."
    )
    assert (answer.ok, answer.reason, answer.fresh) == (False, "Gone.", True)


async def test_each_answer_finds_its_question(shop):
    asking = [
        asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": str(n)}, budget_s=20))
        for n in range(5)
    ]
    await until(lambda: len(shop.wire.asked) == 5, "five asked")
    for number in (3, 0, 4, 1, 2):
        await shop.answer(number, value={"n": shop.wire.asked[number][1].args["sku"]})
    assert [(await each).value["n"] for each in asking] == list("01234")


async def test_off_line_the_last_answer_is_given_with_its_age(shop):
    await shop.asks(Service.STOCK, {"sku": "a"})
    shop.calls.detach()
    await shop.time.pass_(HOUR_MS)
    answer = await shop.calls.ask(Service.STOCK, {"sku": "a"})
    assert (answer.value, answer.ok, answer.fresh, answer.age_s) == (FEW, True, False, 3600)
    assert "no connection" in answer.reason
    other = await shop.calls.ask(Service.STOCK, {"sku": "b"})
    assert (other.ok, other.value, other.fresh) == (False, {}, True)


async def test_the_age_of_an_answer_survives_a_restart_and_says_when_it_cannot_be_known(shop):
    await shop.asks(Service.STOCK, {"sku": "a"})
    shop.calls = shop.new()
    shop.calls.detach()
    shop.time.reboot(off_ms=2 * HOUR_MS)
    assert (await shop.calls.ask(Service.STOCK, {"sku": "a"})).age_s == 7200
    shop.time.trusted = False
    assert (await shop.calls.ask(Service.STOCK, {"sku": "a"})).age_s is None


@pytest.mark.parametrize(
    "service",
    [s for s in Service if s not in (Service.STOCK, Service.BALANCE, Service.ORDER_STATUS)],
)
async def test_what_changes_something_is_never_answered_from_memory(shop, service):
    await shop.asks(service, {"code": "x"})
    shop.calls.detach()
    answer = await shop.calls.ask(service, {"code": "x"})
    assert (answer.ok, answer.value) == (False, {})
    assert "no connection" in answer.reason


async def test_a_question_ends_with_its_budget(shop):
    began = asyncio.get_running_loop().time()
    answer = await shop.calls.ask(Service.BALANCE, {"member": "anna"}, budget_s=0.05)
    assert asyncio.get_running_loop().time() - began < 1
    assert not answer.ok
    assert "takes too long" in answer.reason
    assert shop.counters.get("calls.timed_out") == 1


async def test_every_service_has_a_budget_of_its_own():
    assert set(module.BUDGET_S) == set(Service)
    assert module.BUDGET_S[Service.STOCK] == 0.8
    assert module.BUDGET_S[Service.BALANCE] == 0.5
    assert module.BUDGET_S[Service.COUPON_CLAIM] == 1.5


async def test_a_late_answer_is_for_the_next_question_only(shop):
    late = await shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=0.01)
    await shop.answer()
    assert not late.ok
    shop.calls.detach()
    next_one = await shop.calls.ask(Service.STOCK, {"sku": "a"})
    assert (next_one.value, next_one.fresh) == (FEW, False)
    assert shop.counters.get("calls.late") == 1
    # a second time nobody waits for it any more
    await shop.answer(value={"quantity": 0})
    assert (await shop.calls.ask(Service.STOCK, {"sku": "a"})).value == FEW
    assert shop.counters.get("calls.not_asked") == 1


async def test_only_so_many_late_answers_are_waited_for(shop):
    for _ in range(9):
        asking = [shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=0.001) for _ in range(30)]
        await asyncio.gather(*asking)
    await shop.answer(270 - module.LATE_MAX - 1)
    assert shop.counters.get("calls.not_asked") == 1
    await shop.answer(270 - module.LATE_MAX)
    assert shop.counters.get("calls.late") == 1


async def test_a_late_answer_to_a_coupon_is_not_kept(shop):
    await shop.calls.ask(Service.COUPON_CLAIM, {"code": "x"}, budget_s=0.01)
    await shop.answer()
    count = shop.database.reading.execute("SELECT count(*) FROM answered").fetchone()[0]
    assert count == 0


async def test_a_line_that_breaks_answers_who_waits_at_once(shop):
    asking = asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=20))
    await until(lambda: shop.wire.asked, "asked")
    shop.calls.detach()
    assert "no connection" in (await asking).reason
    shop.wire.broken = True
    shop.calls.attach(shop.wire.publish)
    assert "no connection" in (await shop.calls.ask(Service.STOCK, {"sku": "a"})).reason


async def test_only_so_many_ask_at_once(shop):
    asking = [
        asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": str(n)}, budget_s=20))
        for n in range(module.IN_FLIGHT_MAX)
    ]
    await until(lambda: len(shop.wire.asked) == module.IN_FLIGHT_MAX, "all asked")
    refused = await shop.calls.ask(Service.STOCK, {"sku": "x"})
    assert not refused.ok
    assert "too many" in refused.reason
    shop.calls.detach()
    await asyncio.gather(*asking)
    assert shop.counters.get("calls.too_many") == 1


async def test_who_is_cancelled_leaves_nothing_waiting(shop):
    asking = asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=20))
    await until(lambda: shop.wire.asked, "asked")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await shop.answer()
    assert shop.counters.get("calls.not_asked") == 1


async def test_answers_to_another_boot_or_to_the_process_before_are_ignored(shop):
    first = asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=20))
    await until(lambda: shop.wire.asked, "asked")
    await shop.answer(boot="b")
    assert shop.counters.get("calls.other_boot") == 1
    former, shop.calls = shop.calls, None
    await shop.time.pass_(1000)
    shop.calls = shop.new()  # the daemon was started again in the same boot
    second = asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": "b"}, budget_s=20))
    await until(lambda: len(shop.wire.asked) == 2, "asked again")
    await shop.answer(0)
    assert not second.done()
    await shop.answer(1, value={"quantity": 9})
    assert (await second).value == {"quantity": 9}
    former.detach()
    assert not (await first).ok


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"v":1,"id":7,"ok":true}',
        b'{"v":2,"id":"x","ok":true}',
        b'{"v":1,"id":"x","ok":true,"value":' + b'{"a":' * 990,
        b'{"v":1,"id":"x","ok":true,"reason":"' + b"x" * 300 + b'"}',
        b'{"v":1,"id":"x","ok":true,"value":{"a":"' + b"x" * 20_000 + b'"}}',
    ],
)
async def test_garbage_is_counted_and_wakes_nobody(shop, payload):
    asking = asyncio.create_task(shop.calls.ask(Service.STOCK, {"sku": "a"}, budget_s=20))
    await until(lambda: shop.wire.asked, "asked")
    await shop.calls.receive("a", payload)
    assert not asking.done()
    assert shop.counters.snapshot() == {"calls.malformed": 1}
    shop.calls.detach()
    await asking


async def test_a_question_that_is_too_large_is_not_sent(shop):
    answer = await shop.calls.ask(Service.STOCK, {"sku": "x" * 20_000})
    assert not answer.ok
    assert shop.wire.asked == []


async def test_an_answer_about_a_member_leaves_with_the_member(shop):
    await shop.asks(Service.BALANCE, {"member": "nobody here"})
    assert kept(shop) == 0
    anna = Member("anna", "Anna", "c1", consents=(Consent(ConsentKind.PROGRAMME, 0, "1", "till"),))
    await shop.database.transact(lambda tx: consent.accept_member(tx, anna))
    await shop.asks(Service.BALANCE, {"member": "anna"})
    assert kept(shop) == 1
    now = shop.time.now()
    counts = await shop.database.transact(lambda tx: erasure.erase(tx, "anna", now))
    assert counts["answers"] == 1
    assert kept(shop) == 0


async def test_only_so_many_answers_are_kept(shop):
    def many(tx):
        for number in range(answered.ANSWERS_MAX + 10):
            one = answered.Answered("stock", str(number), None, b"{}", shop.time.now())
            answered.put(tx, one)

    await shop.database.transact(many)
    assert kept(shop) == answered.ANSWERS_MAX
    assert answered.get(shop.database.reading, "stock", "9") is None
    assert answered.get(shop.database.reading, "stock", "10") is not None


def kept(shop: Shop) -> int:
    return shop.database.reading.execute("SELECT count(*) FROM answered").fetchone()[0]
