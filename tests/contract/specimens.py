"""One example of everything that is said on the wire, made with the product's own codecs.

`golden.py` writes them down once for each version of the contract; the fuzz tests begin from them.
Signed ones are signed with a key that is in nobody's use.
"""

import gzip
import hashlib
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from edge.records import Event, Moment, Stream
from sync import batch, rows, tunnel
from sync.datasets import BUCKETS, Bucket, Chunk, Delta, Manifest, Want
from sync.messages import (
    Ack,
    Address,
    ClockState,
    Dataset,
    DatasetVersion,
    Greeting,
    Hello,
    Presence,
    StreamState,
)
from sync.rows import Row
from sync.signing import SigningKey
from sync.spoken import Command, CommandType, Request, Response, Service

ADDRESS = Address("chain", "shop-1", "box-1")
EPOCH, BOOT = "0badcafe", "b00t-1"
NOW = Moment(1_800_000_000_000, 5_000, BOOT, True)
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), "golden-1")
CATALOGUE = (
    {"sku": "s1", "gtin": "4600000000001", "model": "m", "titles": {"ru": "Ботинок", "en": "Boot"},
     "price_minor": 499_900, "member_price_minor": 449_900, "colour": "black", "size": "42"},
    {"sku": "s2", "gtin": "4600000000002", "model": "m", "titles": {"en": "Boot"},
     "price_minor": 499_900},
)  # fmt: skip
DATA: dict[Stream, tuple[tuple[str, dict[str, Any]], ...]] = {
    Stream.CRIT: (
        ("order.placed.v1", {
            "number": "01-000001", "screen": "kiosk-1", "total_minor": 499_900, "currency": "RUB",
            "member": None,
            "lines": [{"sku": "s1", "title": "Ботинок", "quantity": 1,
                       "unit_price_minor": 499_900, "offer": False}]}),
        ("cart.continued.v1", {
            "member": "m-2", "screen": "kiosk-1", "as_of_ms": 1_800_000_000_000,
            "lines": [{"sku": "s1", "quantity": 2}],
            "left_out": [{"sku": "s9", "quantity": 1, "why": "not_sold"}]}),
        ("cart.given_back.v1",
         {"member": "m-2", "screen": "kiosk-1", "as_of_ms": 1_800_000_000_000}),
        ("consent.given.v1", {
            "member": "m-2", "kind": "face", "text_version": "face-1", "adult": True,
            "given_ms": 1_800_000_000_000, "channel": "staff", "by": "olga"}),
        ("face.enrolled.v1", {
            "member": "m-2", "model": "dlib-resnet-v1", "photos": 5, "extended": 0,
            "channel": "staff", "by": "olga"}),
        ("template.sealed.v1", {
            "member": "m-2", "model": "dlib-resnet-v1", "photos": 5, "kid": "templates-1",
            "ephemeral": "AAAA", "sealed": "AAAA"}),
        ("consent.withdrawn.v1",
         {"member": "m-2", "kind": "face", "channel": "kiosk", "by": ""}),
        ("erasure.done.v1", {"member": "m-1", "counts": {"profile": 1, "templates": 2}}),
        ("command.done.v1", {"id": "c-1", "type": "member.erase", "ok": True, "reason": ""}),
        ("radar.declared.v1", {
            "sensor": "radar", "kind": "wifi", "rssi_gate_dbm": -65, "channels": [1, 6, 11],
            "hours": ["mon-sat 09:00-21:00"], "hours_margin_s": 900, "timezone": "Europe/Moscow",
            "window_s": 300, "hash_bits": 20, "key_lifetime_s": 14_400}),
        ("box.reported.v1", {"link": {"connected": True}}),
        ("outbox.gap.v1",
         {"stream": "bulk", "first": 1, "last": 500, "count": 500, "reason": "quota"}),
        ("outbox.tombstone.v1", {}),
    ),
    Stream.VISIT: (
        ("visit.opened.v1", {"visit": "v-1", "sensor": "camera", "counted": True}),
        ("visit.identified.v1",
         {"visit": "v-1", "member": "m-2", "posterior": 0.997, "reasons": ["the card"]}),
        ("visit.corrected.v1", {
            "visit": "v-3", "member": "m-2", "into": None, "by": "olga",
            "reasons": ["the face"]}),
        ("visit.merged.v1", {"visit": "v-2", "into": "v-1"}),
        ("code.scanned.v1", {"sensor": "scanner", "outcome": "product", "sku": "s1"}),
        ("visit.closed.v1", {
            "visit": "v-1", "member": "m-2", "dwell_s": 312, "zones": {"camera/shoes": 95},
            "stage": "kiosk", "counted": True, "recognised": True}),
    ),
    Stream.BULK: (
        ("footfall.counted.v1", {
            "sensor": "radar", "from_ms": 1_799_999_700_000, "until_ms": 1_800_000_000_000,
            "addresses": 40, "phones": 12, "frames": 300, "people": 0, "overflow": 0}),
        ("zone.counted.v1", {
            "sensor": "camera", "zone": "queue", "from_ms": 1_799_999_700_000,
            "until_ms": 1_800_000_000_000, "visits": 9, "dwell_mean_s": 41.5,
            "dwell_median_s": 30.0, "dwell_p90_s": 95.2, "queue_mean": 1.2, "queue_max": 3}),
        ("shop.counted.v1", {
            "from_ms": 1_799_999_700_000, "until_ms": 1_800_000_000_000,
            "numbers": {"joined": 14, "visits": 9}, "withheld": ["orders/RUB", "pieces/RUB"]}),
        ("shop.day.counted.v1", {
            "day": "2027-01-15", "from_ms": 1_799_960_400_000, "until_ms": 1_800_046_800_000,
            "numbers": {"visits_opened": 214, "visits": 190, "recognised": 61, "dwell/5-10": 80},
            "short": ["orders/RUB"], "withheld": ["returning", "dwell/60+", "dwell/<1"]}),
        ("offer.shown.v1", {"sku": "s1", "kind": "member_price"}),
        ("box.diagnosed.v1", {
            "counters": {"link.sent_again": 1},
            "sensors": [{"name": "camera", "ok": True, "observations": 9, "dropped": {},
                         "restarts": 0}]}),
    ),
}  # fmt: skip


