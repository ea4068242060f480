"""The privacy rules that hold inside every radar, whatever its route: who may be counted, and how.

`Radar` on a real socket; and the worker's process, which must follow the core's list of opt-outs.
"""

import gc
import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.intake import SALT_LIFETIME_S
from hardware.dot11 import RADIOTAP, ProbeParser, ProbeRequest
from sensors import wire
from sensors.radar import radar as radar_module
from sensors.radar.admission import OPTED_OUT, OUTSIDE_HOURS
from sensors.radar.hours import MARGIN_S
from sensors.radar.marks import HASH_BITS, opt_out_mark, short_hash
from sensors.radar.record import Heard
from tests.drivers.frames import pcap, probe, radiotap
from tests.drivers.linked import linked
from tests.drivers.worker import SALT, configured, running

MONDAY_8_MS = round(datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
OPEN_FROM_9 = {"hours": ["mon 09:00-10:00"], "timezone": "UTC", "window_s": 300}
KEY = bytes(range(32, 64))


def heard(at_ms: int, number: int = 1, rssi_dbm: int = -50) -> Heard:
    """One transmission of phone `number`."""
    source = b"\x3c\x06\x30" + number.to_bytes(3, "big")
    return Heard(at_ms, "r", source, rssi_dbm, 6, at_ms & 4095, b"fprint00")


def list_of(*addresses: bytes) -> wire.OptOuts:
    return wire.OptOuts(KEY, [opt_out_mark(address, KEY) for address in addresses])


# --- rule 6: the capture window


def test_only_the_opening_hours_are_counted() -> None:
    minutes = range(0, 3 * 60)
    open_ = range(45, 120 + 15)
    with linked(OPEN_FROM_9, start_ms=MONDAY_8_MS) as (radar, core):
        for minute in minutes:
            radar.hear(heard(minute * 60_000, minute))
        radar.finish(minutes[-1] * 60_000)
        core.hear_out()
    assert core.dropped == {OUTSIDE_HOURS: len(minutes) - len(open_)}
    assert sum(count.frames for count in core.counts) == len(open_)
    assert sum(count.lasted_ms for count in core.counts) == len(open_) * 60_000
    first, last = core.observations[0].seen.wall_ms, core.observations[-1].seen.wall_ms
    assert first - MONDAY_8_MS == HOUR_MS - MARGIN_S * 1000 + 300_000
    assert last - MONDAY_8_MS == 2 * HOUR_MS + MARGIN_S * 1000


def test_no_window_lies_outside_the_hours() -> None:
    with linked(OPEN_FROM_9, start_ms=MONDAY_8_MS + 4 * HOUR_MS) as (radar, core):
        for at_ms in range(0, HOUR_MS, 1000):
            radar.tick(at_ms)
        radar.finish(HOUR_MS)
        assert not core.hear_out().observations


def test_closing_reports_what_was_open_at_once() -> None:
    with linked(OPEN_FROM_9, start_ms=MONDAY_8_MS + 2 * HOUR_MS + 840_000) as (radar, core):
        radar.hear(heard(0))
        radar.tick(59_000)
        assert not core.hear_out().counts
        radar.tick(60_000)
        (count,) = core.hear_out().counts
        assert (count.lasted_ms, count.frames) == (60_000, 1)
        radar.tick(61_000)
        assert len(core.hear_out().counts) == 1


@pytest.mark.parametrize(("goes_on_ms", "counted"), [(HOUR_MS, [1, 0, 0]), (168 * HOUR_MS, [1])])
def test_a_gap_over_closing_makes_no_windows_of_the_night(
    goes_on_ms: int, counted: list[int]
) -> None:
    """A recording that goes on in the night; after a week its clock was set."""
    with linked(OPEN_FROM_9, start_ms=MONDAY_8_MS + 2 * HOUR_MS) as (radar, core):
        radar.hear(heard(0))
        radar.hear(heard(goes_on_ms))
        core.hear_out()
    assert [count.frames for count in core.counts] == counted
    assert {count.lasted_ms for count in core.counts} == {300_000}


def test_equipment_is_forgotten_after_a_day_though_the_shop_was_closed() -> None:
    with linked({"window_s": 600}) as (radar, core):
        for at_ms in range(0, 3 * HOUR_MS, 60_000):
            radar.hear(heard(at_ms))
        core.hear_out()
        learned = core.dropped["fixed"]
        assert 0 < learned <= 61
        for at_ms in range(23 * HOUR_MS, 25 * HOUR_MS, 60_000):
            radar.hear(heard(at_ms))
        radar.finish(25 * HOUR_MS)
        core.hear_out()
    assert core.dropped["fixed"] == learned


def test_a_radar_of_presence_only_says_so_until_it_hears_more() -> None:
    bare = [msgspec.structs.replace(heard(at_ms), seq=None) for at_ms in (0, 1)]
    with linked({"window_s": 60}) as (radar, core):
        for one in bare:
            radar.hear(one)
        radar.tick(60_000)
        core.hear_out()
        assert "no phone can be counted" in core.health[-1].state
        radar.hear(heard(61_000))
        radar.tick(120_000)
        core.hear_out()
        assert core.health[-1].ok
    assert [count.tells_phones for count in core.counts] == [False, True]


def test_outside_the_hours_not_even_the_opt_outs_are_asked() -> None:
    night = MONDAY_8_MS - 6 * HOUR_MS
    with linked(OPEN_FROM_9, start_ms=night, opt_outs=list_of(heard(0).source)) as (radar, core):
        radar.hear(heard(0))
        assert core.hear_out().dropped == {OUTSIDE_HOURS: 1}


# --- rule 5: people who asked not to be counted


def test_who_opted_out_is_counted_in_no_number() -> None:
    gone, stays = heard(0, 1), heard(0, 2)
    with linked(opt_outs=list_of(gone.source)) as (radar, core):
        for at_ms in range(10):
            radar.hear(heard(at_ms, 1, -20))
            radar.hear(heard(at_ms, 1, -99))
        radar.hear(stays)
        radar.finish(60_000)
        core.hear_out()
    (count,) = core.counts
    assert (count.frames, count.addresses, count.devices + count.passers) == (1, 1, 1)
    assert core.dropped == {OPTED_OUT: 20}


def test_the_list_changes_while_a_radar_runs() -> None:
    with linked() as (radar, core):
        radar.hear(heard(0))
        core.say(list_of(heard(0).source))
        core.hear_out()
        radar.hear(heard(1))
        core.say(list_of())
        core.hear_out()
        radar.hear(heard(2))
        radar.finish(60_000)
        core.hear_out()
    assert core.counts[0].frames == 2
    assert core.dropped == {OPTED_OUT: 1}


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=32, max_size=32))
def test_a_mark_says_nothing_without_its_key(address: bytes, key: bytes) -> None:
    mark = opt_out_mark(address, key)
    assert mark == opt_out_mark(address, key)
    assert address not in mark
    assert mark != opt_out_mark(address, bytes(32)) or key == bytes(32)


