"""Equipment that is learned: what stays for hours, and what does not."""

import pytest

from sensors.radar.equipment import KNOWN_MAX, LIFETIME_MS, STAYS_MS, Equipment

PRINTER, PHONE = bytes.fromhex("3c0630aabbcc"), bytes.fromhex("f01898112233")
WINDOW_MS = 600_000
LONG_ENOUGH = STAYS_MS // WINDOW_MS


def windows(equipment: Equipment, count: int, *heard: bytes, lasted_ms: int = WINDOW_MS) -> None:
    for _ in range(count):
        for source in heard:
            equipment.stays(source)
        equipment.window_ended(lasted_ms)


@pytest.mark.parametrize("lasted_ms", [60_000, 300_000, 600_000])
def test_what_is_heard_for_two_hours_stays(lasted_ms: int) -> None:
    equipment = Equipment()
    needed = STAYS_MS // lasted_ms
    windows(equipment, needed - 1, PRINTER, lasted_ms=lasted_ms)
    assert not equipment.stays(PRINTER)
    equipment.window_ended(lasted_ms)
    assert equipment.stays(PRINTER)
    assert not equipment.stays(PHONE)


def test_one_quiet_window_is_forgiven() -> None:
    equipment = Equipment()
    windows(equipment, LONG_ENOUGH, PRINTER)
    windows(equipment, 1)
    assert equipment.stays(PRINTER)


def test_two_quiet_windows_are_not() -> None:
    equipment = Equipment()
    windows(equipment, LONG_ENOUGH, PRINTER, PHONE)
    windows(equipment, 2, PHONE)
    assert not equipment.stays(PRINTER)
    assert equipment.stays(PHONE)


def test_all_is_forgotten_after_a_day() -> None:
    equipment = Equipment()
    equipment.age(5_000)
    windows(equipment, LONG_ENOUGH, PRINTER)
    equipment.age(5_000 + LIFETIME_MS - 1)
    assert equipment.stays(PRINTER)
    equipment.age(5_000 + LIFETIME_MS)
    assert not equipment.stays(PRINTER)


def test_a_flood_of_addresses_hides_no_machine_that_is_known() -> None:
    equipment = Equipment()
    windows(equipment, LONG_ENOUGH, PRINTER)
    for flood in range(4):
        for number in range(KNOWN_MAX + 200):
            equipment.stays((flood * 10**6 + number).to_bytes(6))
        equipment.stays(PRINTER)
        equipment.window_ended(WINDOW_MS)
    assert equipment.stays(PRINTER)
    assert not equipment.stays(PHONE), "the flood has taken all room"
