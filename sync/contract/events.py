"""What stands in the `data` of each type of event: the declarations that their schemas are made of.

Read by `schemas.py`; the bus tap of the tests holds each event that a box sends against them. The
box itself builds these bodies where they arise and does not import this. A type never changes its
meaning: fields may be added, anything else is a new type (`...v2`).
"""

from typing import Any

from msgspec import Struct

from edge.presence.figures_told import ShopCounted, ShopDayCounted
from edge.presence.footfall import Footfall
from edge.presence.zones import ZoneCount
from edge.storage.outbox import Gap


class OrderLine(Struct, frozen=True):
    """One line of an order, with the price it was added at (minor units of the currency).

    `offer`: that price was a member's, lower than anybody else's.
    """

    sku: str
    title: str
    quantity: int
    unit_price_minor: int
    offer: bool = False


class OrderPlaced(Struct, frozen=True):
    """A shopper placed an order at a screen. `number` is unique in the shop without the line."""

    number: str
    screen: str
    lines: tuple[OrderLine, ...]
    total_minor: int
    currency: str
    member: str | None


class CartPiece(Struct, frozen=True):
    """So many of one SKU."""

    sku: str
    quantity: int


class CartLeftOut(Struct, frozen=True):
    """So many of one SKU stayed behind: "not_sold", "sold_out" everywhere, or the cart "full"."""

    sku: str
    quantity: int
    why: str


class CartContinued(Struct, frozen=True):
    """A member went on at a screen with the web cart of `as_of_ms`; `lines` of it lie there now.

    An order at that screen has them; else `cart.given_back.v1` follows. It is not offered again on
    this box before the platform has sent a newer one.
    """

    member: str
    screen: str
    as_of_ms: int
    lines: tuple[CartPiece, ...]
    left_out: tuple[CartLeftOut, ...]


class CartGivenBack(Struct, frozen=True):
    """The member left the screen without ordering: the web cart of `as_of_ms` is as it was."""

    member: str
    screen: str
    as_of_ms: int


class OfferShown(Struct, frozen=True):
    """Somebody who was greeted at a screen saw an offer on `sku`: "member_price". Once each."""

    sku: str
    kind: str


class VisitOpened(Struct, frozen=True):
    """Somebody came into view of `sensor`; nobody knows who.

    `counted`: they are counted as a visit already. Where a camera counts at the door, who only gave
    a sign elsewhere may be somebody whom it counted: how it turned out, `visit.closed.v1` says.
    """

    visit: str
    sensor: str
    counted: bool = True


class VisitIdentified(Struct, frozen=True):
    """The visit is this member's, with which probability, and why it is believed."""

    visit: str
    member: str
    posterior: float
    reasons: tuple[str, ...]


class VisitMerged(Struct, frozen=True):
    """Two visits turned out to be one: `visit` went into another, and is not to be counted."""

    visit: str
    into: str


class VisitCorrected(Struct, frozen=True):
    """What was said of `member` by this visit does not hold, nor do the `reasons` given for it.

    Null `into`: the visit is somebody else's or nobody's known. Otherwise part of it was another
    person's and goes on as visit `into`; whose each is `visit.identified.v1` says anew. `by` is the
    seller who said so, or the kind of sign that did (`card`, `code`, `face`, `association`).
    """

    visit: str
    member: str
    into: str | None
    by: str
    reasons: tuple[str, ...] = ()


class VisitClosed(Struct, frozen=True):
    """The visit ended. `dwell_s` is null when the box was started again meanwhile, or nobody saw
    them leave.

    `zones` are seconds by "sensor/zone"; `stage` is the furthest reached (`arrived`, `browsing`,
    `kiosk`). `counted`: it is a visit in the figures. `recognised`: `member` was identified.
    """

    visit: str
    member: str | None
    dwell_s: int | None
    zones: dict[str, int] = {}
    stage: str = "arrived"
    counted: bool = True
    recognised: bool = False


class CodeScanned(Struct, frozen=True):
    """A code was scanned. What was read is not told, only what it turned out to be."""

    sensor: str
    outcome: str
    sku: str = ""


class SensorBrief(Struct, frozen=True):
    """How one sensor is."""

    name: str
    ok: bool
    observations: int
    dropped: dict[str, int]
    restarts: int