def test_a_full_list_fits_into_one_frame() -> None:
    full = wire.OptOuts(KEY, [number.to_bytes(16, "big") for number in range(wire.OPT_OUTS_MAX)])
    configure = wire.Configure("r", "d", {}, SALT, "boot", opt_outs=full)
    (read,) = wire.FrameReader(down=True).feed(wire.encode(configure))
    assert read.opt_outs == full
    assert KEY.hex() not in repr(read.opt_outs)
    assert repr(KEY) not in repr(read.opt_outs)


def test_the_worker_knows_the_list_from_its_first_frame(tmp_path: Path) -> None:
    gone, stays = bytes.fromhex("3c0630000001"), bytes.fromhex("3c0630000002")
    path = tmp_path / "morning.pcap"
    path.write_bytes(
        pcap([(ms, radiotap(probe(who))) for ms in range(50) for who in (gone, stays)])
    )
    plain = configured(f"replay:{path}", timeline_start_ms=0)
    listed = wire.Configure(
        plain.sensor, plain.device, {}, SALT, plain.boot, 0, opt_outs=list_of(gone)
    )
    with running("wifi", listed) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert worker.dropped == {OPTED_OUT: 50}
        assert sum(count.frames for count in worker.readings) == 50
        for secret in (KEY, opt_out_mark(gone, KEY), gone):
            assert secret not in bytes(worker.received)
            assert secret.hex() not in worker.stderr


# --- rule 2: nobody has an identity


@given(st.binary(min_size=6, max_size=6), st.binary(min_size=16, max_size=64))
def test_a_phone_is_a_number_of_twenty_bits(source: bytes, salt: bytes) -> None:
    assert HASH_BITS == 20
    assert 0 <= short_hash(source, salt) < 1 << 20


