"""When ends of connections mean another box of the same name, and when they do not."""

from hypothesis import given
from hypothesis import strategies as st

from sync.retries import TAKEN_OVER
from sync.silence import Silence
from sync.twin import ENDS_MIN, SOON_S, Twin

TAKEN_OVER_S = 300.0
SOON = st.floats(0, SOON_S)


def test_so_many_ends_in_a_row_that_no_line_makes_are_another_box():
    twin = Twin(TAKEN_OVER_S)
    for _ in range(ENDS_MIN - 1):
        assert twin.ended(5.0, dismissed=True) is None
        assert not twin.suspected(0.0)
    error = twin.ended(5.0, dismissed=True)
    assert error is not None
    assert error.code == TAKEN_OVER
    assert "Another box may connect with the same tenant, store and box names." in error.remedy
    assert twin.suspected(0.0)
    assert twin.ended(2 * SOON_S, dismissed=True), "its rival takes turns more slowly now"
    assert twin.ended(5.0, dismissed=False) is None, "this time it was the line"
    assert twin.suspected(2 * TAKEN_OVER_S)
    assert not twin.suspected(2 * TAKEN_OVER_S + 1), "nobody came for long"


@given(st.lists(st.tuples(SOON, st.booleans()), max_size=40))
def test_whatever_the_line_does_in_between_begins_the_count_anew(ends):
    twin, row = Twin(TAKEN_OVER_S), 0
    for lasted_s, dismissed in ends:
        found = twin.ended(lasted_s, dismissed=dismissed)
        row = row + 1 if dismissed else 0
        if row >= ENDS_MIN:
            assert found
            return
        assert found is None


@given(st.lists(st.floats(SOON_S + 1, 10 * TAKEN_OVER_S), max_size=20))
def test_a_broker_that_closes_long_connections_is_no_other_box(lasting_s):
    twin = Twin(TAKEN_OVER_S)
    assert not any(twin.ended(lasted_s, dismissed=True) for lasted_s in lasting_s)
    assert not twin.suspected(0.0)


def test_the_broker_s_own_word_is_enough():
    twin = Twin(TAKEN_OVER_S)
    twin.told()
    assert twin.suspected(0.0)
    twin.ended(2 * TAKEN_OVER_S + 1, dismissed=False)
    assert not twin.suspected(0.0)


def test_a_silence_is_told_once_and_ends_with_an_answer():
    silence = Silence(10.0)
    assert not silence.lasts(1e9), "nothing was asked"
    silence.asked(100.0)
    silence.asked(109.0)
    assert not silence.news(110.0)
    assert [silence.news(now) for now in (111.0, 112.0, 200.0)] == [True, False, False]
    assert silence.lasts(200.0)
    silence.answered()
    assert not silence.lasts(1e9)
    silence.asked(300.0)
    assert silence.news(311.0), "another one"
    silence.begin()
    assert not silence.lasts(1e9)
