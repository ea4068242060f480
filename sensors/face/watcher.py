"""From pictures to readings: who comes, goes, crosses a line or waits, and faces with leave.

Made by `sensors/face/looking.py`, which gives it each picture that is due. The order is that of
cost: does anything move, where are faces, whose are they, is one of them good enough, and only then
what does it look like. It overwrites what it cut out; the picture is its caller's.
"""

from collections.abc import Sequence

from edge.records import CrossingReading, GoneReading, Moment, StayReading, TrackReading
from hardware.camera import Picture
from hardware.faces.face import FACES_MAX, Box, Face, FaceBackend
from sensors.core_link import CoreLink
from sensors.face.blurred import blurred
from sensors.face.embedding import Embedding
from sensors.face.enrolling import Enrolling
from sensors.face.gate import MotionGate
from sensors.face.lines import Lines, Spot
from sensors.face.options import FaceOptions
from sensors.face.searching import Searching, found
from sensors.face.tracker import Track, Tracker, middle
from sensors.face.unmoved import Places, Unmoved
from sensors.face.zones import Zones
from sensors.wire import Action

NEW_MS = 600
CALM = 2.0
"""Looks are half as often unless somebody in view is so new, or is being described: a track
survives it, and whoever comes is found a moment later."""


class Watcher:
    """Turns pictures into readings. Its clock is the moments that come with them."""

    def __init__(self, core: CoreLink, backend: FaceBackend, options: FaceOptions) -> None:
        self._core = core
        self._backend = backend
        self._options = options
        self._gate = MotionGate()
        self._searching = Searching()
        self._tracker = Tracker()
        self._places = Places()
        self._unmoved: dict[Track, Unmoved] = {}
        self._lines = Lines(options.lines)
        self._zones = Zones(options.zones)
        self._embedding = Embedding(core, backend, options)
        self._enrolling = Enrolling(backend)
        self._pictured = 0
        self._calm = True

    @property
    def pause_ms(self) -> float:
        """So long after a look the next one is due."""
        return 1000 / self._options.looks_per_s * (CALM if self._calm else 1.0)

    def look(self, picture: Picture, seen: Moment) -> None:
        """Search one picture unless nothing in it moves."""
        self._core.poll()  # leave may just have been given, or revoked
        self._show(picture)
        self.rest(seen)
        enrols = self._enrols()
        is_open = self._gate.open(picture, seen.mono_ms)
        if not (is_open or enrols or self._tracker.alive):
            self._calm = True
            return
        faces = found(self._backend, picture, self._windows(picture, seen, whole=enrols))
        followed = self._follow(picture, faces, seen)
        in_view = [(track, spot_of(track, picture)) for track in followed]
        self._report(in_view, seen)
        if enrols:
            self._embedding.stop()
            self._enrol(picture, faces, seen)
        else:
            for changed in self._embedding.see(picture, in_view, self._unmoved, seen):
                self._split(changed.track, changed.since_ms, seen)
        self._calm = not (enrols or self._embedding.busy or self._anybody_new(seen.mono_ms))

    def rest(self, seen: Moment) -> None:
        """Let time pass: tracks end, people leave zones, vectors are overwritten."""
        self._embedding.expire(seen.mono_ms)
        for track in self._tracker.bury(seen.mono_ms):
            self._end(track, seen)
        self._embedding.settle()
        if not self._enrols():
            self._enrolling.settle()
        alive = {track.number: track for track in self._tracker.alive if track.number}
        alive_ms = {number: track.seen_ms for number, track in alive.items()}
        for reading in self._zones.settle(alive_ms, seen.mono_ms):
            if isinstance(reading, StayReading):
                self._name(alive[reading.track], reading, seen)
            else:
                self._core.observe(reading, seen)

    def finish(self, seen: Moment) -> None:
        """The recording is over: so are all tracks."""
        for track in self._tracker.clear():
            self._end(track, seen)
        self._embedding.settle()
        self._enrolling.settle()

    def wipe(self) -> None:
        """Overwrite everything that is kept of anybody: the sensor ends."""
        self._embedding.wipe()

    def _windows(self, picture: Picture, seen: Moment, *, whole: bool) -> list[Box]:
        if whole:
            return [Box(0, 0, picture.shape[1], picture.shape[0])]
        expected = [track.expected(seen.mono_ms) for track in self._tracker.alive]
        moving = self._gate.moving(picture)
        return self._searching.windows(picture, moving, expected, seen.mono_ms)

    def _anybody_new(self, now_ms: int) -> bool:
        return any(now_ms - track.begun_ms < NEW_MS for track in self._tracker.alive)

    def _follow(self, picture: Picture, faces: Sequence[Face], seen: Moment) -> list[Track]:
        """The tracks in view; what never moves is none."""
        moving: list[Face] = []
        places: list[Unmoved] = []
        for face in faces:
            place = self._places.at(picture, face.box, seen.mono_ms)
            if not place.fixed:
                moving.append(face)
                places.append(place)
            elif not place.told:
                place.told = True
                self._core.dropped("face_unmoving")
        followed = self._tracker.follow(moving, seen.mono_ms)
        if len(faces) >= FACES_MAX:  # how many more there are, nobody knows
            self._core.dropped("face_beyond_limit")
        if self._tracker.left_out:
            self._core.dropped("face_beyond_limit", self._tracker.left_out)
        at = {id(face): place for face, place in zip(moving, places, strict=True)}
        for track in followed:
            self._unmoved[track] = at[id(track.face)]
        return followed

    def _report(self, in_view: Sequence[tuple[Track, Spot]], seen: Moment) -> None:
        for track, spot in in_view:
            if track.just_begun and self._unmoved[track].known:  # lost and found again
                self._core.dropped("face_unmoving")
            elif track.just_begun:
                self._name(track, TrackReading(track.number), seen)
            for crossing in self._lines.follow(track.number, spot):
                self._name(track, crossing, seen)
            self._zones.follow(track.number, spot, seen.mono_ms)

    def _name(
        self, track: Track, reading: TrackReading | CrossingReading | StayReading, seen: Moment
    ) -> None:
        track.named = True
        self._core.observe(reading, seen)

    def _end(self, track: Track, seen: Moment) -> None:
        """All that is known of it goes; whoever heard of it hears that it has gone, and no more."""
        self._lines.forget(track.number)
        for stay in self._zones.forget(track.number):
            self._name(track, stay, seen)
        self._embedding.end(track)
        if track.named:
            self._core.observe(GoneReading(track.number, track.seen_ms - track.begun_ms), seen)
        self._unmoved.pop(track, None)

    def _split(self, track: Track, since_ms: int, seen: Moment) -> None:
        """By its vectors it is somebody else since then, who came to where it was seen last."""
        successor = self._tracker.split(track, since_ms)
        self._unmoved[successor] = self._unmoved[track]
        self._end(track, seen)
        self._name(successor, TrackReading(successor.number), seen)

    # --- with leave

    def _enrols(self) -> bool:
        if not self._core.may(Action.ENROL):
            return False
        self._enrolling.under(self._core.leave_number(Action.ENROL))
        return not self._enrolling.complete

    def _enrol(self, picture: Picture, faces: Sequence[Face], seen: Moment) -> None:
        reading = self._enrolling.look(picture, faces, seen.mono_ms)
        if reading is not None:
            self._core.observe(reading, seen)
            self._core.flush()
            reading.vector[:] = bytes(len(reading.vector))

    def _show(self, picture: Picture) -> None:
        """A technician's picture, once for each leave."""
        number = self._core.leave_number(Action.PICTURE)
        if number == self._pictured or not self._core.may(Action.PICTURE):
            return
        self._pictured = number
        boxes = [track.box for track in self._tracker.alive]
        jpeg = blurred(picture, self._backend, boxes, self._options)
        if jpeg:
            self._core.pictured(jpeg)
        else:
            self._core.dropped("picture_beyond_limit")


def spot_of(track: Track, picture: Picture) -> Spot:
    """The middle of a face as shares of the picture."""
    height, width = picture.shape[:2]
    place = middle(track.box)
    return place.x / width, place.y / height
