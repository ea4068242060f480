"""What becomes of five good frames: are they one person's, and nobody else's who is enrolled? Then
a template is sealed for its owner and stored, and the platform is told, all in one transaction.

Called by `edge/presence/enrolment.py`, which holds the frames and wipes them. Every vector that is
made here is wiped here. No photo has ever been near.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct

from edge import consent
from edge.clock import Clock
from edge.counters import Counters
from edge.errors import ConsentMissing
from edge.presence import likeness
from edge.presence.capture import Capture, Failure, Purpose, Stage
from edge.presence.cohort import Vector
from edge.presence.enrolled_frames import Matrix, Shots, agreeing, mean_of
from edge.presence.face_calibration import Calibration
from edge.presence.gallery import Gallery
from edge.presence.template_seal import SealedFor, TemplateKey, sealed
from edge.records import Stream
from edge.storage import templates
from edge.storage.database import Database
from edge.storage.templates import Template
from edge.storage.transaction import Transaction
from edge.storage.withdrawn import SEALED_TYPE

ENROLLED = "face.enrolled.v1"
EXTENSIONS_MAX = 2
"""Each view that is added makes strangers score a little higher, so it is not done for ever."""
VIEWS_MAX = 2
"""Of one extension: those that are least like what is known already."""


class Enrolled(Protocol):
    """Who is enrolled, as the presence desk matches by it (`Recognition` of `faces.py`)."""

    @property
    def model(self) -> str:
        """The model in use; empty if faces are matched by none."""
        ...

    @property
    def target_fpir(self) -> float:
        """The share of strangers that may get a name."""
        ...

    async def gallery(self, model: str) -> Gallery | None:
        """Who is enrolled under `model`; None if that cannot be known now. Not to be kept."""
        ...

    def calibration(self, model: str) -> Calibration | None:
        """What a score is worth under `model`; None if nobody has measured it."""
        ...


class Sealing(Struct, frozen=True):
    """For whom templates are sealed on their way up, and from which box (tenant/store/box)."""

    key: TemplateKey
    box: str


class Checked(Struct, frozen=True):
    """What the check found: done, a duplicate, or a failure."""

    stage: Stage
    failure: Failure | None = None


DONE, DUPLICATE = Checked(Stage.DONE), Checked(Stage.DUPLICATE)


class Enrolling:
    """Makes templates of frames."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        faces: Enrolled,
        *,
        counters: Counters,
        sealing: Sealing | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._faces = faces
        self._counters = counters
        self._sealing = sealing

    def is_enrolled(self, member: str) -> bool:
        """Whether there is a template of the member under the model in use; one of another model
        recognises nobody, and they may be enrolled anew.
        """
        return self._faces.model in templates.models_of(self._database.reading, member)

    def may_extend(self, member: str) -> bool:
        """Whether views may be added to the member's template of the model in use."""
        extended = templates.models_of(self._database.reading, member)
        return extended.get(self._faces.model, EXTENSIONS_MAX) < EXTENSIONS_MAX

    async def check(self, capture: Capture, shots: Shots) -> Checked:
        """Judge and store. StorageError if it cannot be written."""
        calibration = self._faces.calibration(capture.model)
        if calibration is None:
            self._counters.add("enrolments.uncalibrated")
            return Checked(Stage.FAILED, Failure.NOT_KEPT)
        rows = shots.rows()
        shots.wipe()
        try:
            return await self._checked(capture, rows, calibration)
        finally:
            rows.fill(0)

    async def _checked(self, capture: Capture, rows: Matrix, calibration: Calibration) -> Checked:
        def alike(vector: Vector, others: Matrix) -> bool:
            return likeness.same(vector, others, calibration, likeness.FPIR_FRAMES)

        kept = agreeing(rows, alike)
        if kept is None:
            return Checked(Stage.FAILED, Failure.TWO_PEOPLE)
        good = rows[kept]
        mean = mean_of(good)
        try:
            gallery = await self._faces.gallery(capture.model)
            if gallery is None:
                return Checked(Stage.FAILED, Failure.NOT_KEPT)
            member, fpir = capture.asked.member, self._faces.target_fpir
            if likeness.is_somebody_elses(mean, member, gallery, calibration, fpir):
                return DUPLICATE
            if capture.asked.purpose is Purpose.EXTEND:
                return await self._extended(capture, good, mean)
            return await self._stored(capture, _raw(good), photos=len(good), extended=0)
        finally:
            good.fill(0)
            mean.fill(0)

    async def _extended(self, capture: Capture, rows: Matrix, mean: Vector) -> Checked:
        """Add the views that are new to the template; under another model it is made anew."""
        database, member, model = self._database, capture.asked.member, capture.model
        known = templates.one(database.reading, database.vault, member, model)
        if known is None:
            return await self._stored(capture, _raw(rows), photos=len(rows), extended=0)
        calibration = self._faces.calibration(model)
        assert calibration is not None, "`check` has asked for it"
        own = templates.unit_rows(model, known.vectors)
        if isinstance(known.vectors, bytearray):
            known.vectors[:] = bytes(len(known.vectors))
        try:
            strict = likeness.FPIR_VIEWS
            alike = likeness.same(mean, own, calibration, strict)
            if not alike or known.extended >= EXTENSIONS_MAX:
                return Checked(Stage.FAILED, Failure.NOT_ALIKE)
            added = rows[_newest_views(rows, own)]
            whole = np.concatenate([own, added])
            vectors = _raw(whole)
            added.fill(0)
            whole.fill(0)
            count, extended = len(own) + VIEWS_MAX, known.extended + 1
            return await self._stored(capture, vectors, photos=count, extended=extended)
        finally:
            own.fill(0)

    async def _stored(
        self, capture: Capture, vectors: bytearray, *, photos: int, extended: int
    ) -> Checked:
        """One transaction: template and events, or nothing."""
        now, asked = self._clock.now(), capture.asked
        template = Template(
            asked.member, capture.model, vectors, now.wall_ms, asked.channel.value, extended
        )
        body = {
            "member": asked.member,
            "model": capture.model,
            "photos": photos,
            "extended": extended,
            "channel": asked.channel,
            "by": asked.by,
        }
        message = self._sealed(template, photos)

        def write(tx: Transaction) -> None:
            consent.accept_template(tx, template)
            tx.emit(Stream.CRIT, ENROLLED, body, now, member=asked.member)
            if message is not None:
                tx.emit(Stream.CRIT, SEALED_TYPE, message, now, member=asked.member)

        try:
            await self._database.transact(write)
        except ConsentMissing:
            return Checked(Stage.FAILED, Failure.WITHDRAWN)
        finally:
            vectors[:] = bytes(len(vectors))
        return DONE

    def _sealed(self, template: Template, photos: int) -> dict[str, object] | None:
        """What the platform gets, if the chain wants templates on all its boxes."""
        if self._sealing is None:
            return None
        bound = SealedFor(template.member, template.model, self._sealing.box)
        try:
            message = sealed(template.vectors, bound, self._sealing.key)
        except ValueError:
            self._counters.add("enrolments.not_sent")
            return None
        body: dict[str, object] = {"member": template.member, "model": template.model}
        body |= {"photos": photos, "kid": message.kid}
        return body | {"ephemeral": message.ephemeral, "sealed": message.sealed}


def _newest_views(rows: Matrix, own: Matrix) -> list[int]:
    """The views that the template knows least: those whose nearest known one is farthest."""
    nearest = (rows @ own.T).max(axis=1)
    order: Sequence[int] = nearest.argsort()[:VIEWS_MAX].tolist()
    return sorted(order)


def _raw(rows: Matrix) -> bytearray:
    """Little-endian float32, one after the other; wiped by who asked."""
    raw = bytearray(rows.size * 4)
    np.frombuffer(raw, "<f4")[:] = rows.ravel()
    return raw
