"""Whose faces may be matched now, the gallery of them, and what each camera's tracks look like.

Called by the presence desk for every described face. It keeps names and scores of tracks, never a
vector; the gallery holds consented templates only, is filled in a worker's thread when it is first
needed, and is overwritten as soon as one of them changes or goes.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from edge import consent
from edge.counters import Counters
from edge.errors import StorageError
from edge.presence import strangers
from edge.presence.face_calibration import Calibration
from edge.presence.face_decision import NOBODY, FaceDecision, Outcome, Rules, decide
from edge.presence.gallery import TEMPLATES_MAX, Gallery, Look, vector_of
from edge.records import FRAMES_FUSED_MAX, FaceReading, Moment
from edge.storage import strangers as kept
from edge.storage import templates
from edge.storage.database import Database
from edge.storage.outbox import Executes

log = logging.getLogger(__name__)

TRACKS_MAX = 1_000
"""Tracks whose looks are remembered; the one that was silent longest makes room."""
TRACK_ENDS_S = 30.0
"""So long after its last described face nothing of a track is remembered here."""
LOADS_MAX = 3
"""Templates may change while a gallery is filled; then it is filled anew, at most so often."""
STRANGERS_WRITTEN_S = 900.0
"""Scores of strangers are written down so often at most; a power cut loses a quarter of an hour."""

Track = tuple[str, int]


class Faces(StrEnum):
    """Whose faces may be matched: nobody's, that of who asks for it at a screen, or a zone's."""

    OFF = "off"
    ON_REQUEST = "on_request"
    ZONE = "zone"


class FaceSettings(Struct, frozen=True):
    """Whose faces are matched, by which model, and by which table.

    Without a `calibration` of the `model` nobody is: its scores would mean nothing.
    """

    mode: Faces = Faces.OFF
    model: str = ""
    calibration: Calibration | None = None
    target_fpir: float = 0.001


@dataclass(slots=True)
class TrackLooks:
    """What one track looked like, frame by frame, and what came of it. Names and scores only."""

    seen: Moment
    frames: list[Look | None] = field(default_factory=list)
    fused: Look | None = None
    doubt: str = ""
    decision: FaceDecision = NOBODY

    @property
    def complete(self) -> bool:
        """Whether no further frame of it will come under this leave."""
        return len(self.frames) >= FRAMES_FUSED_MAX

    def add(self, number: int, look: Look | None, doubt: str) -> None:
        """Frame `number` of the track. Those that were not seen here named nobody."""
        del self.frames[number - 1 :]
        self.frames += [None] * (number - 1 - len(self.frames)) + [look]
        self.doubt = doubt or (self.doubt if number > 1 else "")

    def forget(self, member: str) -> None:
        """Nothing here names `member` any more."""
        self.frames = [None if _names(look, member) else look for look in self.frames]
        self.fused = None if _names(self.fused, member) else self.fused
        if self.decision.member == member:
            self.decision = NOBODY


class Recognition:
    """Matches the faces that may be matched. `workers` are for what would keep the loop."""

    def __init__(
        self,
        database: Database,
        settings: FaceSettings,
        counters: Counters,
        workers: Executor | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._counters = counters
        self._workers = workers
        self.mode = settings.mode
        """Whose faces may be matched now."""
        self._gallery: Gallery | None = None
        self._version = -1
        self._loading = asyncio.Lock()
        self._tracks: dict[Track, TrackLooks] = {}
        self._strangers = self._known_strangers()
        self._raised = strangers.raised(self._strangers).by
        self._written: Moment | None = None

    # --- who may be matched

    def allow(self, allowed: bool) -> None:
        """Whether faces may be matched at all."""
        self.mode = self._settings.mode if allowed else Faces.OFF
        self.drop()

    def drop(self) -> None:
        """Overwrite the gallery; it is filled again when it is needed."""
        if self._gallery is not None:
            self._gallery.wipe()
            self._gallery = None

    def members_changed(self) -> None:
        """Drop the gallery if a template in it is not what it was."""
        if self._gallery is not None and templates.version(self._reading) != self._version:
            self.drop()

    def named(self) -> frozenset[str]:
        """Everybody whom a track looked like, recognised or not."""
        looks = (look for each in self._tracks.values() for look in (each.fused, *each.frames))
        return frozenset(look.member for look in looks if look is not None)

    def forget(self, member: str) -> None:
        """No track looks like `member` any more."""
        for looks in self._tracks.values():
            looks.forget(member)

    async def ready(self) -> None:
        """Fill the gallery, if faces may be matched and it is not filled."""
        if self.mode is Faces.OFF or self._settings.calibration is None:
            return
        async with self._loading:
            for _ in range(LOADS_MAX):
                if self._gallery is not None:
                    return
                await self._fill()

    @property
    def model(self) -> str:
        """The model in use; empty if faces are matched by none."""
        return self._settings.model

    @property
    def target_fpir(self) -> float:
        """The share of strangers that may get a name."""
        return self._settings.target_fpir

    def calibration(self, model: str) -> Calibration | None:
        """The table of `model`, if faces are matched by it."""
        return self._settings.calibration if model == self._settings.model else None

    async def gallery(self, model: str) -> Gallery | None:
        """Who is enrolled under `model`; None if nobody is matched by it now. Not to be kept: it
        is overwritten when a template changes.
        """
        if model != self._settings.model:
            return None
        await self.ready()
        return self._gallery

    async def _fill(self) -> None:
        loop = asyncio.get_running_loop()
        filling = loop.run_in_executor(self._workers, self._filled)
        try:
            gallery, version = await asyncio.shield(filling)
        except asyncio.CancelledError:  # nobody waits for it any more, but it is being filled
            filling.add_done_callback(_wipe_filled)
            raise
        except StorageError as error:
            self._counters.add("faces_gallery_unread")
            log.error("No face is matched now: %s", error)
            return
        if self.mode is Faces.OFF or templates.version(self._reading) != version:
            gallery.wipe()
            return
        if gallery.refused:
            self._counters.add("templates_unusable", gallery.refused)
        self._gallery, self._version = gallery, version

    def _filled(self) -> tuple[Gallery, int]:
        """In a worker's thread: the gallery as the file is now, and its version."""
        model, calibration = self._settings.model, self._settings.calibration
        with self._database.apart() as reading:
            version, room = templates.version(reading), templates.count(reading, model)
            room = min(room, TEMPLATES_MAX)
            means = consent.matchable(reading, self._database.vault, model, room)
            cohort = calibration.cohort if calibration is not None else None
            return Gallery(means, room, cohort, model), version

    # --- faces

    def look(
        self, sensor: str, face: FaceReading, seen: Moment, *, members: int
    ) -> FaceDecision | None:
        """What the track says with this frame; None if it was refused, and counted."""
        calibration = self._settings.calibration
        if face.model != self._settings.model:
            self._counters.add("faces_of_other_model")
            return None
        vector, fused = vector_of(face.vector, face.model), vector_of(face.fused, face.model)
        if vector is None or fused is None:
            self._counters.add("faces_malformed")
            return None
        if calibration is None or self._gallery is None:
            self._counters.add("faces_not_decided")
            return None
        looks, look = self._looks((sensor, face.track), seen), self._gallery.nearest(vector)
        looks.add(face.frames, look, face.doubt)
        # The mean of one frame is that frame.
        looks.fused = look if face.vector == face.fused else self._gallery.nearest(fused)
        rules = Rules(
            calibration,
            max(members, len(self._gallery), 1),
            self._settings.target_fpir,
            self._raised,
            len(self._gallery),
        )
        looks.decision = decide(looks.fused, looks.frames, looks.doubt, rules)
        return looks.decision

    def looks_since(self, sensors: frozenset[str], since: Moment) -> list[TrackLooks]:
        """Of the tracks that one of `sensors` described since then."""
        return [
            looks
            for (sensor, _), looks in self._tracks.items()
            if sensor in sensors
            and looks.seen.boot == since.boot
            and looks.seen.mono_ms >= since.mono_ms
        ]

    def _looks(self, track: Track, seen: Moment) -> TrackLooks:
        looks = self._tracks.pop(track, None)
        if looks is None and len(self._tracks) >= TRACKS_MAX:
            del self._tracks[next(iter(self._tracks))]
        looks = self._tracks[track] = looks or TrackLooks(seen)
        looks.seen = seen
        return looks

    # --- strangers

    def pass_time(self, now: Moment, known: Callable[[Track], bool], *, members: int) -> None:
        """Forget the tracks that have ended; who was nobody known then adds one score to those of
        strangers. `known` says whether a track turned out to be a member otherwise.
        """
        for track, looks in list(self._ended(now)):
            del self._tracks[track]
            calibration = self._settings.calibration
            nobody = looks.decision.outcome is Outcome.UNKNOWN and not known(track)
            if calibration is None or looks.fused is None or not nobody:
                continue
            people = max(members, 1)
            above = strangers.excess(looks.fused, len(looks.frames), calibration, people)
            self._strangers = strangers.with_track(self._strangers, above, now.wall_ms)
            self._raised = strangers.raised(self._strangers).by
            self._written = self._written or now

    def _ended(self, now: Moment) -> Iterator[tuple[Track, TrackLooks]]:
        for track, looks in self._tracks.items():
            age_ms = now.mono_ms - looks.seen.mono_ms
            if looks.seen.boot != now.boot or age_ms >= TRACK_ENDS_S * 1000:
                yield track, looks

    def unwritten(self, now: Moment, *, everything: bool = False) -> kept.Kept | None:
        """The scores of strangers as they are to be written down, if it is time to."""
        since = self._written
        if since is None:
            return None
        due = since.boot != now.boot or now.mono_ms - since.mono_ms >= STRANGERS_WRITTEN_S * 1000
        if not due and not everything:
            return None
        self._written = None
        return kept.Kept(self._table, self._strangers.counts, self._strangers.since_ms)

    def _known_strangers(self) -> strangers.Seen:
        known = kept.get(self._reading, self._table)
        return strangers.Seen(known.counts, known.since_ms) if known else strangers.Seen()

    @property
    def _table(self) -> str:
        """By which table they were measured; scores by another one say nothing here."""
        calibration = self._settings.calibration
        if calibration is None:
            return ""
        return hashlib.sha256(calibration.to_json()).hexdigest()[:16]

    @property
    def _reading(self) -> Executes:
        return self._database.reading


def _names(look: Look | None, member: str) -> bool:
    return look is not None and look.member == member


def _wipe_filled(filling: "asyncio.Future[tuple[Gallery, int]]") -> None:
    if not filling.cancelled() and filling.exception() is None:
        filling.result()[0].wipe()
