"""One enrolment as a state machine: consent, five good frames, a check, an end. Pure; time is
passed in, and no vector is in a state (`enrolled_frames.py` holds those).

Stepped by `edge/presence/enrolment.py`. A step that does not fit the stage changes nothing, so that
nothing late can revive what has ended, and nothing is captured before the member agreed.
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from edge.records import PHOTOS_WANTED, Hint

TIME_S = 60.0
"""Capturing takes no longer: whoever cannot be captured by then is better helped by a seller."""


class Stage(StrEnum):
    """Where an enrolment stands."""

    CONSENT = "consent"
    """The text is shown in full; nothing is looked at."""
    CAPTURING = "capturing"
    CHECKING = "checking"
    DONE = "done"
    DUPLICATE = "duplicate"
    """Another member looks so: nothing was stored."""
    FAILED = "failed"


class Failure(StrEnum):
    """Why an enrolment failed."""

    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    TWO_PEOPLE = "two_people"
    """The frames are not of one person."""
    NOT_ALIKE = "not_alike"
    """The new views are not like the template that they were to be added to."""
    NO_CAMERA = "no_camera"
    WITHDRAWN = "withdrawn"
    """The consent or the member went meanwhile."""
    NOT_KEPT = "not_kept"
    """The box could not store it."""


class Purpose(StrEnum):
    """What the frames are for."""

    ENROL = "enrol"
    EXTEND = "extend"
    """New views for a template that is there."""


class Channel(StrEnum):
    """Where it was asked for."""

    KIOSK = "kiosk"
    STAFF = "staff"


ENDS = frozenset({Stage.DONE, Stage.DUPLICATE, Stage.FAILED})


class Asked(Struct, frozen=True):
    """Who is to be enrolled, how, and by which seller (empty: by themselves)."""

    member: str
    channel: Channel
    by: str = ""
    purpose: Purpose = Purpose.ENROL


class Capture(Struct, frozen=True):
    """One enrolment at one screen. `until_ms` is monotonic; `sensor` and `model` are those of the
    first good frame, and frames of others do not count.
    """

    asked: Asked
    stage: Stage = Stage.CONSENT
    photos: int = 0
    hint: Hint | None = None
    until_ms: int = 0
    sensor: str = ""
    model: str = ""
    failure: Failure | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.stage in ENDS

    @property
    def looking(self) -> bool:
        """Whether it is under way: the camera looks, or what it saw is being checked."""
        return self.stage in (Stage.CAPTURING, Stage.CHECKING)


def begun(capture: Capture, now_ms: int, time_s: float = TIME_S) -> Capture:
    """The member has agreed: the camera may look."""
    if capture.stage is not Stage.CONSENT:
        return capture
    return replace(capture, stage=Stage.CAPTURING, until_ms=now_ms + round(time_s * 1000))


def hinted(capture: Capture, sensor: str, hint: Hint) -> Capture:
    """A frame was not good; what to do about it."""
    foreign = capture.sensor not in ("", sensor)
    if capture.stage is not Stage.CAPTURING or foreign or hint is Hint.GOOD:
        return capture
    return replace(capture, hint=hint)


def takes(capture: Capture, sensor: str, model: str) -> bool:
    """Whether a good frame of this camera, described by this model, is one of the five."""
    ours = capture.sensor in ("", sensor) and capture.model in ("", model)
    return capture.stage is Stage.CAPTURING and ours


def photographed(capture: Capture, sensor: str, model: str) -> Capture:
    """A good frame was taken; with the last one the check begins."""
    if not takes(capture, sensor, model):
        return capture
    photos = capture.photos + 1
    stage = Stage.CHECKING if photos == PHOTOS_WANTED else Stage.CAPTURING
    return replace(capture, stage=stage, photos=photos, hint=Hint.GOOD, sensor=sensor, model=model)


def checked(capture: Capture, end: Stage) -> Capture:
    """The check came to this end: done, or a duplicate."""
    assert end in (Stage.DONE, Stage.DUPLICATE)
    return replace(capture, stage=end) if capture.stage is Stage.CHECKING else capture


def failed(capture: Capture, failure: Failure) -> Capture:
    """It ends without a template."""
    if capture.ended:
        return capture
    return replace(capture, stage=Stage.FAILED, failure=failure)


def is_late(capture: Capture, now_ms: int) -> bool:
    """Whether its time is over."""
    return capture.stage is Stage.CAPTURING and now_ms >= capture.until_ms
