"""What is said between box and platform, and on which topic: the types of the wire.

Used by the box (`link`, `replica`) and by the platform's side (`ingest`, `reference`). Batches have
their own codec in `sync/batch.py`; everything else is one JSON object. Nothing here opens a
connection. Whatever arrives is validated here once; what breaks the contract is a BadMessage.

    sb/v1/{tenant}/{store}/{box}/up/{stream}      batches of events       box -> platform
    sb/v1/{tenant}/{store}/{box}/up/hello         Hello                   box -> platform
    sb/v1/{tenant}/{store}/{box}/st               Presence (retained)     box, or its last will
    sb/v1/{tenant}/{store}/{box}/dn/ack           Ack                     platform -> box
    sb/v1/{tenant}/{store}/{box}/dn/hello         Greeting                platform -> box
    sb/v1/{tenant}/{store}/{box}/dn/d/{dataset}   sync/datasets.py        platform -> box
    sb/v1/{tenant}/-/-/dn/d/{dataset}             the same for all boxes of a tenant
    sb/v1/{tenant}/{store}/{box}/dn/cmd           Command (sync/spoken.py)
    sb/v1/{tenant}/{store}/{box}/rq/dataset       Want (sync/datasets.py) box -> platform
    sb/v1/{tenant}/{store}/{box}/rq/{service}     Request (sync/spoken.py)
    sb/v1/{tenant}/{store}/{box}/rs/{boot}        Response                platform -> box
    sb/v1/{tenant}/{store}/{box}/su/{sensor}      sync/tunnel.py: satellite -> primary
    sb/v1/{tenant}/{store}/{box}/sd/{sensor}      the same, primary -> satellite
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from edge.errors import BadMessage
from edge.records import Stream

ROOT = "sb/v1"
VERSION = 1

BATCH_EVENTS_MAX = 500
PAYLOAD_BYTES_MAX = 96 * 1024
"""Largest payload we send; 128 KiB is the smallest limit among the brokers we looked at."""
MESSAGE_BYTES_MAX = 128 * 1024
"""Largest payload we look at."""
VECTORS_PER_TEMPLATE_MAX = 20
SEQ_MAX = 2**31 - 1
"""CloudEvents integers have 32 bits: 80 years of the busiest stream of one box."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")]
Short = Annotated[str, Meta(max_length=64)]
Epoch = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")]
"""Made with the outbox file: a new file never reuses the numbers of an older one."""
Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]
Cursor = Annotated[int, Meta(ge=0, le=SEQ_MAX)]
Count = Annotated[int, Meta(ge=0, le=2**53)]

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}")


class Dataset(StrEnum):
    """What the platform sends down, in the order in which a box needs it."""

    MEMBERS = "members"
    TEMPLATES = "templates"
    CATALOGUE = "catalogue"
    PRICES = "prices"
    STOCK = "stock"
    RULES = "rules"
    COUPONS = "coupons"
    STAFF = "staff"
    CONFIGURATION = "configuration"
    COLLECT = "collect"
    """Orders to be collected in this shop."""
    ORDER_STATUS = "order_status"
    SALES = "sales"
    """Sales of the last 90 days with allocated prices, for returns."""
    BALANCES = "balances"
    HISTORY = "history"
    CARTS = "carts"
    """Web carts."""
    WISHES = "wishes"
    TOGETHER = "together"
    """What is bought together."""
    MEDIA = "media"


