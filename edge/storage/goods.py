"""Rows of the catalogue, of prices and of stock. Written by the replica, read by `edge/ordering`.

A price of its own wins over the catalogue's. The `swap_` functions make what is staged
(`edge/storage/staging.py`) visible, in the caller's transaction.
"""

from collections.abc import Sequence

import msgspec

from edge.codes.items import candidates
from edge.sales import (
    Price,
    Product,
    Stock,
)
from edge.storage.outbox import Executes

_SELECT = (
    "SELECT product.sku, gtin, model, titles, coalesce(price.price_minor, product.price_minor),"
    " CASE WHEN price.sku IS NULL THEN product.member_price_minor"
    " ELSE price.member_price_minor END, colour, size"
    " FROM product LEFT JOIN price USING (sku)"
)


def put_product(connection: Executes, product: Product) -> None:
    """Write one product; a GTIN that moves to another SKU moves with it."""
    connection.execute(
        "DELETE FROM product WHERE gtin = ? AND sku <> ?", (product.gtin, product.sku)
    )
    connection.execute(
        "INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?)", product_cells(product)
    )


def product_cells(product: Product) -> tuple[object, ...]:
    """A product as a row."""
    titles = msgspec.json.encode(product.titles).decode()
    prices = product.price_minor, product.member_price_minor
    names = product.sku, product.gtin, product.model, titles
    return *names, *prices, product.colour, product.size


def price_cells(price: Price) -> tuple[object, ...]:
    """A price as a row."""
    return price.sku, price.price_minor, price.member_price_minor


def stock_cells(stock: Stock) -> tuple[object, ...]:
    """A quantity as a row."""
    return stock.sku, stock.place, stock.quantity, stock.as_of_ms


def swap_catalogue(connection: Executes, gone: Sequence[str]) -> list[str]:
    """Drop these SKUs and take over what is staged; the SKUs that had to give way to others.

    A GTIN belongs to one SKU: who comes with it takes it from whoever had it.
    """
    connection.executemany("DELETE FROM product WHERE sku = ?", [(sku,) for sku in gone])
    robbed = connection.execute(
        "SELECT p.sku FROM stage_product AS s JOIN product AS p"
        " ON p.gtin = s.gtin AND p.sku <> s.sku"
    ).fetchall()
    connection.execute("INSERT OR REPLACE INTO product SELECT * FROM stage_product ORDER BY sku")
    rows = connection.execute(
        # In order, so that neighbours stand on the same page; LIMIT keeps SQLite to it.
        "SELECT sku FROM (SELECT sku FROM stage_product ORDER BY sku LIMIT -1)"
        " WHERE sku NOT IN (SELECT sku FROM product)"
    ).fetchall()
    gone_since = [sku for (sku,) in robbed if by_sku(connection, sku) is None]
    return [*(sku for (sku,) in rows), *gone_since]


def swap_prices(connection: Executes, gone: Sequence[str]) -> None:
    """Drop the prices of these SKUs and take over what is staged."""
    connection.executemany("DELETE FROM price WHERE sku = ?", [(sku,) for sku in gone])
    connection.execute("INSERT OR REPLACE INTO price SELECT * FROM stage_price ORDER BY sku")


def swap_stock(connection: Executes, gone: Sequence[Sequence[str]]) -> None:
    """Drop these (SKU, place) and take over what is staged."""
    connection.executemany("DELETE FROM stock WHERE sku = ? AND place = ?", gone)
    connection.execute("INSERT OR REPLACE INTO stock SELECT * FROM stage_stock ORDER BY sku, place")


def put_stock(connection: Executes, stock: Stock) -> None:
    """Write the quantity of one SKU at one place."""
    connection.execute(
        "INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?)",
        stock_cells(stock),
    )


def by_code(connection: Executes, text: str) -> Product | None:
    """The product that a scanned text means, in whichever form its GTIN was printed."""
    found = (_by_gtin(connection, gtin) for gtin in candidates(text))
    return next((product for product in found if product is not None), None)


def _by_gtin(connection: Executes, gtin: str) -> Product | None:
    row = connection.execute(f"{_SELECT} WHERE gtin = ?", (gtin,)).fetchone()
    return _product(row) if row else None


def by_sku(connection: Executes, sku: str) -> Product | None:
    """The product with this SKU."""
    row = connection.execute(f"{_SELECT} WHERE product.sku = ?", (sku,)).fetchone()
    return _product(row) if row else None


def of_model(connection: Executes, model: str) -> list[Product]:
    """All colours and sizes of one model, by SKU."""
    rows = connection.execute(
        f"{_SELECT} WHERE model = ? ORDER BY product.sku", (model,)
    ).fetchall()
    return [_product(row) for row in rows]


def stock_at(connection: Executes, sku: str, place: str) -> Stock | None:
    """The figure of one SKU at one place."""
    row = connection.execute(
        "SELECT sku, place, quantity, as_of_ms FROM stock WHERE sku = ? AND place = ?", (sku, place)
    ).fetchone()
    return Stock(*row) if row else None


def stock_of(connection: Executes, sku: str) -> list[Stock]:
    """Every known figure of one SKU, by place."""
    rows = connection.execute(
        "SELECT sku, place, quantity, as_of_ms FROM stock WHERE sku = ? ORDER BY place", (sku,)
    ).fetchall()
    return [Stock(*row) for row in rows]


def _product(row: tuple[str, str, str, str, int, int | None, str, str]) -> Product:
    sku, gtin, model, titles, price_minor, member_price_minor, colour, size = row
    decoded = msgspec.json.decode(titles, type=dict[str, str])
    return Product(sku, gtin, model, decoded, price_minor, member_price_minor, colour, size)
