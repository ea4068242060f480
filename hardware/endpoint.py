"""Where something is in the network, as `device` spells it: HOST:PORT, [IPV6]:PORT.

Called by the drivers that open sockets. It resolves nothing and opens nothing.
"""

import re
from typing import NamedTuple

from edge.errors import WrongDevice

PORT_MAX = 65_535
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
