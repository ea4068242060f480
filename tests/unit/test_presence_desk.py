"""The presence desk on a real database: visits, figures, what is written and what is wiped."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from edge import consent
from edge.face_models import REID0095
from edge.presence.desk import Faces, PresenceSettings
from edge.presence.requests import Answer, Found
from edge.records import CodeReading, Consent, ConsentKind, FaceReading, Member, TrackReading
from edge.storage import visits
from edge.visiting import VisitState
from tests import faces
from tests.unit.presence_shop import CARD, MODEL, ON_REQUEST, Shop, face, opened

shop = pytest.fixture(opened)


async def test_three_frames_of_a_face_identify(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(TrackReading(1), *face(frames=2))
    assert [visit.state for visit in shop.desk.here()] == [VisitState.SUGGESTED]
    await shop.see(face()[2])
    (visit,) = shop.desk.here()
    assert (visit.state, visit.member) == (VisitState.IDENTIFIED, "m1")
    assert shop.types() == ["visit.opened.v1", "visit.identified.v1"]
    body = shop.events()[1][1]
    assert body["member"] == "m1"
    assert "face at door: 3 frames, score 1.00" in str(body["reasons"])


async def test_a_stranger_is_a_visit_of_nobody(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(TrackReading(1), *face(value=0.3))
    (visit,) = shop.desk.here()
    assert (visit.state, visit.member) == (VisitState.ANONYMOUS, None)


async def test_every_vector_is_wiped_whatever_became_of_it(shop: Shop) -> None:
    await shop.enrol()
    nan, short = bytearray(np.full(faces.DIMENSIONS, np.nan, "<f4")), bytearray(b"short")
    good = face(frames=1)[0]
    readings = [
        *face(),
        *face(track=2, value=9),
        FaceReading(1, MODEL, 1, short, short[:]),
        FaceReading(1, MODEL, 1, nan, bytearray(good.fused)),
        FaceReading(1, MODEL, 1, bytearray(good.vector), nan[:]),
        FaceReading(1, MODEL, 1, bytearray(good.vector * 2), bytearray(good.fused * 2)),
        FaceReading(1, REID0095, 1, bytearray(good.vector), bytearray(good.fused)),
        FaceReading(1, "onnx:x:128:000000000000", 1, bytearray(good.vector), bytearray(good.fused)),
    ]
    await shop.see(*readings)
    assert all(not any(reading.vector) and not any(reading.fused) for reading in readings)
    assert shop.counters.get("faces_malformed") == 4
    assert shop.counters.get("faces_of_other_model") == 2


@pytest.mark.parametrize("mode", [Faces.OFF, Faces.ON_REQUEST])
async def test_without_leave_no_face_is_matched(tmp_path: Path, mode: Faces) -> None:
    shop = Shop(tmp_path, PresenceSettings(faces=faces.settings(mode)))
    await shop.enrol()
    await shop.see(TrackReading(1), *face())
    assert [visit.member for visit in shop.desk.here()] == [None]
    assert shop.counters.get("faces_refused_mode") == 3
    shop.database.close()


async def test_who_asks_at_a_screen_is_recognised_there(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ON_REQUEST)
    await shop.enrol()

    async def look(screen: str, seconds: float) -> list[str]:
        return ["kiosk-camera"] if screen == "main" else []

    shop.desk.recognise_with(look)
    assert await shop.desk.its_me("elsewhere") == Answer(Found.NOBODY)
    asked = asyncio.create_task(shop.desk.its_me("main"))
    await asyncio.sleep(0)
    await shop.see(*face(), sensor="kiosk-camera")
    answer = await asked
    assert (answer.found, answer.member and answer.member.id) == (Found.MEMBER, "m1")
    shop.database.close()


async def test_a_card_opens_an_identified_visit(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(CodeReading(CARD), sensor="scanner")
    (visit,) = shop.desk.here()
    assert (visit.state, visit.member) == (VisitState.IDENTIFIED, "m1")
    assert [body["outcome"] for type_, body in shop.events() if "scanned" in type_] == ["member"]


async def test_card_and_face_of_one_member_are_one_visit(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(CodeReading(CARD), sensor="scanner")
    await shop.see(TrackReading(1), *face())
    assert [visit.member for visit in shop.desk.here()] == ["m1"]
    assert "visit.merged.v1" in shop.types()


async def test_codes_are_told_without_their_text(shop: Shop) -> None:
    await shop.enrol()
    marked = CodeReading("]d20104600000000008215abc")
    await shop.see(CodeReading("4600000000008"), marked, CodeReading("whatever"), sensor="scanner")
    bodies = [body for type_, body in shop.events() if type_ == "code.scanned.v1"]
    assert [body["outcome"] for body in bodies] == ["product", "product", "unknown"]
    assert "whatever" not in str(bodies)


async def test_silence_ends_a_visit(shop: Shop) -> None:
    await shop.see(TrackReading(1))
    await shop.see(TrackReading(1), after_s=60)
    shop.clock.move(shop.clock.now().wall_ms + 599_000)
    await shop.desk.pass_time()
    assert len(shop.desk.here()) == 1
    shop.clock.move(shop.clock.now().wall_ms + 1_000)
    await shop.desk.pass_time()
    assert shop.desk.here() == []
    assert shop.events()[-1] == (
        "visit.closed.v1",
        {
            "visit": shop.events()[0][1]["visit"],
            "member": None,
            "dwell_s": 60,
            "zones": {},
            "stage": "browsing",
            "counted": True,
            "recognised": False,
        },
    )


async def test_visits_survive_a_restart(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.enrol()
    await shop.see(TrackReading(1), *face())
    before = shop.desk.here()
    again = shop.reopened(tmp_path)
    assert again.desk.here() == before
    await again.see(TrackReading(1))
    assert len({visit.id for visit in again.desk.here()}) == 2
    again.database.close()


async def test_a_member_who_withdraws_becomes_anybody(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(TrackReading(1), *face())
    now = shop.clock.now()
    await shop.database.transact(lambda tx: consent.forget_member(tx, "m1", now))
    shop.desk.reload()
    assert [visit.member for visit in shop.desk.here()] == [None]
    await shop.see(*face(frames=1))
    assert [visit.member for visit in shop.desk.here()] == [None]


async def test_what_the_database_refuses_is_written_later(shop: Shop) -> None:
    await shop.database.transact(
        lambda tx: tx.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON visit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    await shop.see(TrackReading(1))
    assert shop.types() == []
    assert shop.counters.get("writes_refused") == 1
    await shop.database.transact(lambda tx: tx.execute("DROP TRIGGER refuse"))
    await shop.see(TrackReading(2))
    assert shop.types() == ["visit.opened.v1", "visit.opened.v1"]


async def test_a_fact_that_can_never_be_written_does_not_stop_the_others(shop: Shop) -> None:
    await shop.database.transact(
        lambda tx: tx.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON visit WHEN NEW.sensor = 'bad'"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    await shop.see(TrackReading(1), sensor="bad")
    await shop.see(TrackReading(1), sensor="good")
    assert [body["sensor"] for _, body in shop.events()] == ["good"]
    assert shop.counters.get("facts_refused") == 1


async def test_a_stop_in_the_middle_of_a_commit_doubles_nothing(shop: Shop) -> None:
    observing = asyncio.create_task(shop.see(TrackReading(1)))
    await asyncio.sleep(0)  # it has handed its change to the writer and waits
    observing.cancel()
    await asyncio.wait([observing])
    assert observing.cancelled()
    await shop.desk.close()
    assert shop.types() == ["visit.opened.v1"]


async def test_who_withdraws_only_the_face_is_not_recognised_by_it_any_more(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(TrackReading(1), *face())
    plain = Member("m1", "Анна", CARD, consents=(Consent(ConsentKind.PROGRAMME, 0, "v1", "desk"),))
    await shop.database.transact(lambda tx: consent.accept_member(tx, plain))
    shop.desk.reload()
    await shop.see(*face(frames=1))
    assert [(visit.state, visit.member) for visit in shop.desk.here()] == [
        (VisitState.ANONYMOUS, None)
    ]
    stored = visits.still_open(shop.database.reading)
    assert [visit.member for visit in stored] == [None]
    await shop.see(CodeReading(CARD), sensor="scanner")
    assert "m1" in [visit.member for visit in shop.desk.here()], "the card still says who it is"


async def test_an_erased_member_is_not_written_back(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(TrackReading(1), *face(frames=2))
    now = shop.clock.now()
    erasing = shop.database.transact(lambda tx: consent.forget_member(tx, "m1", now))
    await asyncio.gather(erasing, shop.see(face()[2]))  # weighed before it is known
    stored = visits.still_open(shop.database.reading)
    assert [visit.member for visit in stored] == [None]
    assert "visit.identified.v1" not in shop.types()


async def test_its_me_is_answered_by_the_face_at_that_screen_only(tmp_path: Path) -> None:
    shop = Shop(tmp_path, ON_REQUEST)
    await shop.enrol()
    asked: list[tuple[str, float]] = []

    async def look(screen: str, seconds: float) -> list[str]:
        asked.append((screen, seconds))
        return ["kiosk-camera"]

    shop.desk.recognise_with(look)
    answer = asyncio.create_task(shop.desk.its_me("main"))
    await asyncio.sleep(0)
    await shop.see(TrackReading(1), sensor="kiosk-camera")
    await shop.see(CodeReading(CARD), sensor="scanner-of-another-screen")
    assert not answer.done()
    await shop.see(*face(), sensor="kiosk-camera")
    assert (await answer).found is Found.MEMBER
    assert asked[-1] == ("main", 0), "the leave ends with the answer"
    await shop.see(*face(track=2, frames=1), sensor="kiosk-camera")
    assert shop.counters.get("faces_refused_mode") == 1
    shop.database.close()


async def test_in_a_zone_its_me_does_not_end_the_looking(shop: Shop) -> None:
    await shop.enrol()
    asked: list[float] = []

    async def look(screen: str, seconds: float) -> list[str]:
        asked.append(seconds)
        return ["door"]

    shop.desk.recognise_with(look)
    answer = asyncio.create_task(shop.desk.its_me("main"))
    await asyncio.sleep(0)
    await shop.see(*face())
    assert (await answer).found is Found.MEMBER
    assert 0 not in asked


async def test_while_the_platform_is_silent_too_long_no_face_is_matched(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.enrol()
    shop.desk.recognise_with(_nobody_looks)
    shop.desk.match_faces(False)
    await shop.see(*face())
    assert [visit.member for visit in shop.desk.here()] == []
    assert shop.counters.get("faces_refused_mode") == 3
    assert await shop.desk.its_me("main") == Answer(Found.OFF)
    await shop.see(CodeReading(CARD), sensor="scanner")  # a card is no biometric sign
    assert [visit.member for visit in shop.desk.here()] == ["m1"]
    shop.desk.match_faces(True)
    await shop.see(*face(track=2))
    assert shop.desk.here()[0].reasons != ()
    assert shop.counters.get("faces_refused_mode") == 3
    shop.database.close()


async def _nobody_looks(screen: str, seconds: float) -> list[str]:
    raise AssertionError("the cameras were asked to look")
