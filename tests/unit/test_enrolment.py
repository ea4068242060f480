"""Enrolment on a real database: who may be, what is stored and told, and what every end leaves."""

import base64
import json
import logging
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge import consent
from edge.consent import Agreement, Said
from edge.errors import BadMessage, ConfigError, Refused
from edge.presence.capture import Asked, Channel, Failure, Purpose, Stage
from edge.presence.enrolling import Sealing
from edge.presence.template_seal import (
    TEMPLATE_BYTES_MAX,
    SealedFor,
    SealedTemplate,
    TemplateKey,
    read_key,
    sealed,
)
from edge.presence.template_seal import opened as unsealed
from edge.records import ConsentKind, Hint
from edge.storage.outbox import EVENT_BYTES_MAX
from tests.pages import everything
from tests.unit import enrolment_shop
from tests.unit.enrolment_shop import ANNA, BORIS, DIMENSIONS, MODEL, SCREEN, Box, looks
from tests.waiting import until

box = pytest.fixture(enrolment_shop.opened)
HERS, HIS = 1, 2
BY_STAFF = Said("staff", "olga")


async def test_consent_comes_first_and_then_the_template(box: Box) -> None:
    await box.has(ANNA)
    box.enrolment.ask(SCREEN, Asked(ANNA, Channel.KIOSK))
    assert (box.asked, box.told(), box.agreed()) == ([], [], False)
    with pytest.raises(Refused, match="adult"):
        await box.enrolment.agree(SCREEN, "face-1", adult=False)
    assert (box.asked, box.told(), box.agreed()) == ([], [], False)
    await box.begin()
    assert (box.types(), box.agreed()) == (["consent.given.v1"], True)
    box.pose(Hint.NOBODY)
    box.pose(Hint.CLOSER)
    box.photograph(HERS)
    end = await box.ended()
    assert end.stage is Stage.DONE
    assert box.photos() == 5
    assert box.told()[1:] == [
        (
            "face.enrolled.v1",
            {
                "member": ANNA,
                "model": MODEL,
                "photos": 5,
                "extended": 0,
                "channel": "kiosk",
                "by": "",
            },
        )
    ]
    assert [c.hint for c in box.seen if c.photos == 0][-2:] == [Hint.NOBODY, Hint.CLOSER]
    assert box.asked == [(SCREEN, 60.0), (SCREEN, 0)]
    template = box.template()
    assert template is not None
    assert (template.source, template.extended) == ("kiosk", 0)


async def test_a_seller_is_credited(box: Box) -> None:
    await box.has(ANNA)
    await box.begin(channel=Channel.STAFF)
    box.photograph(HERS)
    await box.ended()
    assert {body["by"] for _, body in box.told()} == {"olga"}
    assert {body["channel"] for _, body in box.told()} == {"staff"}


async def test_another_members_face_is_not_stored_and_staff_are_told(box: Box) -> None:
    await box.has(ANNA, BORIS)
    await box.enrol(ANNA, HERS)
    end = await box.enrol(BORIS, HERS)
    assert end.stage is Stage.DUPLICATE
    assert (box.photos(ANNA), box.photos(BORIS)) == (5, 0)
    assert (box.agreed(ANNA), box.agreed(BORIS)) == (True, False)
    assert box.types()[-2:] == ["consent.given.v1", "consent.withdrawn.v1"]
    assert box.told()[-1][1]["channel"] == "box"
    assert [notice.member for notice in box.enrolment.notices] == [BORIS]
    box.enrolment.put_away(BORIS)
    assert box.enrolment.notices == []
    assert (await box.enrol(BORIS, HIS)).stage is Stage.DONE
    assert (await box.enrol(ANNA, HERS)).stage is Stage.DONE, "oneself is nobody else"


@pytest.mark.parametrize(
    ("frames", "photos", "failure"),
    [
        ([HERS, HERS, HERS, HERS, HIS], 4, None),
        ([HERS, HIS, HERS, 3, HERS], 3, None),
        ([HERS, HIS, HERS, HIS, HERS], 0, Failure.TWO_PEOPLE),
        ([HERS, HIS, 3, 4, 5], 0, Failure.TWO_PEOPLE),
    ],
)
async def test_frames_of_others_are_left_out_or_all_of_it_fails(
    box: Box, frames: list[int], photos: int, failure: Failure | None
) -> None:
    await box.has(ANNA)
    await box.begin()
    for number, who in enumerate(frames):
        box.pose(Hint.GOOD, looks(who, number))
    end = await box.ended()
    assert (box.photos(), end.failure) == (photos, failure)
    assert box.agreed() is (failure is None)


async def late(box: Box) -> None:
    await box.clock.pass_(60_000)


async def cancelled(box: Box) -> None:
    await box.enrolment.cancel(SCREEN)


async def withdrawn(box: Box) -> None:
    assert await box.enrolment.withdraw(ANNA, BY_STAFF)


async def by_the_platform(box: Box) -> None:
    now = box.clock.now()
    await box.database.transact(lambda tx: consent.withdraw(tx, ANNA, ConsentKind.FACE, now))
    box.enrolment.people_changed()


