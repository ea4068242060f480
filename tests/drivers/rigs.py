"""One small test rig per kind of sensor, for `test_conformance.py`. A new kind adds its own here.

A rig makes three devices out of files in a folder: one that gives readings and comes to its end,
one that is not there, and one that holds garbage. Each is a `device` string as in the
configuration. A rig that needs recordings skips the test, with a reason, when there are none.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drivers.frames import pcap, probe, radiotap
from tests.drivers.routes import capture_of, line, streamed, tzsp

GARBAGE = bytes(range(256)) * 16
ROUTER = "192.168.88.1"


@dataclass(frozen=True, slots=True)
class Rig:
    """The three devices of a kind; the functions get an empty folder to make them in.

    `readings` are the names of the reading types that `good` gives, `options` and `secret` what all
    three need. `waits`: the sensor itself waits for an absent device, and does not end.
    """

    good: Callable[[Path], str]
    absent: Callable[[Path], str]
    garbage: Callable[[Path], str]
    readings: frozenset[str]
    options: dict[str, Any]
    secret: bytes = b""
    waits: bool = False


def _capture(folder: Path) -> str:
    path = folder / "good.pcap"
    source = bytes.fromhex("daa119000007")
    frames = [(500 * seq, radiotap(probe(source, seq=seq))) for seq in range(20)]
    path.write_bytes(pcap(frames))
    return f"replay:{path}"


def _datagrams(folder: Path) -> str:
    path = folder / "good-tzsp.pcap"
    source = bytes.fromhex("daa119000007")
    path.write_bytes(
        capture_of([(100 * seq, ROUTER, tzsp(probe(source, seq=seq))) for seq in range(20)])
    )
    return f"replay:{path}"


def _stream(folder: Path) -> str:
    path = folder / "good.stream"
    source = bytes.fromhex("daa119000007")
    frames = [probe(source, seq=seq) for seq in range(20)]
    path.write_bytes(b"boot: ets Jun  8 2016\r\n" + streamed(frames))
    return f"replay:{path}"


def _lines(folder: Path) -> str:
    path = folder / "good.jsonl"
    source = bytes.fromhex("daa119000007")
    path.write_bytes(b"".join(line(source, t=seq / 10, q=seq) + b"\n" for seq in range(20)))
    return f"replay:{path}"


def _scans(folder: Path) -> str:
    path = folder / "good.jsonl"
    scans = [{"at_ms": 700 * number, "text": f"ITEM-{number}"} for number in range(20)]
    path.write_text("".join(json.dumps(scan) + "\n" for scan in scans))
    return f"simulated:{path}"


def _logins(folder: Path) -> str:
    """Twenty phones come, and every second one goes."""
    path = folder / "good.jsonl"
    stop = {"status": "stop", "nas": "hall"}
    lines = [
        {"at_ms": 1000 * number, "status": "start", "nas": "hall", "session": f"s{number}"}
        | {"login": f"+7916000{number:04}", "address": f"02-00-00-00-00-{number:02X}"}
        for number in range(20)
    ] + [stop | {"at_ms": 30_000, "session": f"s{number}"} for number in range(0, 20, 2)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"simulated:{path}"


def _clip(folder: Path) -> str:
    """A drawn portrait that walks in; imported here because it loads native libraries."""
    from sensors.scenario import clips, faces

    path = folder / "good.avi"
    clips.render(faces.portrait(), path, seed=1, outline=faces.outline())
    return f"replay:{path}"


def _garbage(prefix: str) -> Callable[[Path], str]:
    def made(folder: Path) -> str:
        path = folder / "garbage"
        path.write_bytes(GARBAGE)
        return f"{prefix}:{path}"

    return made


RIGS = {
    "code": Rig(
        good=_scans,
        absent=lambda folder: str(folder / "ttyACM0"),
        garbage=_garbage("simulated"),
        readings=frozenset({"CodeReading"}),
        options={},
    ),
    "face": Rig(
        good=_clip,
        absent=lambda folder: f"v4l2:{folder / 'video0'}",
        garbage=_garbage("replay"),
        readings=frozenset({"TrackReading", "GoneReading"}),
        options={},
        waits=True,
    ),
    "radius": Rig(
        good=_logins,
        absent=lambda _: "udp:192.0.2.1",  # RFC 5737: an address of nobody
        garbage=_garbage("replay"),
        readings=frozenset({"AssociationReading"}),
        options={"senders": {"hall": ROUTER}, "interim_s": 300},
        secret=b"shared",
    ),
    "pcap": Rig(
        good=_stream,
        absent=lambda folder: f"serial:{folder / 'ttyUSB0'}",
        garbage=_garbage("replay"),
        readings=frozenset({"CountReading"}),
        options={},
    ),
    "probe_lines": Rig(
        good=_lines,
        absent=lambda folder: f"serial:{folder / 'ttyUSB0'}",
        garbage=_garbage("replay"),
        readings=frozenset({"CountReading"}),
        options={},
    ),
    "tzsp": Rig(
        good=_datagrams,
        absent=lambda _: "udp:192.0.2.1",
        garbage=_garbage("replay"),
        readings=frozenset({"CountReading"}),
        options={"senders": {"hall": ROUTER}},
    ),
    "wifi": Rig(
        good=_capture,
        absent=lambda _: f"no{os.getpid()}",
        garbage=_garbage("replay"),
        readings=frozenset({"CountReading"}),
        options={"pace": "fast"},
    ),
}
