"""Where something is in the network, as `device` spells it: HOST:PORT, [IPV6]:PORT.

Called by the drivers that open sockets, and where addresses are compared. It resolves nothing and
opens nothing.
"""

import errno
import re
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from edge.errors import DeviceNotFound, WrongDevice

PORT_MAX = 65_535
UDP_PREFIX = "udp:"
_SPELLED = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\[\]:/@\s]+))(?::(\d{1,5}))?")


class Endpoint(NamedTuple):
    """A host (name or address) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(spelled: str, port: int | None = None) -> Endpoint:
    """What `spelled` names; `port` is used where it names none.

    WrongDevice if that is no host and port.
    """
    match = _SPELLED.fullmatch(spelled)
    if match:
        host = match[1] or match[2]
        number = int(match[3]) if match[3] else port or 0
        if 0 < number <= PORT_MAX:
            return Endpoint(host, number)
    raise WrongDevice(
        f"'{spelled}' names no host and port.", "Write HOST:PORT, or [ADDRESS]:PORT for IPv6."
    )


def udp_endpoint(spelled: str, port: int) -> Endpoint:
    """Where `udp:ADDRESS[:PORT]` listens, one address of this machine. WrongDevice if not."""
    if not spelled.startswith(UDP_PREFIX):
        raise WrongDevice(
            f"'{spelled}' is no place to listen at.", "Write udp:ADDRESS, an address of this box."
        )
    here = endpoint(spelled.removeprefix(UDP_PREFIX), port)
    require_one_address(here)
    return here


def require_one_address(here: Endpoint) -> None:
    """WrongDevice if `here` is a name, or every address of the machine at once."""
    try:
        address = ip_address(here.host.partition("%")[0])
    except ValueError as error:
        raise WrongDevice(
            f"'{here.host}' is no address.", "Name the box's own address in the shop's network."
        ) from error
    if address.is_unspecified or address.is_multicast:
        raise WrongDevice(
            f"{here.host} would listen on every network of the box.",
            "Name the one address at which the senders reach it.",
        )


def cannot_listen(here: Endpoint, error: OSError) -> DeviceNotFound:
    """Why nothing can listen at UDP `here`, as a sentence."""
    match error.errno:
        case errno.EADDRNOTAVAIL:
            return DeviceNotFound(
                f"This machine has no address {here.host}.", "See `ip address`; correct `device`."
            )
        case errno.EADDRINUSE:
            return DeviceNotFound(
                f"Another program listens at UDP {here}.", f"See `ss -lunp sport = {here.port}`."
            )
    return DeviceNotFound(
        f"UDP {here} cannot be listened at: {error.strerror}.",
        "Check `device`, the addresses in `senders`, and `ip route`.",
    )


def plain(address: str) -> str:
    """An IP address in its one usual spelling: without zone, IPv4 in IPv6 as IPv4.

    ValueError if it is none.
    """
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
