"""The codec of batches: one JSON line of header, then the events as compressed JSON.

`pack` is called by the box's uplink, `read_header` and `unpack` by the platform's ingest. The body
of each event crosses byte for byte, so that both ends compute the same digest. Limits: 500 events,
96 KiB compressed, 4 MiB uncompressed.
"""

import hashlib
import io
from datetime import UTC, datetime, timedelta

import msgspec
import zstandard

from edge.errors import BadMessage
from edge.records import Event, Moment
from sync.messages import (
    BATCH_EVENTS_MAX,
    MESSAGE_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    VERSION,
    Address,
    BatchHeader,
    ClockState,
    CloudEvent,
    check_json,
    decode_json,
)

HEADER_BYTES_MAX = 1024
BODY_BYTES_MAX = 4 << 20
"""Uncompressed: 500 events of 8 KiB. What unpacks to more is refused, however small it came."""
EVENT_FRAME_BYTES_MAX = 768
"""What an event takes in a batch beside its body."""
ZSTD_WINDOW_BYTES_MAX = 8 << 20
"""The smallest window that every zstd must accept; larger ones would be memory for nothing."""
ZSTD_LEVEL = 1
"""Measured: 39 bytes an event at 2 us; higher levels save 2 bytes for many times that."""

_DAWN = datetime(1970, 1, 1, tzinfo=UTC)
_DUSK_MS = 253_402_300_799_999
"""The last millisecond that a date can tell. A clock that is wrong must not stop the line."""


class Batch(msgspec.Struct, frozen=True):
    """A batch as the platform received it, from the box whose topic it came on."""

    address: Address
    header: BatchHeader
    events: tuple[CloudEvent, ...]


def pack(address: Address, events: list[Event], now: Moment) -> tuple[bytes, int]:
    """As many of `events` as fit into one batch: the payload, and the number of its last event.

    `events` are of one stream, at least one, in order. A hole in their numbers ends the batch.
    """
    count = _fitting(events[:BATCH_EVENTS_MAX])
    while True:
        payload = _packed(address, events[:count], now)
        if len(payload) <= PAYLOAD_BYTES_MAX or count == 1:
            return payload, events[count - 1].seq
        count //= 2


def _fitting(events: list[Event]) -> int:
    """How many follow each other without a hole and unpack to no more than the limit."""
    first, size = events[0].seq, 0
    for place, event in enumerate(events):
        size += len(bytes(event.body)) + EVENT_FRAME_BYTES_MAX
        if event.seq != first + place or (place and size > BODY_BYTES_MAX):
            return place
    return len(events)


def _packed(address: Address, events: list[Event], now: Moment) -> bytes:
    first = events[0]
    plain = msgspec.json.encode([_cloud_event(address, event) for event in events])
    body = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(plain)
    header = BatchHeader(
        v=VERSION,
        box=address.box,
        epoch=first.epoch,
        stream=first.stream,
        first=first.seq,
        n=len(events),
        enc="zstd",
        sha256_64=_checksum(body),
        sent=now.wall_ms,
        mono=now.mono_ms,
        boot=now.boot,
        clock=ClockState.of(now.trusted),
    )
    return msgspec.json.encode(header) + b"\n" + body


def _cloud_event(address: Address, event: Event) -> CloudEvent:
    return CloudEvent(
        specversion="1.0",
        id=event.id,
        source=f"/{address}",
        type=event.type,
        time=_DAWN + timedelta(milliseconds=min(max(event.moment.wall_ms, 0), _DUSK_MS)),
        seq=event.seq,
        mono=str(event.moment.mono_ms),
        boot=event.moment.boot,
        clock=ClockState.of(event.moment.trusted),
        data=event.body,
    )


def moment_of(event: CloudEvent) -> Moment:
    """When it happened, as the box told it."""
    wall_ms = (event.time - _DAWN) // timedelta(milliseconds=1)
    return Moment(wall_ms, int(event.mono), event.boot, event.clock is ClockState.SYNCED)


def read_header(payload: bytes) -> tuple[BatchHeader, bytes]:
    """The header and the body as sent. BadMessage if there is none, or the body was damaged."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise BadMessage(f"A batch of {len(payload)} bytes is too large.", "It was not read.")
    line, found, body = payload[:MESSAGE_BYTES_MAX].partition(b"\n")
    if not found or len(line) > HEADER_BYTES_MAX:
        raise BadMessage("A batch has no header line.", "Check who publishes there.")
    header = decode_json(line, BatchHeader)
    if _checksum(body) != header.sha256_64:
        raise BadMessage("A batch was damaged on its way.", "It will be sent again.")
    return header, body


def unpack(address: Address, header: BatchHeader, body: bytes) -> Batch:
    """The events of a batch. BadMessage if header and events do not fit together."""
    if header.v != VERSION:
        raise BadMessage(f"A batch of version {header.v} is unknown here.", "Update the platform.")
    if header.box != address.box:
        raise BadMessage("A batch came on another box's topic.", "Check the broker's ACL.")
    events = decode_json(_decompressed(header, body), tuple[CloudEvent, ...])
    if len(events) != header.n:
        raise BadMessage("A batch has another length than it says.", "It is damaged or forged.")
    for place, event in enumerate(events):
        seq = header.first + place
        if event.seq != seq or event.id != f"{header.epoch}-{header.stream}-{seq}":
            raise BadMessage(f"Event {event.id} stands at a wrong place.", "It cannot be stored.")
        check_json(event.data)
    return Batch(address, header, events)


def _decompressed(header: BatchHeader, body: bytes) -> bytes:
    if header.enc == "identity":
        return body
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    try:
        plain: bytes = decompressor.stream_reader(io.BytesIO(body)).read(BODY_BYTES_MAX + 1)
    except zstandard.ZstdError as error:
        raise BadMessage(f"A batch cannot be unpacked: {error}.", "It is damaged.") from error
    if len(plain) > BODY_BYTES_MAX:
        raise BadMessage("A batch unpacks to more than 4 MiB.", "It is a bomb or a mistake.")
    return plain


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
