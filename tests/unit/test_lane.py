"""The rule of sending: nothing is skipped, whatever is lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Stream
from sync.lane import (
    FLOOR_TURNS,
    LOOK_AGAIN_S,
    REFUSED_S,
    REFUSED_S_MAX,
    STALL_RTTS,
    STALL_S,
    STALL_S_MAX,
    Lane,
    choose,
)
from sync.messages import BATCH_EVENTS_MAX


def lane(*, last=0, acked=0, flush_s=1.0, stream=Stream.VISIT):
    return Lane(stream, flush_s, last=last, acked=acked)


def test_new_events_wait_for_the_flush_and_no_longer():
    visit = lane()
    assert visit.wake_at() is None
    visit.produced(1, 10.0)
    visit.produced(2, 10.9)
    assert visit.wake_at() == 11.0
    assert not visit.ready(10.99)
    assert visit.ready(11.0)


def test_a_full_batch_goes_at_once():
    visit = lane()
    visit.produced(BATCH_EVENTS_MAX - 1, 10.0)
    assert not visit.ready(10.0)
    visit.produced(BATCH_EVENTS_MAX, 10.0)
    assert visit.ready(10.0)


def test_what_waited_before_the_connection_goes_at_once():
    assert lane(last=3, acked=1).ready(0.0)


def send(visit, last, now):
    """A batch on its way, which the broker has confirmed."""
    visit.batch_sent(last, now)
    visit.confirmed(last, now)


def test_only_the_platform_ends_a_batch_and_tells_how_long_the_line_is():
    visit = lane(last=10_000)
    for number in range(1, 9):
        send(visit, number * 500, number / 10)
    assert visit.under_way == 8
    assert visit.acknowledged(1000, 2.0) == 0.2
    assert visit.under_way == 6
    assert visit.acknowledged(1000, 2.1) is None


def test_what_was_sent_twice_does_not_tell_how_long_the_line_is():
    visit = lane(last=1000)
    send(visit, 500, 0.0)
    assert visit.check_progress(STALL_S)
    send(visit, 500, STALL_S)
    assert visit.acknowledged(500, STALL_S + 0.01) is None, "it may be the first one's answer"
    send(visit, 1000, 5.0)
    assert visit.acknowledged(1000, 5.5) == 5.0


def test_while_the_line_is_busy_with_a_batch_nothing_is_sent_again():
    visit = lane(last=1000)
    visit.batch_sent(500, 0.0)
    assert not visit.check_progress(1e6)
    assert visit.wake_at() == 0.0, "more may go, but no date to go back"
    visit.confirmed(500, 50.0)
    assert not visit.check_progress(50.0 + STALL_S - 0.01)
    assert visit.check_progress(50.0 + STALL_S)


def test_patience_follows_the_length_of_the_line():
    visit = lane(last=500)
    visit.usually(2.0)
    send(visit, 500, 0.0)
    visit.asked_again(0.0)
    send(visit, 500, 0.0)
    visit.asked_again(2.9)
    assert visit.sent == 500, "that still answers what was sent before"
    assert not visit.check_progress(STALL_RTTS * 2 - 0.01)
    assert visit.check_progress(STALL_RTTS * 2)


def test_what_is_refused_is_kept_and_offered_ever_more_slowly():
    visit, now, pauses = lane(last=1000), 0.0, []
    for round_ in range(12):
        send(visit, 500, now)
        assert visit.refuse("full", now) == (round_ == 0), "news only once"
        assert not visit.refuse("full", now), "one pause for all that was under way"
        assert (visit.sent, visit.acked, visit.refused) == (0, 0, "full")
        assert not visit.ready(now)
        pauses.append(visit.wake_at() - now)
        now = visit.wake_at()
        assert visit.ready(now)
    assert pauses[:3] == [REFUSED_S, 2 * REFUSED_S, 4 * REFUSED_S]
    assert pauses[-1] == REFUSED_S_MAX
    send(visit, 500, now)
    assert not visit.ready(now), "one batch to try"
    visit.acknowledged(500, now)
    assert visit.refused == ""
    assert visit.ready(now)


def test_a_platform_that_comes_anew_is_offered_at_once_what_was_refused():
    visit = lane(last=5)
    visit.refuse("full", 0.0)
    assert not visit.ready(0.1)
    visit.released()
    assert visit.ready(0.1)


@pytest.mark.parametrize("waiting", [5, 5000])
def test_what_is_numbered_and_cannot_be_read_yet_is_looked_for_again(waiting):
    bulk = lane(last=waiting)
    assert bulk.ready(0.0)
    bulk.nothing_to_send(0.0)
    assert not bulk.ready(0.0), "or the loop would spin"
    assert bulk.wake_at() == LOOK_AGAIN_S
    assert bulk.ready(LOOK_AGAIN_S)


def test_a_stall_sends_from_the_acknowledged_number_again_one_batch_at_first():
    visit = lane(last=10_000)
    send(visit, 500, 0.0)
    send(visit, 1000, 0.5)
    visit.acknowledged(500, 1.0)
    assert not visit.check_progress(1.0 + STALL_S - 0.01)
    assert visit.check_progress(1.0 + STALL_S)
    assert visit.sent == 500
    send(visit, 1000, 3.0)
    assert not visit.ready(3.0)
    visit.acknowledged(1000, 3.5)
    visit.batch_sent(1500, 3.5)
    assert visit.ready(3.5)


def test_a_dead_platform_is_asked_ever_more_slowly():
    visit, now, pauses = lane(last=1), 0.0, []
    for _ in range(9):
        send(visit, 1, now)
        wake = visit.wake_at()
        pauses.append(wake - now)
        now = wake
        assert visit.check_progress(now)
    assert pauses[:3] == [STALL_S, STALL_S * 2, STALL_S * 4]
    assert pauses[-1] == STALL_S_MAX


def test_many_requests_to_repeat_are_one():
    visit = lane(last=3000)
    visit.batch_sent(500, 10.0)
    visit.asked_again(10.1)
    assert visit.sent == 0
    visit.batch_sent(500, 10.1)
    visit.asked_again(10.2)
    assert visit.sent == 500
    visit.asked_again(11.0)
    assert visit.sent == 0


def test_an_old_acknowledgement_changes_nothing():
    visit = lane(last=10, acked=5)
    send(visit, 10, 1.0)
    visit.acknowledged(4, 2.0)
    visit.acknowledged(5, 2.0)
    assert (visit.acked, visit.sent, visit.wake_at()) == (5, 10, 1.0 + STALL_S)


def test_the_first_ready_lane_goes_and_each_tenth_time_the_last():
    lanes = [lane(last=99_999, stream=stream) for stream in Stream]
    chosen = [choose(lanes, turn, 1.0).stream for turn in range(FLOOR_TURNS)]
    assert chosen == [Stream.CRIT] * (FLOOR_TURNS - 1) + [Stream.BULK]
    assert choose([lane(), lane()], 0, 1.0) is None


actions = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 900)),
        st.tuples(st.just("send"), st.booleans()),  # whether it reaches the platform
        st.tuples(st.just("ack"), st.booleans()),  # whether it reaches the box
        st.tuples(st.just("ask"), st.none()),
        st.tuples(st.just("refuse"), st.none()),
        st.tuples(st.just("wait"), st.floats(0.01, 5)),
    ),
    max_size=80,
)


@given(actions)
def test_whatever_is_lost_or_refused_everything_arrives(steps):
    """A platform that takes only what follows its cursor, a line that loses batches and acks."""
    bulk, now, produced, committed = lane(flush_s=0.1), 0.0, 0, 0

    def send(arrives):
        nonlocal committed
        if bulk.ready(now):
            first, last = bulk.sent + 1, min(bulk.sent + BATCH_EVENTS_MAX, produced)
            bulk.batch_sent(last, now)
            bulk.confirmed(last, now)
            if arrives and first <= committed + 1:
                committed = max(committed, last)

    for what, how in steps:
        now += 0.01
        if what == "produce":
            produced += how
            bulk.produced(produced, now)
        elif what == "send":
            send(how)
        elif what == "ack" and how:
            bulk.acknowledged(committed, now)
        elif what == "ask":
            bulk.asked_again(now)
        elif what == "refuse":
            bulk.refuse("full", now)
        elif what == "wait":
            now += how
            bulk.check_progress(now)
        assert bulk.acked <= bulk.sent <= produced
        assert bulk.acked <= committed <= produced
    # From now on the line is whole: sleeping exactly as told, everything arrives.
    for _ in range(200):
        bulk.check_progress(now)
        send(True)
        bulk.acknowledged(committed, now)
        wake = bulk.wake_at()
        if wake is None:
            break
        now = max(now, wake)
    assert committed == bulk.acked == produced


@pytest.mark.parametrize("flush_s", [0.0, 30.0])
def test_a_lane_without_events_never_wakes(flush_s):
    idle = lane(last=7, acked=7, flush_s=flush_s)
    assert idle.wake_at() is None
    assert not idle.ready(1e9)


def test_hurry_makes_due_what_waits_for_its_batch_to_fill():
    waiting = Lane(Stream.BULK, 30.0, last=0, acked=0)
    waiting.hurry(0.0)
    assert waiting.wake_at() is None, "nothing waits"
    waiting.produced(3, 1.0)
    assert not waiting.ready(2.0)
    waiting.hurry(2.0)
    assert waiting.ready(2.0)
