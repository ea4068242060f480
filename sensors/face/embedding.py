"""With the core's leave: chips and vectors of those whom it is for, and of nobody else.

Used by `sensors/face/watcher.py` after each search. Without leave nothing is cut out and nothing
computed, and what there was is overwritten at once. Chips and vectors never leave this process but
as a `FaceReading` to the core.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from edge.errors import BadPicture
from edge.face_models import another_below
from edge.records import FaceReading, Moment
from hardware.camera import Picture
from hardware.faces.face import FaceBackend, Vector
from sensors.core_link import CoreLink
from sensors.face.choosing import Choosing
from sensors.face.describing import Description, packed
from sensors.face.doubts import Doubts
from sensors.face.lines import Spot
from sensors.face.options import FaceOptions
from sensors.face.quality import judged
from sensors.face.sameness import Verdict
from sensors.face.shots import Shot
from sensors.face.tracker import Track
from sensors.face.unmoved import Unmoved
from sensors.wire import Action

EMBEDDINGS_PER_LOOK_MAX = 2
"""Each costs 15 to 160 ms, and the next look waits for it."""
HURRY_MS = 2_500
"""Somebody who came so lately is looked at often though no frame was good enough yet."""


@dataclass(slots=True)
class _Person:
    """What is kept of one track. `place` is where it was seen last, if nothing moved there."""

    place: Unmoved
    description: Description
    doubts: Doubts = field(default_factory=Doubts)


class Changed(NamedTuple):
    """A track whose vectors became somebody else's, and since when."""

    track: Track
    since_ms: int


class Embedding:
    """What the faces in view look like, as far as the core may know."""

    def __init__(self, core: CoreLink, backend: FaceBackend, options: FaceOptions) -> None:
        self._core = core
        self._backend = backend
        self._choosing = Choosing(options.zones)
        self._another_below = another_below(backend.model)
        self._people: dict[Track, _Person] = {}
        self.busy = False
        """Whether somebody whom leave is for is still to be described."""
        self._told = False
        """Whether the model was asked since it was last made to forget."""

    def see(
        self,
        picture: Picture,
        in_view: Sequence[tuple[Track, Spot]],
        places: dict[Track, Unmoved],
        seen: Moment,
    ) -> list[Changed]:
        """These tracks were seen in `picture`: describe them as far as there is leave.

        Those that turn out to be of somebody else by now are to be ended by who asked.
        """
        for track, _ in in_view:
            person = self._people.get(track)
            if person is None:
                description = Description(self._another_below)
                person = self._people[track] = _Person(places[track], description)
            person.place = places[track]
            person.doubts.look(track.face, seen.mono_ms)
        self.busy = False
        if not self._core.may(Action.EMBED):
            self.stop()
            return []
        leave = self._core.leave_number(Action.EMBED)
        chosen = self._chosen(leave, in_view)
        for track in chosen:
            self._people[track].place.under(leave)
            self._people[track].description.under(leave)
            if self._core.standing(Action.EMBED):  # of who asked, five frames are all there are
                self._people[track].description.found_again(track.lapses)
            self._offer(picture, track, seen.mono_ms)
        return self._embed(leave, seen)

    def stop(self) -> None:
        """There is no leave, or the camera is needed for an enrolment: overwrite what there is."""
        self.busy = False
        for person in self._people.values():
            person.description.wipe()
        self.settle()

    def settle(self) -> None:
        """With the last description goes what the model itself still holds of its last face."""
        if self._told and all(person.description.empty for person in self._people.values()):
            self._told = False
            self._backend.forget()

    def expire(self, now_ms: int) -> None:
        """Overwrite vectors that were kept for long enough."""
        for person in self._people.values():
            person.description.expire(now_ms)

    def end(self, track: Track) -> None:
        """The track is over: overwrite all of it."""
        self._choosing.forget(track)
        person = self._people.pop(track, None)
        if person is not None:
            person.description.wipe()

    def wipe(self) -> None:
        """Overwrite everything that is kept of anybody."""
        for track in list(self._people):
            self.end(track)

    def _chosen(self, leave: int, in_view: Sequence[tuple[Track, Spot]]) -> list[Track]:
        if self._core.standing(Action.EMBED):
            return self._choosing.in_zone(in_view)
        return self._choosing.who_asked(leave, in_view)

    def _offer(self, picture: Picture, track: Track, now_ms: int) -> None:
        """Cut a chip if the face is good enough and one more is wanted."""
        description = self._people[track].description
        if not description.wanted or self._people[track].place.spent:
            return
        worth = judged(picture, track.face)
        if not worth.fails or now_ms - track.begun_ms < HURRY_MS:
            self.busy = True
        if worth.fails:
            self._core.dropped(worth.fails)
            return
        if not description.deserves(worth.score, now_ms):
            return

        def cut() -> Picture:
            self._people[track].doubts.examine(picture, track.box)
            return self._backend.chip(picture, track.face)

        try:
            description.shots.offer(worth.score, now_ms, cut)
        except BadPicture:
            self._core.dropped("face_cut")

    def _embed(self, leave: int, seen: Moment) -> list[Changed]:
        """The best chips that are complete; whoever has the fewest frames comes first.

        Chips of who has just gone out of view count too; those of another leave are overwritten.
        """
        left, changed = EMBEDDINGS_PER_LOOK_MAX, []
        for track, person in sorted(
            self._people.items(), key=lambda item: item[1].description.frames
        ):
            description = person.description
            if description.leave != leave:
                description.wipe()
            if not left or not description.wanted or person.place.spent:
                continue
            shot = description.shots.best(seen.mono_ms)
            if shot is None:
                continue
            left -= 1
            person.place.frames += 1
            verdict = self._describe(track, shot, seen)
            if verdict is Verdict.ODD:
                self._core.dropped("face_odd")
            elif verdict is Verdict.ANOTHER:
                changed.append(Changed(track, description.another_since_ms))
            self._choosing.served(track)
        return changed

    def _describe(self, track: Track, shot: Shot, seen: Moment) -> Verdict:
        """One more vector of a track; it is told if it is the track's and one of the first five."""
        description = self._people[track].description
        self._told = True
        vector = self._backend.embed(shot.chip)
        shot.wipe()
        verdict = description.judge(vector, shot.seen_ms)
        if verdict is Verdict.SAME and not description.complete:
            self._tell(track, vector, shot.worth, seen)
        vector.fill(0)
        return verdict

    def _tell(self, track: Track, vector: Vector, worth: float, seen: Moment) -> None:
        """A vector of a track, and all of it overwritten once it is sent."""
        person = self._people[track]
        fused = person.description.add(vector, worth, seen.mono_ms)
        reading = FaceReading(
            track.number,
            self._backend.model,
            person.description.frames,
            packed(vector),
            fused,
            person.doubts.reason,
        )
        track.named = True
        self._core.observe(reading, seen, worth)
        self._core.flush()
        for sent in (reading.vector, reading.fused):
            np.frombuffer(sent, np.uint8)[:] = 0
