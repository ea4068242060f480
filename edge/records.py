"""The words of the house: what is observed, believed and reported.

Everybody imports this; it imports nothing of ours. All types are frozen and slotted. They are
msgspec structs so that the edges (sensor socket, MQTT, configuration) can validate straight into
them; inside they are plain values.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

VECTOR_BYTES_MAX = 512 * 4
"""No model that we know describes a face by more than 512 float32."""
FRAMES_FUSED_MAX = 5
"""Embedded frames of one track under one leave. Fused, three decide well and five no better."""
PHOTOS_WANTED = 5
"""Good frames of one enrolment: so many the sensor takes, and the core waits for. What describes
somebody else, or nobody well, is left out of them."""

CODE_TEXT_MAX = 512
"""Longest code text accepted from a scanner; the longest GS1 symbol we read is far shorter."""

Whole = Annotated[int, Meta(ge=0, le=2**53)]
"""A count, a time in ms or an amount: it fits every database and every JSON reader."""
Short = Annotated[str, Meta(max_length=64)]
"""A name, code or identifier."""
Text = Annotated[str, Meta(max_length=256)]
"""A line for people."""


class Moment(Struct, frozen=True, array_like=True):
    """One instant, told four ways so that no decision needs to trust the wall clock.

    `wall_ms` is Unix time; `mono_ms` rises steadily within one `boot`; `trusted` says whether
    the wall clock was synchronised. Durations are differences of `mono_ms` of the same boot.
    """

    wall_ms: Whole
    mono_ms: Whole
    boot: Short
    trusted: bool


class CountReading(Struct, frozen=True, tag="count", array_like=True, kw_only=True):
    """What a radar counted in one window, which ended when it was `seen`. Numbers only.

    `devices` are the phones told apart inside the shop, between `devices_low` and `devices_high`,
    `private` those of them that make their addresses up, which were `private_addresses`; `passers`
    are the phones in the outer ring. `addresses` is what was heard, `frames` how much;
    `presence_only` frames told no devices apart, and `overflow` ones found no room.
    """

    lasted_ms: Whole
    frames: Whole
    addresses: Whole
    devices: Whole
    devices_low: Whole
    devices_high: Whole
    private: Whole = 0
    private_addresses: Whole = 0
    passers: Whole = 0
    presence_only: Whole = 0
    overflow: Whole = 0

    @property
    def tells_phones(self) -> bool:
        """Whether its numbers of phones mean anything: not if all frames told of presence only."""
        return not self.frames or self.presence_only < self.frames


class TrackReading(Struct, frozen=True, tag="track", array_like=True):
    """A person came into view; `track` numbers them within this run of the sensor. No identity."""

    track: Whole


class CrossingReading(Struct, frozen=True, tag="crossing", array_like=True):
    """Somebody walked over a line that was drawn into the camera's view, which way."""

    line: Short
    inwards: bool
    track: Whole = 0
    """Which one it was; 0 if that is not known."""


class StayReading(Struct, frozen=True, tag="stay", array_like=True):
    """Somebody left a zone of the camera's view after so long. Nobody knows who."""

    zone: Short
    dwell_ms: Whole
    track: Whole = 0
    """Which one it was; 0 if that is not known."""


class GoneReading(Struct, frozen=True, tag="gone", array_like=True):
    """A person went out of view, after having been in it for so long. No identity.

    The last word on a track, told once of each that another reading named.
    """

    track: Whole
    dwell_ms: Whole


class QueueReading(Struct, frozen=True, tag="queue", array_like=True):
    """So many people stand in a zone now; told when the number changes."""

    zone: Short
    length: Whole


Vector = Annotated[bytearray, Meta(max_length=VECTOR_BYTES_MAX)]
"""A face as a model describes it: little-endian float32 of length one, wiped by its last user."""


class FaceReading(Struct, frozen=True, tag="face", array_like=True):
    """One embedded frame of a track: `vector` alone, and `fused` with the frames before it.

    `fused` is the mean of the track's first `frames` vectors, of length one again; the sensor adds
    them up, so that the core keeps none. `doubt` says why this may be a picture of a face and
    nobody's own (`flat`, `screen`), or is empty.
    """

    track: Whole
    model: Short
    frames: Annotated[int, Meta(ge=1, le=FRAMES_FUSED_MAX)]
    vector: Vector
    fused: Vector
    doubt: Short = ""

    def __repr__(self) -> str:
        """Without the vectors: a representation may end up in a log."""
        return f"FaceReading(track={self.track}, model={self.model!r}, frames={self.frames})"


class Hint(StrEnum):
    """What whoever is being enrolled is asked to do next; `good` is a frame that was taken."""

    GOOD = "good"
    NOBODY = "nobody"
    ALONE = "alone"
    CLOSER = "closer"
    CENTRE = "centre"
    STRAIGHT = "straight"
    LIGHT = "light"
    STILL = "still"


class PoseReading(Struct, frozen=True, tag="pose", array_like=True):
    """A frame during an enrolment: a vector of `model` if it is good, or else what to do."""

    model: Short
    hint: Hint
    vector: Vector

    def __repr__(self) -> str:
        """Without the vector: a representation may end up in a log."""
        return f"PoseReading(model={self.model!r}, hint={self.hint!r})"


