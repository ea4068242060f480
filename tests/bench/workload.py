"""Seven days of a shop without a line, as events: what the sync's benchmark puts and drains.

Put by `tests/bench/box.py`; `tests/bench/rivals.py` sends the same bytes. Seeded. 80 % Wi-Fi, 12 %
camera, 5 % scans, 2 % visits, 1 % orders; 231 bytes of JSON each, 178 when compressed alone, as
with the measurements that the goals come from. Nobody is in it: phones are random hashes.
"""

import random
from collections.abc import Iterator

from msgspec import Struct

from edge.records import Moment, Stream

DAWN_MS = 1_763_900_000_000
BOOT = "5c1f9a27d4e8"
EVENTS_A_SECOND = 500_000 / (7 * 86_400)
SHARES = (("wifi", 80), ("camera", 12), ("scan", 5), ("visit", 2), ("order", 1))
PHONES = 40
"""In the shop at a time; each is heard many times before it leaves."""
PHONE_STAYS = 60
"""Times that a phone is heard before another one takes its place."""
ITEMS = 2_000
CHANNELS = (1, 6, 11)
ZONES = ("entrance", "aisle-1", "aisle-2", "aisle-3", "tills")


class Sighting(Struct, frozen=True):
    """A phone that the radar heard: one of its bursts."""

    sensor: str
    zone: str
    device: str
    fingerprint: str
    randomised: bool
    from_ms: int
    until_ms: int
    frames: int
    rssi_dbm: int
    max_dbm: int
    channel: int
    known: bool
    visit: None


class Passage(Struct, frozen=True):
    """A person in a camera's view."""

    sensor: str
    zone: str
    track: int
    from_ms: int
    until_ms: int
    frames: int
    left_x: int
    top_y: int
    width: int
    height: int
    quality: float
    direction: str
    embedded: bool


class Scan(Struct, frozen=True):
    """A code that was scanned."""

    sensor: str
    screen: str
    text: str
    kind: str
    gtin: str
    found: bool
    product: str
    price_cents: int
    at_ms: int


class Stay(Struct, frozen=True):
    """A visit that has ended."""

    visit: str
    state: str
    from_ms: int
    until_ms: int
    zones: tuple[str, ...]
    signs: tuple[str, ...]
    posterior: float
    member: str | None
    sensors: tuple[str, ...]


class Line(Struct, frozen=True):
    """One line of an order."""

    product: str
    gtin: str
    quantity: int
    price_cents: int


class Order(Struct, frozen=True):
    """An order of the kiosk."""

    order: str
    number: int
    screen: str
    member: str | None
    lines: tuple[Line, ...]
    total_cents: int
    currency: str
    placed_ms: int


class Made(Struct, frozen=True):
    """One event ready to be emitted."""

    stream: Stream
    type: str
    body: Sighting | Passage | Scan | Stay | Order
    moment: Moment

    @property
    def member(self) -> str | None:
        """Whom it speaks of, if the shop knows."""
        return getattr(self.body, "member", None)


def events(count: int, seed: int = 1) -> Iterator[Made]:
    """`count` events in the order in which they happened."""
    shop = _Shop(seed)
    kinds, weights = zip(*SHARES, strict=True)
    for kind in shop.dice.choices(kinds, weights, k=count):
        yield shop.made(kind)


