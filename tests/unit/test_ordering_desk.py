"""The ordering desk on a real database: prices, carts, and orders that are safe when told so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from edge.clock import ScenarioClock
from edge.errors import EmptyCart, Refused, UnknownProduct
from edge.ordering.desk import CART_LINES_MAX, LINE_QUANTITY_MAX, OrderingDesk
from edge.records import (
    Member,
    Stream,
)
from edge.sales import (
    Product,
    Stock,
)
from edge.storage import goods, members, outbox
from edge.storage.database import Database, Transaction

GTIN = "4600000000008"
MEMBER = Member("m1", "Анна", "2780010000017")


@dataclass
class Box:
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
        for size, gtin in (("s", GTIN), ("l", "4600000000015")):
            goods.put_product(
                tx, Product(size, gtin, "coat", {"ru": "Пальто", "en": "Coat"}, 1000, 900, "", size)
            )
        goods.put_stock(tx, Stock("s", "here", 3, 1))
        for number in range(CART_LINES_MAX + 1):
            goods.put_product(tx, Product(f"x{number}", f"{number}", "many", {}, 1))

        members.put(tx, tx.vault, MEMBER)

    await database.transact(fill)
    return OrderingDesk(database, ScenarioClock(1_000, frozenset()), Box())


async def test_a_code_gives_product_sizes_and_stock(desk: OrderingDesk) -> None:
    shelf = desk.find(GTIN)
    assert shelf.product.title("en") == "Coat"
    assert [sister.sku for sister in shelf.sisters] == ["l", "s"]
    assert [stock.quantity for stock in shelf.stock] == [3]
    with pytest.raises(UnknownProduct):
        desk.find("4609999999999")


async def test_members_pay_their_price(desk: OrderingDesk) -> None:
    await desk.add("main", "s", language="ru", member=None)
    await desk.add("main", "s", language="ru", member=None)
    assert [line.total_minor for line in desk.cart("main")] == [2000]
    await desk.reprice("main", MEMBER)
    assert [line.total_minor for line in desk.cart("main")] == [1800]


async def test_an_order_is_state_event_and_empty_cart_at_once(
    desk: OrderingDesk, database: Database
) -> None:
    await desk.add("main", "s", language="ru", member=MEMBER)
    order = await desk.place("main", member=MEMBER)
    assert (order.number, order.total_minor, desk.cart("main")) == ("07-000001", 900, ())
    assert desk.order(order.number) == order
    (event,) = outbox.pending(database.reading, ("b", "e"), Stream.CRIT, after=0, limit=9)
    body = msgspec.json.decode(event.body)
    assert (event.type, body["number"], body["member"]) == ("order.placed.v1", order.number, "m1")


async def test_an_empty_cart_is_no_order(desk: OrderingDesk, database: Database) -> None:
    with pytest.raises(EmptyCart):
        await desk.place("main", member=None)
    assert outbox.pending(database.reading, ("b", "e"), Stream.CRIT, after=0, limit=9) == []


async def test_carts_of_two_screens_do_not_touch(desk: OrderingDesk) -> None:
    await desk.add("left", "s", language="ru", member=None)
    await desk.add("right", "l", language="ru", member=None)
    await desk.abandon("left")
    assert [line.sku for line in desk.cart("right")] == ["l"]
    await desk.remove("right", "l")
    assert desk.cart("right") == ()


async def test_a_cart_has_limits(desk: OrderingDesk) -> None:
    for _ in range(LINE_QUANTITY_MAX):
        await desk.add("main", "s", language="ru", member=None)
    with pytest.raises(Refused, match="full"):
        await desk.add("main", "s", language="ru", member=None)
    for number in range(CART_LINES_MAX - 1):
        await desk.add("main", f"x{number}", language="ru", member=None)
    with pytest.raises(Refused, match="full"):
        await desk.add("main", f"x{CART_LINES_MAX}", language="ru", member=None)


async def test_what_left_the_catalogue_cannot_be_added(desk: OrderingDesk) -> None:
    with pytest.raises(UnknownProduct):
        await desk.add("main", "gone", language="ru", member=None)
