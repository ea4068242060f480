"""The face camera: people who come into view are counted, and with leave described by vectors.

Run by `sensors/worker.py`. `device` is what `hardware/camera.py` opens. Without the core's leave
to "embed" it finds and counts faces and computes no template. Pictures and vectors live only in
this process's memory and are overwritten after use; it knows no names and compares nothing.
"""

import sys
import time
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from edge.errors import BadPicture
from edge.records import FaceReading, Moment, TrackReading
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.wire import Action

if TYPE_CHECKING:
    from hardware.camera import Camera, Picture
    from hardware.face_engine import FaceEngine
    from hardware.face_tracking import Track

EMBEDDINGS_PER_TRACK_MAX = 5
"""Under one leave. Fused, three decide well and five no better; each costs 160 ms."""
EMBED_EVERY_MS = 180
"""Pictures closer in time show the same thing again."""
LEAVE_GRACE_S = 1.0
"""On a timeline everything is due at once, but the core's first leave needs a moment to arrive."""
WAIT_S = 0.5
EARLY = 0.9
"""A recorded picture that comes a little before it is due is taken: its times are rounded."""


class FaceOptions(Struct, frozen=True):
    """Options of `[sensors.NAME]` with kind "face".

    `looks_per_s`: how often a picture is searched for faces. `quality_min`: what is smaller or
    more blurred than this (0..1) is counted but not described.
    """

    looks_per_s: Annotated[float, Meta(gt=0, le=25)] = 5.0
    quality_min: Annotated[float, Meta(ge=0, le=1)] = 0.3


SENSOR = Sensor(
    kind="face",
    options=FaceOptions,
    needs=Needs(devices=("char-video4linux",), families=("AF_INET", "AF_INET6")),
)


def observe(core: CoreLink, device: str, options: FaceOptions) -> None:
    """Report people and, with leave, their faces until the core hangs up."""
    from hardware.camera import open_camera
    from hardware.face_engine import FaceEngine

    with open_camera(device) as camera:
        core.poll()
        engine = FaceEngine.load()
        core.healthy("watching" if camera.live else "replaying")
        if core.on_timeline:
            await_leave(core)
        watch(core, camera, Watcher(core, engine, options), options)
    core.finish()


def await_leave(core: CoreLink) -> None:
    """Do not look before the core had time to give leave, or the same recording would be
    described today and only counted tomorrow, as the machine happens to be busy.
    """
    deadline_s = time.monotonic() + LEAVE_GRACE_S
    while not core.may(Action.EMBED) and time.monotonic() < deadline_s:
        core.poll(0.02)


def watch(core: CoreLink, camera: "Camera", watcher: "Watcher", options: FaceOptions) -> None:
    """Look at every picture until a recording ends."""
    taken_ms = core.configuration.resume_after_ms or -1
    damaged = False
    while not camera.ended:
        core.poll(1 / options.looks_per_s if camera.live else 0.0)
        try:
            frame = camera.read(WAIT_S)
        except BadPicture as error:
            core.dropped("picture_undecodable")
            if not damaged:  # once in a row: noise must not fill the journal
                print(f"face: {error}", file=sys.stderr, flush=True)
            damaged = True
            continue
        if frame is None:
            continue
        damaged = False
        seen = core.moment(0) if camera.live else core.reach(frame.offset_ms)
        if seen.wall_ms > taken_ms:
            watcher.look(frame.picture, seen)
        frame.picture.fill(0)
        core.passed(seen)


class Watcher:
    """Turns pictures into tracks and, with leave, into described faces."""

    def __init__(self, core: CoreLink, engine: "FaceEngine", options: FaceOptions) -> None:
        from hardware.face_tracking import FaceTracker, MotionGate

        self._core = core
        self._engine = engine
        self._quality_min = options.quality_min
        self._every_ms = 1000 / options.looks_per_s * EARLY
        self._gate = MotionGate()
        self._tracker = FaceTracker()
        self._looked_ms: int | None = None

    def look(self, picture: "Picture", seen: Moment) -> None:
        """Search one picture unless it comes too soon or nothing in it moves."""
        if self._looked_ms is not None and seen.mono_ms < self._looked_ms + self._every_ms:
            return
        self._looked_ms = seen.mono_ms
        moving = self._gate.open(picture, seen.mono_ms)
        if not moving and not self._tracker.any_alive(seen.mono_ms):
            return
        for track in self._tracker.follow(self._engine.detect(picture), seen.mono_ms):
            if track.just_begun:
                self._core.observe(TrackReading(track.number), seen)
            self._describe(picture, track, seen)

    def _describe(self, picture: "Picture", track: "Track", seen: Moment) -> None:
        from hardware.face_engine import MODEL, quality

        self._core.poll()  # leave may just have been given, or revoked
        track.under(self._core.leave_number(Action.EMBED))
        if not self._core.may(Action.EMBED) or track.described >= EMBEDDINGS_PER_TRACK_MAX:
            return
        if track.described and seen.mono_ms < track.described_ms + EMBED_EVERY_MS:
            return
        worth = quality(picture, track.box)
        if worth < self._quality_min:
            self._core.dropped("face_poor")
            return
        track.described += 1
        track.described_ms = seen.mono_ms
        vector = self._engine.embed(picture, track.box)
        reading = FaceReading(track.number, MODEL, 1, vector, bytearray(vector))
        self._core.observe(reading, seen, worth)
        self._core.flush()
        vector[:] = bytes(len(vector))
        reading.fused[:] = bytes(len(vector))
