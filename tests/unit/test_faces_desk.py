"""Faces at the desk: what the screen is told, who is forgotten, and what is known of strangers."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from edge import consent
from edge.presence.desk import Faces, PresenceSettings
from edge.presence.faces import STRANGERS_WRITTEN_S, TRACK_ENDS_S, TRACKS_MAX, Recognition
from edge.presence.requests import Answer, Found
from edge.records import (
    CodeReading,
    ConsentKind,
    FaceReading,
    Hint,
    Moment,
    PoseReading,
    TrackReading,
)
from edge.storage import strangers, templates
from edge.visiting import VisitState
from tests import faces
from tests.unit.presence_shop import CARD, MODEL, ON_REQUEST, Shop, face, opened
from tests.waiting import until

shop = pytest.fixture(opened)
CAMERA = "kiosk-camera"


@pytest.fixture
def kiosk(tmp_path: Path):
    shop = Shop(tmp_path, ON_REQUEST)

    async def look(screen: str, seconds: float) -> list[str]:
        return [CAMERA]

    shop.desk.recognise_with(look)
    yield shop
    shop.database.close()


async def answered(shop: Shop, readings: list[FaceReading]) -> Answer:
    asking = asyncio.create_task(shop.desk.its_me("main"))
    await asyncio.sleep(0)
    await shop.see(*readings, sensor=CAMERA)
    return await asking


async def test_five_frames_of_nobody_known_are_unknown(kiosk: Shop) -> None:
    await kiosk.enrol()
    assert await answered(kiosk, face(value=7, frames=5)) == Answer(Found.UNKNOWN)


@pytest.mark.parametrize("doubt", ["flat", "screen"])
async def test_a_picture_of_a_member_is_asked_for_the_card(kiosk: Shop, doubt: str) -> None:
    await kiosk.enrol()
    readings = [replace(one, doubt=doubt if one.frames == 2 else "") for one in face(frames=5)]
    assert await answered(kiosk, readings) == Answer(Found.ASK)
    (visit,) = kiosk.desk.here()
    assert visit.state is not VisitState.IDENTIFIED


async def test_two_members_before_one_screen_are_asked(kiosk: Shop) -> None:
    await kiosk.enrol()
    await kiosk.enrol("m2", "2780010000024", 0.2)
    both = [*face(frames=5), *face(track=2, value=0.2, frames=5)]
    assert await answered(kiosk, both) == Answer(Found.ASK)


async def test_without_a_table_no_face_is_matched(tmp_path: Path) -> None:
    none = replace(faces.settings(), calibration=None)
    shop = Shop(tmp_path, PresenceSettings(faces=none))
    await shop.enrol()
    await shop.see(TrackReading(1), *face())
    assert shop.counters.get("faces_not_decided") == 3
    assert [visit.member for visit in shop.desk.here()] == [None]
    shop.database.close()


async def test_frames_that_were_missed_count_as_nobodys(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(*face(frames=5)[3:])
    assert [visit.state for visit in shop.desk.here()] == [VisitState.SUGGESTED]


async def test_a_new_leave_begins_a_track_anew(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(*face(value=7, frames=5))
    await shop.see(*face(frames=3))
    assert [visit.member for visit in shop.desk.here()] == ["m1"]


async def test_who_withdraws_leaves_gallery_tracks_and_signs(shop: Shop) -> None:
    await shop.enrol()
    await shop.enrol("m2", "2780010000024", 0.2)
    await shop.see(TrackReading(1), *face())
    recognition = shop.desk._recognition
    gallery = recognition._gallery
    assert gallery is not None
    matrix = gallery._matrix
    assert matrix.any()
    now = shop.clock.now()
    await shop.database.transact(lambda tx: consent.withdraw(tx, "m1", ConsentKind.FACE, now))
    shop.desk.reload()
    assert not matrix.any(), "the numbers were overwritten"
    assert "m1" not in repr([looks.frames for looks in recognition._tracks.values()])
    assert templates.owners(shop.database.reading) == {"m2"}
    assert templates.count(shop.database.reading, MODEL) == 1
    assert [visit.member for visit in shop.desk.here()] == [None]
    await shop.see(*face(track=2))
    await shop.see(*face(track=3, value=0.2))
    assert {visit.member for visit in shop.desk.here()} == {None, "m2"}


async def test_a_gallery_is_kept_while_no_template_changes(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(*face())
    gallery = shop.desk._recognition._gallery
    shop.desk.reload()
    assert shop.desk._recognition._gallery is gallery
    await shop.enrol(value=0.3)
    assert shop.desk._recognition._gallery is None


async def test_scores_of_strangers_are_counted_when_their_track_ends(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.enrol()
    await shop.see(TrackReading(1), *face(track=1, value=7))
    await shop.see(TrackReading(2), *face(track=2))
    await shop.see(TrackReading(3), *face(track=3, value=8))
    await shop.see(CodeReading(CARD), sensor="scanner")
    await shop.see(after_s=TRACK_ENDS_S)
    assert shop.desk._recognition.looks_since(frozenset({"door"}), moment(shop, 0)) == []
    await shop.see(after_s=STRANGERS_WRITTEN_S)
    (row,) = shop.database.reading.execute("SELECT measured_by, counts FROM stranger").fetchall()
    kept = strangers.get(shop.database.reading, row[0])
    assert kept is not None
    assert sum(kept.counts) == 2
    again = shop.reopened(tmp_path)
    assert sum(again.desk._recognition._strangers.counts) == 2
    again.database.close()


def moment(shop: Shop, mono_ms: int) -> Moment:
    return replace(shop.clock.now(), mono_ms=mono_ms)


async def test_tracks_have_a_limit(shop: Shop) -> None:
    await shop.enrol()
    for first in range(0, TRACKS_MAX + 3, 100):
        tracks = range(first, min(first + 100, TRACKS_MAX + 3))
        await shop.see(*[f for track in tracks for f in face(track, 7, frames=1)], after_s=0)
    assert len(shop.desk._recognition._tracks) == TRACKS_MAX


async def test_poses_go_to_the_enrolment_or_are_counted(shop: Shop) -> None:
    taken: list[tuple[str, bytes]] = []

    class Enrolment:
        def pose(self, sensor: str, pose: PoseReading, seen: Moment) -> None:
            taken.append((sensor, bytes(pose.vector)))

    vector = faces.seen(1).tobytes()
    await shop.see(PoseReading(MODEL, Hint.GOOD, bytearray(vector)))
    assert shop.counters.get("poses_unexpected") == 1
    shop.desk.enrol_with(Enrolment())
    pose = PoseReading(MODEL, Hint.GOOD, bytearray(vector))
    await shop.see(pose)
    assert taken == [("door", vector)]
    assert not any(pose.vector)


async def test_off_drops_the_gallery(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(*face())
    gallery = shop.desk._recognition._gallery
    assert gallery is not None
    shop.desk.match_faces(False)
    assert not gallery._matrix.any()
    assert gallery.nearest(np.asarray(faces.face(0.1))) is None
    assert shop.desk._recognition.mode is Faces.OFF


async def test_a_face_described_before_all_cameras_know_is_not_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ON_REQUEST)
    await shop.enrol()

    async def look(screen: str, seconds: float) -> list[str]:
        if seconds:  # one camera looks already, the next one is being told
            await shop.see(*face(), sensor=CAMERA)
        return [CAMERA]

    shop.desk.recognise_with(look)
    answer = await shop.desk.its_me("main")
    assert (answer.found, shop.counters.get("faces_refused_mode")) == (Found.MEMBER, 0)
    shop.database.close()


async def test_a_request_that_is_broken_off_while_cameras_are_told_ends_the_leave(
    tmp_path: Path,
) -> None:
    shop, told = Shop(tmp_path, ON_REQUEST), []

    async def look(screen: str, seconds: float) -> list[str]:
        told.append(seconds)
        if seconds:
            await asyncio.Event().wait()
        return [CAMERA]

    shop.desk.recognise_with(look)
    asking = asyncio.create_task(shop.desk.its_me("main"))
    await until(lambda: any(told), "the camera is told")
    asking.cancel()
    await asyncio.wait([asking])
    assert told[-1] == 0
    shop.database.close()


class Slow(ThreadPoolExecutor):
    """Workers that begin when the test lets them; what they made is kept."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held, self.let = threading.Event(), threading.Event()
        self.made: list[Future[Any]] = []

    def submit(self, fn: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        def later() -> Any:
            self.held.set()
            self.let.wait()
            return fn(*given, **named)

        self.made.append(super().submit(later))
        return self.made[-1]


async def test_a_gallery_that_nobody_waits_for_any_more_is_wiped(shop: Shop) -> None:
    await shop.enrol()
    workers = Slow()
    known = Recognition(shop.database, faces.settings(), shop.counters, workers)
    asking = asyncio.create_task(known.ready())
    await until(workers.held.is_set, "it is being filled")
    asking.cancel()
    await asyncio.wait([asking])
    workers.let.set()
    await until(workers.made[0].done, "it is filled")
    gallery, _ = workers.made[0].result()
    assert gallery._matrix.size
    await until(lambda: not gallery._matrix.any(), "it is wiped", 2.0)
    workers.shutdown()


async def test_who_only_looked_like_a_member_names_nobody_after_a_withdrawal(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(*face(value=7))  # a stranger is nearest to somebody, too
    known = shop.desk.recognition
    assert known.named() == {"m1"}
    drop = "DELETE FROM consent WHERE member = 'm1' AND kind = 'face'"
    await shop.database.transact(lambda tx: tx.execute(drop))
    shop.desk.reload()
    assert known.named() == frozenset()