class Specimen(Struct, frozen=True):
    """A message as it is published."""

    topic: str
    payload: bytes
    retain: bool = False


def specimens() -> dict[str, Specimen]:
    """All of them, by a name that begins with the message's name in the document."""
    return {**_upward(), **_downward(), **_datasets(), **_spoken()}


def _upward() -> dict[str, Specimen]:
    packing = {Stream.CRIT: "zstd", Stream.VISIT: "gzip", Stream.BULK: "identity"}
    batches = {
        f"batch-{stream}-{enc}": Specimen(ADDRESS.up(stream), batch_of(stream, enc))
        for stream, enc in packing.items()
    }
    hello = Hello(
        v=1,
        epoch=EPOCH,
        boot=BOOT,
        conn=7,
        sent=NOW.wall_ms,
        clock=ClockState.SYNCED,
        streams={Stream.CRIT: StreamState(6, 2), Stream.BULK: StreamState(502, 500)},
        datasets={Dataset.CATALOGUE: DatasetVersion("g1", 3)},
        commands=4,
        key="file",
        evicted={Stream.BULK: 500},
    )
    presence = Presence(v=1, state="online", boot=BOOT, conn=7)
    gone = Presence(v=1, state="offline", boot=BOOT, conn=7)
    return {
        **batches,
        "hello": Specimen(ADDRESS.up("hello"), msgspec.json.encode(hello)),
        "presence-online": Specimen(ADDRESS.presence, msgspec.json.encode(presence), True),
        "presence-offline": Specimen(ADDRESS.presence, msgspec.json.encode(gone), True),
    }


def batch_of(stream: Stream, enc: str) -> bytes:
    """The events of `stream`, packed as told. The product itself packs with zstd."""
    events = [
        Event(ADDRESS.box, EPOCH, stream, 1 + place, type_, NOW, raw(data))
        for place, (type_, data) in enumerate(DATA[stream])
    ]
    payload, _ = batch.pack(ADDRESS, events, NOW)
    if enc == "zstd":
        return payload
    header, _ = batch.read_header(payload)
    plain = msgspec.json.encode(batch.unpack(ADDRESS, *batch.read_header(payload)).events)
    body = gzip.compress(plain, mtime=0) if enc == "gzip" else plain
    digest = hashlib.sha256(body).hexdigest()[:16]
    changed = msgspec.to_builtins(header) | {"enc": enc, "sha256_64": digest}
    return msgspec.json.encode(changed) + b"\n" + body


