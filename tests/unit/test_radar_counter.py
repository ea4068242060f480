"""The radar's counter: what one window of records comes to."""

import random
import time
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import CountReading
from sensors.radar.chains import Chains
from sensors.radar.counter import ALIKE_MAX, DEVICES_MAX, Counter
from sensors.radar.kinds import KINDS_MAX, REST, Kinds
from sensors.radar.record import Heard
from sensors.radar.scans import clumped, gathered
from sensors.radar.tracklet import PLACES_MAX, SEQUENCE, Tracklet

WINDOW = 0, 600_000
KIND, OTHER_KIND = b"kind-one", b"kind-two"
PRIVATE, BY_MAKER = 0xDA, 0x3C


def address(number: int, first: int = PRIVATE) -> bytes:
    return bytes([first]) + number.to_bytes(5, "big")


def frame(at_s: float, number: int, seq: int, kind: bytes = KIND, *, rssi_dbm: int = -50) -> Heard:
    """One transmission of the private address `number`."""
    return Heard(round(at_s * 1000), "r", address(number), rssi_dbm, 6, seq % SEQUENCE, kind)


def counted(heard: Iterable[Heard], gate_dbm: int | None = None) -> CountReading:
    counter = Counter(gate_dbm)
    numbers: dict[bytes, int] = {}
    for one in sorted(heard, key=lambda each: each.at_ms):
        counter.add(one, numbers.setdefault(one.source, len(numbers)))
    return counter.closed(*WINDOW)


def keeps_counting(first: int, start_s: float, seq: int, every_s: float = 60.0) -> list[Heard]:
    """A phone that takes a new address for each scan and goes on with its sequence numbers."""
    frames: list[Heard] = []
    scan = 0
    while start_s + scan * every_s < 600:
        at_s = start_s + scan * every_s
        frames += [frame(at_s + step / 20, first + scan, seq + step) for step in range(5)]
        seq += 20
        scan += 1
    return frames


def resets(first: int, start_s: float, every_s: float, *, rssi_dbm: int = -50) -> list[Heard]:
    """A phone that takes a new address and any sequence number for each scan."""
    dice = random.Random(first)
    return [
        frame(at, first + scan, dice.randrange(SEQUENCE), rssi_dbm=rssi_dbm)
        for scan, at in enumerate(_times(start_s, every_s))
    ]