class ClockState(StrEnum):
    """Whether the sender's wall clock has been synchronised since it booted."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"

    @classmethod
    def of(cls, trusted: bool) -> "ClockState":
        """The word for `Moment.trusted`."""
        return cls.SYNCED if trusted else cls.UNSYNCED


class Address(Struct, frozen=True, order=True):
    """Which box. The three names are the prefix of all its topics."""

    tenant: Name
    store: Name
    box: Name

    def __str__(self) -> str:
        return f"{self.tenant}/{self.store}/{self.box}"

    def up(self, what: "Stream | Literal['hello']") -> str:
        """Where the box says something."""
        return f"{ROOT}/{self}/up/{what}"

    @property
    def presence(self) -> str:
        """Where it stands whether the box is connected (retained)."""
        return f"{ROOT}/{self}/st"

    @property
    def ack(self) -> str:
        """Where the platform says up to where it has committed."""
        return f"{ROOT}/{self}/dn/ack"

    @property
    def greeting(self) -> str:
        """Where a platform that has just come asks the box to say hello."""
        return f"{ROOT}/{self}/dn/hello"

    def dataset(self, dataset: Dataset) -> str:
        """Where the parts of a dataset arrive."""
        return f"{ROOT}/{self}/dn/d/{dataset}"

    @property
    def command(self) -> str:
        """Where signed commands arrive."""
        return f"{ROOT}/{self}/dn/cmd"

    def shared_dataset(self, dataset: Dataset) -> str:
        """Where the parts of a dataset arrive that all boxes of the tenant have in common."""
        return f"{ROOT}/{self.tenant}/-/-/dn/d/{dataset}"

    def request(self, service: str) -> str:
        """Where the box asks."""
        return f"{ROOT}/{self}/rq/{service}"

    def responses(self, boot: str) -> str:
        """Where answers arrive that were asked for since this boot."""
        return f"{ROOT}/{self}/rs/{boot}"

    def sensed(self, sensor: str) -> str:
        """Where a satellite's sensor speaks to the primary (`sync/tunnel.py`), shop's broker."""
        return f"{ROOT}/{self}/su/{sensor}"

    def led(self, sensor: str) -> str:
        """Where the primary speaks to a satellite's sensor."""
        return f"{ROOT}/{self}/sd/{sensor}"

    @property
    def down(self) -> tuple[str, ...]:
        """The filters of everything that is meant for this box."""
        return f"{ROOT}/{self}/dn/#", f"{ROOT}/{self}/rs/+", f"{ROOT}/{self.tenant}/-/-/dn/d/+"


EVERYBODY = "-"
"""Stands for store and box in topics that all boxes of a tenant read."""
UPWARD_FILTERS = (f"{ROOT}/+/+/+/up/#", f"{ROOT}/+/+/+/rq/+", f"{ROOT}/+/+/+/st")
"""What a platform subscribes to."""


def parse_topic(topic: str) -> tuple[Address, str]:
    """The box and the rest (`up/crit`, `st`, `dn/ack`, ...) of a topic. BadMessage if not ours."""
    parts = topic.split("/", 5)
    names_fit = len(parts) == 6 and (
        all(_NAME.fullmatch(part) for part in parts[2:5])
        or (_NAME.fullmatch(parts[2]) is not None and parts[3] == parts[4] == EVERYBODY)
    )
    if not names_fit or not topic.startswith(f"{ROOT}/"):
        raise BadMessage(f"{topic[:100]!r} is no topic of ours.", "Check who publishes there.")
    return Address(*parts[2:5]), parts[5]


class BatchHeader(Struct, frozen=True):
    """The first line of a batch: events `first` to `first + n - 1` of one stream, without a hole.

    `sha256_64` is the first 64 bits, in hex, of SHA-256 of the body as sent. `sent`, `mono`
    and `clock` are the box's clocks when it was packed, so that the platform can date the events
    of a box whose wall clock was wrong.
    """

    v: int
    box: Name
    epoch: Epoch
    stream: Stream
    first: Seq
    n: Annotated[int, Meta(ge=1, le=BATCH_EVENTS_MAX)]
    enc: Literal["zstd", "gzip", "identity"]
    sha256_64: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    sent: Count
    mono: Count
    boot: Short
    clock: ClockState

    @property
    def last(self) -> int:
        """The number of its last event."""
        return self.first + self.n - 1


class CloudEvent(Struct, frozen=True):
    """One event: CloudEvents 1.0 in JSON, with four extensions.

    `seq`, `mono` (milliseconds since boot; a string, because CloudEvents integers end at 24 days),
    `boot` and `clock`. `data` keeps the exact bytes that the box promised to its producer.
    """

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(max_length=64)]
    source: Annotated[str, Meta(max_length=160)]
    type: Annotated[str, Meta(min_length=1, max_length=128)]
    time: Annotated[datetime, Meta(tz=True)]
    seq: Seq
    mono: Annotated[str, Meta(pattern=r"^-?[0-9]{1,16}$")]
    boot: Short
    clock: ClockState
    data: msgspec.Raw


