"""Which placeholder stands for a product until it has a photograph: pure.

From words in its titles comes a silhouette (a file in `static/pictures`), from its colour the
ink, from its model a background, so that neighbours look different. Used by `kiosk/views.py`.
"""

import zlib

from msgspec import Struct

from edge.sales import Product

BACKGROUNDS = 6

_KINDS = {
    "shoe": ("кроссов", "ботин", "туфл", "обув", "кед", "сапог", "санда", "sneaker", "shoe",
             "boot", "sandal", "trainer"),
    "jacket": ("куртк", "пальто", "пухов", "ветров", "плащ", "jacket", "coat", "parka", "hoodie",
               "худи", "толстов", "свитер", "sweater"),
    "shirt": ("футбол", "рубаш", "майк", "поло", "shirt", "polo", "blouse", "блуз", "top"),
    "trousers": ("брюк", "джинс", "шорт", "штан", "jeans", "trouser", "pants", "shorts"),
    "bag": ("сумк", "рюкзак", "портфел", "bag", "backpack", "rucksack"),
    "hat": ("шапк", "кепк", "бейсбол", "панам", "hat", "cap", "beanie"),
    "toy": ("игруш", "кукл", "медвед", "конструктор", "пазл", "toy", "doll", "teddy", "puzzle",
            "bear"),
}  # fmt: skip
_INKS = {
    "black": ("черн", "чёрн", "black"),
    "white": ("бел", "white"),
    "grey": ("сер", "grey", "gray", "silver"),
    "red": ("красн", "red", "бордо", "burgundy"),
    "orange": ("оранж", "orange", "терракот"),
    "yellow": ("желт", "жёлт", "yellow", "gold"),
    "green": ("зелен", "зелён", "green", "хаки", "khaki", "olive", "олив"),
    "blue": ("голуб", "син", "blue", "navy", "indigo"),
    "violet": ("фиол", "сирен", "violet", "purple", "lilac"),
    "pink": ("роз", "pink"),
    "brown": ("корич", "brown", "беж", "beige", "sand"),
}


class Picture(Struct, frozen=True):
    """Names of CSS classes: the silhouette, its ink and the background behind it."""

    kind: str
    ink: str
    background: int


def picture(product: Product) -> Picture:
    """The placeholder of a product."""
    words = " ".join(product.titles.values()).lower()
    background = zlib.crc32(product.model.encode()) % BACKGROUNDS
    return Picture(_first(_KINDS, words) or "box", ink(product.colour), background)


def ink(colour: str) -> str:
    """The ink nearest to a colour's name; `plain` for a name we do not know."""
    return _first(_INKS, colour.lower()) or "plain"


def _first(table: dict[str, tuple[str, ...]], text: str) -> str:
    words = text.split()
    for name, stems in table.items():
        if any(word.startswith(stem) for word in words for stem in stems):
            return name
    return ""