async def erased(box: Box) -> None:
    now = box.clock.now()
    await box.database.transact(lambda tx: consent.forget_member(tx, ANNA, now))
    box.enrolment.people_changed()


async def closed(box: Box) -> None:
    await box.enrolment.close()


@pytest.mark.parametrize("end", [late, cancelled, withdrawn, by_the_platform, erased, closed])
async def test_every_end_leaves_no_vector_and_no_consent_of_its_own(box: Box, end: object) -> None:
    await box.has(ANNA)
    await box.begin()
    box.photograph(HERS, 0, 1, 2)
    held = list(box.enrolment._places[SCREEN].shots._held)
    task = box.enrolment._places[SCREEN].task
    assert len(held) == 3
    assert task is not None
    await end(box)  # type: ignore[operator]
    await task
    assert all(not any(each) for each in held)
    assert (box.photos(), box.agreed()) == (0, False)
    assert box.asked[-1] == (SCREEN, 0)
    box.photograph(HERS)
    assert box.counters.get("poses_unasked") == 5, "what comes late is not looked at"


async def test_a_consent_that_was_there_before_stays(box: Box) -> None:
    await box.has(ANNA, face=True)
    await box.begin()
    await late(box)
    assert (await box.ended()).failure is Failure.TIMED_OUT
    assert box.agreed()
    await box.enrolment.begin()  # the box starts again
    assert box.agreed()


async def test_a_box_that_stopped_meanwhile_takes_the_consent_back(box: Box) -> None:
    await box.has(ANNA, BORIS)
    await box.enrol(BORIS, HIS)
    agreement, now = Agreement(ConsentKind.FACE, "face-1", True), box.clock.now()
    await box.database.transact(  # and then the power went
        lambda tx: consent.give(tx, ANNA, agreement, BY_STAFF, now)
    )
    await box.enrolment.begin()
    assert (box.agreed(), box.agreed(BORIS)) == (False, True)
    assert box.types()[-1] == "consent.withdrawn.v1"


async def test_frames_that_do_not_count(box: Box) -> None:
    await box.has(ANNA)
    await box.begin()
    box.photograph(HERS, 0)
    box.pose(Hint.GOOD, looks(HERS, 1), model="omz-reid0095")
    box.pose(Hint.GOOD, bytearray(7))
    assert (box.counters.get("poses_of_another"), box.counters.get("poses_malformed")) == (1, 1)
    assert box.enrolment.at(SCREEN).photos == 1  # type: ignore[union-attr]
    await box.enrolment.cancel(SCREEN)


async def test_a_model_that_nobody_has_measured_enrols_nobody(box: Box) -> None:
    await box.has(ANNA)
    await box.begin()
    vector = bytearray(np.full(256, 1 / 16, "<f4").tobytes())
    for _ in range(5):
        box.pose(Hint.GOOD, bytearray(vector), model="omz-reid0095")
    assert (await box.ended()).failure is Failure.NOT_KEPT
    assert not box.agreed()


async def test_only_where_it_is_allowed(box: Box) -> None:
    await box.has(ANNA)
    for screen in ("elsewhere", ""):
        with pytest.raises(Refused):
            box.enrolment.ask(screen, Asked(ANNA, Channel.KIOSK))
    box.enrolment.allow(False)
    assert box.enrolment.screens == []
    with pytest.raises(Refused):
        box.enrolment.ask(SCREEN, Asked(ANNA, Channel.KIOSK))
    box.enrolment.allow(True)
    await box.begin()
    with pytest.raises(Refused):
        box.enrolment.ask(SCREEN, Asked(BORIS, Channel.KIOSK))
    await box.enrolment.cancel(SCREEN)


async def test_nobody_is_enrolled_by_a_consent_to_nothing(box: Box) -> None:
    with pytest.raises(Refused):
        await box.enrolment.agree(SCREEN, "face-1", adult=True)
    box.enrolment.ask(SCREEN, Asked("a stranger", Channel.KIOSK))
    with pytest.raises(Refused):
        await box.enrolment.agree(SCREEN, "face-1", adult=True)
    assert (box.asked, box.told()) == ([], [])


# --- new views


async def extend(box: Box, who: int, first: int) -> Failure | None:
    box.enrolment.ask(SCREEN, Asked(ANNA, Channel.KIOSK, purpose=Purpose.EXTEND))
    box.enrolment.extend(SCREEN)
    await until(lambda: box.asked[-1][1] > 0, "the camera is asked")
    box.photograph(who, *range(first, first + 5))
    return (await box.ended()).failure


async def test_views_are_added_twice_and_never_somebody_elses(box: Box) -> None:
    await box.has(ANNA)
    await box.enrol(ANNA, HERS)
    assert await extend(box, HIS, 10) is Failure.NOT_ALIKE
    assert (box.photos(), box.agreed()) == (5, True)
    for times in (1, 2):
        assert box.enrolment.may_extend(ANNA)
        assert await extend(box, HERS, 10 * times) is None
        template = box.template()
        assert template is not None
        assert (box.photos(), template.extended) == (5 + 2 * times, times)
    assert box.told()[-1][1]["extended"] == 2
    assert not box.enrolment.may_extend(ANNA)
    with pytest.raises(Refused):
        box.enrolment.ask(SCREEN, Asked(ANNA, Channel.KIOSK, purpose=Purpose.EXTEND))


