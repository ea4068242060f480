"""Routers that stream what they hear as TZSP over UDP, MikroTik's first of all.

Run by `sensors/worker.py`. `device` is `udp:ADDRESS[:PORT]`, an address of this box, or
`replay:PATH`, a capture of such datagrams. TZSP knows no password: only senders that are named
in `sources` count. It sends nothing and never decides who was heard.
"""

import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from edge.errors import BadFrame, ConfigError, WrongDevice
from hardware import tzsp
from hardware.dot11 import BARE, ProbeParser, ProbeRequest
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.allowance import Allowance
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from sensors.radar.record import Heard

if TYPE_CHECKING:
    from hardware.capture_file import Record

DATAGRAMS_PER_TURN = 256
"""Of one sender, before it is the next one's turn."""
WAIT_S = 1.0
WRONG_MS = 60_000
"""So long after the last wrong datagram a sender is said to send wrong ones."""
SOURCES_MAX = 16
UDP_PREFIX = "udp:"
FILE_PREFIXES = ("replay:", "simulated:")
COMMAND = (
    "On the router run: /interface wireless sniffer set streaming-server={here} "
    "streaming-enabled=yes multiple-channels=yes; "
    "/interface wireless sniffer sniff interface=wlan1."
)

Address = Annotated[str, Meta(min_length=2, max_length=60)]
HardwareAddress = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}([:-](?=.)|$)){6}$")]


class SourceOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """One router: its address, what it is called, and the address of its radio to insist on."""

    address: Address
    name: Annotated[str, Meta(min_length=1, max_length=41)]
    radio: HardwareAddress | None = None


class TzspOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "tzsp", besides those of every radar."""

    sources: Annotated[tuple[SourceOptions, ...], Meta(max_length=SOURCES_MAX)] = ()


SENSOR = Sensor(
    kind="tzsp", options=TzspOptions, needs=Needs(peers=("the routers that stream TZSP",))
)


def observe(core: CoreLink, device: str, options: TzspOptions) -> None:
    """Report what the routers hear until the core hangs up."""
    check_sources(options.sources)
    radar = Radar(core, options)
    for prefix in FILE_PREFIXES:
        if device.startswith(prefix):
            replay(core, radar, Path(device.removeprefix(prefix)), options)
            return
    if not device.startswith(UDP_PREFIX):
        raise WrongDevice(f"'{device}' is no TZSP device.", "Write udp:ADDRESS or replay:PATH.")
    listen(core, radar, device.removeprefix(UDP_PREFIX), options)


def check_sources(sources: tuple[SourceOptions, ...]) -> None:
    """ConfigError if none is named, one is named twice, or one not by its address."""
    if not sources:
        raise ConfigError(
            "No router is named whose TZSP datagrams count.",
            "Name each in `sources`: { address = ADDRESS, name = NAME }.",
        )
    for field in ("address", "name"):
        if len({getattr(one, field) for one in sources}) < len(sources):
            raise ConfigError(f"Two `sources` have the same {field}.", "Give each its own.")
    for one in sources:
        try:
            ip_address(one.address)
        except ValueError as error:
            raise ConfigError(
                f"'{one.address}' in `sources` is no address.", "Give the router a fixed one."
            ) from error


def listen(core: CoreLink, radar: Radar, where: str, options: TzspOptions) -> None:
    """Take turns among the senders, so that none waits for another's flood."""
    from hardware.datagrams import DatagramPort
    from hardware.endpoint import endpoint

    here = endpoint(where, tzsp.PORT)
    remedy = COMMAND.format(here=here.host)
    sources = [Source(radar, one) for one in options.sources]
    with DatagramPort(here, [one.address for one in options.sources]) as port:
        core.healthy("listening")
        strangers = Strangers(radar)
        while True:
            port.wait(core.fileno(), WAIT_S)
            now_ms = time.monotonic_ns() // 1_000_000
            radar.tick(now_ms)
            for source, inbox in zip(sources, port.known, strict=True):
                for _ in range(DATAGRAMS_PER_TURN):
                    datagram = inbox.receive()
                    if datagram is None:
                        break
                    source.take(datagram, now_ms)
            for _ in range(DATAGRAMS_PER_TURN):
                sender = port.strangers.stranger()
                if sender is None:
                    break
                strangers.take(sender)
            if lost := sum(inbox.lost() for inbox in port.inboxes):
                core.dropped("kernel_full", lost)
            say_health(core, sources, remedy, now_ms)
            core.poll()


