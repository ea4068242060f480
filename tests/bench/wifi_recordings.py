"""The Wi-Fi recordings as the counter hears them, for its benchmarks and tests.

`labelled_phones` gives what each recorded phone sent, on one time line for all three radios;
`rooms` what was heard in a room on each day, with how many people were there. Nothing is copied:
without the recordings there is nothing to measure.
"""

import csv
import gzip
import os
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hardware.capture_file import records
from hardware.dot11 import RADIOTAP, ProbeParser, ProbeRequest
from sensors.radar.record import Heard
from tests.conftest import ROOT

NAME = re.compile(r"(?P<phone>\w)-ts-(?P<started>.*)-mode(?P<mode>\w+)-ch-(?P<channel>\d+)-th")


class Session(NamedTuple):
    """One phone in one mode for 20 minutes: `heard` by the radios r1, r6 and r11, in order."""

    phone: str
    name: str
    heard: list[Heard]


class Room(NamedTuple):
    """One window of a room: who was there (a mean over the window), and what was heard."""

    day: str
    from_ms: int
    lasted_ms: int
    people: float
    heard: list[Heard]


def folder() -> Path:
    """Where the recordings are looked for; it need not exist."""
    named = os.environ.get("STOREBOX_RECORDINGS")
    return (Path(named) if named else ROOT.parent / "shared" / "data") / "wifi"


@cache
def labelled_phones() -> tuple[Session, ...]:
    """All sessions; empty without recordings."""
    sessions: dict[tuple[str, str], list[Heard]] = defaultdict(list)
    for path in sorted((folder() / "labelled-phones").glob("*.pcap.gz")):
        found = NAME.match(path.name)
        assert found, path.name
        key = found["phone"], f"{found['started']}-{found['mode']}"
        sessions[key] += heard_in(path, f"r{found['channel']}")
    return tuple(
        Session(phone, name, sorted(heard, key=lambda one: one.at_ms))
        for (phone, name), heard in sorted(sessions.items())
    )


@cache
def rooms() -> tuple[Room, ...]:
    """All windows of the room, without its own equipment; empty without recordings."""
    place = folder() / "room-occupancy"
    if not place.is_dir():
        return ()
    equipment = fixed_equipment()
    found: list[Room] = []
    with (place / "windows.csv").open() as file:
        rows = list(csv.DictReader(file))
    for day in sorted({row["day"] for row in rows}):
        heard = [
            one for one in heard_in(place / f"{day}.pcap.gz", "room") if one.source not in equipment
        ]
        for row in rows:
            if row["day"] == day:
                from_ms, lasted_ms = (
                    int(row["window_start_pcap_epoch"]) * 1000,
                    int(row["seconds"]) * 1000,
                )
                inside = [one for one in heard if from_ms <= one.at_ms < from_ms + lasted_ms]
                found.append(Room(day, from_ms, lasted_ms, float(row["people"]), inside))
    return tuple(found)


def fixed_equipment() -> frozenset[bytes]:
    """The addresses of the room's own machines, from the recordings' description."""
    text = (folder().parent / "README.md").read_text()
    return frozenset(
        bytes.fromhex(address.replace(":", ""))
        for address in re.findall(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", text)
    )


def heard_in(path: Path, radio: str) -> Iterator[Heard]:
    """The probe requests of a recording, by the wall clock of its time stamps."""
    started_ms = first_stamp_ms(path)
    parse = ProbeParser(RADIOTAP).parse
    for record in records(path):
        found = parse(record.frame)
        if isinstance(found, ProbeRequest):
            yield Heard(
                started_ms + record.offset_ms,
                radio,
                found.source,
                found.rssi_dbm,
                found.channel,
                found.seq,
                found.fingerprint,
            )


def first_stamp_ms(path: Path) -> int:
    """The time stamp of the first record of a classic little-endian pcap with microseconds."""
    with gzip.open(path) as file:
        head = file.read(32)
    seconds, micros = struct.unpack_from("<II", head, 24)
    return int(seconds) * 1000 + int(micros) // 1000
