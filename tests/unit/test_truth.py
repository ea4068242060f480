"""The demo's judgement of recognitions: the right, the wrong and the missed, by a made-up story."""

import msgspec
import pytest

from edge.demo import truth
from edge.demo.play import EventsResult, Findings, Result
from edge.records import Stream
from sensors.scenario.story import Expected, RadarTruth, Scan, Story, WalkIn
from sync.ingest.log import Received
from sync.reference.judge import Verdict

CARDS = {"29001": "anna", "29002": "daria"}
ANNA_MS, DARIA_MS, DARIA_SCANS_MS, ANNA_SCANS_MS = 60_000, 200_000, 260_000, 300_000
STORY = Story(
    version=0,
    seed=0,
    start_ms=0,
    end_ms=600_000,
    store="s",
    visits=(
        WalkIn(ANNA_MS, "anna", "1.avi", "anna", by_face=True),
        WalkIn(DARIA_MS, "daria", "2.avi", "daria", by_face=False),
    ),
    acts=(
        Scan(DARIA_SCANS_MS, "29002", Expected.CARD),
        Scan(DARIA_SCANS_MS + 1, "4006381333931", Expected.PRODUCT),
        Scan(ANNA_SCANS_MS, "29001", Expected.CARD),
    ),
    likeness=(),
    radar=RadarTruth(0, 0, 0, 0),
)


def seen(visit: str, sensor: str, at_ms: int, member: str = "") -> list[Received]:
    """The events of one visit, that of its recognition a second later."""
    events = [("visit.opened.v1", at_ms, {"visit": visit, "sensor": sensor})]
    if member:
        events.append(("visit.identified.v1", at_ms + 1000, {"visit": visit, "member": member}))
    return [
        Received(0, "a/b/c", "e", Stream.VISIT, 0, type_, "", msgspec.json.encode(body), when, 0)
        for type_, when, body in events
    ]


BY_FACE = seen("v1", "door", ANNA_MS + 2000, "anna")
BY_CARD = seen("v2", "scanner", DARIA_SCANS_MS, "daria")
AT_THE_DOOR = seen("v3", "door", DARIA_MS + 2000)


def test_whoever_was_there_is_right_and_nobody_is_missed():
    found = truth.recognitions(BY_FACE + AT_THE_DOOR + BY_CARD, STORY, CARDS)
    assert found.members == {"anna", "daria"}
    assert (found.visits_opened, found.false, found.missed) == (3, 0, ())


@pytest.mark.parametrize(
    ("received", "missed"),
    [
        ([], ("anna by face, 60 s", "daria by card, 260 s", "anna by card, 300 s")),
        (BY_FACE, ("daria by card, 260 s",)),
        (
            BY_CARD + seen("v4", "scanner", ANNA_SCANS_MS, "anna"),
            ("anna by face, 60 s",),
        ),
        (
            BY_CARD + seen("v4", "door", ANNA_MS, "daria"),
            ("anna by face, 60 s", "anna by card, 300 s"),
        ),
    ],
    ids=["nobody known", "no cards", "the face too late", "taken for another"],
)
def test_whom_the_box_should_have_known_is_told(received, missed):
    assert truth.recognitions(received, STORY, CARDS).missed == missed


def test_a_recognition_of_somebody_else_is_false():
    found = truth.recognitions(seen("v1", "door", ANNA_MS + 2000, "daria"), STORY, CARDS)
    assert (found.false, found.false_reasons) == (1, ("daria at door, 62 s",))


def findings(verdict: Verdict, **changes: tuple[str, ...]) -> Findings:
    nothing = Result({}, 0, 0, 0, 0, EventsResult(0, 0, 0, 0), 0.0)
    plain = {"false_reasons": (), "orders_missing": (), "missed": ()}
    return Findings(nothing, verdict, **(plain | changes))


def test_a_morning_without_any_promise_proves_nothing():
    assert findings(Verdict(3, 3, 0, 0, 0, 0, 0)).good
    assert not findings(Verdict(0, 0, 0, 0, 0, 0, 0)).good


def test_what_was_never_promised_is_no_good():
    assert not findings(Verdict(3, 3, 0, 0, 0, 0, 0, unpromised=1)).good


@pytest.mark.parametrize(("found", "good"), [("false_reasons", False), ("missed", True)])
def test_a_false_recognition_is_a_fault_and_a_missed_one_is_told(found, good):
    assert findings(Verdict(3, 3, 0, 0, 0, 0, 0), **{found: ("anna",)}).good is good
