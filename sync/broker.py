"""Where the broker is and how to log in there: what a connection is opened with.

Made from the configuration by `edge/operation/settings.py`, used by `sync/mqtt.py`. Pure; the files
it names are read at each attempt, by `sync/credentials.py`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Version = Literal["auto", "5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is and how to log in. Files are read at each attempt.

    `token_file` takes the place of the password. `protocol` "auto" is 5, or 3.1.1 at a broker that
    does not understand 5.
    """

    host: str
    port: int
    client_id: str
    username: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    tls: bool = False
    """On without being said when there is a `ca_file` or a `cert_file`."""
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    protocol: Version = "auto"
    keepalive_s: int = 60
    session_expiry_s: int = 600
    """Short: what must not be lost stands in our own cursors, not in the broker's session."""

    @property
    def encrypted(self) -> bool:
        """Whether the broker has to show a certificate."""
        return self.tls or self.ca_file is not None or self.cert_file is not None

    def at(self, reference: str) -> "BrokerSettings":
        """The same at the server that `reference` names: `host` or `host:port`, the first one."""
        first = reference.split()[0]
        host, _, port = first.rpartition(":")
        if host and port.isdecimal() and 0 < int(port) < 65536:
            return replace(self, host=host.strip("[]"), port=int(port))
        return replace(self, host=first.strip("[]"))


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says (retained) when we have been gone for `delay_s`; at once in 3.1.1."""

    topic: str
    payload: bytes
    delay_s: int = 30
