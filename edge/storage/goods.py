"""Rows of the catalogue and of stock. Written by the replica, read by `edge/ordering`."""

import msgspec

from edge import codes
from edge.records import Product, Stock
from edge.storage.outbox import Executes

_COLUMNS = "sku, gtin, model, titles, price_minor, member_price_minor, colour, size"


def put_product(connection: Executes, product: Product) -> None:
    """Write one product; a GTIN that moves to another SKU moves with it."""
    connection.execute(
        "DELETE FROM product WHERE gtin = ? AND sku <> ?", (product.gtin, product.sku)
    )
    connection.execute(
        "INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            product.sku,
            product.gtin,
            product.model,
            msgspec.json.encode(product.titles).decode(),
            product.price_minor,
            product.member_price_minor,
            product.colour,
            product.size,
        ),
    )


def drop_product(connection: Executes, sku: str) -> None:
    """Remove one product."""
    connection.execute("DELETE FROM product WHERE sku = ?", (sku,))


def put_stock(connection: Executes, stock: Stock) -> None:
    """Write the quantity of one SKU at one place."""
    connection.execute(
        "INSERT OR REPLACE INTO stock VALUES (?, ?, ?, ?)",
        (stock.sku, stock.place, stock.quantity, stock.as_of_ms),
    )


def drop_stock(connection: Executes, sku: str, place: str) -> None:
    """Remove one figure."""
    connection.execute("DELETE FROM stock WHERE sku = ? AND place = ?", (sku, place))


def by_code(connection: Executes, text: str) -> Product | None:
    """The product that a scanned text means, in whichever form its GTIN was printed."""
    found = (_by_gtin(connection, gtin) for gtin in codes.candidates(text))
    return next((product for product in found if product is not None), None)


def _by_gtin(connection: Executes, gtin: str) -> Product | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM product WHERE gtin = ?", (gtin,)).fetchone()  # noqa: S608
    return _product(row) if row else None


def by_sku(connection: Executes, sku: str) -> Product | None:
    """The product with this SKU."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM product WHERE sku = ?", (sku,)).fetchone()  # noqa: S608
    return _product(row) if row else None


def of_model(connection: Executes, model: str) -> list[Product]:
    """All colours and sizes of one model, by SKU."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM product WHERE model = ? ORDER BY sku",  # noqa: S608
        (model,),
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
