"""Routers that stream what they hear as TZSP over UDP, MikroTik's first of all.

Run by `sensors/worker.py`. `device` is `udp:ADDRESS[:PORT]`, an address of this box, or
`replay:PATH`, a capture of such datagrams. TZSP knows no password: only senders that are named
in `senders` count. It sends nothing and never decides who was heard.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import field

from edge.records import Short
from hardware import tzsp
from hardware.address import HardwareAddress, address_of
from hardware.allowance import TOO_FAST, Allowance
from hardware.dot11 import BARE, ProbeParser, ProbeRequest
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from sensors.radar.record import Heard
from sensors.recorded import captured, recording
from sensors.senders import Senders, by_address, require_named

if TYPE_CHECKING:
    from hardware.endpoint import Endpoint

DATAGRAMS_PER_TURN = 256
"""Of one sender, before it is the next one's turn."""
WAIT_S = 1.0
PER_S_MAX = 5000
"""Of one router: twice what three radios on full channels can hear; more is made up."""
BURST_MAX = 10_000
"""What may have waited in a router or in a buffer and comes at once."""
WRONG_MS = 60_000
"""So long after the last wrong datagram a sender is said to send wrong ones."""
COMMAND = (
    "On the router run: /interface wireless sniffer set streaming-server={here} "
    "streaming-enabled=yes multiple-channels=yes; "
    "/interface wireless sniffer sniff interface=wlan1."
)


class TzspOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "tzsp", besides those of every radar.

    `senders` names each router that is allowed: `senders = { hall = "192.168.88.1" }`. `heard_by`
    can name the hardware address of the radio that must have heard what such a router sends.
    """

    senders: Senders = field(default_factory=dict)
    heard_by: dict[Short, HardwareAddress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError, which msgspec hands on as its own, if a router cannot be told by these."""
        by_address(self.senders)
        if unknown := set(self.heard_by) - set(self.senders):
            raise ValueError(f"{min(unknown)} in heard_by is none of the senders")


SENSOR = Sensor(
    kind="tzsp", options=TzspOptions, needs=Needs(peers=("the routers that stream TZSP",))
)


def observe(core: CoreLink, device: str, options: TzspOptions) -> None:
    """Report what the routers hear until the core hangs up."""
    from hardware.endpoint import udp_endpoint

    require_named(options.senders)
    radar = Radar(core, options)
    if (path := recording(device)) is not None:
        replay(core, radar, path, options)
        return
    listen(core, radar, udp_endpoint(device, tzsp.PORT), options)


def listen(core: CoreLink, radar: Radar, here: "Endpoint", options: TzspOptions) -> None:
    """Take turns among the senders, so that none waits for another's flood."""
    from hardware.datagrams import DatagramPort

    remedy = COMMAND.format(here=here.host)
    routers = list(routers_of(radar, options).values())
    with DatagramPort(here, options.senders.values()) as port:
        core.healthy("listening")
        strangers = Strangers(radar)
        while True:
            port.wait(core.fileno(), WAIT_S)
            now_ms = time.monotonic_ns() // 1_000_000
            radar.tick(now_ms)
            for router, inbox in zip(routers, port.known, strict=True):
                for _ in range(DATAGRAMS_PER_TURN):
                    datagram = inbox.receive()
                    if datagram is None:
                        break
                    router.take(datagram, now_ms)
                if lost := inbox.lost():
                    radar.lost(router.name, lost)
            for _ in range(DATAGRAMS_PER_TURN):
                sender = port.strangers.stranger()
                if sender is None:
                    break
                strangers.take(sender)
            if lost := port.strangers.lost():
                core.dropped("kernel_full", lost)
            say_health(core, routers, remedy, now_ms)
            core.poll()


def replay(core: CoreLink, radar: Radar, path: Path, options: TzspOptions) -> None:
    """Report what a capture of datagrams holds; one that is cut short counts as far as it goes."""
    from hardware.udp_frame import datagram
    from sensors.radar.recording import played

    routers = routers_of(radar, options)
    strangers = Strangers(radar)

    for at_ms, (_, link_type, frame) in played(core, radar, captured(core, path), options.pace):
        found = datagram(link_type, frame)
        if found is None or found.port != tzsp.PORT:
            continue
        if found.sender in routers:
            routers[found.sender].take(found.payload, at_ms)
        else:
            strangers.take(found.sender)


def say_health(core: CoreLink, routers: "list[Router]", remedy: str, now_ms: int) -> None:
    """Whether the routers send what can be used; the core hears it when it changes."""
    wrong = [one.name for one in routers if one.is_wrong(now_ms)]
    if wrong:
        core.unhealthy(f"{', '.join(wrong)}: Ethernet in TZSP, not what the radio hears.", remedy)
    else:
        core.healthy("listening")


def routers_of(radar: Radar, options: TzspOptions) -> "dict[str, Router]":
    """The routers that may send, by address."""
    return {
        address: Router(radar, name, options.heard_by.get(name, ""))
        for address, name in by_address(options.senders).items()
    }


class Router:
    """One router that may send; with `heard_by`, only what that one has heard."""

    def __init__(self, radar: Radar, name: str, heard_by: str = "") -> None:
        self.name = name
        self._radar = radar
        self._parse = ProbeParser(BARE).parse
        self._allowance = Allowance(PER_S_MAX, BURST_MAX)
        self._insists = address_of(heard_by)
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
            self._radar.refuse(TOO_FAST)
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
    """Everybody who is not in `senders`: counted, and the first one is named."""

    def __init__(self, radar: Radar) -> None:
        self._radar = radar
        self._named = False

    def take(self, sender: str) -> None:
        """A datagram of `sender`, unread."""
        self._radar.refuse("tzsp_unknown_sender")
        if not self._named:
            self._named = True
            print(
                f"tzsp: {sender} sends datagrams but is not in `senders`.",
                file=sys.stderr,
                flush=True,
            )
