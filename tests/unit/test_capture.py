"""The laws of one enrolment, and which frames are of one person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face_models import DLIB
from edge.presence import capture as steps
from edge.presence.capture import (
    ENDS,
    TIME_S,
    Asked,
    Capture,
    Channel,
    Failure,
    Stage,
)
from edge.presence.enrolled_frames import KEPT_MIN, Shots, agreeing, mean_of
from edge.records import PHOTOS_WANTED, Hint

ASKED = Asked("m1", Channel.KIOSK)
names = st.sampled_from(["cam-1", "cam-2"])
models = st.sampled_from(["model-1", "model-2"])
moves = st.lists(
    st.one_of(
        st.tuples(st.just("begun"), st.integers(0, 100_000)),
        st.tuples(st.just("hinted"), names, st.sampled_from(Hint)),
        st.tuples(st.just("photographed"), names, models),
        st.tuples(st.just("checked"), st.sampled_from([Stage.DONE, Stage.DUPLICATE])),
        st.tuples(st.just("failed"), st.sampled_from(Failure)),
    ),
    max_size=20,
)
ORDER = (Stage.CONSENT, Stage.CAPTURING, Stage.CHECKING)


@given(moves=moves)
def test_whatever_happens_it_goes_forward_only_and_takes_five_of_one_camera(moves):
    capture, taken = Capture(ASKED), []
    for move, *with_ in moves:
        before = capture
        if move == "photographed" and steps.takes(capture, *with_):
            taken.append(tuple(with_))
        capture = getattr(steps, move)(capture, *with_)
        assert not before.ended or capture == before, "nothing revives what has ended"
        if capture.stage in ORDER:
            assert ORDER.index(capture.stage) - ORDER.index(before.stage) in (0, 1)
        if before.stage is Stage.CONSENT and not capture.ended:
            assert move == "begun" or capture == before, "nothing is looked at before the consent"
        assert capture.photos == len(taken) <= PHOTOS_WANTED
        assert len(set(taken)) <= 1
        assert (capture.photos == PHOTOS_WANTED) >= (capture.stage is Stage.CHECKING)
        assert (capture.stage in (Stage.DONE, Stage.DUPLICATE)) <= (len(taken) == PHOTOS_WANTED)
        assert (capture.failure is not None) is (capture.stage is Stage.FAILED)
        assert capture.ended is (capture.stage in ENDS)


@given(begun_ms=st.integers(0, 10**9), later_ms=st.integers(0, 10**6))
def test_its_time_ends(begun_ms, later_ms):
    capture = steps.begun(Capture(ASKED), begun_ms)
    assert steps.is_late(capture, begun_ms + later_ms) is (later_ms >= TIME_S * 1000)
    assert not steps.is_late(steps.failed(capture, Failure.CANCELLED), begun_ms + later_ms)


# --- which frames are one person's


def person(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=128)
    return vector / np.linalg.norm(vector)


def frames(rng: np.random.Generator, *people: np.ndarray) -> np.ndarray:
    """One frame of each of `people`: like them, and not quite."""
    noise = rng.normal(size=(len(people), 128))
    noise *= 0.4 / np.linalg.norm(noise, axis=1, keepdims=True)
    rows = np.stack(people) + noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def same(vector: np.ndarray, others: np.ndarray) -> bool:
    return float(vector @ mean_of(others)) > 0.6


@given(seed=st.integers(0, 2**32), order=st.permutations(range(PHOTOS_WANTED)))
def test_who_stands_there_alone_is_kept_and_whoever_takes_turns_is_not(seed, order):
    rng = np.random.default_rng(seed)
    anna, boris, vera = person(rng), person(rng), person(rng)

    def kept(*people):
        rows = frames(rng, *people)[list(order)]
        return agreeing(rows, same), [people[at] is anna for at in order]

    assert kept(*[anna] * 5)[0] == [0, 1, 2, 3, 4]
    for strangers in ((boris,), (boris, vera)):
        found, mine = kept(*[anna] * (5 - len(strangers)), *strangers)
        assert found == [at for at, is_hers in enumerate(mine) if is_hers]
        assert len(found) >= KEPT_MIN
    assert kept(anna, anna, anna, boris, boris)[0] is None
    assert kept(anna, anna, boris, boris, vera)[0] is None


@pytest.mark.parametrize(
    "vector",
    [
        bytearray(),
        bytearray(7),
        bytearray(128 * 4),
        bytearray(np.full(128, np.nan, "<f4").tobytes()),
        bytearray(np.full(128, np.inf, "<f4").tobytes()),
        bytearray(np.full(128, 1e30, "<f4").tobytes()),
        bytearray(np.full(256, 0.0625, "<f4").tobytes()),
    ],
    ids=["empty", "ragged", "zero", "nan", "inf", "huge", "of another model"],
)
def test_what_is_no_face_is_not_taken(vector):
    shots = Shots()
    assert not shots.add(vector, DLIB)
    assert len(shots) == 0


def test_five_are_enough_and_wiping_leaves_nothing():
    shots, good = Shots(), np.full(128, 1 / np.sqrt(128), "<f4").tobytes()
    handed = bytearray(good)
    assert [shots.add(handed, DLIB) for _ in range(6)] == [True] * 5 + [False]
    held = list(shots._held)
    handed[:] = bytes(len(handed))
    assert all(bytes(each) == good for each in held), "they are copies"
    assert np.allclose(np.linalg.norm(shots.rows(), axis=1), 1)
    shots.wipe()
    assert (len(shots), repr(shots)) == (0, "Shots(0)")
    assert all(not any(each) for each in held)
