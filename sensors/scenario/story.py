"""A seeded shop morning: builds its device scripts and the truth about it, and reads that again.

`build` is called by the demo and by tests, best in a process of its own (`python -m
sensors.scenario DIRECTORY`), because it loads the native libraries that draw and measure faces.
`load` needs none of them. Nothing here takes part in running the shop: the daemon sees only the
devices and the platform's rows, and whoever compares results with `Story` stands outside.
"""

import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.errors import DeviceError, InputError

VERSION = 3
"""Of what is built. A directory of another version, or of another seed, is built anew."""
START_MS = 1_772_431_200_000
"""2026-03-02T06:00:00Z: nine o'clock in the shop."""
DURATION_MS = 2 * 3600 * 1000
STORY_FILE = "story.json"
STORY_BYTES_MAX = 1024 * 1024

Progress = Callable[[str], None]


class Expected(StrEnum):
    """What the kiosk should make of a scan."""

    CARD = "card"
    PRODUCT = "product"
    UNKNOWN = "unknown"
    GARBAGE = "garbage"


class Scan(Struct, frozen=True, tag_field="do", tag="scan"):
    """`text` in UTF-8 is what the scanner sends, without its terminator."""

    at_ms: int
    text: str
    expected: Expected


class Add(Struct, frozen=True, tag_field="do", tag="add"):
    """The shopper puts the product last scanned into the cart."""

    at_ms: int
    sku: str
    quantity: int


class PlaceOrder(Struct, frozen=True, tag_field="do", tag="order"):
    """The shopper orders what is in the cart; `member` scanned a card before, or None."""

    at_ms: int
    member: str | None
    lines: int


class Cut(Struct, frozen=True, tag_field="do", tag="cut"):
    """The line to the platform goes down."""

    at_ms: int


class Restore(Struct, frozen=True, tag_field="do", tag="restore"):
    """The line to the platform is back."""

    at_ms: int


Act = Scan | Add | PlaceOrder | Cut | Restore


class WalkIn(Struct, frozen=True):
    """Somebody comes through the door. `by_face`: enrolled, so the camera should know them."""

    at_ms: int
    label: str
    clip: str
    member: str | None
    by_face: bool


class Likeness(Struct, frozen=True):
    """Measured distances of a walk-in's face to templates; `own_max` None for who has none."""

    label: str
    own_max: float | None
    others_min: float


class RadarTruth(Struct, frozen=True):
    """What the radio capture holds; `in_shop` of the `phones` belong to visitors."""

    frames: int
    malformed: int
    phones: int
    in_shop: int


class Story(Struct, frozen=True):
    """The truth about one morning. Every `at_ms` here is wall time, in the scripts an offset."""

    version: int
    seed: int
    start_ms: int
    end_ms: int
    store: str
    visits: tuple[WalkIn, ...]
    acts: tuple[Act, ...]
    likeness: tuple[Likeness, ...]
    radar: RadarTruth


def build(directory: Path, *, seed: int = 7, progress: Progress | None = None) -> Story:
    """Write the whole scenario into `directory`, or keep what is there if it is the same.

    The same seed gives the same scripts and truth. DeviceError if faces of different people come
    out too alike, or those of one person too different, for a demo that must not be luck.
    """
    found = _found(directory, seed)
    if found is not None:
        return found
    from sensors.scenario import building

    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        (unfinished / "platform").mkdir(parents=True)
        story = building.write(unfinished, seed, progress or (lambda line: None))
        (unfinished / STORY_FILE).write_bytes(as_json(story))
        shutil.rmtree(directory, ignore_errors=True)
        unfinished.rename(directory)
    except OSError as error:
        raise DeviceError(
            f"The scenario cannot be written to {directory}: {error.strerror}.",
            "Choose a directory that may be written and has 20 MB of room.",
        ) from error
    return story


def load(directory: Path) -> Story:
    """The story in `directory`. InputError if there is none or it is damaged."""
    path = directory / STORY_FILE
    try:
        if path.stat().st_size > STORY_BYTES_MAX:
            raise InputError(f"{path} is larger than {STORY_BYTES_MAX} bytes.", "Build it again.")
        return msgspec.json.decode(path.read_bytes(), type=Story)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path} holds no story: {error}.", "Build the scenario again.") from error


def as_json(value: object) -> bytes:
    """Readable JSON, for people who look into a scenario."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


def _found(directory: Path, seed: int) -> Story | None:
    """`directory` appears in one rename, so a story in it means that all of it is there."""
    if not (directory / STORY_FILE).exists():
        return None
    try:
        story = load(directory)
    except InputError:
        return None
    return story if (story.version, story.seed) == (VERSION, seed) else None
