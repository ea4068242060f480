"""Equipment that is learned: what stays for hours, and what does not."""

from sensors.radar.equipment import KNOWN_MAX, LIFETIME_WINDOWS, WINDOWS_MIN, Equipment

PRINTER, PHONE = bytes.fromhex("3c0630aabbcc"), bytes.fromhex("f01898112233")


def windows(equipment: Equipment, count: int, *heard: bytes) -> None:
    for _ in range(count):
        for source in heard:
            equipment.stays(source)
        equipment.window_ended()


def test_what_is_heard_for_hours_stays() -> None:
    equipment = Equipment()
    windows(equipment, WINDOWS_MIN - 1, PRINTER)
    assert not equipment.stays(PRINTER)
    equipment.window_ended()
    assert equipment.stays(PRINTER)
    assert not equipment.stays(PHONE)
    assert equipment.known == 1


def test_one_quiet_window_is_forgiven_and_two_are_not() -> None:
    equipment = Equipment()
    windows(equipment, WINDOWS_MIN, PRINTER, PHONE)
    windows(equipment, 1, PHONE)
    assert equipment.known == 2
    windows(equipment, 1, PHONE)
    assert equipment.known == 1
    assert equipment.stays(PHONE)


def test_all_is_forgotten_after_a_day() -> None:
    equipment = Equipment()
    windows(equipment, LIFETIME_WINDOWS - 1, PRINTER)
    assert equipment.stays(PRINTER)
    equipment.window_ended()
    assert not equipment.stays(PRINTER)


def test_a_flood_does_not_fill_the_memory() -> None:
    equipment = Equipment()
    windows(equipment, WINDOWS_MIN, PRINTER)
    for number in range(20_000):
        equipment.stays(number.to_bytes(6))
    equipment.window_ended()
    assert equipment.known <= 2
    assert len(equipment._windows) <= KNOWN_MAX


def test_no_address_is_kept() -> None:
    equipment = Equipment()
    windows(equipment, WINDOWS_MIN, PRINTER)
    kept = [*equipment._windows, *equipment._heard, *equipment._missed]
    assert all(isinstance(mark, int) and mark < 1 << 20 for mark in kept)
