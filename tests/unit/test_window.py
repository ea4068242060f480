"""The window: it fills any line, and what stands in the queue stays short."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.window import BATCHES_MAX, BATCHES_MIN, BATCHES_START, Window


class PlainLine:
    """A bottleneck of one `service_s` a batch, `delay_s` there and back: the driver at the wire."""

    def __init__(self, service_s, delay_s):
        self.service_s, self.delay_s = service_s, delay_s
        self.free_at = 0.0
        self.busy_s = 0.0

    def back_at(self, now):
        begin = max(now + self.delay_s / 2, self.free_at)
        self.free_at = begin + self.service_s
        self.busy_s += self.service_s
        return self.free_at + self.delay_s / 2


def drained(window, line, batches, *, from_s=0.0):
    """Send that many batches, as many at a time as the window says; rtt of each, and the end."""
    now, under_way, rtts = from_s, [], []
    while batches or under_way:
        while batches and len(under_way) < window.size:
            heapq.heappush(under_way, (line.back_at(now), now))
            batches -= 1
        full = len(under_way) >= window.size
        now, sent_at = heapq.heappop(under_way)
        window.measured(sent_at, now, full=full)
        rtts.append(now - sent_at)
    return rtts, now


@given(
    service_s=st.floats(0.005, 0.3),
    delay_s=st.floats(0.0005, 0.8),
)
def test_any_line_is_filled_and_the_queue_stays_short(service_s, delay_s):
    window, line = Window(), PlainLine(service_s, delay_s)
    rtts, end = drained(window, line, 1000)
    assert BATCHES_MIN <= window.size <= BATCHES_MAX
    possible = min(1.0, BATCHES_MAX * service_s / (service_s + delay_s))
    assert line.busy_s / end >= 0.88 * possible
    queued = sorted(rtt - service_s - delay_s for rtt in rtts[100:])
    assert queued[-9] <= 0.8 + service_s, "of a hundred orders no more than one waits longer"


def test_the_slow_line_of_the_facts():
    """600 ms and 1 Mbit/s, batches of 20 kB: not the eight batches at once that seem natural."""
    window, line = Window(), PlainLine(0.16, 0.6)
    rtts, end = drained(window, line, 1000)
    assert line.busy_s / end > 0.97
    assert max(rtts[100:]) < 0.76 + 0.6


def test_a_platform_that_pauses_does_not_close_the_window_for_long():
    window, line = Window(), PlainLine(0.01, 0.002)
    drained(window, line, 200)
    line.free_at += 3.0
    _, end = drained(window, line, 300, from_s=line.free_at - 3.0)
    assert end - line.free_at < 0.1
    assert window.size > 20


def test_a_line_that_became_longer_is_not_taken_for_a_queue_for_ever():
    window, line = Window(), PlainLine(0.02, 0.02)
    drained(window, line, 200)
    line.delay_s = 1.2  # the cable is out, the mobile network takes over
    began, before_s = line.free_at, line.busy_s
    drained(window, line, 300, from_s=began)
    began, before_s = line.free_at, line.busy_s
    _, end = drained(window, line, 300, from_s=began)
    possible = BATCHES_MAX * 0.02 / 1.22
    assert (line.busy_s - before_s) / (end - began) > 0.8 * possible


def test_a_window_that_nobody_fills_stays_as_it_is():
    window = Window()
    for n in range(50):
        window.measured(float(n), n + 0.1, full=False)
    assert window.size == BATCHES_START
    assert window.rtt_s == pytest.approx(0.1)