class CodeReading(Struct, frozen=True, tag="code", array_like=True):
    """One scanned code, exactly as the scanner sent it without its terminator."""

    text: Annotated[str, Meta(max_length=CODE_TEXT_MAX)]


ADDRESS_BYTES = 6
"""A hardware address (EUI-48)."""


class AssociationPhase(StrEnum):
    """What a login to the shop's Wi-Fi does now."""

    START = "start"
    ALIVE = "alive"
    STOP = "stop"


class AssociationReading(Struct, frozen=True, tag="association", array_like=True):
    """A phone's login to the shop's Wi-Fi began, goes on, or ended, as `nas` reported it.

    Whose it is the sensor does not know. `session` tells it from others, and nothing else. What has
    ended has neither `login` nor `address`, and what goes on may have no login.
    `address` is wiped by whoever used it last; neither it nor `login` is ever shown, logged, kept
    or sent on.
    """

    login: Short
    address: Annotated[bytearray, Meta(max_length=ADDRESS_BYTES)]
    nas: Short
    session: Short
    phase: AssociationPhase

    def __post_init__(self) -> None:
        """ValueError, which msgspec hands on as its own, for an address that is none."""
        none_needed = self.phase is AssociationPhase.STOP and not self.address
        if len(self.address) != ADDRESS_BYTES and not none_needed:
            raise ValueError(f"an address has {ADDRESS_BYTES} bytes")

    def __repr__(self) -> str:
        """Without who it is: a representation may end up in a log."""
        return f"AssociationReading(nas={self.nas!r}, phase={self.phase!r})"


Reading = (
    CountReading
    | TrackReading
    | CrossingReading
    | StayReading
    | GoneReading
    | QueueReading
    | FaceReading
    | PoseReading
    | CodeReading
    | AssociationReading
)


class Observation(Struct, frozen=True, array_like=True):
    """What one sensor saw at one moment. `quality` is 0..1, 1 where the sensor has no doubt."""

    sensor: Short
    seen: Moment
    reading: Reading
    quality: Annotated[float, Meta(ge=0, le=1)] = 1.0

    @property
    def kind(self) -> str:
        """`count`, `track`, `face`, `code`, `association`, ...: the tag of the reading."""
        return str(type(self.reading).__struct_config__.tag)

    def wipe(self) -> None:
        """Overwrite the vectors or hardware address in it, which nobody needs any more."""
        match self.reading:
            case FaceReading(vector=vector, fused=fused):
                vector[:] = bytes(len(vector))
                fused[:] = bytes(len(fused))
            case PoseReading(vector=held) | AssociationReading(address=held):
                held[:] = bytes(len(held))


class ConsentKind(StrEnum):
    """What a member can agree to, one by one."""

    PROGRAMME = "programme"
    MARKETING = "marketing"
    WIFI = "wifi"
    FACE = "face"


class Consent(Struct, frozen=True):
    """One agreement: which text, when, by which channel; `witness` is who saw it, if anybody."""

    kind: ConsentKind
    given_ms: Whole
    text_version: Short
    channel: Short
    witness: Short = ""


LOGINS_MAX = 4
"""Numbers under which one member logs in to the shop's Wi-Fi."""


class Member(Struct, frozen=True):
    """An opted-in loyalty profile as the platform sent it. `card` is what a scan of it reads.

    `logins` are what the member enters to get into the shop's Wi-Fi, such as a phone number. They
    go one way: the box keeps only a keyed hash of each, and only with the consent to `wifi`.
    """

    id: Short
    name: Text
    card: Short
    tier: Short = ""
    segment: Short = ""
    consents: tuple[Consent, ...] = ()
    logins: Annotated[tuple[Short, ...], Meta(max_length=LOGINS_MAX)] = ()

    def __repr__(self) -> str:
        """Without what is said of them: a representation may end up in a log."""
        return f"Member(id={self.id!r})"

    def agreed(self, kind: ConsentKind) -> bool:
        """Whether the member agreed to this kind."""
        return any(consent.kind is kind for consent in self.consents)


class Stream(StrEnum):
    """The three queues to the platform, in order of priority."""

    CRIT = "crit"
    VISIT = "visit"
    BULK = "bulk"


class Event(Struct, frozen=True):
    """One fact for the platform. `body` is JSON."""

    box: str
    epoch: str
    stream: Stream
    seq: int
    type: str
    moment: Moment
    body: msgspec.Raw

    @property
    def id(self) -> str:
        """`{epoch}-{stream}-{seq}`: unique per box without a random number per event."""
        return f"{self.epoch}-{self.stream}-{self.seq}"


def plain(value: Any) -> Any:
    """A record as JSON-ready builtins, for pages and the command line."""
    return msgspec.to_builtins(value)


class SensorStatus(Struct, frozen=True):
    """How one sensor is, as the intake knows it. `remedy` says what to do when it is not ok.

    `observations` and `dropped` (by reason) count since the daemon started; `last_seen_ms` is the
    wall time of the newest observation, None before the first.
    """

    name: str
    kind: str
    device: str
    state: str
    ok: bool
    remedy: str = ""
    observations: int = 0
    dropped: dict[str, int] = {}
    restarts: int = 0
    last_seen_ms: int | None = None
