"""The shop of a scenario: its catalogue and stock, as the platform would send them.

Used by `story.py`, which writes the rows out beside the members of `cast.py`. Every product is
invented; its code lies in the GS1 range 2xx, which is for use inside one company.
"""

from dataclasses import dataclass

import numpy as np

from edge.sales import (
    Product,
    Stock,
)
from sensors.scenario.cast import with_check_digit

STORE = "MSK-017"
NEARBY = ("MSK-004", "MSK-021")
WAREHOUSE = "warehouse"


def gtin(number: int) -> str:
    """An EAN-13 of the in-company range 299; no card (278) collides with it."""
    return with_check_digit(f"299{number:09d}")


UNKNOWN_GTIN = gtin(999_999)
"""A valid code that is in no catalogue."""


@dataclass(frozen=True, slots=True)
class _Model:
    """A thing to sell in all its colours and sizes, with prices in kopecks."""

    name: str
    russian: str
    english: str
    price_minor: int
    member_price_minor: int | None = None
    colours: tuple[str, ...] = ("",)
    sizes: tuple[str, ...] = ("",)


_MODELS = (
    _Model(
        "whale-tee",
        "Футболка «Кит»",
        "Whale T-shirt",
        89_900,
        79_900,
        ("blue", "white"),
        ("98", "104", "110"),
    ),
    _Model(
        "rain-coat",
        "Дождевик «Капля»",
        "Raindrop coat",
        249_900,
        219_900,
        ("yellow",),
        ("98", "104", "110", "116"),
    ),
    _Model(
        "pyjamas", "Пижама «Луна»", "Moon pyjamas", 159_900, None, ("grey",), ("92", "98", "104")
    ),
    _Model("knit-hat", "Шапка «Пингвин»", "Penguin hat", 69_900, 59_900, ("red", "navy")),
    _Model("plush-bear", "Плюшевый мишка", "Plush bear", 199_900, 179_900),
    _Model("wooden-train", "Деревянный поезд", "Wooden train", 349_900, 319_900),
    _Model("blocks", "Кубики, 24 штуки", "Building blocks, 24 pieces", 129_900),
    _Model("puzzle", "Пазл «Карта мира»", "World map puzzle", 99_900, 89_900),
    _Model("ball", "Мяч", "Ball", 49_900, None, ("red", "green")),
)


def catalogue() -> tuple[Product, ...]:
    """Every product, in a fixed order."""
    items = [
        (model, colour, size)
        for model in _MODELS
        for colour in model.colours
        for size in model.sizes
    ]
    return tuple(
        Product(
            sku="-".join(part for part in (model.name, colour, size) if part),
            gtin=gtin(number),
            model=model.name,
            titles={"ru": model.russian, "en": model.english},
            price_minor=model.price_minor,
            member_price_minor=model.member_price_minor,
            colour=colour,
            size=size,
        )
        for number, (model, colour, size) in enumerate(items, 1)
    )


SOLD_OUT_HERE = "whale-tee-blue-104"
"""In stock everywhere but in this shop: the kiosk has to offer the others."""


def stock(
    products: tuple[Product, ...], chance: np.random.Generator, as_of_ms: int
) -> tuple[Stock, ...]:
    """How many of each lie here, nearby and in the warehouse on that morning."""
    rows = []
    for product in products:
        for place in (STORE, *NEARBY, WAREHOUSE):
            most = 60 if place == WAREHOUSE else 6
            quantity = int(chance.integers(0, most + 1))
            if product.sku == SOLD_OUT_HERE:
                quantity = 0 if place == STORE else max(2, quantity)
            rows.append(Stock(product.sku, place, quantity, as_of_ms))
    return tuple(rows)
