"""The one record of all routes: one transmission of one phone, as some radio heard it.

Made by each route, taken by `Radar.hear`, which hashes the address at once. It lives as long as
that call and is never sent, stored or shown.
"""

from msgspec import Struct


class Heard(Struct, frozen=True, gc=False):
    """`at_ms` counts on the sensor's own steady time line; `radio` tells which radio heard it.

    `source` is the sender's address (6 bytes), `seq` the 12-bit sequence number, `fingerprint`
    the 8 bytes of `hardware.dot11`. A route that knows no sequence number or no elements gives
    None: the record is then of presence only, and no device is counted from it.
    """

    at_ms: int
    radio: str
    source: bytes
    rssi_dbm: int | None = None
    channel: int | None = None
    seq: int | None = None
    fingerprint: bytes | None = None

    @property
    def presence_only(self) -> bool:
        """Whether it says only that somebody is there."""
        return self.seq is None or self.fingerprint is None

    @property
    def randomised(self) -> bool:
        """Whether the address was made up: local, or a group's, which some phones make up too."""
        return bool(self.source[0] & 3)

    def __repr__(self) -> str:
        """Without the address: a representation may end up in a log."""
        return f"Heard(radio={self.radio!r}, seq={self.seq}, rssi_dbm={self.rssi_dbm})"