class BoxDiagnosed(Struct, frozen=True):
    """What the box dropped or refused since it started, by name, and how its sensors are."""

    counters: dict[str, int]
    sensors: tuple[SensorBrief, ...]


class ErasureDone(Struct, frozen=True):
    """A member and all that hung on them left the box; `counts` of what, by kind."""

    member: str
    counts: dict[str, int]


class ConsentGiven(Struct, frozen=True):
    """A member agreed on the box itself, to the text of that version, and declared to be adult.

    `channel` is "kiosk" or "staff", `by` the seller (empty: nobody helped). Rows of the platform
    that lack it do not take it back on this box until one has had it, or for 72 hours.
    """

    member: str
    kind: str
    text_version: str
    given_ms: int
    adult: bool
    channel: str
    by: str


class ConsentWithdrawn(Struct, frozen=True):
    """A member took an agreement back on the box itself; what rested on it is gone from there.

    `channel` is "kiosk", "staff", or "box" when it was given for an enrolment that came to nothing.
    No row with a consent that was given before revives it on this box.
    """

    member: str
    kind: str
    channel: str
    by: str


class FaceEnrolled(Struct, frozen=True):
    """There is a face template of the member on the box, made of so many frames under `model`.

    `extended`: how often views were added to it since it was made.
    """

    member: str
    model: str
    photos: int
    extended: int
    channel: str
    by: str


class TemplateSealed(Struct, frozen=True):
    """A face template for the platform alone: its vectors (`photos` times the model's dimensions,
    little-endian float32), sealed for the X25519 key `kid`.

    Key and nonce (32 and 12 bytes) are HKDF-SHA256 of the exchange of `ephemeral` with that key,
    with "storebox template v1" + ephemeral + public key as info; AES-256-GCM binds the JSON array
    [kid, member, model, "tenant/store/box"], as Python's json.dumps writes it. Both in base64.
    """

    member: str
    model: str
    photos: int
    kid: str
    ephemeral: str
    sealed: str


class RadarDeclared(Struct, frozen=True):
    """A radar begins to count, under these settings: who can be heard, and how they are hidden.

    Null `rssi_gate_dbm`: no gate; no `hours`: always, else also `hours_margin_s` before and after
    them, in `timezone` (empty: the box's own). `channels` are empty where a router decides. A phone
    is `hash_bits` bits for `window_s` at most, under a key that lives `key_lifetime_s`.
    """

    sensor: str
    kind: str
    rssi_gate_dbm: int | None
    channels: tuple[int, ...]
    hours: tuple[str, ...]
    hours_margin_s: int
    timezone: str
    window_s: int
    hash_bits: int
    key_lifetime_s: int


class CommandDone(Struct, frozen=True):
    """What came of a command: done, or the reason why not."""

    id: str
    type: str
    ok: bool
    reason: str


class Tombstone(Struct, frozen=True):
    """What an erased person's event became that had not been sent: its number stays."""


BY_TYPE: dict[str, Any] = {
    "order.placed.v1": OrderPlaced,
    "cart.continued.v1": CartContinued,
    "cart.given_back.v1": CartGivenBack,
    "consent.given.v1": ConsentGiven,
    "consent.withdrawn.v1": ConsentWithdrawn,
    "face.enrolled.v1": FaceEnrolled,
    "template.sealed.v1": TemplateSealed,
    "erasure.done.v1": ErasureDone,
    "command.done.v1": CommandDone,
    "radar.declared.v1": RadarDeclared,
    "box.reported.v1": dict[str, Any],
    "outbox.gap.v1": Gap,
    "outbox.tombstone.v1": Tombstone,
    "visit.opened.v1": VisitOpened,
    "visit.identified.v1": VisitIdentified,
    "visit.merged.v1": VisitMerged,
    "visit.corrected.v1": VisitCorrected,
    "visit.closed.v1": VisitClosed,
    "code.scanned.v1": CodeScanned,
    "footfall.counted.v1": Footfall,
    "zone.counted.v1": ZoneCount,
    "shop.counted.v1": ShopCounted,
    "shop.day.counted.v1": ShopDayCounted,
    "offer.shown.v1": OfferShown,
    "box.diagnosed.v1": BoxDiagnosed,
}
"""All types that a box sends, by name."""
