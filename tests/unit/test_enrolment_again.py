"""Enrolments beside an earlier one: another person's, of another model, or one that comes back."""

import numpy as np
import pytest

from edge import consent
from edge.face_models import REID0095
from edge.records import Hint, PoseReading
from edge.storage import members, staging, templates
from edge.storage.templates import Template
from edge.storage.transaction import Transaction
from tests.unit import enrolment_shop
from tests.unit.enrolment_shop import ANNA, BORIS, CAMERA, MODEL, SCREEN, Box, looks
from tests.unit.test_enrolment import HERS, HIS, extend

box = pytest.fixture(enrolment_shop.opened)


async def test_frames_of_whoever_stood_there_before_are_not_taken(box: Box) -> None:
    await box.has(ANNA, BORIS)
    await box.begin(BORIS)
    before = box.clock.now()
    await box.enrolment.cancel(SCREEN)
    await box.clock.pass_(1)
    await box.begin(ANNA)
    for frame in range(5):  # Boris's last frames were on their way
        pose = PoseReading(MODEL, Hint.GOOD, looks(HIS, frame))
        box.enrolment.pose(CAMERA, pose, before)
    assert box.counters.get("poses_of_before") == 5
    assert box.enrolment.at(SCREEN).photos == 0  # type: ignore[union-attr]
    await box.enrolment.cancel(SCREEN)


async def test_who_is_enrolled_under_another_model_may_be_enrolled_anew(box: Box) -> None:
    await box.has(ANNA, face=True)
    other = Template(ANNA, REID0095, np.full(256, 1 / 16, "<f4").tobytes(), extended=2)
    await box.database.transact(lambda tx: consent.accept_template(tx, other))
    assert not box.enrolment.is_enrolled(ANNA)
    assert not box.enrolment.may_extend(ANNA)
    await box.enrol(ANNA, HERS)
    assert box.enrolment.is_enrolled(ANNA)
    assert box.enrolment.may_extend(ANNA)


async def test_a_row_that_comes_back_does_not_forget_how_often_it_was_extended(box: Box) -> None:
    await box.has(ANNA)
    await box.enrol(ANNA, HERS)
    assert await extend(box, HERS, 10) is None
    mine = box.template()
    assert mine is not None

    def come_back(tx: Transaction) -> None:
        key = members.key(tx, tx.vault, ANNA)
        assert key is not None
        staging.put_cells(tx, "template", [templates.cells(mine, "its key", key)])
        assert consent.swap_templates(tx, []) == []

    await box.database.transact(come_back)
    back = box.template()
    assert back is not None
    assert (back.source, back.extended) == ("platform", 1)
