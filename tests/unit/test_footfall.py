"""What leaves of a window: no number of people so few that one could know them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.presence.footfall import CELL_MIN, CELLS, COMPLEMENTS, Footfall, LineCount, of_radar, told
from edge.presence.people import UNKNOWN
from edge.records import CountReading, Moment

NOT_ABOUT_PEOPLE = {"from_ms", "until_ms", "frames", "overflow"}
"""Times and transmissions."""

numbers = st.integers(0, 12)
windows = st.builds(
    Footfall,
    sensor=st.just("radar"),
    from_ms=st.just(0),
    until_ms=st.just(300_000),
    addresses=numbers,
    phones=numbers,
    frames=numbers,
    people=numbers,
    overflow=numbers,
    phones_low=numbers,
    phones_high=numbers,
    passers=numbers,
    visitors=numbers,
    visitors_low=numbers,
    visitors_high=numbers,
    lines=st.just({}),
)
drawn = st.dictionaries(st.sampled_from("abc"), st.builds(LineCount, numbers, numbers))
camera_windows = st.builds(
    lambda people, lines: Footfall(
        sensor="door",
        from_ms=0,
        until_ms=300_000,
        addresses=0,
        phones=0,
        frames=0,
        people=people,
        overflow=0,
        entries=sum(line.entries for line in lines.values()),
        exits=sum(line.exits for line in lines.values()),
        lines=lines,
    ),
    numbers,
    drawn,
)


@given(windows | camera_windows)
def test_no_small_number_leaves(window: Footfall) -> None:
    left = told(window)
    for cell in (*CELLS, *COMPLEMENTS):
        said, true = getattr(left, cell), getattr(window, cell)
        assert not 0 < said < CELL_MIN
        assert said == (0 if cell in left.withheld else true)
        assert cell not in left.withheld or true > 0, "none is told as none"


@given(windows)
def test_a_small_number_cannot_be_worked_out(window: Footfall) -> None:
    """All addresses less those outside are those inside: one of the three must be missing too."""
    left = told(window)
    if left.withheld and window.addresses:
        assert "addresses" in left.withheld


@given(windows)
def test_what_is_large_enough_or_not_of_people_is_told(window: Footfall) -> None:
    left = told(window)
    for name in NOT_ABOUT_PEOPLE:
        assert getattr(left, name) == getattr(window, name)
    large = all(getattr(window, cell) not in range(1, CELL_MIN) for cell in (*CELLS, *COMPLEMENTS))
    assert (left == window) is large
    assert told(left).withheld in ((), left.withheld)


@given(windows)
def test_an_interval_is_told_with_its_number_or_not_at_all(window: Footfall) -> None:
    left = told(window)
    for cell, bounds in CELLS.items():
        for bound in bounds:
            kept = 0 if cell in left.withheld else getattr(window, bound)
            assert getattr(left, bound) == kept


def test_what_a_radar_of_presence_only_heard_is_no_nobody() -> None:
    count = CountReading(
        lasted_ms=600_000,
        frames=30,
        addresses=0,
        devices=0,
        devices_low=0,
        devices_high=0,
        presence_only=30,
    )
    left = told(of_radar("radar", count, UNKNOWN, Moment(600_000, 600_000, "boot0001", True)))
    assert left.withheld == ("phones", "passers", "visitors")
    assert left.frames == 30


def test_every_number_of_a_window_is_a_cell_or_of_nobody() -> None:
    fields = {f.name for f in msgspec.structs.fields(Footfall) if f.type is int}
    bounds = {bound for cell in CELLS.values() for bound in cell}
    assert fields == {*CELLS, *bounds, *COMPLEMENTS, *NOT_ABOUT_PEOPLE}


@given(camera_windows)
def test_lines_are_told_if_none_of_their_numbers_is_small(window: Footfall) -> None:
    left = told(window)
    numbers = [n for line in window.lines.values() for n in (line.entries, line.exits)]
    small = any(0 < number < CELL_MIN for number in numbers)
    assert left.lines == ({} if small else window.lines)
    assert ("lines" in left.withheld) is small
    assert told(left) == left
