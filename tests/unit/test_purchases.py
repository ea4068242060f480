"""What a member has bought: from orders of this box and receipts of the platform, once each."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import erasure
from edge.documents import Purchase
from edge.ordering import purchases
from edge.ordering.purchases import Bought, Favourite, Purchases, summary
from edge.records import Member, Moment
from edge.sales import CartLine, Order, Product
from edge.storage import documents, goods, members, orders
from edge.storage.database import Database
from edge.storage.transaction import Transaction

ANNA = Member("anna", "Anna", "card-1")
MOMENT = Moment(9_000, 0, "a", True)


def order(number: str, at_ms: int, *lines: CartLine, currency: str = "RUB") -> Order:
    total = sum(line.total_minor for line in lines)
    return Order(number, "main", lines, total, currency, Moment(at_ms, 0, "a", True), "anna")


def test_nothing_bought_is_an_empty_summary() -> None:
    assert summary([], []) == Purchases()


def test_orders_and_receipts_are_joined_and_a_receipt_of_an_order_counts_once() -> None:
    placed = [
        order("07-000001", 1_000, CartLine("a", "Apple", 2, 50)),
        order("07-000002", 5_000, CartLine("b", "Bread", 1, 30)),
    ]
    history = [
        Purchase("anna", "07-000001", "a", 2, 1_500),
        Purchase("anna", "r-1", "a", 1, 2_000),
        Purchase("anna", "r-1", "c", 1, 2_000),
    ]
    found = summary(placed, history)
    assert (found.orders, found.receipts, found.total_minor, found.currency) == (2, 1, 130, "RUB")
    assert (found.first_ms, found.last_ms, found.mean_interval_ms) == (1_000, 5_000, 2_000)
    assert found.last[0] == Bought(5_000, "b", "Bread", 1)
    assert found.favourites[0] == Favourite("a", "Apple", 3)


def test_money_of_two_currencies_is_never_added_up() -> None:
    placed = [
        order("07-000001", 1_000, CartLine("a", "A", 1, 70), currency="RUB"),
        order("07-000002", 2_000, CartLine("a", "A", 1, 5), currency="EUR"),
    ]
    found = summary(placed, [])
    assert (found.orders, found.total_minor, found.currency) == (2, 5, "EUR")


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 10**6), st.integers(1, 9)), max_size=12
    )
)
def test_no_order_of_rows_changes_anything(bought: list[tuple[str, int, int]]) -> None:
    rows = [Purchase("anna", f"r{at_ms}", sku, quantity, at_ms) for sku, at_ms, quantity in bought]
    found = summary([], rows)
    assert found == summary([], reversed(rows))
    assert sum(each.quantity for each in found.favourites) == sum(q for _, _, q in bought)
    assert found.receipts == len({at_ms for _, at_ms, _ in bought})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def fill(tx: Transaction) -> None:
    members.put(tx, tx.vault, ANNA)
    goods.put_product(tx, Product("a", "4600000000008", "m", {"en": "Pear", "ru": "Груша"}, 50))
    orders.put_order(tx, order("07-000001", 1_000, CartLine("a", "Apple", 2, 50)))
    wrapped = tx.execute("SELECT wrapped FROM member_key").fetchone()[0]
    owner = ("anna", tx.vault.member_key("anna", wrapped))
    row = msgspec.json.encode(Purchase("anna", "r-1", "gone", 1, 3_000))
    cells = documents.cells("history", "anna/r-1/gone", row, owner)
    tx.execute("INSERT INTO document VALUES (?, ?, ?, ?)", cells)


async def test_they_are_read_with_todays_titles_and_gone_with_the_member(
    database: Database,
) -> None:
    await database.transact(fill)
    found = purchases.of(database.reading, database.vault, "anna", language="ru")
    assert found.last == (Bought(3_000, "gone", "", 1), Bought(1_000, "a", "Груша", 2))
    assert (found.orders, found.receipts, found.total_minor) == (1, 1, 100)
    await database.transact(lambda tx: erasure.erase(tx, "anna", MOMENT))
    assert purchases.of(database.reading, database.vault, "anna") == Purchases()
