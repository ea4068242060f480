"""The codec of batches: one JSON line of header, then the events as compressed JSON.

`pack` is called by the box's uplink, `BatchSealing` by its storage, `read_header` and `unpack` by
the platform's ingest. The body of each event crosses byte for byte, so that both ends compute the
same digest. Limits: 500 events, 96 KiB compressed, 4 MiB uncompressed.
"""

import hashlib
import io
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
import zstandard

from edge.errors import BadMessage, EventTooLarge
from edge.records import Event, Moment, Stream
from edge.storage.segments import Sealed
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

TEXTS_MAX = 1024
"""Types, boots and days whose text is kept: a box has a few dozen types."""

_DAWN = datetime(1970, 1, 1, tzinfo=UTC)
_DUSK_MS = 253_402_300_799_999
"""The last millisecond that a date can tell. A clock that is wrong must not stop the line."""


class Batch(msgspec.Struct, frozen=True):
    """A batch as the platform received it, from the box whose topic it came on."""

    address: Address
    header: BatchHeader
    events: tuple[CloudEvent, ...]


def pack(
    address: Address, events: Sequence[Event], now: Moment, *, bytes_max: int = PAYLOAD_BYTES_MAX
) -> tuple[bytes, int]:
    """As many of `events` as fit into one batch: the payload, and the number of its last event.

    `events` are of one stream, at least one, in order. A hole in their numbers ends the batch.
    EventTooLarge if the first one alone takes more than `bytes_max`.
    """
    count = _fitting(events[:BATCH_EVENTS_MAX])
    limit = min(bytes_max, PAYLOAD_BYTES_MAX)
    while True:
        payload = _packed(address, events[:count], now)
        if len(payload) <= limit:
            return payload, events[count - 1].seq
        if count == 1:
            raise EventTooLarge(
                f"Event {events[0].id} takes {len(payload)} bytes, and the broker {limit}.",
                "Raise the broker's limit for packets; 128 KiB is enough.",
            )
        count //= 2


def _fitting(events: Sequence[Event]) -> int:
    """How many follow each other without a hole and unpack to no more than the limit."""
    first, size = events[0].seq, 0
    for place, event in enumerate(events):
        size += len(bytes(event.body)) + EVENT_FRAME_BYTES_MAX
        if event.seq != first + place or (place and size > BODY_BYTES_MAX):
            return place
    return len(events)


def pack_sealed(address: Address, sealed: Sealed, origin: tuple[str, Stream], now: Moment) -> bytes:
    """The batch of a segment, whose body is sent as it is stored. `origin` is (epoch, stream)."""
    return _with_header(address, origin, (sealed.first, sealed.n), now=now, body=sealed.body)


class BatchSealing:
    """Segments on disk are the bodies of the batches that they will be sent in."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @property
    def origin(self) -> str:
        """This box; it stands in every event."""
        return str(self._address)

    def seal(self, events: Sequence[Event]) -> bytes:
        """The body of one batch: `events` are of one stream, in order, without a hole."""
        return _body(self._address, events)

    def unseal(self, body: bytes) -> list[Event]:
        """The events again. BadMessage if the body was damaged."""
        told = decode_json(_unpacked("zstd", body), list[CloudEvent])
        return [_event_of(self._address.box, event) for event in told]


def _event_of(box: str, event: CloudEvent) -> Event:
    epoch, stream, _ = event.id.rsplit("-", 2)
    moment, body = moment_of(event), msgspec.Raw(bytes(event.data))
    return Event(box, epoch, Stream(stream), event.seq, event.type, moment, body)


def _packed(address: Address, events: Sequence[Event], now: Moment) -> bytes:
    first = events[0]
    origin, span = (first.epoch, first.stream), (first.seq, len(events))
    return _with_header(address, origin, span, now=now, body=_body(address, events))


def _with_header(
    address: Address, origin: tuple[str, Stream], span: tuple[int, int], *, now: Moment, body: bytes
) -> bytes:
    header = BatchHeader(
        v=VERSION,
        box=address.box,
        epoch=origin[0],
        stream=origin[1],
        first=span[0],
        n=span[1],
        enc="zstd",
        sha256_64=_checksum(body),
        sent=now.wall_ms,
        mono=now.mono_ms,
        boot=now.boot,
        clock=ClockState.of(now.trusted),
    )
    return msgspec.json.encode(header) + b"\n" + body


# --- the events as JSON. Written out by hand: a struct and a date for each event would take three
# times as long, and this is most of what an event costs the box.

_EVENT = (
    b'{"specversion":"1.0","id":"%b%d","source":%b,"type":%b,"time":"%b.%03dZ","seq":%d,'
    b'"mono":"%d","boot":%b,"clock":"%b","data":%b}'
)
_CLOCK = {trusted: ClockState.of(trusted).value.encode() for trusted in (True, False)}
_text = lru_cache(TEXTS_MAX)(msgspec.json.encode)


def _body(address: Address, events: Sequence[Event]) -> bytes:
    first = events[0]
    numbered = f"{first.epoch}-{first.stream.value}-".encode()
    source = msgspec.json.encode(f"/{address}")
    second, date = -1, b""
    lines = []
    for event in events:
        moment = event.moment
        at_s, ms = divmod(min(max(moment.wall_ms, 0), _DUSK_MS), 1000)
        if at_s != second:
            second, date = at_s, _date(at_s)
        told = (_text(event.type), date, ms, event.seq, moment.mono_ms, _text(moment.boot))
        clock = _CLOCK[moment.trusted]
        lines.append(_EVENT % (numbered, event.seq, source, *told, clock, bytes(event.body)))
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(b"[%b]" % b",".join(lines))


def _date(second: int) -> bytes:
    day, rest = divmod(second, 86_400)
    minute, second = divmod(rest, 60)
    return b"%bT%02d:%02d:%02d" % (_day(day), *divmod(minute, 60), second)


@lru_cache(TEXTS_MAX)
def _day(day: int) -> bytes:
    return (_DAWN + timedelta(days=day)).strftime("%Y-%m-%d").encode()


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
    events = decode_json(_unpacked(header.enc, body), tuple[CloudEvent, ...])
    if len(events) != header.n:
        raise BadMessage("A batch has another length than it says.", "It is damaged or forged.")
    for place, event in enumerate(events):
        seq = header.first + place
        if event.seq != seq or event.id != f"{header.epoch}-{header.stream}-{seq}":
            raise BadMessage(f"Event {event.id} stands at a wrong place.", "It cannot be stored.")
        check_json(event.data)
    return Batch(address, header, events)


def _unpacked(enc: str, body: bytes) -> bytes:
    if enc == "identity":
        plain = body
    else:
        try:
            plain = _gunzipped(body) if enc == "gzip" else _unzstd(body)
        except (zstandard.ZstdError, zlib.error) as error:
            raise BadMessage(f"A batch cannot be unpacked: {error}.", "It is damaged.") from error
    if len(plain) > BODY_BYTES_MAX:
        raise BadMessage("A batch unpacks to more than 4 MiB.", "It is a bomb or a mistake.")
    return plain


def _unzstd(body: bytes) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    plain: bytes = decompressor.stream_reader(io.BytesIO(body)).read(BODY_BYTES_MAX + 1)
    return plain


def _gunzipped(body: bytes) -> bytes:
    """What boxes without zstd send; nobody of ours does (46 bytes an event instead of 39)."""
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 16)
    plain = decompressor.decompress(body, BODY_BYTES_MAX + 1)
    if not decompressor.eof and len(plain) <= BODY_BYTES_MAX:
        raise zlib.error("it ends too early")
    return plain


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