async def test_nothing_is_extended_without_the_consent(box: Box) -> None:
    await box.has(ANNA)
    await box.enrol(ANNA, HERS)
    box.enrolment.ask(SCREEN, Asked(ANNA, Channel.KIOSK, purpose=Purpose.EXTEND))
    await box.enrolment.withdraw(ANNA, BY_STAFF)
    with pytest.raises(Refused):
        box.enrolment.extend(SCREEN)


# --- withdrawal, and what is seen of a vector


def spellings(vector: bytes) -> list[bytes]:
    """Pieces of a vector as they might lie somewhere."""
    piece = vector[64:112]
    half = np.frombuffer(vector, "<f4").astype("<f2").tobytes()[32:80]
    return [piece, half, base64.b64encode(vector[63:111]), piece.hex().encode()]


async def test_a_withdrawal_leaves_no_byte_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    private = X25519PrivateKey.generate()
    key = TemplateKey("k1", private.public_key().public_bytes_raw())
    box = Box(tmp_path / "state", Sealing(key, "chain/shop/box"))
    try:
        await box.has(ANNA)
        await box.enrol(ANNA, HERS)
        rows = box.database.reading.execute(
            "SELECT vectors_sealed FROM template UNION SELECT mean_sealed FROM face_mean"
        ).fetchall()
        ciphertexts = [bytes(row[0]) for row in rows]
        body = dict(box.told())["template.sealed.v1"]
        ciphertexts.append(str(body["sealed"]).encode())
        pile = everything(tmp_path / "state")
        assert all(text[20:80] in pile for text in ciphertexts), "else the look proves nothing"
        assert await box.enrolment.withdraw(ANNA, Said("kiosk"))
        assert (box.photos(), box.agreed()) == (0, False)
        assert box.types()[-1] == "consent.withdrawn.v1"
        assert "template.sealed.v1" not in box.types()
        after = everything(tmp_path / "state")
        assert [text for text in ciphertexts if text[20:80] in after] == []
        canaries = [s for f in range(5) for s in spellings(bytes(looks(HERS, f)))]
        told = json.dumps(box.told()).encode() + caplog.text.encode()
        assert [each for each in canaries if each in after + pile + told] == []
        assert not await box.enrolment.withdraw(ANNA, Said("kiosk"))
    finally:
        box.database.close()


async def test_only_the_platform_opens_what_is_sent_up(tmp_path: Path) -> None:
    private = X25519PrivateKey.generate()
    key = TemplateKey("k1", private.public_key().public_bytes_raw())
    box = Box(tmp_path / "state", Sealing(key, "chain/shop/box"))
    try:
        await box.has(ANNA)
        await box.enrol(ANNA, HERS)
        body = dict(box.told())["template.sealed.v1"]
        template = box.template()
        assert template is not None
        message = msgspec.convert(body, SealedTemplate)
        bound = SealedFor(ANNA, MODEL, "chain/shop/box")
        vectors = np.frombuffer(unsealed(message, bound, private), "<f4")
        kept = np.frombuffer(template.vectors, "<f4")
        assert np.allclose(vectors, kept, atol=1e-3), "kept with eleven bits"
        assert len(vectors) == body["photos"] * DIMENSIONS
        others = [
            SealedFor(BORIS, MODEL, "chain/shop/box"),
            SealedFor(ANNA, "omz-reid0095", "chain/shop/box"),
            SealedFor(ANNA, MODEL, "chain/shop/another"),
        ]
        for other in others:
            with pytest.raises(BadMessage):
                unsealed(message, other, private)
        with pytest.raises(BadMessage):
            unsealed(message, bound, X25519PrivateKey.generate())
        with pytest.raises(BadMessage):
            unsealed(msgspec.structs.replace(message, sealed="?"), bound, private)
    finally:
        box.database.close()


def test_a_sealed_template_fits_into_an_event() -> None:
    key = TemplateKey("k" * 64, X25519PrivateKey.generate().public_key().public_bytes_raw())
    message = sealed(bytes(TEMPLATE_BYTES_MAX), SealedFor("m", "x", "b"), key)
    assert len(msgspec.json.encode(message)) + 1024 < EVENT_BYTES_MAX
    with pytest.raises(ValueError, match="fit"):
        sealed(bytes(TEMPLATE_BYTES_MAX + 1), SealedFor("m", "x", "b"), key)


@pytest.mark.parametrize(
    "text", ["", "k1", "k1 AAAA", "k1 !!!!", "a b c", "k1 " + "A" * 43 + "=\nk2 " + "A" * 43 + "="]
)
def test_a_key_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    with pytest.raises(ConfigError):
        read_key(path)
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_key(path)


def test_a_key_file(tmp_path: Path) -> None:
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    path = tmp_path / "key"
    path.write_text(f"# of the platform\nk1 {base64.b64encode(public).decode()}\n")
    assert read_key(path) == TemplateKey("k1", public)
