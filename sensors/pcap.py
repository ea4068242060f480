"""Radars that stream pcap: an ESP32 on a serial line, an access point's tcpdump over TCP or ssh.

Run by `sensors/worker.py`. `device` is `serial:PATH`, `tcp:HOST:PORT` (this side connects),
`fifo:PATH`, or `replay:PATH`, the recorded bytes of such a stream with all its garbage. A frame
counts when it arrives, because its sender's clock may be anything. Nothing is ever sent.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from edge.errors import WrongDevice
from hardware.pcap_stream import PcapStream, StreamRecord
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import Pace, RadarOptions
from sensors.radar.radar import Radar
from sensors.recorded import opened, recording

if TYPE_CHECKING:
    from sensors.radar.stream import Line

READ_BYTES = 64 * 1024


class PcapOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "pcap", besides those of every radar.

    `baud_rate` is of a serial line; USB devices without a converter ignore it.
    """

    baud_rate: Annotated[int, Meta(ge=9600, le=4_000_000)] = 921_600


SENSOR = Sensor(
    kind="pcap",
    options=PcapOptions,
    needs=Needs(
        devices=("char-ttyACM", "char-ttyUSB"), peers=("the access point that streams, if by TCP",)
    ),
)


def observe(core: CoreLink, device: str, options: PcapOptions) -> None:
    """Report the probe requests in the stream until the core hangs up."""
    radar = Radar(core, options)
    if (path := recording(device)) is not None:
        replay(core, radar, path, options.pace)
        return
    listen(core, radar, device.partition(":")[2], reach(device, options.baud_rate))


def reach(device: str, baud_rate: int) -> "Callable[[], Line[bytes]]":
    """How to open what `device` names."""
    from hardware.byte_line import Fifo, TcpLine
    from hardware.serial_port import SerialPort

    way, _, place = device.partition(":")
    match way:
        case "serial":
            return partial(SerialPort, place, baud_rate, "radar")
        case "tcp":
            return partial(TcpLine, place)
        case "fifo":
            return partial(Fifo, place)
    raise WrongDevice(
        f"'{device}' is no stream.", "Write serial:PATH, tcp:HOST:PORT, fifo:PATH or replay:PATH."
    )


def listen(core: CoreLink, radar: Radar, name: str, open_line: "Callable[[], Line[bytes]]") -> None:
    """Report what the line brings, whatever comes between the records."""
    from sensors.radar.stream import now_ms, pieces

    stream = PcapStream()
    for chunk in pieces(core, radar, open_line):
        for record in stream.feed(chunk) if chunk else stream.lapse():
            radar.take(record.found, name, now_ms())
        if skipped := stream.skipped():
            radar.refuse("stream_bytes_skipped", skipped)
        if chunk is None:
            stream = PcapStream()


def replay(core: CoreLink, radar: Radar, path: Path, pace: Pace) -> None:
    """Report what a recorded stream holds, each record by its sender's clock."""
    from sensors.radar.recording import played

    for at_ms, record in played(core, radar, stream_records(radar, path), pace):
        radar.take(record.found, path.name, at_ms)


def stream_records(radar: Radar, path: Path) -> Iterator[tuple[int, StreamRecord]]:
    """The records of a recorded stream by their clock. DeviceNotFound if it cannot be read."""
    stream = PcapStream()
    with opened(path) as file:
        while chunk := file.read(READ_BYTES):
            yield from ((record.clock_ms, record) for record in stream.feed(chunk))
    yield from ((record.clock_ms, record) for record in stream.lapse())
    if skipped := stream.skipped():
        radar.refuse("stream_bytes_skipped", skipped)
