"""The plot of a scenario: who comes in when, what they do at the kiosk, when the line fails.

Used by `building.py`. The plot is fixed and only its minutes are drawn, so that every seed has
what a demo must show: orders with and without a card, two of them while the line is cut, a card of
someone the camera may not know, an unknown code, and garbage.
"""

import numpy as np

from edge.records import Member
from edge.sales import Product
from sensors.scenario import shop
from sensors.scenario.cast import PEOPLE
from sensors.scenario.story import (
    START_MS,
    Act,
    Add,
    Cut,
    Expected,
    PlaceOrder,
    Restore,
    Scan,
    WalkIn,
)

_MINUTE_MS = 60_000
JITTER_MS = 60_000
"""Walk-ins are drawn this much around their minute; the plot leaves more room than that."""
_ENTRANCES = (
    (6, "anna"),
    (14, "stranger-1"),
    (22, "boris"),
    (33, "daria"),
    (45, "vera"),
    (58, "stranger-2"),
    (72, "gleb"),
    (87, "anna"),
    (101, "stranger-3"),
)
CUT_MINUTE, RESTORE_MINUTE = 30, 65
ENROLLED = frozenset({"anna", "boris", "vera", "gleb"})
GARBAGE = "\x02\x1b~\x00\x7f#"
"""Control characters: what a scanner at a wrong baud rate sends."""


def visits(seed: int) -> tuple[WalkIn, ...]:
    """All entrances in order; times are wall time on whole seconds."""
    chance = np.random.default_rng([seed, 1])
    member = {person.label: person.member for person in PEOPLE}
    return tuple(
        WalkIn(
            at_ms=START_MS
            + minute * _MINUTE_MS
            + int(chance.integers(-JITTER_MS, JITTER_MS)) // 1000 * 1000,
            label=label,
            clip=f"visit-{number:02d}.avi",
            member=member[label],
            by_face=label in ENROLLED,
        )
        for number, (minute, label) in enumerate(_ENTRANCES, 1)
    )


def acts(
    entrances: tuple[WalkIn, ...], members: dict[str, Member], products: dict[str, Product]
) -> tuple[Act, ...]:
    """What happens at the kiosk and to the line, in order of time."""
    plot = _Plot(entrances, members, products)
    plot.shop("anna", ["whale-tee-blue-98", "plush-bear"], card=True)
    plot.shop("boris", ["wooden-train", "blocks"], card=False, quantity=2)
    plot.line(CUT_MINUTE, RESTORE_MINUTE)
    plot.shop("daria", ["rain-coat-yellow-110"], card=True)
    plot.shop("vera", ["pyjamas-grey-98", "knit-hat-red"], card=True)
    plot.mishap("gleb", shop.UNKNOWN_GTIN, Expected.UNKNOWN)
    plot.mishap("gleb", GARBAGE, Expected.GARBAGE)
    plot.shop("gleb", ["ball-green"], card=True)
    plot.shop("anna", [shop.SOLD_OUT_HERE], card=True)
    plot.look("stranger-3", "puzzle")
    return tuple(sorted(plot.acts, key=lambda act: act.at_ms))


class _Plot:
    """Acts being gathered; each person goes on where their last act ended."""

    def __init__(
        self,
        entrances: tuple[WalkIn, ...],
        members: dict[str, Member],
        products: dict[str, Product],
    ) -> None:
        self.acts: list[Act] = []
        self._entrances = list(entrances)
        self._members = members
        self._products = products
        self._now_ms = 0
        self._here: WalkIn | None = None

    def shop(self, label: str, skus: list[str], *, card: bool, quantity: int = 1) -> None:
        """Come to the kiosk, scan a card or not, scan and add each product, order."""
        visit = self._arrive(label)
        member = visit.member if card else None
        if member is not None:
            self.acts.append(Scan(self._later(), self._members[member].card, Expected.CARD))
        for sku in skus:
            self._scan(sku)
            self.acts.append(Add(self._later(), sku, quantity))
        self.acts.append(PlaceOrder(self._later(), member, len(skus)))

    def look(self, label: str, sku: str) -> None:
        """Scan a product and walk away."""
        self._arrive(label)
        self._scan(sku)

    def mishap(self, label: str, text: str, expected: Expected) -> None:
        """Scan something that is no product of ours."""
        self._arrive(label)
        self.acts.append(Scan(self._later(), text, expected))

    def line(self, cut_minute: int, restore_minute: int) -> None:
        """The line to the platform fails and comes back."""
        self.acts.append(Cut(START_MS + cut_minute * _MINUTE_MS))
        self.acts.append(Restore(START_MS + restore_minute * _MINUTE_MS))

    def _arrive(self, label: str) -> WalkIn:
        if self._here is None or self._here.label != label:
            while self._entrances[0].label != label:
                self._entrances.pop(0)
            self._here = self._entrances.pop(0)
            self._now_ms = self._here.at_ms + 2 * _MINUTE_MS
        return self._here

    def _scan(self, sku: str) -> None:
        self.acts.append(Scan(self._later(), self._products[sku].gtin, Expected.PRODUCT))

    def _later(self) -> int:
        self._now_ms += 20_000
        return self._now_ms