class _Shop:
    """Who is there, and what happens next."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._after_ms = 0.0
        self._tracks = 0
        self._orders = 0
        self._phones = [self._phone() for _ in range(PHONES)]
        self._items = [
            (f"P-{number:05d}", f"46{self.dice.randrange(10**11):011d}", self._price())
            for number in range(ITEMS)
        ]

    def made(self, kind: str) -> Made:
        """The next thing that happens is of this kind."""
        self._after_ms += self.dice.expovariate(EVENTS_A_SECOND / 1000)
        after_ms = int(self._after_ms)
        moment = Moment(DAWN_MS + after_ms, 86_400_000 + after_ms, BOOT, trusted=True)
        stream, type_, body = getattr(self, f"_{kind}")(moment.wall_ms)
        return Made(stream, type_, body, moment)

    def _wifi(self, now_ms: int) -> tuple[Stream, str, Sighting]:
        dice = self.dice
        place = dice.randrange(PHONES)
        if dice.random() < 1 / PHONE_STAYS:
            self._phones[place] = self._phone()
        device, fingerprint, randomised, base_dbm = self._phones[place]
        rssi_dbm = base_dbm - dice.randrange(8)
        body = Sighting(
            sensor="radar",
            zone=ZONES[place % len(ZONES)],
            device=device,
            fingerprint=fingerprint,
            randomised=randomised,
            from_ms=now_ms - 40 * dice.randrange(25),
            until_ms=now_ms,
            frames=dice.randrange(1, 9),
            rssi_dbm=rssi_dbm,
            max_dbm=rssi_dbm + 3,
            channel=dice.choice(CHANNELS),
            known=False,
            visit=None,
        )
        return Stream.BULK, "wifi.heard.v1", body

    def _camera(self, now_ms: int) -> tuple[Stream, str, Passage]:
        dice = self.dice
        self._tracks += 1
        body = Passage(
            sensor="door",
            zone="entrance",
            track=self._tracks,
            from_ms=now_ms - 40 * dice.randrange(10, 90),
            until_ms=now_ms,
            frames=dice.randrange(10, 90),
            left_x=8 * dice.randrange(160),
            top_y=8 * dice.randrange(90),
            width=8 * dice.randrange(4, 40),
            height=8 * dice.randrange(4, 40),
            quality=dice.randrange(100) / 100,
            direction=dice.choice(("in", "out")),
            embedded=False,
        )
        return Stream.BULK, "camera.passed.v1", body

    def _scan(self, now_ms: int) -> tuple[Stream, str, Scan]:
        product, gtin, price_cents = self.dice.choice(self._items)
        body = Scan("scanner-1", "kiosk-1", gtin, "ean13", gtin, True, product, price_cents, now_ms)
        return Stream.BULK, "code.read.v1", body

    def _visit(self, now_ms: int) -> tuple[Stream, str, Stay]:
        dice = self.dice
        body = Stay(
            visit=f"{dice.getrandbits(48):012x}",
            state="left",
            from_ms=now_ms - 1000 * dice.randrange(60, 1800),
            until_ms=now_ms,
            zones=tuple(dice.sample(ZONES, 3)),
            signs=("wifi", "face"),
            posterior=dice.randrange(10_000) / 10_000,
            member=f"m-{dice.randrange(100_000):06d}",
            sensors=("radar", "door"),
        )
        return Stream.VISIT, "visit.left.v1", body

    def _order(self, now_ms: int) -> tuple[Stream, str, Order]:
        dice = self.dice
        self._orders += 1
        lines = tuple(
            Line(product, gtin, dice.randrange(1, 4), price_cents)
            for product, gtin, price_cents in dice.sample(self._items, dice.randrange(2, 8))
        )
        body = Order(
            order=f"{dice.getrandbits(64):016x}",
            number=self._orders,
            screen="kiosk-1",
            member=f"m-{dice.randrange(100_000):06d}",
            lines=lines,
            total_cents=sum(line.quantity * line.price_cents for line in lines),
            currency="RUB",
            placed_ms=now_ms,
        )
        return Stream.CRIT, "order.made.v1", body

    def _phone(self) -> tuple[str, str, bool, int]:
        dice = self.dice
        device, fingerprint = f"{dice.getrandbits(64):016x}", f"{dice.getrandbits(32):08x}"
        return device, fingerprint, dice.random() < 0.8, -dice.randrange(45, 88)

    def _price(self) -> int:
        return 100 * self.dice.randrange(1, 5000) - 1
