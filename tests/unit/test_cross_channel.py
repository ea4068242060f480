"""What a member began elsewhere: read with their key, continued at a screen, and given back."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import consent
from edge.clock import ScenarioClock
from edge.documents import Cart, Collect, OrderLine, Wish
from edge.errors import Refused
from edge.ordering.continuing import LeftOut, Why
from edge.ordering.cross_channel import NOTHING
from edge.ordering.desk import OrderingDesk
from edge.records import Consent, ConsentKind, Member, Stream
from edge.sales import CART_LINES_MAX, LINE_QUANTITY_MAX, Product, Stock
from edge.storage import goods, members
from edge.storage.carts import Piece
from edge.storage.database import Database, Transaction
from tests.beyond import platform_says

NOW_MS = 1_785_578_400_000
AGREED = (Consent(ConsentKind.PROGRAMME, 0, "v1", "web"),)
ANNA = Member("m1", "Анна", "2780010000017", consents=AGREED)
COUNT = itertools.count(1)
BORIS = Member("m2", "Борис", "2780010000024", consents=AGREED)


class Box(msgspec.Struct):
    number: int = 7
    currency: str = "RUB"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
async def desk(database: Database) -> OrderingDesk:
    def fill(tx: Transaction) -> None:
        goods.put_product(tx, Product("coat", "1", "coat", {"en": "Coat"}, 1000, 900))
        goods.put_product(tx, Product("hat", "2", "hat", {"en": "Hat"}, 500))
        goods.put_product(tx, Product("gone", "3", "gone", {"en": "Gone"}, 500))
        goods.put_stock(tx, Stock("gone", "here", 0, 1))
        for number in range(CART_LINES_MAX):
            goods.put_product(tx, Product(f"x{number}", f"9{number}", "many", {}, 1))
        for member in (ANNA, BORIS):
            consent.accept_member(tx, member)

    await database.transact(fill)
    return OrderingDesk(database, ScenarioClock(NOW_MS, frozenset()), Box())


def cart(*lines: tuple[str, int], as_of_ms: int = 1, member: Member = ANNA) -> Cart:
    return Cart(member.id, tuple(OrderLine(sku, count) for sku, count in lines), as_of_ms)


def told(database: Database, stream: Stream = Stream.CRIT) -> list[tuple[str, dict]]:
    return [
        (each.type, msgspec.json.decode(bytes(each.body)))
        for each in database.waiting(stream, 0, 500)
    ]


async def test_what_a_member_began_elsewhere_is_theirs_alone(desk, database):
    assert desk.beyond("m1") == NOTHING == desk.beyond("nobody")
    await platform_says(database, cart(("coat", 2)))
    for since_ms in (1, 3, 2):
        await platform_says(database, Wish("m1", f"s{since_ms}", since_ms))
    for number, until_ms in (("a", NOW_MS - 1), ("b", NOW_MS), ("c", None)):
        line = (OrderLine("hat", 1),)
        row = Collect(number, f"code-{number}", line, "m1", until_ms=until_ms)
        await platform_says(database, row)
    beyond = desk.beyond("m1")
    assert beyond.anything
    assert beyond.cart == cart(("coat", 2))
    assert [wish.sku for wish in beyond.wishes] == ["s3", "s2", "s1"], "the newest first"
    assert [order.number for order in beyond.ready] == ["b", "c"], "what is over is not shown"
    assert desk.beyond("m2") == NOTHING
    await database.transact(lambda tx: members.erase(tx, "m1"))
    assert desk.beyond("m1") == NOTHING


async def test_an_empty_cart_is_none(desk, database):
    await platform_says(database, cart())
    assert desk.beyond("m1").cart is None


async def test_a_web_cart_goes_on_at_member_prices_once(desk, database):
    await desk.add("main", "coat", language="en", member=ANNA)
    wanted = cart(("coat", LINE_QUANTITY_MAX), ("hat", 2), ("gone", 1), ("never", 3))
    await platform_says(database, wanted)
    continued = await desk.continue_cart("main", ANNA, language="en")
    assert continued.lines == (Piece("coat", LINE_QUANTITY_MAX - 1), Piece("hat", 2))
    assert continued.left_out == (
        LeftOut("coat", 1, Why.FULL),
        LeftOut("gone", 1, Why.SOLD_OUT),
        LeftOut("never", 3, Why.NOT_SOLD),
    )
    assert [(line.sku, line.quantity, line.unit_price_minor, line.offer)
            for line in desk.cart("main")] == [
        ("coat", LINE_QUANTITY_MAX, 900, True), ("hat", 2, 500, False)]  # fmt: skip
    [(kind, body)] = told(database)
    assert kind == "cart.continued.v1"
    assert body == {
        "member": "m1", "screen": "main", "as_of_ms": 1,
        "lines": [{"sku": "coat", "quantity": 98}, {"sku": "hat", "quantity": 2}],
        "left_out": [{"sku": "coat", "quantity": 1, "why": "full"},
                     {"sku": "gone", "quantity": 1, "why": "sold_out"},
                     {"sku": "never", "quantity": 3, "why": "not_sold"}]}  # fmt: skip
    with pytest.raises(Refused):
        await desk.continue_cart("main", ANNA, language="en")
    assert desk.beyond("m1").cart is None
    await platform_says(database, cart(("hat", 1), as_of_ms=2))
    assert desk.beyond("m1").cart is not None, "a newer one is offered"


async def test_a_full_cart_takes_no_more_lines(desk, database):
    for number in range(CART_LINES_MAX):
        await desk.add("main", f"x{number}", language="en", member=None)
    await platform_says(database, cart(("hat", 1), ("x0", 1)))
    continued = await desk.continue_cart("main", ANNA, language="en")
    assert continued.lines == (Piece("x0", 1),)
    assert continued.left_out == (LeftOut("hat", 1, Why.FULL),)


async def test_an_order_says_which_lines_are_an_offer_and_keeps_the_cart_taken(desk, database):
    await platform_says(database, cart(("coat", 1), ("hat", 1)))
    await desk.continue_cart("main", ANNA, language="en")
    await desk.place("main", member=ANNA)
    lines = told(database)[-1][1]["lines"]
    assert [(line["sku"], line["offer"]) for line in lines] == [("coat", True), ("hat", False)]
    await desk.add("main", "hat", language="en", member=None)
    await desk.abandon("main")
    assert desk.beyond("m1").cart is None, "it was ordered"
    assert [kind for kind, _ in told(database)] == ["cart.continued.v1", "order.placed.v1"]


async def test_who_leaves_without_ordering_has_their_web_cart_again(desk, database):
    await platform_says(database, cart(("hat", 1)))
    await desk.continue_cart("main", ANNA, language="en")
    await desk.abandon("main")
    assert desk.cart("main") == ()
    assert desk.beyond("m1").cart == cart(("hat", 1))
    assert told(database)[-1] == (
        "cart.given_back.v1",
        {"member": "m1", "screen": "main", "as_of_ms": 1},
    )


async def test_anothers_web_cart_leaves_the_screen_and_what_was_scanned_stays(desk, database):
    await desk.add("main", "hat", language="en", member=None)
    await platform_says(database, cart(("hat", 2), ("coat", 1)))
    await desk.continue_cart("main", ANNA, language="en")
    await desk.give_back("main", but="m1")
    assert len(desk.cart("main")) == 2
    await desk.remove("main", "coat")
    await desk.give_back("main", but="m2")
    assert [(line.sku, line.quantity) for line in desk.cart("main")] == [("hat", 1)]
    assert desk.beyond("m1").cart is not None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    wanted=st.lists(
        st.tuples(st.sampled_from(["coat", "hat", "gone", "never"]), st.integers(1, 150)),
        min_size=1,
        max_size=6,
    ),
    before=st.lists(st.sampled_from(["coat", "hat"]), max_size=3),
)
async def test_nothing_wanted_is_lost_and_giving_back_leaves_what_was_there(
    desk, database, wanted, before
):
    await desk.abandon("main")
    for sku in before:
        await desk.add("main", sku, language="en", member=ANNA)
    was = desk.cart("main")
    await platform_says(database, cart(*wanted, as_of_ms=next(COUNT)))
    continued = await desk.continue_cart("main", ANNA, language="en")
    moved = sum(each.quantity for each in (*continued.lines, *continued.left_out))
    assert moved == sum(count for _, count in wanted)
    assert all(line.quantity <= LINE_QUANTITY_MAX for line in desk.cart("main"))
    await desk.give_back("main")
    assert desk.cart("main") == was


async def test_an_offer_shown_is_told_without_whom(desk, database):
    await desk.offer_shown("coat")
    assert told(database, Stream.BULK) == [
        ("offer.shown.v1", {"sku": "coat", "kind": "member_price"})
    ]