def replay(core: CoreLink, radar: Radar, path: Path, options: TzspOptions) -> None:
    """Report what a capture of datagrams holds; one that is cut short counts as far as it goes."""
    from hardware.udp_frame import datagram
    from sensors.radar.recording import played

    sources = {one.address: Source(radar, one) for one in options.sources}
    strangers = Strangers(radar)

    for at_ms, (_, link_type, frame) in played(core, radar, captured(core, path)):
        found = datagram(link_type, frame)
        if found is None or found.port != tzsp.PORT:
            continue
        if found.sender in sources:
            sources[found.sender].take(found.payload, at_ms)
        else:
            strangers.take(found.sender)


def captured(core: CoreLink, path: Path) -> Iterator[tuple[int, "Record"]]:
    """The records of a capture by their clock, as far as it is whole."""
    from hardware.capture_file import records

    try:
        for record in records(path):
            yield record.offset_ms, record
    except BadFrame as error:
        core.dropped("capture_damaged")
        print(f"tzsp: {error}", file=sys.stderr, flush=True)


def say_health(core: CoreLink, sources: "list[Source]", remedy: str, now_ms: int) -> None:
    """Whether the routers send what can be used; the core hears it when it changes."""
    wrong = [one.name for one in sources if one.is_wrong(now_ms)]
    if wrong:
        core.unhealthy(f"{', '.join(wrong)}: Ethernet in TZSP, not what the radio hears.", remedy)
    else:
        core.healthy("listening")


class Source:
    """One router that may send."""

    def __init__(self, radar: Radar, options: SourceOptions) -> None:
        self.name = options.name
        self._radar = radar
        self._parse = ProbeParser(BARE).parse
        self._allowance = Allowance()
        self._insists = bytes.fromhex((options.radio or "").replace("-", ":").replace(":", ""))
        self._wrong_ms: int | None = None

    def is_wrong(self, now_ms: int) -> bool:
        """Whether it has lately sent Ethernet, of which no radio knows anything."""
        return self._wrong_ms is not None and now_ms - self._wrong_ms < WRONG_MS

    def take(self, datagram: bytes, at_ms: int) -> None:
        """Count the probe request in it, or why there is none."""
        found = tzsp.packet(datagram)
        if not isinstance(found, tzsp.Packet):
            if found is not None:
                self._refuse(found, at_ms)
            return
        if self._insists and found.sensor != self._insists:
            self._radar.refuse("tzsp_other_radio")
            return
        heard = self._parse(datagram[found.start :])
        if not isinstance(heard, ProbeRequest):
            self._radar.take(heard, self.name, at_ms)
        elif not self._allowance.spend(at_ms):
            self._radar.refuse("sender_too_fast")
        else:
            signal, channel = found.rssi_dbm, found.channel
            record = Heard(
                at_ms, self.name, heard.source, signal, channel, heard.seq, heard.fingerprint
            )
            self._radar.hear(record)

    def _refuse(self, why: tzsp.Refusal, at_ms: int) -> None:
        self._radar.refuse(why.value)
        if why is tzsp.Refusal.ETHERNET:
            self._wrong_ms = at_ms


class Strangers:
    """Everybody who is not in `sources`: counted, and the first one is named."""

    def __init__(self, radar: Radar) -> None:
        self._radar = radar
        self._named = False

    def take(self, sender: str) -> None:
        """A datagram of `sender`, unread."""
        self._radar.refuse("tzsp_unknown_sender")
        if not self._named:
            self._named = True
            print(
                f"tzsp: {sender} sends datagrams but is not in `sources`.",
                file=sys.stderr,
                flush=True,
            )