def _downward() -> dict[str, Specimen]:
    ack = Ack(
        v=1,
        epoch=EPOCH,
        upto={Stream.CRIT: 6, Stream.BULK: 502},
        resend=(Stream.VISIT,),
        refused={Stream.BULK: "the disk is full"},
        marks={Stream.CRIT: "0123456789abcdef"},
    )
    return {
        "ack": Specimen(ADDRESS.ack, msgspec.json.encode(ack)),
        "greeting": Specimen(ADDRESS.greeting, msgspec.json.encode(Greeting(v=1))),
    }


def _datasets() -> dict[str, Specimen]:
    placed = [Row(row["sku"], raw(row)) for row in CATALOGUE]
    place = {"v": 1, "dataset": Dataset.CATALOGUE, "generation": "g1"}
    body = rows.body_of(placed)
    chunk = Chunk(**place, version=3, chunk=0, enc="zstd")
    hashes = [rows.row_hash(row.key, row.text) for row in placed]
    buckets = {
        str(rows.bucket_of(row.key)): rows.bucket_hash([hash_])
        for row, hash_ in zip(placed, hashes, strict=True)
    }
    manifest = Manifest(
        **place,
        version=3,
        rows=2,
        chunks=(rows.digest_of(body),),
        spans=((0, BUCKETS - 1),),
        buckets=buckets,
    )
    first = rows.body_of(placed[:1])
    bucket = Bucket(
        **place,
        version=3,
        bucket=rows.bucket_of("s1"),
        part=1,
        parts=1,
        enc="zstd",
        sha256=rows.digest_of(first),
    )
    change = rows.body_of([placed[0], Row("s2")])
    delta = Delta(
        **place,
        from_=3,
        to=4,
        enc="zstd",
        sha256=rows.digest_of(change),
        buckets={str(rows.bucket_of("s2")): rows.EMPTY},
    )
    mine = ADDRESS.dataset(Dataset.CATALOGUE)
    shared = ADDRESS.shared_dataset(Dataset.CATALOGUE)
    return {
        "manifest": Specimen(mine, signed(manifest)),
        "manifest-shared": Specimen(shared, signed(manifest), True),
        "chunk": Specimen(mine, msgspec.json.encode(chunk) + b"\n" + body),
        "bucket": Specimen(mine, signed(bucket) + b"\n" + first),
        "delta": Specimen(mine, signed(delta) + b"\n" + change),
        "delta-shared": Specimen(shared, signed(delta) + b"\n" + change),
    }


def _spoken() -> dict[str, Specimen]:
    want = Want(v=1, dataset=Dataset.CATALOGUE, generation="g1", version=3, first=0, last=7)
    command = Command(
        v=1,
        id="c-1",
        box=str(ADDRESS),
        type=CommandType.ERASE_MEMBER,
        args={"member": "m-1"},
        iat=1_800_000_000,
        exp=0,
        counter=5,
    )
    request = Request(v=1, id="q-1", boot=BOOT, args={"sku": "s1"}, budget_ms=800)
    response = Response(
        v=1,
        id="q-1",
        ok=True,
        value={"rows": [{"sku": "s1", "place": "shop-2", "quantity": 3, "as_of_ms": 1}]},
    )
    piece = tunnel.Piece(2**40 + 1, 0, tunnel.PieceKind.BYTES, b"\x00\x01bytes of a sensor")
    end = tunnel.Piece(2**40 + 1, 1, tunnel.PieceKind.END)
    return {
        "want": Specimen(ADDRESS.request("dataset"), msgspec.json.encode(want)),
        "command": Specimen(ADDRESS.command, signed(command)),
        "request": Specimen(ADDRESS.request(Service.STOCK), msgspec.json.encode(request)),
        "response": Specimen(ADDRESS.responses(BOOT), msgspec.json.encode(response)),
        "piece-sensed": Specimen(ADDRESS.sensed("camera"), tunnel.encode(piece)),
        "piece-led": Specimen(ADDRESS.led("camera"), tunnel.encode(end)),
    }


def signed(message: Struct, key: SigningKey = KEY) -> bytes:
    """A message as JSON, with `kid` and `sig`."""
    return msgspec.json.encode(key.signed(msgspec.to_builtins(message)))


def raw(value: Any) -> msgspec.Raw:
    """A value as JSON text."""
    return msgspec.Raw(msgspec.json.encode(value))