def test_the_number_needs_the_key() -> None:
    sources = [number.to_bytes(6, "big") for number in range(2000)]
    one, other = ([short_hash(source, salt) for source in sources] for salt in (SALT, KEY))
    assert len(set(one)) > 1950, "so few are taken for another that no count notices"
    assert sum(map(int.__eq__, one, other)) < 5


def alike_under(key: bytes) -> tuple[int, int]:
    """Two phones that have one number under `key`, and two under the rig's own."""
    known: dict[int, int] = {}
    for phone in range(10_000):
        source = heard(0, phone).source
        other = known.setdefault(short_hash(source, key), phone)
        if short_hash(source, SALT) != short_hash(heard(0, other).source, SALT):
            return other, phone
    raise AssertionError("of 10 000 phones some share one of a million numbers")


def test_a_new_key_counts_from_the_next_window_on() -> None:
    alike = alike_under(KEY)
    with linked({"window_s": 60}) as (radar, core):
        core.say(wire.Salt(KEY))
        for at_ms in (0, 59_000, 61_000):
            for phone in alike:
                radar.hear(heard(at_ms, phone))
            core.hear_out()
        radar.finish(120_000)
        assert [count.addresses for count in core.hear_out().counts] == [2, 1]
    assert SALT_LIFETIME_S <= 4 * 3600


def test_a_phone_heard_before_and_after_the_night_has_two_numbers() -> None:
    alike = alike_under(KEY)
    with linked(OPEN_FROM_9, start_ms=MONDAY_8_MS + HOUR_MS) as (radar, core):
        for phone in alike:
            radar.hear(heard(0, phone))
        radar.tick(2 * HOUR_MS)
        core.say(wire.Salt(KEY))
        core.hear_out()
        for phone in alike:
            radar.hear(heard(7 * 24 * HOUR_MS, phone))
        radar.finish(7 * 24 * HOUR_MS + 300_000)
        counts = core.hear_out().counts
        assert (counts[0].addresses, counts[-1].addresses) == (2, 1)


# --- rule 1: nothing raw outlives the call


def test_no_live_object_of_a_radar_holds_an_address_a_name_or_an_element() -> None:
    name, element = b"Canary Network", b"\xdd\x07canary!"
    frames = [
        (radiotap(probe(source, seq=seq, name=name, elements=element)), source)
        for seq in range(64)
        for source in [bytes((0xDA, 0xA1, 0x19, 7, seq, 250))]
    ]
    sources = [source for _, source in frames]
    parser = ProbeParser(RADIOTAP)
    with linked() as (radar, core):
        for at_ms, (frame, _) in enumerate(frames):
            radar.take(parser.parse(frame), "mon0", at_ms)
        secrets = [*sources, name, element]
        assert not held(secrets, radar, core.link, parser)
        radar.kept = [frames[0][1]]  # type: ignore[attr-defined]
        assert held(secrets, radar, core.link, parser), "the search finds what is there"


def test_what_is_printed_of_a_record_names_nobody() -> None:
    parsed = ProbeParser(RADIOTAP).parse(radiotap(probe(heard(0).source, name=b"Canary")))
    assert isinstance(parsed, ProbeRequest)
    for printed in (repr(parsed), repr(heard(0)), f"{parsed}{heard(0)}"):
        for form in (heard(0).source.hex(), repr(heard(0).source)[2:-1], "Canary", "x30"):
            assert form not in printed


def held(secrets: list[bytes], *roots: object) -> list[object]:
    """Live objects reachable from `roots` that hold one of `secrets`; modules and code aside."""
    gc.collect()
    return [each for each in reachable(roots) if mentions(each, secrets)]


def mentions(value: object, secrets: list[bytes]) -> bool:
    match value:
        case bytes() | bytearray():
            return any(secret in value for secret in secrets)
        case str():
            return any(secret.hex() in value.replace(":", "").lower() for secret in secrets)
        case int() if value > 0xFFFF:
            return value in {int.from_bytes(s, order) for s in secrets for order in ORDERS}
    return False


ORDERS: tuple[Any, ...] = ("big", "little")


def reachable(roots: tuple[object, ...]) -> Iterator[object]:
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, ModuleType | type):
            continue
        if inspect.isfunction(each) and each.__module__ != radar_module.__name__:
            continue
        seen.add(id(each))
        yield each
        waiting += gc.get_referents(each)
        if hasattr(type(each), "__struct_fields__"):  # those of msgspec may be hidden from gc
            waiting += [getattr(each, name) for name in type(each).__struct_fields__]