def _times(start_s: float, every_s: float) -> list[float]:
    return [start_s + scan * every_s for scan in range(int((600 - start_s) // every_s) + 1)]


# --- addresses of makers


def test_addresses_of_makers_are_counted_as_they_are() -> None:
    heard = [
        Heard(at * 1000, "r", address(number, BY_MAKER), -50, 6, at, KIND)
        for number in range(7)
        for at in range(number, 100, 10)
    ]
    count = counted(heard)
    assert (count.devices, count.devices_low, count.devices_high) == (7, 7, 7)
    assert (count.addresses, count.private) == (7, 0)


# --- phones that make their addresses up


def test_a_phone_that_keeps_counting_is_one() -> None:
    count = counted(keeps_counting(0, 5, 4000))
    assert (count.devices, count.private, count.addresses) == (1, 1, 10)
    assert count.devices_low == 1


def test_phones_that_keep_counting_are_told_apart_by_their_numbers() -> None:
    phones = [keeps_counting(100 * n, 7 * n, 400 * n) for n in range(8)]
    assert counted(one for phone in phones for one in phone).devices == 8


@pytest.mark.parametrize("every_s", [60, 135, 160])
def test_a_phone_that_resets_is_known_by_its_beat(every_s: float) -> None:
    assert counted(resets(0, 5, every_s)).devices == 1


def test_phones_that_reset_are_told_apart_by_their_beat() -> None:
    phones = [resets(100 * n, start_s, 160) for n, start_s in enumerate((11, 40, 97, 131))]
    count = counted(one for phone in phones for one in phone)
    assert count.devices in (3, 4, 5)
    assert count.devices_low <= 4 <= count.devices_high


def test_addresses_changed_within_a_scan_are_one_phone() -> None:
    dice = random.Random(2)
    scans = [
        frame(start_s + step * 0.06, 20 * scan + step, dice.randrange(SEQUENCE))
        for scan, start_s in enumerate(_times(3, 45))
        for step in range(12)
    ]
    count = counted(scans)
    assert (count.devices, count.addresses) == (1, 14 * 12)


def test_another_kind_is_another_phone() -> None:
    count = counted([frame(1, 1, 5), frame(2, 2, 6, OTHER_KIND)])
    assert count.devices == 2


def test_two_fingerprints_of_one_address_are_one_kind() -> None:
    """The numbers run on from an address with one fingerprint to an address with the other."""
    apart = [frame(1, 1, 5), frame(61, 2, 25, OTHER_KIND), frame(121, 3, 45)]
    assert counted(apart).devices == 2
    tied = [*apart, frame(1.1, 1, 6, OTHER_KIND)]
    assert counted(tied).devices == 1


def test_a_hash_shared_by_strangers_ties_nothing() -> None:
    """Addresses are hashed to 20 bits: under one number may be two phones."""
    counter = Counter(None)
    for one in (frame(1, 1, 5), frame(2, 1, 2000, OTHER_KIND)):
        counter.add(one, 77)
    counter.add(frame(3, 2, 6, KIND), 78)
    counter.add(frame(4, 3, 2001, OTHER_KIND), 79)
    assert counter.closed(*WINDOW).devices >= 2


# --- gate and ring


def test_who_never_comes_near_is_a_passer_by() -> None:
    near = keeps_counting(0, 5, 100)
    weak = [
        frame(at, 500 + at, 3000 + at // 3, OTHER_KIND, rssi_dbm=-80) for at in range(0, 590, 40)
    ]
    maker = Heard(9_000, "r", address(9, BY_MAKER), -80, 6, 1, KIND)
    count = counted([*near, *weak, maker], gate_dbm=-65)
    assert (count.devices, count.passers) == (1, 2)
    assert count.private_addresses == 10
    assert counted([*near, *weak, maker]).passers == 0


def test_one_strong_moment_brings_all_addresses_of_a_phone_inside() -> None:
    far = [*keeps_counting(0, 5, 100)]
    weak = [Heard(h.at_ms, h.radio, h.source, -75, 6, h.seq, h.fingerprint) for h in far]
    weak[20] = Heard(weak[20].at_ms, "r", weak[20].source, -60, 6, weak[20].seq, KIND)
    count = counted(weak, gate_dbm=-65)
    assert (count.devices, count.passers) == (1, 0)
    assert count.private_addresses == 1


def test_a_radio_that_tells_no_level_hears_all_inside() -> None:
    silent = Heard(1000, "r", address(1), None, None, 7, KIND)
    assert counted([silent], gate_dbm=-65).devices == 1


# --- what is refused, and limits


def test_presence_alone_is_no_device() -> None:
    bare = [
        Heard(1000, "r", address(1), -50, 6, None, KIND),
        Heard(2000, "r", address(2), -50, 6, 7, None),
    ]
    count = counted(bare)
    assert (count.devices, count.addresses, count.frames, count.presence_only) == (0, 0, 2, 2)


def with_strangers(flood: Iterable[Heard], makers: int = 5) -> CountReading:
    """A flood from one transmitter, and after it `makers` phones with a maker's address and one
    that makes its addresses up."""
    counter = Counter(None)
    for number, one in enumerate(flood):
        counter.add(one, number)
    for maker in range(makers):
        for step in range(2):
            heard = Heard(590_000 + step, "r", address(maker, BY_MAKER), -50, 6, step, KIND)
            counter.add(heard, 10**6 + maker)
    for one in keeps_counting(0, 560, 100, every_s=10):
        stranger = Heard(one.at_ms, "r", one.source, -50, 6, one.seq, OTHER_KIND)
        counter.add(stranger, 2 * 10**6 + int.from_bytes(one.source))
    return counter.closed(*WINDOW)


def test_a_flood_of_addresses_costs_bounded_memory_and_hides_nobody() -> None:
    count = with_strangers(frame(at / 100, at, at * 13) for at in range(DEVICES_MAX + 5_000))
    assert count.devices - count.private == 5
    assert count.addresses == ALIKE_MAX + 5 + 4
    assert count.overflow == DEVICES_MAX + 5_000 - ALIKE_MAX


def test_a_flood_of_kinds_costs_bounded_memory_and_hides_nobody() -> None:
    flood = (frame(at / 100, at, at * 13, at.to_bytes(8)) for at in range(DEVICES_MAX + 5_000))
    count = with_strangers(flood)
    assert count.devices - count.private == 5
    assert count.addresses == DEVICES_MAX
    assert count.overflow == 5_000 + 5 + 4


def test_a_flood_of_makers_addresses_hides_nobody_who_makes_up_theirs() -> None:
    flood = (
        Heard(at, "r", address(at, BY_MAKER), -50, 6, at % 4096, KIND)
        for at in range(ALIKE_MAX + 5_000)
    )
    count = with_strangers(flood, makers=0)
    assert (count.private, count.addresses) == (1, ALIKE_MAX + 4)


@pytest.mark.parametrize("rising", [1, 50])
def test_a_burst_of_one_kind_is_counted_in_time(rising: int) -> None:
    """The whole room of a kind within six seconds."""
    counter = Counter(None)
    for at in range(ALIKE_MAX):
        counter.add(frame(at * 6 / ALIKE_MAX, at, at * rising), at)
    begun_s = time.process_time()
    counter.closed(*WINDOW)
    assert time.process_time() - begun_s < 6


def test_addresses_that_scan_all_the_time_cost_bounded_memory() -> None:
    counter = Counter(None)
    for scan in range(64):
        for number in range(400):
            at_s = scan * 9 + number * 8 / 400
            counter.add(frame(at_s, number, number * 97 + scan), number)
    tracemalloc.start()
    counter.closed(*WINDOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_channels_that_are_made_up_cost_bounded_time() -> None:
    counter = Counter(None)
    for number in range(400):
        for channel in range(14):
            at_ms, seq = number * 1400 + channel, number * 7 % SEQUENCE
            claimed = Heard(at_ms, "r", address(number), -50, number + channel, seq, KIND)
            counter.add(claimed, number)
    begun_s = time.process_time()
    counter.closed(*WINDOW)
    assert time.process_time() - begun_s < 3


def test_a_flood_of_one_kind_is_not_taken_for_a_crowd() -> None:
    """One transmitter that takes a new address for every frame."""
    dice = random.Random(1)
    flood = [frame(at / 50, at, dice.randrange(SEQUENCE)) for at in range(20_000 - 10)]
    phone = keeps_counting(10**6, 5, 100)
    strangers = [Heard(h.at_ms, "r", h.source, -50, 6, h.seq, OTHER_KIND) for h in phone]
    count = counted([*flood, *strangers])
    assert count.private <= 20
    assert count.frames == len(flood) + len(phone)
    assert count.overflow == len(flood) - ALIKE_MAX


def test_a_closed_window_leaves_nothing_behind() -> None:
    counter = Counter(None)
    counter.add(frame(1, 1, 5), 1)
    counter.closed(*WINDOW)
    assert counter.addresses == {}
    assert counter.closed(*WINDOW) == CountReading(
        lasted_ms=600_000, frames=0, addresses=0, devices=0, devices_low=0, devices_high=0
    )


def test_fingerprints_are_bounded() -> None:
    kinds = Kinds()
    for number in range(KINDS_MAX):
        kinds.of(number.to_bytes(8))
    assert kinds.of(b"one-more") == REST
    kinds.tie(b"one-more", (0).to_bytes(8))
    assert kinds.of((0).to_bytes(8)) == (0).to_bytes(8)


def test_radios_whose_levels_are_kept_are_bounded() -> None:
    tracklet = Tracklet.begun(frame(0, 1, 0))
    for radio in range(100):
        tracklet.add(Heard(radio, f"r{radio}", address(1), -50, 6, radio, KIND))
    assert len(tracklet.peaks) == PLACES_MAX


def test_a_crowd_of_one_kind_is_counted_in_parts() -> None:
    tracklets = [Tracklet.begun(frame(at / 4, at, at * 977)) for at in range(2_000)]
    numbers = Chains(tracklets, WINDOW).numbers()
    assert len(numbers) == 2_000
    assert sorted(set(numbers)) == list(range(max(numbers) + 1))


# --- scans


def test_lone_addresses_are_no_clump() -> None:
    lone = [Tracklet.begun(frame(at * 9.0, at, at * 977)) for at in range(60)]
    assert not clumped(lone)
    assert len(gathered(lone, counting=False)) == 60


def test_a_crowd_at_random_times_is_no_clump() -> None:
    crowd = [Tracklet.begun(frame((at * 0.6180339 % 1) * 600, at, at)) for at in range(900)]
    crowd.sort(key=lambda one: one.first_ms)
    assert not clumped(crowd)


# --- laws

records = st.lists(
    st.tuples(
        st.floats(0, 599), st.integers(0, 30), st.integers(0, SEQUENCE - 1), st.sampled_from("ABC")
    ),
    max_size=60,
)


def made(drawn: list[tuple[float, int, int, str]]) -> list[Heard]:
    return [frame(at_s, number, seq, kind.encode() * 8) for at_s, number, seq, kind in drawn]


@given(records)
@settings(max_examples=60, deadline=None)
def test_there_are_never_more_phones_than_addresses(
    drawn: list[tuple[float, int, int, str]],
) -> None:
    count = counted(made(drawn))
    assert count.devices <= count.addresses == len({number for _, number, _, _ in drawn})
    assert (count.devices > 0) == bool(drawn)
    assert count.devices_low <= count.devices <= count.devices_high


@given(records, st.integers(0, SEQUENCE - 1))
@settings(max_examples=60, deadline=None)
def test_where_sequence_numbers_begin_does_not_matter(
    drawn: list[tuple[float, int, int, str]], offset: int
) -> None:
    moved = [(at_s, number, (seq + offset) % SEQUENCE, kind) for at_s, number, seq, kind in drawn]
    assert counted(made(moved)) == counted(made(drawn))


@given(records, st.permutations(range(31)))
@settings(max_examples=60, deadline=None)
def test_names_of_addresses_do_not_matter(
    drawn: list[tuple[float, int, int, str]], names: list[int]
) -> None:
    renamed = [(at_s, names[number], seq, kind) for at_s, number, seq, kind in drawn]
    assert counted(made(renamed)) == counted(made(drawn))


@given(records)
@settings(max_examples=40, deadline=None)
def test_a_device_of_a_maker_more_is_one_more(drawn: list[tuple[float, int, int, str]]) -> None:
    maker = Heard(300_000, "r", address(99, BY_MAKER), -50, 6, 1, KIND)
    alone, beside = counted(made(drawn)), counted([*made(drawn), maker])
    assert beside.devices == alone.devices + 1
    assert beside.private == alone.private