class Ack(Struct, frozen=True):
    """The platform has committed everything up to `upto`, by stream, of this `epoch`.

    Streams in `resend` are to be sent again from there: something before what arrived is missing.
    Streams in `refused` (with a reason) are not taken now: the box keeps them and slows down.
    The answer to a Hello repeats its `conn`; until it has come nothing is sent or deleted, as an
    older one may have waited in the broker. Its `marks` tell the last event of each stream from any
    other with its number (`mark_of` in `edge/storage/outbox.py`): so a box that was restored from a
    backup finds out.
    """

    v: Literal[1]
    epoch: Epoch
    upto: dict[Stream, Cursor]
    resend: tuple[Stream, ...] = ()
    refused: dict[Stream, Short] = {}
    marks: dict[Stream, Short] = {}
    conn: Count = 0


class Greeting(Struct, frozen=True):
    """The platform has just come and knows nothing: say hello, and send again what is not acked."""

    v: Literal[1]


class StreamState(Struct, frozen=True):
    """Where a stream of the box stands: numbers given so far, acknowledged and deleted up to."""

    last: Cursor
    upto: Cursor


class DatasetVersion(Struct, frozen=True):
    """Which snapshot a box has. A new `generation` shares nothing with the one before."""

    generation: Short
    version: Cursor


class Hello(Struct, frozen=True):
    """The box after each connect, each greeting, and each dataset that it has applied.

    `again` asks for datasets once more although they were sent on this connection (`conn`).
    `commands` is the counter of the last command taken; `key` how the box's keys are protected;
    `evicted` how many events of each stream were given up by quota, each declared. `relayed`: said
    by its primary, which passes on its events; datasets and commands do not reach the box.
    """

    v: Literal[1]
    epoch: Epoch
    boot: Short
    conn: Count
    sent: Count
    clock: ClockState
    streams: dict[Stream, StreamState]
    datasets: dict[Dataset, DatasetVersion]
    again: bool = False
    commands: Count = 0
    key: Literal["file", "tpm", "none"] = "file"
    evicted: dict[Stream, Cursor] = {}
    relayed: bool = False

    def without_datasets(self) -> "Hello":
        """The least that a platform must know, for a broker that takes only small messages."""
        return msgspec.structs.replace(self, datasets={}, evicted={})


class Presence(Struct, frozen=True):
    """Whether the box is connected. A will of an older connection (`conn`) says nothing."""

    v: Literal[1]
    state: Literal["online", "offline"]
    boot: Short
    conn: Count


class TemplateRow(Struct, frozen=True):
    """A face template in a dataset: each vector is little-endian float32 in base64, as many numbers
    as the model's vectors have (`edge/face_models.py`). Boxes take those of their own model only.

    Rows of the other datasets are `Member`, `Product` and `Stock` of `edge/records.py`.
    """

    member: Annotated[str, Meta(min_length=1, max_length=128)]
    model: Annotated[str, Meta(min_length=1, max_length=128)]
    vectors: Annotated[list[bytes], Meta(min_length=1, max_length=VECTORS_PER_TEMPLATE_MAX)]

    def __repr__(self) -> str:
        """Without the vectors: a representation may end up in a log."""
        return f"TemplateRow(member={self.member!r}, model={self.model!r})"


def encode(message: Ack | Greeting | Hello | Presence) -> bytes:
    """A message as JSON."""
    return msgspec.json.encode(message)


def decode(payload: bytes, kind: type[T]) -> T:
    """A message of `kind`. BadMessage for whatever is too large, too deep, or does not fit."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise BadMessage(f"A message of {len(payload)} bytes is too large.", "It was not read.")
    try:
        payload.decode()  # names that no type knows are skipped unread, and may hide other bytes
    except UnicodeDecodeError as error:
        raise BadMessage("A message is no UTF-8.", "Look at what sent it.") from error
    return decode_json(payload, kind)


def decode_json(text: bytes | msgspec.Raw, kind: type[T]) -> T:
    """JSON of `kind`, or BadMessage. For text whose size is limited already."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        what = f"A message is no valid {getattr(kind, '__name__', kind)}: {error}."
        raise BadMessage(what, "Compare its sender's version with ours.") from error


def check_json(text: msgspec.Raw) -> None:
    """BadMessage unless `text`, taken over unread, is JSON that everybody can read."""
    decode_json(text, Any)
